"""Decoders d(x|z): codes in, a distribution over binary images out.

`decoder(codes)`: float32 `[..., B, L]` -> tfd.Distribution, batch `[..., B]`,
event `[H, W, 1]`.

- `deconvolutional`: independent Bernoulli pixels.
- `deconvolutional_invariant`: the same, up to a transformation of the image
  plane that the code need not know; see `invariant.py`.
- `autoregressive`: each pixel depends on the code and on the pixels before it.
- `local_autoregressive`: each pixel depends on the code and on the few pixels
  before it that are near, up to a transformation; see `local.py`.

The `paper` size is that of [1], appendix F, where they are called - and +. The
first has gated transposed convolutions. The second is a PixelCNN++ [2] with
gated residual layers. The code enters it as a second channel of the image.

Not reproduced: [1] says neither where dropout was, if anywhere, nor which
filter sizes its PixelCNN++ had. Here there is no dropout, and sizes are those
of [2]. They are 2x3 for the stack that sees rows above, and 2x2 for the one
that also sees the row so far.

#### References

[1]: Alexander Alemi et al. Fixing a Broken ELBO. _ICML_, 2018.
[2]: Tim Salimans et al. PixelCNN++. _ICLR_, 2017.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import compact, invariant, layers, local
from vae_info.networks.autoregressive import AutoregressiveImage
from vae_info.networks.causal_stack import CausalStack
from vae_info.networks.pixel_cnn import PixelCnn

tfd = tfp.distributions


def _paper_deconvolution(
  make: layers.Make, image_shape: tuple[int, int, int], size: int
) -> list[layers.Part]:
  """Codes `[N, size]` -> logits `[N, H, W, C]`, [1] appendix F."""
  height, width, channels = image_shape
  # A transposed convolution of a 1x1 image is a dense layer.
  coarse = (height // 4, width // 4, 64)
  gain = layers.GATED_GAIN
  parts = [
    make.channels(size, codes=True),
    make.dense(size, 2 * math.prod(coarse), gain=gain),
    layers.gated,
    layers.to_shape(*coarse),
  ]
  inputs = 64
  for depth, kernel, stride in (
    (64, 5, 1),
    (64, 5, 2),
    (32, 5, 1),
    (32, 5, 2),
    (32, 4, 1),
  ):
    layer = make.conv_transpose(
      inputs, 2 * depth, kernel, stride=stride, gain=gain
    )
    parts += [layer, layers.gated]
    inputs = depth
  return [*parts, make.shared.conv(inputs, channels, 5)]


def _check_image_shape(image_shape: tuple[int, int, int]) -> None:
  """Raises `UserError` if no decoder can make images of this shape."""
  height, width, channels = image_shape
  if height % 4 or width % 4 or channels != 1:
    raise UserError(
      f'the decoder needs images of one channel whose height and width are '
      f'multiples of 4, found {height} x {width} x {channels}'
    )


def _flatten(codes: tf.Tensor, dtype: str) -> tf.Tensor:
  """Codes `[..., B, L]` -> `[N, L]`, where N is the product of `[..., B]`."""
  return tf.cast(tf.reshape(codes, [-1, codes.shape[-1]]), dtype)


class DeconvolutionalDecoder(tf.Module):
  """Independent Bernoulli pixels, given the code."""

  NETWORKS = {'compact': compact.deconvolution, 'paper': _paper_deconvolution}

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    _check_image_shape(image_shape)
    network = self.NETWORKS[config.architecture]
    self.network = layers.Chain(*network(make, image_shape, config.latent_size))
    self._image_shape = image_shape
    self._dtype = config.precision

  def logits(self, codes: tf.Tensor) -> tf.Tensor:
    """Codes `[..., B, L]` -> float32 `[..., B, H, W, C]`."""
    logits = self.network(_flatten(codes, self._dtype))
    shape = tf.concat([tf.shape(codes)[:-1], self._image_shape], axis=0)
    return tf.reshape(tf.cast(logits, tf.float32), shape)

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    return tfd.Independent(tfd.Bernoulli(logits=self.logits(codes)), 3)


class InvariantDecoder(tf.Module):
  """The images of a `DeconvolutionalDecoder`, transformed at random."""

  GRID = invariant.Grid(
    shears=(-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6),
    rows=(-1, 1),
    columns=(-2, 0, 2),
  )

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    self.upright = DeconvolutionalDecoder(config, image_shape, make)
    height, width, _ = image_shape
    self._moves = invariant.Moves(self.GRID.sources(height, width))
    # All transformations start equal, and what is outside starts dark.
    self.weights = make.free(tf.zeros([len(self._moves.sources)]))
    self.background = make.free(tf.fill([1], -6.0))

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    return invariant.TransformedImage(
      self.upright.logits(codes),
      self._moves,
      self.weights(),
      self.background(),
    )


class LocalDecoder(tf.Module):
  """The maps of a `DeconvolutionalDecoder`; pixels also see pixels near them.

  The transformations are shears and shifts: whole pixels of a map that is
  turned or scaled would be jagged.
  """

  GRID = invariant.Grid(
    shears=(-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6), columns=(-2, 0, 2)
  )

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    self.upright = DeconvolutionalDecoder(config, image_shape, make)
    self.windows = local.Windows(config.precision, make)
    height, width, _ = image_shape
    self._sources = self.GRID.sources(height, width)
    self.weights = make.free(tf.zeros([len(self._sources)]))
    self.background = make.free(tf.fill([1], -6.0))

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    return local.LocalImage(
      self.upright.logits(codes),
      self.windows,
      self._sources,
      self.weights(),
      self.background(),
    )


class _CompactAutoregression(tf.Module):
  """A `CausalStack` over cells of 4x4 pixels."""

  def __init__(self, config, image_shape, make):
    super().__init__()
    shape = compact.SHAPE
    self.context = layers.Chain(
      *compact.context(make, image_shape, config.latent_size)
    )
    self.pixels = CausalStack(
      shape.stack_width, shape.stack_depth, config.precision, make
    )


class _PaperAutoregression(tf.Module):
  """PixelCNN++. A gated layer makes the code one more channel of the image."""

  def __init__(self, config, image_shape, make):
    super().__init__()
    height, width, _ = image_shape
    size = config.latent_size
    self.context = layers.Chain(
      make.channels(size, codes=True),
      make.dense(size, 2 * height * width),
      layers.gated,
      layers.to_shape(height, width, 1),
    )
    self.pixels = PixelCnn(config.precision, make)


class AutoregressiveDecoder(tf.Module):
  """Each pixel given the code and the pixels before it."""

  NETWORKS = {'compact': _CompactAutoregression, 'paper': _PaperAutoregression}

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    _check_image_shape(image_shape)
    self.network = self.NETWORKS[config.architecture](config, image_shape, make)
    self._image_shape = image_shape
    self._dtype = config.precision

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    return AutoregressiveImage(
      self.network.pixels,
      self.network.context(_flatten(codes, self._dtype)),
      tf.shape(codes)[:-1],
      self._image_shape,
    )


DECODERS = {
  'deconvolutional': DeconvolutionalDecoder,
  'deconvolutional_invariant': InvariantDecoder,
  'autoregressive': AutoregressiveDecoder,
  'local_autoregressive': LocalDecoder,
}
