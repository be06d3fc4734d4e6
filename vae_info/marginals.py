"""Marginals m(z): the distributions over codes that a rate is measured by.

`marginal()` gives a tfd.Distribution with batch [] and event [L]. It is a call
because VampPrior is made anew from the current encoder. For a range of betas,
`marginal(condition)`; its batch is [B] where each example has a beta.

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


def _standard_normal(shape) -> tfd.Distribution:
  """`shape` is that of batch and event, `[..., L]`."""
  return tfd.MultivariateNormalDiag(tf.zeros(shape), tf.ones(shape))


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

  def __call__(self, condition: tf.Tensor | None = None) -> tfd.Distribution:
    del condition  # It stays as it is.
    return _standard_normal([self._size])


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
    self.modulations = [
      layers.modulation(config.conditions, size)
      for size in (shape[0], shape[1], shape[1])
    ]

  def __call__(self, condition: tf.Tensor | None = None) -> tfd.Distribution:
    logits, means, scales = self.logits, self.means, self.scales
    if condition is not None:
      of_logits, of_means, of_scales = self.modulations
      logits = of_logits(logits, condition)
      # Between batch and event, the components.
      condition = condition[..., None, :]
      means, scales = of_means(means, condition), of_scales(scales, condition)
    return tfd.MixtureSameFamily(
      tfd.Categorical(logits=logits),
      tfd.MultivariateNormalDiag(means, tf.nn.softplus(scales) + MIN_SCALE),
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
      layers.Made(
        config.latent_size,
        self.HIDDEN[config.architecture],
        rng,
        config.conditions,
      )
      for _ in range(4)
    ]

  def __call__(self, condition: tf.Tensor | None = None) -> tfd.Distribution:
    batch = [] if condition is None else condition.shape[:-1]
    return tfd.TransformedDistribution(
      _standard_normal([*batch, self._size]),
      autoregressive_flow(self.mades, condition),
    )


class VampPrior(tf.Module):
  """A mixture of the encoder's distributions at learned pseudo-inputs.

  Attributes:
    distinct_betas: For a range of betas, how many different ones a batch may
      have: the encoder sees the pseudo-inputs once for each. The condition of
      example i must be that of example i + distinct_betas.
  """

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
    self.modulation = layers.modulation(config.conditions, count)
    self.encoder = encoder
    self.distinct_betas = 2

  def pseudo_inputs(self) -> tf.Tensor:
    """Images in (0, 1), `[K, H, W, 1]`."""
    return tf.sigmoid(self.unconstrained)

  def __call__(self, condition: tf.Tensor | None = None) -> tfd.Distribution:
    # A flow that all components share is taken out of the mixture: it is
    # then inverted once and not for each component, and from its cache where
    # the code was drawn through it.
    encoder = getattr(self.encoder, 'base', self.encoder)
    if condition is None:
      logits = self.logits
      parameters = encoder.parameters(self.pseudo_inputs())
    else:
      logits = self.modulation(self.logits, condition)
      parameters = self._conditioned(encoder, condition)
    mixture = tfd.MixtureSameFamily(
      tfd.Categorical(logits=logits), encoder.distribution(parameters)
    )
    if encoder is self.encoder:
      return mixture
    return tfd.TransformedDistribution(mixture, self.encoder.flow(condition))

  def _conditioned(self, encoder, condition):
    """The encoder's parameters at pseudo-inputs, `[K, P]` or `[B, K, P]`."""
    images = self.pseudo_inputs()
    if len(condition.shape) == 1:
      return encoder.parameters(images, condition)
    size = len(condition)
    parameters = [
      encoder.parameters(images, condition[i])
      for i in range(min(self.distinct_betas, size))
    ]
    # One after the other, over and over: as the conditions are.
    return tf.gather(tf.stack(parameters), np.arange(size) % len(parameters))


MARGINALS = {
  'gaussian': GaussianMarginal,
  'mixture': MixtureMarginal,
  'maf': MafMarginal,
  'vampprior': VampPrior,
}
