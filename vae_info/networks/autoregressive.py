"""Autoregressive binary images: exact log_prob in one pass, and a sampler.

An image is cut into square cells, taken row by row. A cell is one pixel, or 4x4
pixels, which are four blocks of 2x2. A pixel is a symbol out of 2, a block one
out of 16:

    log d(x|z) = sum_t log Categorical(symbol_t | symbols before t, z).

The order is by cells, and by blocks within a cell. It is as exact as pixel by
pixel, and has a quarter of the symbols. A network computes the logits of all
symbols in one pass. Sampling goes symbol by symbol.

#### References

[1]: Aaron van den Oord, Nal Kalchbrenner and Koray Kavukcuoglu. Pixel
     Recurrent Neural Networks. _ICML_, 2016.
"""

import math
from typing import Protocol

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks.images import ImageInContext, count_of


def grid(height: int, width: int, cell: int) -> tuple[int, int, int]:
  """Rows and columns of cells in an image, and symbols in a cell."""
  return height // cell, width // cell, (cell // min(cell, 2)) ** 2


def to_bits(symbols: tf.Tensor, cell: int) -> tf.Tensor:
  """int32 `[...]` -> the pixels of each symbol, `[..., 1]` or `[..., 4]`."""
  places = np.arange(min(cell, 2) ** 2, dtype=np.int32)
  return tf.bitwise.right_shift(symbols[..., None], places) & 1


def to_symbols(images: tf.Tensor, cell: int) -> tf.Tensor:
  """`[N, H, W, 1]` of 0 and 1 -> int32 `[N, rows, columns, P]`; see `grid`."""
  bits = tf.cast(images, tf.int32)
  rows, columns, parts = grid(images.shape[1], images.shape[2], cell)
  if cell > 1:
    bits = tf.nn.space_to_depth(bits, 2)
  if parts > 1:
    bits = tf.nn.space_to_depth(bits, cell // 2)
  bits = tf.reshape(bits, [-1, rows, columns, parts, min(cell, 2) ** 2])
  places = 2 ** np.arange(bits.shape[-1], dtype=np.int32)
  return tf.reduce_sum(bits * places, axis=-1)


def to_images(symbols: tf.Tensor, cell: int) -> tf.Tensor:
  """The inverse of `to_symbols`, float32."""
  bits = tf.cast(to_bits(symbols, cell), tf.float32)
  rows, columns, parts, pixels = bits.shape[1:]
  images = tf.reshape(bits, [-1, rows, columns, parts * pixels])
  if parts > 1:
    images = tf.nn.depth_to_space(images, cell // 2)
  return tf.nn.depth_to_space(images, 2) if cell > 1 else images


def pick(logits: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
  """Draws symbols by inverting their cumulative distribution.

  Args:
    logits: `[N, K]`.
    uniforms: `[N]` in [0, 1).

  Returns:
    int32 `[N]`.
  """
  below = tf.cumsum(tf.nn.softmax(logits), axis=-1)[:, :-1]
  return tf.reduce_sum(tf.cast(uniforms[:, None] >= below, tf.int32), axis=-1)


def sample_by_full_passes(
  network: 'PixelNetwork',
  context: tf.Tensor,
  uniforms: tf.Tensor,
) -> tf.Tensor:
  """Samples with one pass over the whole image for each symbol.

  Args:
    network: Computes the logits.
    context: `[N, ...]`, made from the codes by a decoder.
    uniforms: `[N, rows, columns, P]` in [0, 1), all that is random here.

  Returns:
    Symbols, int32 `[N, rows, columns, P]`.
  """
  count, shape = count_of(uniforms), uniforms.shape[1:]
  size = math.prod(shape)
  uniforms = tf.reshape(uniforms, [count, size])

  def step(position, symbols):
    whole = tf.reshape(symbols, [count, *shape])
    logits = tf.reshape(network.logits(whole, context), [count, size, -1])
    drawn = pick(logits[:, position], uniforms[:, position])
    here = tf.one_hot(position, size, dtype=tf.int32)
    return position + 1, symbols + drawn[:, None] * here

  _, symbols = tf.while_loop(
    lambda position, _: position < size,
    step,
    (0, tf.zeros([count, size], tf.int32)),
  )
  return tf.reshape(symbols, [count, *shape])


class PixelNetwork(Protocol):
  """A network that computes the probabilities of symbols.

  Attributes:
    cell: The height and width of a cell, 1 or 4 pixels; see `grid`.
  """

  cell: int

  def logits(self, symbols: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """int32 `[N, rows, columns, P]` -> `[N, rows, columns, P, K]`.

    K is 2 or 16, the number of different symbols.

    A decoder makes `context`, `[N, ...]`, from the codes.
    """

  def sample(self, context: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Gives the same as `sample_by_full_passes`, maybe faster."""


class AutoregressiveImage(ImageInContext):
  """Binary images drawn symbol by symbol; batch `[B]`, event `[H, W, 1]`."""

  def __init__(
    self,
    network: PixelNetwork,
    context: tf.Tensor,
    batch_shape: tf.Tensor | tuple[int, ...],
    image_shape: tuple[int, int, int],
  ):
    """Makes the distribution of images that a network gives in a context.

    Args:
      network: Computes logits, and samples.
      context: `[N, ...]`, where N is the product of `batch_shape`.
      batch_shape: The shape of the codes without their last axis.
      image_shape: (H, W, 1), multiples of the network's cell.
    """
    parameters = dict(locals())
    self._network = network
    super().__init__(context, batch_shape, image_shape, parameters)

  def _log_prob(self, images):
    images, shape = self._for_each_code(images)
    symbols = to_symbols(images, self._network.cell)
    logits = self._network.logits(symbols, self._context_of(images, shape))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=symbols, logits=tf.cast(logits, tf.float32)
    )
    return tf.reshape(-tf.reduce_sum(losses, axis=[1, 2, 3]), shape)

  def _sample_n(self, n, seed=None):
    height, width, _ = self._image_shape
    cell = self._network.cell
    context = self._repeated(n)
    seed = tfp.random.sanitize_seed(seed, salt='AutoregressiveImage')
    uniforms = tf.random.stateless_uniform(
      [count_of(context), *grid(height, width, cell)], seed
    )
    drawn = self._network.sample(context, uniforms)
    return self._in_shape(to_images(drawn, cell), n)
