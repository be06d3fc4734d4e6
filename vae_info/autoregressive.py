"""Autoregressive binary images: exact log_prob in one pass, and a sampler.

An image is cut into square blocks of s x s pixels, taken row by row, and each
block is one symbol out of 2^(s s):

    log d(x|z) = sum_t log Categorical(symbol_t | symbols before t, z).

With s = 1 that is the usual pixel by pixel; s = 2 is just as exact and has a
quarter of the positions. A network gives all positions' logits in one pass;
sampling goes position by position.

#### References

[1]: Aaron van den Oord, Nal Kalchbrenner and Koray Kavukcuoglu. Pixel
     Recurrent Neural Networks. _ICML_, 2016.
[2]: Prajit Ramachandran et al. Fast Generation for Convolutional
     Autoregressive Models. _ICLR workshop_, 2017. (Caching.)
"""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import layers

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
  """Symbols by inversion: logits `[N, K]`, uniforms `[N]` -> int32 `[N]`."""
  below = tf.cumsum(tf.nn.softmax(logits), axis=-1)[:, :-1]
  return tf.reduce_sum(tf.cast(uniforms[:, None] >= below, tf.int32), axis=-1)


def sample_by_full_passes(
  network,
  context: tf.Tensor,
  uniforms: tf.Tensor,
  condition: tf.Tensor | None = None,
) -> tf.Tensor:
  """Samples with one pass over the whole image for each position.

  Args:
    network: Has `logits(symbols, context, condition)`.
    context: `[N, ...]`, what the network makes of the codes.
    uniforms: `[N, rows, columns]` in [0, 1): the randomness, all of it.
    condition: `[F]` or `[N, F]` for a range of betas.

  Returns:
    Symbols, int32 `[N, rows, columns]`.
  """
  count, rows, columns = uniforms.shape
  symbols = tf.zeros([count, rows * columns], tf.int32)
  for position in tf.range(rows * columns):
    grid = tf.reshape(symbols, [count, rows, columns])
    logits = network.logits(grid, context, condition)
    logits = tf.reshape(logits, [count, rows * columns, -1])
    flat = tf.reshape(uniforms, [count, -1])
    drawn = pick(logits[:, position], flat[:, position])
    here = tf.one_hot(position, rows * columns, dtype=tf.int32)
    symbols += drawn[:, None] * here
  return tf.reshape(symbols, [count, rows, columns])


class AutoregressiveImage(tfd.Distribution):
  """Binary images drawn block by block; batch `[B]`, event `[H, W, 1]`."""

  def __init__(
    self,
    network,
    context: tf.Tensor,
    batch_shape: tf.Tensor | tuple[int, ...],
    image_shape: tuple[int, int, int],
    condition: tf.Tensor | None = None,
    validate_args: bool = False,
    allow_nan_stats: bool = True,
    name: str = 'AutoregressiveImage',
  ):
    """Makes the distribution that a network gives in a context.

    Args:
      network: Has an attribute `block`; `logits(symbols, context, condition)`,
        int32 `[N, rows, columns]` -> `[N, rows, columns, 2**(block * block)]`;
        and may have `sample(context, uniforms, condition)`, faster than a full
        pass for each position.
      context: `[N, ...]`, with N the product of `batch_shape`.
      batch_shape: Of the codes.
      image_shape: (H, W, 1), multiples of the network's block.
      condition: `[F]` or `[N, F]` for a range of betas.
      validate_args: As in any `tfd.Distribution`.
      allow_nan_stats: As in any `tfd.Distribution`.
      name: As in any `tfd.Distribution`.
    """
    parameters = dict(locals())
    self._network = network
    self._context = context
    self._condition = condition
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
    context, condition = self._context, self._condition
    if images.shape[0] is None or images.shape[0] != context.shape[0]:
      # More images than codes: each leading sample repeats the batch.
      repeats = tf.shape(images)[0] // tf.shape(context)[0]
      context, condition = self._repeat(repeats)
    logits = self._network.logits(symbols, context, condition)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
      labels=symbols, logits=tf.cast(logits, tf.float32)
    )
    return tf.reshape(-tf.reduce_sum(losses, axis=[1, 2]), shape)

  def _repeat(self, times):
    """Context and condition, one batch after the other."""
    context, condition = self._context, self._condition
    context = tf.tile(context, [times] + [1] * (len(context.shape) - 1))
    if condition is not None and len(condition.shape) > 1:
      condition = tf.tile(condition, [times, 1])
    return context, condition

  def _sample_n(self, n, seed=None):
    height, width, _ = self._image_shape
    block = self._network.block
    context, condition = self._repeat(n)
    seed = tfp.random.sanitize_seed(seed, salt='AutoregressiveImage')
    uniforms = tf.random.stateless_uniform(
      [context.shape[0], height // block, width // block], seed
    )
    if hasattr(self._network, 'sample'):
      symbols = self._network.sample(context, uniforms, condition)
    else:
      symbols = sample_by_full_passes(
        self._network, context, uniforms, condition
      )
    images = to_images(symbols, block)
    shape = [[n], self._batch_shape_tensor(), self._event_shape_tensor()]
    return tf.reshape(images, tf.concat(shape, axis=0))


class _Masked(tf.Module):
  """A convolution over `above` rows above and `reach` columns to either side.

  It sees what is above and to the left, and with `self_too` the place itself.
  `[N, H, W, inputs] -> [N, H, W, outputs]`.

  Attributes:
    taps: int `[T, 2]`, the places seen, as (rows up, columns right).
  """

  def __init__(self, inputs, outputs, above, reach, self_too, rng, gain):
    super().__init__()
    mask = np.ones((above + 1, 2 * reach + 1, 1, 1), np.float32)
    mask[-1, reach + int(self_too) :] = 0
    self.taps = np.argwhere(mask[..., 0, 0]) - (above, reach)
    self._pads = [[0, 0], [above, 0], [reach, reach], [0, 0]]
    self.conv = layers.Conv(
      inputs,
      outputs,
      mask.shape[:2],
      rng,
      padding='VALID',
      gain=gain,
      mask=mask,
    )

  def __call__(self, x):
    return self.conv(tf.pad(x, self._pads))

  def flat(self, dtype):
    """The seen part of the kernel, `[outputs, T inputs]`, and the bias."""
    conv = self.conv
    inputs, outputs = conv.kernel.shape[2:]
    kernel = tf.reshape(conv.kernel, [-1, inputs, outputs])
    kernel = tf.gather(kernel, np.flatnonzero(conv.mask))
    kernel = tf.transpose(tf.reshape(kernel, [-1, outputs]))
    return tf.cast(kernel, dtype), tf.cast(conv.bias[:, None], dtype)


class CausalStack(tf.Module):
  """Residual masked convolutions over a grid of 2x2 blocks.

  The first layer looks far (4 rows up, 4 columns to either side) at bits,
  which is cheap; the hidden ones look next to them. As in [1]'s first
  PixelCNN, what lies above and far to the right stays unseen: the first
  layer's width makes that little, and one stack costs half of two.

  The context, `[N, rows, columns, width]`, joins only at the end: what pixels
  tell of each other is learned without the code, and the code adds to it. There
  too, for a range of betas, the condition scales and shifts the channels.
  """

  def __init__(
    self,
    width: int,
    depth: int,
    dtype: str,
    rng: np.random.Generator,
    conditions: int = 0,
  ):
    super().__init__()
    self.block = 2
    self.width = width
    self._dtype = dtype
    bits = self.block**2
    gain = math.sqrt(2.0)
    self.first = _Masked(bits, width, 4, 4, False, rng, gain)
    self.hidden = [
      _Masked(width, width, 1, 1, True, rng, gain=0.7) for _ in range(depth)
    ]
    self.modulation = layers.modulation(conditions, width)
    self.out = layers.Dense(width, 2**bits, rng, gain=0.1)

  def _bits(self, symbols):
    """Symbols as `block**2` channels of -1 and 1."""
    places = np.arange(self.block**2, dtype=np.int32)
    bits = tf.bitwise.right_shift(symbols[..., None], places) & 1
    return tf.cast(2 * bits - 1, self._dtype)

  def logits(
    self,
    symbols: tf.Tensor,
    context: tf.Tensor,
    condition: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """int32 `[N, rows, columns]` -> float32 `[N, rows, columns, 16]`."""
    x = self.first(self._bits(symbols))
    for layer in self.hidden:
      x += tf.nn.leaky_relu(layer(x))
    if condition is not None:
      x = self.modulation(x, condition)
    return tf.cast(self.out(tf.nn.leaky_relu(x + context)), tf.float32)

  @tf.function(jit_compile=True)
  def sample(
    self,
    context: tf.Tensor,
    uniforms: tf.Tensor,
    condition: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """As `sample_by_full_passes`, computing each activation just once.

    Every layer keeps its input at the positions drawn so far, [channels, N]
    at each position of a padded grid: so the few positions that a kernel sees
    are, read one after the other, the right side of one matrix product. XLA
    updates the grids in place.
    """
    count, rows, columns = uniforms.shape
    network = [self.first, *self.hidden]
    above, reach = -np.min([layer.taps.min(axis=0) for layer in network], 0)
    stride = columns + 2 * reach  # Of the padded grid, flat.
    depths = [self.block**2] + [self.width] * len(self.hidden)
    grids = [
      tf.zeros([(rows + above) * stride, depth, count], self._dtype)
      for depth in depths
    ]
    flat = [
      (*layer.flat(self._dtype), layer.taps @ (stride, 1)) for layer in network
    ]
    context = tf.reshape(context, [count, rows * columns, self.width])
    context = tf.transpose(context, [1, 0, 2])
    uniforms = tf.transpose(tf.reshape(uniforms, [count, -1]))

    def put(grid, place, value):
      return tf.tensor_scatter_nd_update(grid, [[place]], value[None])

    def apply(layer, grid, place):
      kernel, bias, taps = layer
      window = tf.reshape(tf.gather(grid, place + taps), [-1, count])
      return tf.matmul(kernel, window) + bias

    def step(position, symbols, grids):
      row, column = position // columns, position % columns
      place = (row + above) * stride + column + reach
      x = apply(flat[0], grids[0], place)
      new = []
      for layer, grid in zip(flat[1:], grids[1:], strict=True):
        new.append(put(grid, place, x))
        x += tf.nn.leaky_relu(apply(layer, new[-1], place))
      x = tf.transpose(x)
      if condition is not None:
        x = self.modulation(x, condition)
      logits = self.out(tf.nn.leaky_relu(x + context[position]))
      drawn = pick(tf.cast(logits, tf.float32), uniforms[position])
      symbols = put(symbols, position, drawn)
      bits = tf.transpose(self._bits(drawn))
      return position + 1, symbols, [put(grids[0], place, bits), *new]

    _, symbols, _ = tf.while_loop(
      lambda position, *_: position < rows * columns,
      step,
      (0, tf.zeros([rows * columns, count], tf.int32), grids),
    )
    return tf.reshape(tf.transpose(symbols), [count, rows, columns])
