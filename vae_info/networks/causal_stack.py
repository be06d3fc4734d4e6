"""The compact autoregressive network: a causal stack over cells of 4x4 pixels.

The stack's residual convolutions work on cells, 7x7 of them in an image of
28x28. So it costs a tenth of one on pixels. A cell's four blocks of 2x2 pixels
then go one after the other: a block also sees the blocks before it in its cell.

As in the PixelCNN of [1], some cells above and far to the right stay unseen. A
second stack would see them, at twice the cost.

#### References

[1]: Aaron van den Oord, Nal Kalchbrenner and Koray Kavukcuoglu. Pixel
     Recurrent Neural Networks. _ICML_, 2016.
[2]: Prajit Ramachandran et al. Fast Generation for Convolutional
     Autoregressive Models. _ICLR workshop_, 2017. (Caching.)
"""

import numpy as np
import tensorflow as tf

from vae_info.networks import layers, xla
from vae_info.networks.autoregressive import pick, to_bits
from vae_info.networks.images import count_of

silu = tf.nn.silu
CELL, BLOCKS, BITS = 4, 4, 4  # Pixels, blocks in a cell, pixels in a block.


class _Masked(tf.Module):
  """A masked convolution, `[N, H, W, inputs] -> [N, H, W, outputs]`.

  Its kernel sees the three cells above and the cell to the left, and with
  `self_too` the cell itself.

  Attributes:
    taps: int `[T, 2]`, the cells that it sees, as (row, column) relative to
      its own. The row above is -1.
  """

  PADS = ((0, 0), (1, 0), (1, 1), (0, 0))

  def __init__(self, inputs, outputs, self_too, make, gain):
    super().__init__()
    mask = np.ones((2, 3, 1, 1), np.float32)
    mask[-1, 1 + int(self_too) :] = 0
    self.taps = np.argwhere(mask[..., 0, 0]) - (1, 1)
    self.conv = make.shared.conv(
      inputs, outputs, mask.shape[:2], padding='VALID', gain=gain, mask=mask
    )

  def __call__(self, x):
    return self.conv(tf.pad(x, self.PADS))

  def flat(self, dtype):
    """The kernel at `taps`, `[outputs, T inputs]`; the bias, `[outputs, 1]`."""
    conv = self.conv
    inputs, outputs = conv.kernel.shape[2:]
    kernel = tf.reshape(conv.kernel, [-1, inputs, outputs])
    kernel = tf.gather(kernel, np.flatnonzero(conv.mask))
    kernel = tf.transpose(tf.reshape(kernel, [-1, outputs]))
    return tf.cast(kernel, dtype), tf.cast(conv.bias[:, None], dtype)


class CausalStack(tf.Module):
  """Logits of the blocks of each cell, given those before and a context.

  The context, `[N, rows, columns, 5 width]`, joins the stack's first layer and
  each of a cell's four blocks. A multi-beta model also scales and shifts the
  channels of the blocks.
  """

  def __init__(
    self,
    width: int,
    depth: int,
    dtype: str,
    make: layers.Make,
  ):
    super().__init__()
    self.cell = CELL
    self.width = width
    self._dtype = dtype
    shared, gain = make.shared, layers.RELU_GAIN
    # What a cell sees of its neighbours, for the stack and for each block.
    self.around = _Masked(
      BLOCKS * BITS, (1 + BLOCKS) * width, False, make, gain
    )
    self.hidden = [_Masked(width, width, True, make, 0.7) for _ in range(depth)]
    # What the blocks see of the stack, and of the blocks before them.
    self.spread = shared.dense(width, BLOCKS * width, gain=gain)
    before = np.triu(np.ones((BLOCKS, BLOCKS), np.float32), 1)
    before = np.kron(before, np.ones((BITS, width), np.float32))
    self.within = shared.dense(
      BLOCKS * BITS, BLOCKS * width, gain=gain, mask=before
    )
    # The same for each block.
    self.mix = shared.dense(width, width, gain=0.7)
    self.channels = make.channels(width)
    self.out = shared.dense(width, 2**BITS, gain=0.1)

  def _pixels(self, symbols):
    """Symbols `[..., P]` -> their pixels as -1 and 1, `[..., 4 P]`."""
    bits = 2 * to_bits(symbols, CELL) - 1
    flat = tf.concat([tf.shape(symbols)[:-1], [symbols.shape[-1] * BITS]], 0)
    return tf.cast(tf.reshape(bits, flat), self._dtype)

  def _head(self, x):
    """What blocks see, `[N, P, width]`, to float32 logits `[N, P, 16]`."""
    parts = x.shape[1]
    x = tf.reshape(x, [-1, self.width])
    x += silu(self.mix(x))
    # With four axes, the first is the batch.
    x = self.channels(tf.reshape(x, [-1, parts, 1, self.width]))
    x = self.out(silu(tf.reshape(x, [-1, self.width])))
    return tf.cast(tf.reshape(x, [-1, parts, 2**BITS]), tf.float32)

  def logits(self, symbols: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """int32 `[N, rows, columns, 4]` -> float32 `[N, rows, columns, 4, 16]`."""
    pixels = self._pixels(symbols)
    x, blocks = self._split(self.around(pixels) + context)
    for layer in self.hidden:
      x += silu(layer(x))
    blocks += self.spread(silu(x)) + self.within(pixels)
    rows, columns = symbols.shape[1:3]
    parts = rows * columns * BLOCKS
    logits = self._head(tf.reshape(blocks, [-1, parts, self.width]))
    return tf.reshape(logits, [-1, rows, columns, BLOCKS, 2**BITS])

  def _split(self, x):
    """Splits the last axis into the stack's part and the blocks' part."""
    return tf.split(x, [self.width, BLOCKS * self.width], axis=-1)

  def sample(self, context: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """The same as `sample_by_full_passes`, but each activation is cached [2].

    `context` is `[N, rows, columns, 5 width]`.
    """
    if xla.compiles_here():
      return self._compiled_sample(context, uniforms)
    return self._sample(context, uniforms)

  @tf.function(jit_compile=True, autograph=False)
  def _compiled_sample(self, context, uniforms):
    return self._sample(context, uniforms)

  def _sample(self, context, uniforms):
    """Samples cell by cell, with a cache of each layer's inputs.

    A cache is a padded grid, flat, with `[channels, N]` for each cell. A kernel
    sees a few cells. Gathered one after the other, they are the right side of
    one matrix product. XLA updates the grids in place.
    """
    count = count_of(uniforms)
    rows, columns = uniforms.shape[1:3]
    network = [self.around, *self.hidden]
    # 1. Empty caches, with zeros around the image.
    stride = columns + 2  # From a row of a grid to the next.
    depths = [BLOCKS * BITS] + [self.width] * len(self.hidden)
    grids = [
      tf.zeros([(rows + 1) * stride, depth, count], self._dtype)
      for depth in depths
    ]
    # 2. Kernels without what is masked, and where they look in a flat grid.
    flat = [
      (*layer.flat(self._dtype), layer.taps @ (stride, 1)) for layer in network
    ]
    context = tf.reshape(context, [count, rows * columns, 5 * self.width])
    context = tf.transpose(context, [1, 0, 2])
    uniforms = tf.reshape(uniforms, [count, rows * columns, BLOCKS])
    uniforms = tf.transpose(uniforms, [1, 2, 0])

    def step(position, symbols, grids):
      place = (position // columns + 1) * stride + position % columns + 1
      seen = tf.transpose(_apply(flat[0], grids[0], place)) + context[position]
      x, blocks = self._split(seen)
      x, new = tf.transpose(x), []
      for layer, grid in zip(flat[1:], grids[1:], strict=True):
        new.append(_put(grid, place, x))
        x += silu(_apply(layer, new[-1], place))
      blocks += self.spread(silu(tf.transpose(x)))
      drawn = self._draw_cell(blocks, uniforms[position])
      pixels = tf.transpose(self._pixels(drawn))
      symbols = _put(symbols, position, drawn)
      return position + 1, symbols, [_put(grids[0], place, pixels), *new]

    _, symbols, _ = tf.while_loop(
      lambda position, *_: position < rows * columns,
      step,
      (0, tf.zeros([rows * columns, count, BLOCKS], tf.int32), grids),
    )
    symbols = tf.transpose(symbols, [1, 0, 2])
    return tf.reshape(symbols, [count, rows, columns, BLOCKS])

  def _draw_cell(self, blocks, uniforms):
    """Draws a cell's blocks in turn.

    Args:
      blocks: What each block sees outside its cell, `[N, 4 width]`.
      uniforms: `[4, N]` in [0, 1).

    Returns:
      int32 `[N, 4]`.
    """
    drawn = tf.zeros([count_of(blocks), BLOCKS], tf.int32)
    for number in range(BLOCKS):
      seen = blocks + self.within(self._pixels(drawn))
      seen = tf.split(seen, BLOCKS, axis=-1)[number]
      logits = self._head(seen[:, None])[:, 0]
      here = tf.one_hot(number, BLOCKS, dtype=tf.int32)
      drawn += pick(logits, uniforms[number])[:, None] * here
    return drawn


def _put(grid, place, value):
  """A copy of a grid `[places, ...]` that has `value` at one place."""
  return tf.tensor_scatter_nd_update(grid, [[place]], value[None])


def _apply(layer, grid, place):
  """The output of a masked convolution at one place, `[outputs, N]`."""
  kernel, bias, taps = layer
  window = tf.gather(grid, place + taps)
  window = tf.reshape(window, [kernel.shape[1], -1])
  return layers.product(tf.matmul, kernel, window) + bias
