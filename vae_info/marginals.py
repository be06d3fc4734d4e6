"""Marginals m(z): the distributions over codes that a rate is measured by.

`marginal()` gives a tfd.Distribution with batch [] and event [L]. It is a call
because VampPrior is made anew from the current encoder.

- `gaussian`: the standard normal; nothing to learn.
- `mixture`: diagonal Gaussians with learned weights, means and scales.
- `maf`: a standard normal pushed through mean-only masked autoregressive flow
  ([1]'s marginal +): 4 steps, hidden layers of 640 units in the paper's size.
- `vampprior`: m(z) = sum_k w_k p(z|u_k) with learned pseudo-inputs u_k and
  weights w_k ([2]; [1]'s marginal v).

Not reproduced: [2]'s pseudo-inputs are clipped to [0, 1] and start near 0.05;
here they are sigmoids, never stuck at a bound, and start at training images.

#### References

[1]: Alexander Alemi et al. Fixing a Broken ELBO. _ICML_, 2018.
[2]: Jakub Tomczak and Max Welling. VAE with a VampPrior. _AISTATS_, 2018.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import layers
from vae_info.config import Config
from vae_info.encoders import MIN_SCALE, autoregressive_flow

tfb = tfp.bijectors
tfd = tfp.distributions

Encoder = Callable[[tf.Tensor], tfd.Distribution]


def _standard_normal(size: int) -> tfd.Distribution:
  return tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))


class GaussianMarginal(tf.Module):
  """The standard normal."""

  def __init__(
    self,
    config: Config,
    images: np.ndarray,
    rng: np.random.Generator,
    encoder: Encoder,
  ):
    super().__init__()
    del images, rng, encoder
    self._size = config.latent_size

  def __call__(self) -> tfd.Distribution:
    return _standard_normal(self._size)


class MixtureMarginal(tf.Module):
  """A learned mixture of diagonal Gaussians."""

  COMPONENTS = {'compact': 100, 'paper': 500}

  def __init__(
    self,
    config: Config,
    images: np.ndarray,
    rng: np.random.Generator,
    encoder: Encoder,
  ):
    super().__init__()
    del images, encoder
    shape = (self.COMPONENTS[config.architecture], config.latent_size)
    self.logits = tf.Variable(tf.zeros(shape[:1]))
    self.means = layers.weights(rng, shape, fan_in=1, gain=0.5)
    # softplus(0.54) = 1.
    self.scales = tf.Variable(tf.fill(shape, 0.54))

  def __call__(self) -> tfd.Distribution:
    return tfd.MixtureSameFamily(
      tfd.Categorical(logits=self.logits),
      tfd.MultivariateNormalDiag(
        self.means, tf.nn.softplus(self.scales) + MIN_SCALE
      ),
    )


class MafMarginal(tf.Module):
  """A standard normal through masked autoregressive flow."""

  HIDDEN = {'compact': (128, 128), 'paper': (640, 640, 640)}

  def __init__(
    self,
    config: Config,
    images: np.ndarray,
    rng: np.random.Generator,
    encoder: Encoder,
  ):
    super().__init__()
    del images, encoder
    self._size = config.latent_size
    # Kept as an attribute: a bijector does not track the networks inside it.
    self.mades = [
      layers.Made(config.latent_size, self.HIDDEN[config.architecture], rng)
      for _ in range(4)
    ]

  def __call__(self) -> tfd.Distribution:
    return tfd.TransformedDistribution(
      _standard_normal(self._size), autoregressive_flow(self.mades)
    )


class VampPrior(tf.Module):
  """A mixture of the encoder's distributions at learned pseudo-inputs."""

  COMPONENTS = {'compact': 100, 'paper': 500}

  def __init__(
    self,
    config: Config,
    images: np.ndarray,
    rng: np.random.Generator,
    encoder: Encoder,
  ):
    super().__init__()
    count = min(self.COMPONENTS[config.architecture], len(images))
    chosen = images[rng.choice(len(images), count, replace=False)]
    # Images of 0 and 1, drawn in to 0.1 and 0.9, where a sigmoid has slope.
    self.unconstrained = tf.Variable(
      math.log(9.0) * (2.0 * chosen.astype(np.float32) - 1.0)
    )
    self.logits = tf.Variable(tf.zeros([count]))
    self.encoder = encoder

  def pseudo_inputs(self) -> tf.Tensor:
    """Images in (0, 1), `[K, H, W, 1]`."""
    return tf.sigmoid(self.unconstrained)

  def __call__(self) -> tfd.Distribution:
    mixture = tfd.Categorical(logits=self.logits)
    # A flow that all components share is taken out of the mixture: it is
    # then inverted once and not for each component, and from its cache where
    # the code was drawn through it.
    flow = getattr(self.encoder, 'flow', None)
    if flow is None:
      return tfd.MixtureSameFamily(mixture, self.encoder(self.pseudo_inputs()))
    components = self.encoder.base(self.pseudo_inputs())
    return tfd.TransformedDistribution(
      tfd.MixtureSameFamily(mixture, components), flow
    )


MARGINALS = {
  'gaussian': GaussianMarginal,
  'mixture': MixtureMarginal,
  'maf': MafMarginal,
  'vampprior': VampPrior,
}
