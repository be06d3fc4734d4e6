"""One model for a range of betas: networks that are told log beta.

With `--beta=LOW:HIGH` each example of a step has a beta of its own, and layers
scale and shift their channels by what is made of

    s = (log beta - middle) / standard deviation,    |s| <= sqrt(3).

So one training gives the whole curve of rate, distortion and label distortion
([1], who gate activations by s; here an affine function of a few features of s
gates and shifts each channel, after [2]). A `condition` is those features:
`[F]` for one beta, or `[B, F]` for a beta of each example. A model of one beta
has none of this.

In the compact networks the layers of the largest images are left as they are:
the first two of the encoder, and the stack of the autoregressive decoder up to
where the code joins. They would cost half of what all this costs.

#### References

[1]: Juhan Bae et al. Multi-Rate VAE: Train Once, Get the Full Rate-Distortion
     Curve. _ICLR_, 2023.
[2]: Ethan Perez et al. FiLM: Visual Reasoning with a General Conditioning
     Layer. _AAAI_, 2018.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vae_info.config import Config

# Of (1 + beta), by which each example's loss is divided. With 0 the large betas
# drown the small ones; with 1 it is the other way round.
WEIGHT_POWER = 0.7


def features(config: Config, log_betas: tf.Tensor) -> tf.Tensor:
  """Log betas `[...]` -> conditions, float32 `[..., F]`."""
  low, high = np.log(config.beta_range)
  s = (log_betas - (low + high) / 2) * math.sqrt(12.0) / (high - low)
  ones = tf.ones_like(s)
  return tf.stack([ones, s, s**2, tf.sin(2.0 * s), tf.cos(2.0 * s)], axis=-1)


def nested_gates(config: Config) -> np.ndarray | None:
  """First gates of the dimensions of a code, `[F, latent_size]`.

  All are open at the lowest beta; with rising beta they shut one after the
  other. If all began open, large betas would empty most of them for good
  before the gates had learned to tell betas apart.
  """
  if not config.conditions:
    return None
  gates = np.zeros([config.conditions, config.latent_size])
  steepness, end = 3.0, math.sqrt(3.0)
  gates[0] = steepness * np.linspace(end, -end, config.latent_size)
  gates[1] = -steepness
  return gates


def draw_log_betas(config: Config, seed: tf.Tensor, distinct: int) -> tf.Tensor:
  """Log betas of one batch, float32 `[batch_size]`.

  By the arcsine law, which is densest at the ends of the range, where a beta
  has neighbours on one side alone; and stratified: of `distinct` parts of
  equal probability, each has one draw. Example i has the beta of example
  i + distinct.
  """
  low, high = np.log(config.beta_range)
  parts = tf.range(distinct, dtype=tf.float32)
  uniforms = (parts + tf.random.stateless_uniform([distinct], seed)) / distinct
  places = 0.5 - 0.5 * tf.cos(np.pi * uniforms)
  log_betas = low + (high - low) * places
  return tf.gather(log_betas, np.arange(config.batch_size) % distinct)


def weights(betas: tf.Tensor) -> tf.Tensor:
  """What each example's D + beta R is multiplied by in the loss, `[B]`."""
  return 1.0 / (1.0 + betas) ** WEIGHT_POWER


def betas(config: Config, count: int) -> list[float]:
  """`count` betas, evenly spaced in log beta over the trained range."""
  low, high = config.beta_range
  rounded = [float(f'{beta:.4g}') for beta in np.geomspace(low, high, count)]
  return [min(max(beta, low), high) for beta in rounded]


class ModelAt:
  """A model of a range of betas, held at some: to use like a `model.Model`.

  Attributes:
    encoder: `encoder(images)`, and its halves.
    decoder: `decoder(codes)`.
    marginal: `marginal()`, of batch `[]`, or `[B]` for a beta of each example.
  """

  def __init__(self, model, condition: tf.Tensor):
    """`condition`: as `features` makes it, `[F]` or `[B, F]`."""
    self.encoder = _EncoderAt(model.encoder, condition)
    self.decoder = functools.partial(model.decoder, condition=condition)
    self.marginal = functools.partial(model.marginal, condition=condition)


class _EncoderAt:
  def __init__(self, encoder, condition):
    self.inner, self.condition = encoder, condition
    self.parameters = functools.partial(encoder.parameters, condition=condition)
    self.distribution = functools.partial(
      encoder.distribution, condition=condition
    )

  def __call__(self, images):
    return self.distribution(self.parameters(images))


def at_beta(config: Config, model, beta: float) -> ModelAt:
  """The model at one beta of its range."""
  return ModelAt(model, features(config, tf.constant(math.log(beta))))


def parameters_at_each(
  models: Sequence[ModelAt], images: tf.Tensor
) -> tf.Tensor:
  """The encoder's parameters at several betas of one model, `[K, B, P]`.

  What the betas have in common is computed once, if the encoder tells what
  that is by a `stem`.
  """
  encoders = [model.encoder for model in models]
  inner = encoders[0].inner
  assert all(encoder.inner is inner for encoder in encoders)
  if hasattr(inner, 'stem'):
    stem = inner.stem(images)
    each = [inner.parameters_of_stem(stem, e.condition) for e in encoders]
  else:
    each = [encoder.parameters(images) for encoder in encoders]
  return tf.stack(each)
