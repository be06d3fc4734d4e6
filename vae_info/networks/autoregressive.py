"""Autoregressive binary images: exact log_prob in one pass, and a sampler.

An image is cut into square blocks of s x s pixels, taken row by row. Each block
is one symbol out of 2^(s s):

    log d(x|z) = sum_t log Categorical(symbol_t | symbols before t, z).

With s = 1 this goes pixel by pixel, as usual. s = 2 is just as exact, and has a
quarter of the positions. A network computes the logits of all positions in one
pass. Sampling goes position by position.

#### References

[1]: Aaron van den Oord, Nal Kalchbrenner and Koray Kavukcuoglu. Pixel
     Recurrent Neural Networks. _ICML_, 2016.
[2]: Prajit Ramachandran et al. Fast Generation for Convolutional
     Autoregressive Models. _ICLR workshop_, 2017. (Caching.)
"""

from typing import Protocol

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks import layers, xla

tfd = tfp.distributions


def to_symbols(images: tf.Tensor, block: int) -> tf.Tensor:
  """`[N, H, W, 1]` of 0 and 1 -> int32 `[N, H / block, W / block]`."""
  bits = tf.cast(images, tf.int32)
  if block > 1:
    bits = tf.nn.space_to_depth(bits, block)
  places = 2 ** np.arange(block * block, dtype=np.int32)
  return tf.reduce_sum(bits * places, axis=-1)


def to_images(symbols: tf.Tensor, block: int) -> tf.Tensor:
  """The inverse of `to_symbols`, float32."""
  places = np.arange(block * block, dtype=np.int32)
  bits = tf.bitwise.right_shift(symbols[..., None], places) & 1
  images = tf.cast(bits, tf.float32)
  return tf.nn.depth_to_space(images, block) if block > 1 else images


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
  """Samples with one pass over the whole image for each position.

  Args:
    network: Computes the logits.
    context: `[N, ...]`, made from the codes by a decoder.
    uniforms: `[N, rows, columns]` in [0, 1), all that is random here.

  Returns:
    Symbols, int32 `[N, rows, columns]`.
  """
  count, rows, columns = uniforms.shape
  size = rows * columns
  uniforms = tf.reshape(uniforms, [count, size])

  def step(position, symbols):
    grid = tf.reshape(symbols, [count, rows, columns])
    logits = tf.reshape(network.logits(grid, context), [count, size, -1])
    drawn = pick(logits[:, position], uniforms[:, position])
    here = tf.one_hot(position, size, dtype=tf.int32)
    return position + 1, symbols + drawn[:, None] * here

  # Not a `for` of AutoGraph, which calls through a distribution do not reach.
  _, symbols = tf.while_loop(
    lambda position, _: position < size,
    step,
    (0, tf.zeros([count, size], tf.int32)),
  )
  return tf.reshape(symbols, [count, rows, columns])


class PixelNetwork(Protocol):
  """A network that computes the probabilities of symbols.

  Attributes:
    block: s; a symbol stands for s x s pixels.
  """

  block: int

  def logits(self, symbols: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """int32 `[N, rows, columns]` -> `[N, rows, columns, 2**(s * s)]`.

    A decoder makes `context`, `[N, ...]`, from the codes.
    """

  def sample(self, context: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Gives the same as `sample_by_full_passes`, maybe faster."""


class AutoregressiveImage(tfd.Distribution):
  """Binary images drawn block by block; batch `[B]`, event `[H, W, 1]`."""

  def __init__(
    self,
    network: PixelNetwork,
    context: tf.Tensor,
    batch_shape: tf.Tensor | tuple[int, ...],
    image_shape: tuple[int, int, int],
    validate_args: bool = False,
    allow_nan_stats: bool = True,
    name: str = 'AutoregressiveImage',
  ):
    """Makes the distribution of images that a network gives in a context.

    Args:
      network: Computes logits, and samples.
      context: `[N, ...]`, where N is the product of `batch_shape`.
      batch_shape: The shape of the codes without their last axis.
      image_shape: (H, W, 1), multiples of the network's block.
      validate_args: As in any `tfd.Distribution`.
      allow_nan_stats: As in any `tfd.Distribution`.
      name: As in any `tfd.Distribution`.
    """
    parameters = dict(locals())
    self._network = network
    self._context = context
    self._codes_shape = batch_shape
    self._image_shape = image_shape
    super().__init__(
      dtype=tf.float32,
      reparameterization_type=tfd.NOT_REPARAMETERIZED,
      validate_args=validate_args,
      allow_nan_stats=allow_nan_stats,
      parameters=parameters,
      name=name,
    )

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {}

  def _batch_shape(self):
    return tf.TensorShape(tf.get_static_value(self._codes_shape))

  def _batch_shape_tensor(self):
    return tf.convert_to_tensor(self._codes_shape, tf.int32)

  def _event_shape(self):
    return tf.TensorShape(self._image_shape)

  def _event_shape_tensor(self):
    return tf.constant(self._image_shape, tf.int32)

  def _log_prob(self, images):
    shape = tf.broadcast_dynamic_shape(
      tf.shape(images)[:-3], self._batch_shape_tensor()
    )
    images = tf.broadcast_to(
      images, tf.concat([shape, self._event_shape_tensor()], axis=0)
    )
    images = tf.reshape(images, [-1, *self._image_shape])
    symbols = to_symbols(images, self._network.block)
    context = self._context
    if images.shape[0] is None or images.shape[0] != context.shape[0]:
      # There are S images for each code: repeat the batch of codes S times.
      context = self._repeat(tf.shape(images)[0] // tf.shape(context)[0])
    logits = self._network.logits(symbols, context)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=symbols, logits=tf.cast(logits, tf.float32)
    )
    return tf.reshape(-tf.reduce_sum(losses, axis=[1, 2]), shape)

  def _repeat(self, times):
    """The whole context `times` times, one after the other."""
    context = self._context
    return tf.tile(context, [times] + [1] * (len(context.shape) - 1))

  def _sample_n(self, n, seed=None):
    height, width, _ = self._image_shape
    block = self._network.block
    context = self._repeat(n)
    seed = tfp.random.sanitize_seed(seed, salt='AutoregressiveImage')
    uniforms = tf.random.stateless_uniform(
      [context.shape[0], height // block, width // block], seed
    )
    images = to_images(self._network.sample(context, uniforms), block)
    shape = [[n], self._batch_shape_tensor(), self._event_shape_tensor()]
    return tf.reshape(images, tf.concat(shape, axis=0))


class _Masked(tf.Module):
  """A masked convolution, `[N, H, W, inputs] -> [N, H, W, outputs]`.

  Its kernel spans `above` rows above and `reach` columns to either side. It
  sees rows above and what is to the left, and with `self_too` the place itself.

  Attributes:
    taps: int `[T, 2]`, the places that it sees, as (row, column) relative to
      its own. Rows above are negative.
  """

  def __init__(self, inputs, outputs, above, reach, self_too, make, gain):
    super().__init__()
    mask = np.ones((above + 1, 2 * reach + 1, 1, 1), np.float32)
    mask[-1, reach + int(self_too) :] = 0
    self.taps = np.argwhere(mask[..., 0, 0]) - (above, reach)
    self._pads = [[0, 0], [above, 0], [reach, reach], [0, 0]]
    self.conv = make.shared.conv(
      inputs, outputs, mask.shape[:2], padding='VALID', gain=gain, mask=mask
    )

  def __call__(self, x):
    return self.conv(tf.pad(x, self._pads))

  def flat(self, dtype):
    """The kernel at `taps`, `[outputs, T inputs]`; the bias, `[outputs, 1]`."""
    conv = self.conv
    inputs, outputs = conv.kernel.shape[2:]
    kernel = tf.reshape(conv.kernel, [-1, inputs, outputs])
    kernel = tf.gather(kernel, np.flatnonzero(conv.mask))
    kernel = tf.transpose(tf.reshape(kernel, [-1, outputs]))
    return tf.cast(kernel, dtype), tf.cast(conv.bias[:, None], dtype)


class CausalStack(tf.Module):
  """Residual masked convolutions over a grid of 2x2 blocks.

  The first layer sees far: 4 rows up, and 4 columns to either side. This is
  cheap, because it sees bits. The hidden layers see adjacent blocks alone.

  As in the PixelCNN of [1], some blocks above and far to the right stay unseen.
  A second stack would see them, at twice the cost. The wide first layer leaves
  few of them.

  The context, `[N, rows, columns, 2 width]`, joins at both ends: one half after
  the first layer, the other before the output. There a multi-beta model also
  scales and shifts the channels of the stack.
  """

  def __init__(
    self,
    width: int,
    depth: int,
    dtype: str,
    make: layers.Make,
  ):
    super().__init__()
    self.block = 2
    self.width = width
    self._dtype = dtype
    bits = self.block**2
    self.first = _Masked(bits, width, 4, 4, False, make, layers.RELU_GAIN)
    self.hidden = [
      _Masked(width, width, 1, 1, True, make, gain=0.7) for _ in range(depth)
    ]
    self.channels = make.channels(width)
    self.out = make.shared.dense(width, 2**bits, gain=0.1)

  def _bits(self, symbols):
    """Symbols `[...]` -> their bits as -1 and 1, `[..., block**2]`."""
    places = np.arange(self.block**2, dtype=np.int32)
    bits = tf.bitwise.right_shift(symbols[..., None], places) & 1
    return tf.cast(2 * bits - 1, self._dtype)

  def logits(self, symbols: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """int32 `[N, rows, columns]` -> float32 `[N, rows, columns, 16]`."""
    early, late = tf.split(context, 2, axis=-1)
    x = self.first(self._bits(symbols)) + early
    for layer in self.hidden:
      x += tf.nn.silu(layer(x))
    x = self.channels(x)
    return tf.cast(self.out(tf.nn.silu(x + late)), tf.float32)

  def sample(self, context: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """The same as `sample_by_full_passes`, but each activation is cached [2].

    `context` is `[N, rows, columns, 2 width]`.
    """
    if xla.compiles_here():
      return self._compiled_sample(context, uniforms)
    return self._sample(context, uniforms)

  @tf.function(jit_compile=True)
  def _compiled_sample(self, context, uniforms):
    return self._sample(context, uniforms)

  def _sample(self, context, uniforms):
    """Samples, with a cache of each layer's inputs.

    A cache is a padded grid, flat, with `[channels, N]` at each position. A
    kernel sees a few positions. Gathered one after the other, they are the
    right side of one matrix product. XLA updates the grids in place.
    """
    count, rows, columns = uniforms.shape
    network = [self.first, *self.hidden]
    above, reach = -np.min([layer.taps.min(axis=0) for layer in network], 0)
    # 1. Empty caches, with zeros around the image.
    stride = columns + 2 * reach  # From a row of a grid to the next.
    depths = [self.block**2] + [self.width] * len(self.hidden)
    grids = [
      tf.zeros([(rows + above) * stride, depth, count], self._dtype)
      for depth in depths
    ]
    # 2. Kernels without what is masked, and where they look in a flat grid.
    flat = [
      (*layer.flat(self._dtype), layer.taps @ (stride, 1)) for layer in network
    ]
    context = tf.reshape(context, [count, rows * columns, 2 * self.width])
    early, late = tf.split(tf.transpose(context, [1, 0, 2]), 2, axis=-1)
    uniforms = tf.transpose(tf.reshape(uniforms, [count, -1]))

    def step(position, symbols, grids):
      row, column = position // columns, position % columns
      place = (row + above) * stride + column + reach
      x = _apply(flat[0], grids[0], place) + tf.transpose(early[position])
      new = []
      for layer, grid in zip(flat[1:], grids[1:], strict=True):
        new.append(_put(grid, place, x))
        x += tf.nn.silu(_apply(layer, new[-1], place))
      x = self.channels(tf.transpose(x))
      logits = self.out(tf.nn.silu(x + late[position]))
      drawn = pick(tf.cast(logits, tf.float32), uniforms[position])
      symbols = _put(symbols, position, drawn)
      bits = tf.transpose(self._bits(drawn))
      return position + 1, symbols, [_put(grids[0], place, bits), *new]

    _, symbols, _ = tf.while_loop(
      lambda position, *_: position < rows * columns,
      step,
      (0, tf.zeros([rows * columns, count], tf.int32), grids),
    )
    return tf.reshape(tf.transpose(symbols), [count, rows, columns])


def _put(grid, place, value):
  """A copy of a grid `[places, ...]` that has `value` at one place."""
  return tf.tensor_scatter_nd_update(grid, [[place]], value[None])


def _apply(layer, grid, place):
  """The output of a masked convolution at one place, `[outputs, N]`."""
  kernel, bias, taps = layer
  window = tf.gather(grid, place + taps)
  return tf.matmul(kernel, tf.reshape(window, [-1, grid.shape[-1]])) + bias
