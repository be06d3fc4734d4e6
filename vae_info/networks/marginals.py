"""Marginals m(z): distributions over codes, as in R = E log p(z|x) / m(z).

`marginal()` returns a tfd.Distribution with batch [] and event [L]. It is a
call because VampPrior is made anew from the current encoder.

- `gaussian`: the standard normal, with nothing to learn.
- `mixture`: diagonal Gaussians with learned weights, means and scales.
- `maf`: a standard normal pushed through mean-only masked autoregressive flow
  ([1]'s marginal +). It has 4 steps. In the paper's size, hidden layers have
  640 units.
- `vampprior`: m(z) = sum_k w_k p(z|u_k) with learned pseudo-inputs u_k and
  weights w_k ([2]; [1]'s marginal v).

Not reproduced: the pseudo-inputs of [2] are clipped to [0, 1] and start near
0.05. Here they are sigmoids, so none is stuck at a bound. They start at
training images.

#### References

[1]: Alexander Alemi et al. Fixing a Broken ELBO. _ICML_, 2018.
[2]: Jakub Tomczak and Max Welling. VAE with a VampPrior. _AISTATS_, 2018.
"""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.config import Config
from vae_info.networks import conditioning, layers
from vae_info.networks.encoders import (
  MIN_SCALE,
  autoregressive_flow,
  make_mades,
)
from vae_info.networks.protocols import Encoder, before_flow

tfb = tfp.bijectors
tfd = tfp.distributions


def _standard_normal(size: int) -> tfd.Distribution:
  return tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))


class GaussianMarginal(tf.Module):
  """The standard normal."""

  def __init__(
    self,
    config: Config,
    images: np.ndarray,
    make: layers.Make,
    encoder: Encoder,
  ):
    super().__init__()
    del images, make, encoder
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
    make: layers.Make,
    encoder: Encoder,
  ):
    super().__init__()
    del images, encoder
    shape = (self.COMPONENTS[config.architecture], config.latent_size)
    self.logits = make.free(tf.zeros(shape[:1]))
    means = layers.weights(make.rng, shape, 1, gain=0.5, name='means')
    self.means = make.free(means)
    # Scales start at softplus(0.54) = 1.
    self.scales = make.free(tf.fill(shape, 0.54))

  def __call__(self) -> tfd.Distribution:
    scales = tf.nn.softplus(self.scales()) + MIN_SCALE
    return tfd.MixtureSameFamily(
      tfd.Categorical(logits=self.logits()),
      tfd.MultivariateNormalDiag(self.means(), scales),
    )


class MafMarginal(tf.Module):
  """A standard normal pushed through masked autoregressive flow."""

  HIDDEN = {'compact': (128, 128), 'paper': (640, 640, 640)}

  def __init__(
    self,
    config: Config,
    images: np.ndarray,
    make: layers.Make,
    encoder: Encoder,
  ):
    super().__init__()
    del images, encoder
    self._size = config.latent_size
    # Kept as an attribute: a bijector does not track the networks inside it.
    self.mades = make_mades(self._size, self.HIDDEN, config, make)

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
    make: layers.Make,
    encoder: Encoder,
  ):
    super().__init__()
    count = min(self.COMPONENTS[config.architecture], len(images))
    chosen = images[make.rng.choice(len(images), count, replace=False)]
    self._largest = config.levels - 1
    # The least and the largest value start at 0.1 and 0.9 of the range, where a
    # sigmoid still has a slope.
    shares = chosen.astype(np.float32) / np.float32(self._largest)
    self.unconstrained = tf.Variable(math.log(9.0) * (2.0 * shares - 1.0))
    self.logits = make.free(tf.zeros([count]))
    self.encoder = encoder

  def pseudo_inputs(self) -> tf.Tensor:
    """The pseudo-inputs u_k, `[K, H, W, C]` in (0, 1), or in (0, 255)."""
    return self._largest * tf.sigmoid(self.unconstrained)

  def __call__(self) -> tfd.Distribution:
    # All components share the encoder's flow, so it is taken out of the
    # mixture. Then it is inverted once instead of once for each component. For
    # a code that was drawn through it, its cache has the inverse.
    encoder, flow = before_flow(self.encoder)
    images = self.pseudo_inputs()
    parameters = conditioning.for_each_beta(
      encoder, lambda encoder: encoder.parameters(images)
    )
    mixture = tfd.MixtureSameFamily(
      tfd.Categorical(logits=self.logits()), encoder.distribution(parameters)
    )
    if flow is None:
      return mixture
    return tfd.TransformedDistribution(mixture, flow)


MARGINALS = {
  'gaussian': GaussianMarginal,
  'mixture': MixtureMarginal,
  'maf': MafMarginal,
  'vampprior': VampPrior,
}
