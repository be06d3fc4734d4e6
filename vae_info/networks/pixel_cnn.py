"""PixelCNN++ [1] with one Bernoulli logit for each pixel, in the paper's size.

Two stacks run side by side. `above` sees the rows above a pixel. `left` also
sees what is to its left. Blocks at 28, 14, 7, 7, 14 and 28 pixels have two
gated residual layers each. Layers on the way up are also given, by shortcut,
the outputs of the layers of equal size on the way down.

Padding makes it causal. A 2x3 kernel is padded above and to both sides, a 2x2
kernel above and to the left. So they see no later pixel. The first layers shift
their outputs by one, so that a pixel does not see itself.

Sizes change inside, so activations are not cached. Sampling takes one full pass
for each pixel.

#### References

[1]: Tim Salimans et al. PixelCNN++. _ICLR_, 2017.
"""

import tensorflow as tf

from vae_info.networks import layers
from vae_info.networks.autoregressive import sample_by_full_passes


def _elu(x):
  """Concatenated ELU: `[..., C] -> [..., 2 C]`."""
  return tf.nn.elu(tf.concat([x, -x], axis=-1))


class _Causal(tf.Module):
  """A convolution over a row and the one above it: 2x3 or 2x2.

  With side 'above' it sees to both sides, with 'left' to the left alone.
  """

  def __init__(self, side, inputs, outputs, make, stride=1, gain=1.0):
    super().__init__()
    columns = 3 if side == 'above' else 2
    self._pads = [[0, 0], [1, 0], [1, columns - 2], [0, 0]]
    self.conv = make.conv(
      inputs, outputs, (2, columns), stride=stride, padding='VALID', gain=gain
    )

  def __call__(self, x):
    return self.conv(tf.pad(x, self._pads))


class _Residual(tf.Module):
  """x plus a gated convolution of x and, if it is given, of `more`."""

  def __init__(self, side, depth, more, make):
    super().__init__()
    self.first = _Causal(side, 2 * depth, depth, make)
    self.more = make.shared.dense(2 * more, depth) if more else None
    self.last = _Causal(side, 2 * depth, 2 * depth, make, gain=0.1)

  def __call__(self, x, more=None):
    hidden = self.first(_elu(x))
    if self.more is not None:
      hidden += self.more(_elu(more))
    return x + layers.gated(self.last(_elu(hidden)))


class _Block(tf.Module):
  """Residual layers of both stacks. Those of `left` also see `above`."""

  def __init__(self, depth, count, shortcuts, make):
    super().__init__()
    above = depth if shortcuts else 0
    left = 2 * depth if shortcuts else depth
    self.above = [_Residual('above', depth, above, make) for _ in range(count)]
    self.left = [_Residual('left', depth, left, make) for _ in range(count)]

  def down(self, above, left, shortcuts):
    """Applies all layers, and appends their outputs to `shortcuts`."""
    for layer_above, layer_left in zip(self.above, self.left, strict=True):
      above = layer_above(above)
      left = layer_left(left, above)
      shortcuts.append((above, left))
    return above, left

  def up(self, above, left, shortcuts):
    """Applies all layers. Each takes the newest entry off `shortcuts`."""
    for layer_above, layer_left in zip(self.above, self.left, strict=True):
      more_above, more_left = shortcuts.pop()
      above = layer_above(above, more_above)
      more_left = tf.concat([above, more_left], axis=-1)
      left = layer_left(left, more_left)
    return above, left


class PixelCnn(tf.Module):
  """The logits of each pixel, given the pixels before it and a context."""

  DEPTH, LAYERS, SIZES = 64, 2, 3

  def __init__(self, dtype: str, make: layers.Make):
    super().__init__()
    self.cell = 1
    self._dtype = dtype
    depth, inputs, shared = self.DEPTH, 2, make.shared
    self.rows_above = _Causal('above', inputs, depth, shared)
    self.row_above = shared.conv(inputs, depth, (1, 3))
    self.column_left = shared.conv(inputs, depth, (2, 1), padding='VALID')
    self.down = [
      _Block(depth, self.LAYERS, False, make) for _ in range(self.SIZES)
    ]
    self.up = [
      _Block(depth, self.LAYERS, True, make) for _ in range(self.SIZES)
    ]
    sides = ('above', 'left')
    self.halve = [
      [_Causal(side, depth, depth, shared, stride=2) for side in sides]
      for _ in range(self.SIZES - 1)
    ]
    self.double = [
      [_Causal(side, depth, 4 * depth, shared) for side in sides]
      for _ in range(self.SIZES - 1)
    ]
    self.out = shared.dense(2 * depth, 1, gain=0.1)

  def sample(self, context: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Samples pixels, int32 `[N, H, W, 1]`, by full passes."""
    return sample_by_full_passes(self, context, uniforms)

  def logits(self, symbols: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """Pixels int32 `[N, H, W, 1]`, a context alike -> `[N, H, W, 1, 2]`."""
    # 1. First layers. The shifts hide each pixel from itself.
    pixels = tf.cast(2 * symbols - 1, self._dtype)
    x = tf.concat([pixels, tf.cast(context, self._dtype)], axis=-1)
    above = _shift(self.rows_above(x), down=1)
    column = self.column_left(tf.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]]))
    left = _shift(self.row_above(x), down=1) + _shift(column, right=1)
    # 2. Down to a quarter of the height and width.
    shortcuts = []
    for size, block in enumerate(self.down):
      if size:
        halve_above, halve_left = self.halve[size - 1]
        above, left = halve_above(above), halve_left(left)
      above, left = block.down(above, left, shortcuts)
    # 3. Up again, with shortcuts.
    for size, block in enumerate(self.up):
      if size:
        # Each pixel of the smaller image makes four. None of them lies before
        # it, so this is causal too.
        double_above, double_left = self.double[size - 1]
        above = tf.nn.depth_to_space(double_above(above), 2)
        left = tf.nn.depth_to_space(double_left(left), 2)
      above, left = block.up(above, left, shortcuts)
    # 4. Logits 0 and l: a Bernoulli with logit l.
    logits = tf.cast(self.out(_elu(left)), tf.float32)
    return tf.stack([tf.zeros_like(logits), logits], axis=-1)


def _shift(x, down=0, right=0):
  """Moves rows down and columns right, filling with zeros."""
  height, width = x.shape[1:3]
  x = tf.pad(x, [[0, 0], [down, 0], [right, 0], [0, 0]])
  return x[:, :height, :width]
