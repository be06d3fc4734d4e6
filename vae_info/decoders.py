"""Decoders d(x|z): codes in, a distribution over binary images out.

`decoder(codes)`: float32 `[..., B, L]` -> tfd.Distribution, batch `[..., B]`,
event `[H, W, 1]`. For a range of betas, `decoder(codes, condition)`.

- `deconvolutional`: independent Bernoulli pixels.
- `autoregressive`: each pixel depends on the code and on the pixels before it.

In the `paper` size they are those of [1], appendix F (there: - and +): gated
transposed convolutions, and a PixelCNN++ [2] with gated residual layers, whose
code enters as a second channel of the image. Not reproduced: [1] does not say
where dropout was, if anywhere, nor the filter sizes of its PixelCNN++, which
here are [2]'s: 2x3 for the stack that sees rows above, 2x2 for the one that
also sees the row so far.

#### References

[1]: Alexander Alemi et al. Fixing a Broken ELBO. _ICML_, 2018.
[2]: Tim Salimans et al. PixelCNN++. _ICLR_, 2017.
"""

import functools
import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import conditioning, layers, pixel_cnn
from vae_info.autoregressive import AutoregressiveImage, CausalStack
from vae_info.config import Config, UserError

tfd = tfp.distributions


def _code_gates(config):
  """Which dimensions of the code are read, for a range of betas."""
  gates = conditioning.nested_gates(config)
  return layers.modulation(config.conditions, config.latent_size, gates)


class _CompactBody(tf.Module):
  """Codes `[N, L]` -> features of 2x2 blocks, `[N, H / 2, W / 2, outputs]`."""

  WIDTH = 64

  def __init__(self, config, image_shape, outputs, rng):
    super().__init__()
    c = self.WIDTH
    self.codes = _code_gates(config)
    self._coarse = (image_shape[0] // 4, image_shape[1] // 4, c)
    gain = math.sqrt(2.0)
    self.code = layers.Dense(
      config.latent_size,
      math.prod(self._coarse),
      rng,
      gain,
      conditions=config.conditions,
    )
    conv = functools.partial(layers.Conv, rng=rng, conditions=config.conditions)
    self.coarse = [conv(c, c, 3, gain=0.7) for _ in range(2)]
    self.up = layers.Conv(c, 4 * outputs, 1, rng, gain=gain)

  def __call__(self, codes, condition):
    if condition is not None:
      codes = self.codes(codes, condition)
    x = tf.nn.leaky_relu(self.code(codes, condition))
    x = tf.reshape(x, [-1, *self._coarse])
    for layer in self.coarse:
      x += tf.nn.leaky_relu(layer(x, condition))
    return tf.nn.depth_to_space(self.up(x), 2)


class _CompactDeconvolution(tf.Module):
  """Codes `[N, L]` -> logits `[N, H, W, 1]`: the compact encoder, reversed."""

  WIDTH = 64

  def __init__(self, config, image_shape, rng):
    super().__init__()
    c = self.WIDTH
    self.body = _CompactBody(config, image_shape, c, rng)
    conv = functools.partial(layers.Conv, rng=rng, conditions=config.conditions)
    self.fine = [conv(c, c, 3, gain=0.7) for _ in range(2)]
    self.out = layers.Conv(c, 4 * image_shape[2], 3, rng, gain=0.5)

  def __call__(self, codes, condition):
    x = tf.nn.leaky_relu(self.body(codes, condition))
    for layer in self.fine:
      x += tf.nn.leaky_relu(layer(x, condition))
    return tf.nn.depth_to_space(self.out(x), 2)


class _PaperDeconvolution(tf.Module):
  """Codes `[N, L]` -> logits `[N, H, W, 1]`, [1] appendix F."""

  def __init__(self, config, image_shape, rng):
    super().__init__()
    height, width, channels = image_shape
    # A transposed convolution of a 1x1 image is a dense layer.
    self._coarse = (height // 4, width // 4, 64)
    gain = layers.GATED_GAIN
    self.codes = _code_gates(config)
    self.code = layers.Dense(
      config.latent_size,
      2 * math.prod(self._coarse),
      rng,
      gain,
      conditions=config.conditions,
    )
    self.hidden = []
    inputs = 64
    for depth, kernel, stride in (
      (64, 5, 1),
      (64, 5, 2),
      (32, 5, 1),
      (32, 5, 2),
      (32, 4, 1),
    ):
      self.hidden.append(
        layers.ConvTranspose(
          inputs, 2 * depth, kernel, rng, stride, gain, config.conditions
        )
      )
      inputs = depth
    self.out = layers.Conv(inputs, channels, 5, rng)

  def __call__(self, codes, condition):
    if condition is not None:
      codes = self.codes(codes, condition)
    x = layers.gated(self.code(codes, condition))
    x = tf.reshape(x, [-1, *self._coarse])
    for layer in self.hidden:
      x = layers.gated(layer(x, condition))
    return self.out(x)


def _check_image_shape(image_shape, multiple):
  height, width, channels = image_shape
  if height % multiple or width % multiple or channels != 1:
    raise UserError(
      f'the decoder needs images of one channel whose height and width are '
      f'multiples of {multiple}, found {height} x {width} x {channels}'
    )


def _flatten(codes, condition):
  """Codes `[..., B, L]` -> `[N, L]`, and the condition to `[N, F]` likewise."""
  if condition is not None and len(condition.shape) > 1:
    size = condition.shape[-1]
    shape = tf.concat([tf.shape(codes)[:-1], [size]], axis=0)
    condition = tf.reshape(tf.broadcast_to(condition, shape), [-1, size])
  return tf.reshape(codes, [-1, codes.shape[-1]]), condition


class DeconvolutionalDecoder(tf.Module):
  """Independent Bernoulli pixels."""

  NETWORKS = {'compact': _CompactDeconvolution, 'paper': _PaperDeconvolution}

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    rng: np.random.Generator,
  ):
    super().__init__()
    _check_image_shape(image_shape, 4)
    self.network = self.NETWORKS[config.architecture](config, image_shape, rng)
    self._image_shape = image_shape
    self._dtype = config.precision

  def __call__(
    self, codes: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tfd.Distribution:
    flat, condition = _flatten(codes, condition)
    logits = self.network(tf.cast(flat, self._dtype), condition)
    shape = tf.concat([tf.shape(codes)[:-1], self._image_shape], axis=0)
    logits = tf.reshape(tf.cast(logits, tf.float32), shape)
    return tfd.Independent(tfd.Bernoulli(logits=logits), 3)


class _CompactAutoregression(tf.Module):
  """`CausalStack` over 2x2 blocks, in the context that a body makes."""

  WIDTH, DEPTH = 64, 6

  def __init__(self, config, image_shape, rng):
    super().__init__()
    self.body = _CompactBody(config, image_shape, self.WIDTH, rng)
    self.pixels = CausalStack(
      self.WIDTH, self.DEPTH, config.precision, rng, config.conditions
    )

  def context(self, codes, condition=None):
    return self.body(codes, condition)


class _PaperAutoregression(tf.Module):
  """PixelCNN++, the code gated to one more channel of the image."""

  def __init__(self, config, image_shape, rng):
    super().__init__()
    self._plane = image_shape[:2]
    self.codes = _code_gates(config)
    self.code = layers.Dense(
      config.latent_size,
      2 * math.prod(self._plane),
      rng,
      conditions=config.conditions,
    )
    self.pixels = pixel_cnn.PixelCnn(config.precision, rng, config.conditions)

  def context(self, codes, condition=None):
    if condition is not None:
      codes = self.codes(codes, condition)
    plane = layers.gated(self.code(codes, condition))
    return tf.reshape(plane, [-1, *self._plane, 1])


class AutoregressiveDecoder(tf.Module):
  """Pixels given the code and the pixels before them."""

  NETWORKS = {'compact': _CompactAutoregression, 'paper': _PaperAutoregression}

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    rng: np.random.Generator,
  ):
    super().__init__()
    _check_image_shape(image_shape, 4)
    self.network = self.NETWORKS[config.architecture](config, image_shape, rng)
    self._image_shape = image_shape
    self._dtype = config.precision

  def __call__(
    self, codes: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tfd.Distribution:
    flat, condition = _flatten(codes, condition)
    return AutoregressiveImage(
      self.network.pixels,
      self.network.context(tf.cast(flat, self._dtype), condition),
      tf.shape(codes)[:-1],
      self._image_shape,
      condition,
    )


DECODERS = {
  'deconvolutional': DeconvolutionalDecoder,
  'autoregressive': AutoregressiveDecoder,
}
