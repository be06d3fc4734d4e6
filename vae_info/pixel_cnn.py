"""PixelCNN++ [1] with one Bernoulli logit a pixel: the paper-size decoder.

Two stacks run side by side: `above` sees the rows above a pixel, `left` also
what is to its left. Blocks at 28, 14, 7, 7, 14 and 28 pixels hold two gated
residual layers each; blocks on the way up are given, by shortcut, what the
layers of equal size on the way down made.

Causality is by padding: a 2x3 kernel padded above and to both sides, and a 2x2
kernel padded above and to the left, see no later pixel; the very input is
shifted by one so that a pixel does not see itself.

Because sizes change inside, there is no caching here: `AutoregressiveImage`
samples it with one full pass for each pixel.

#### References

[1]: Tim Salimans et al. PixelCNN++. _ICLR_, 2017.
"""

import numpy as np
import tensorflow as tf

from vae_info import layers


def _elu(x):
  """Concatenated ELU: `[..., C] -> [..., 2 C]`."""
  return tf.nn.elu(tf.concat([x, -x], axis=-1))


class _Causal(tf.Module):
  """A convolution that sees above ('above') or above and left ('left')."""

  def __init__(
    self, side, inputs, outputs, rng, stride=1, gain=1.0, conditions=0
  ):
    super().__init__()
    columns = 3 if side == 'above' else 2
    self._pads = [[0, 0], [1, 0], [1, columns - 2], [0, 0]]
    self.conv = layers.Conv(
      inputs,
      outputs,
      (2, columns),
      rng,
      stride,
      'VALID',
      gain,
      conditions=conditions,
    )

  def __call__(self, x, condition=None):
    return self.conv(tf.pad(x, self._pads), condition)


class _Residual(tf.Module):
  """x + a gated convolution of x, and of `more` where it is given."""

  def __init__(self, side, depth, more, rng, conditions):
    super().__init__()
    self.first = _Causal(side, 2 * depth, depth, rng, conditions=conditions)
    self.more = layers.Dense(2 * more, depth, rng) if more else None
    self.last = _Causal(
      side, 2 * depth, 2 * depth, rng, gain=0.1, conditions=conditions
    )

  def __call__(self, x, condition, more=None):
    hidden = self.first(_elu(x), condition)
    if self.more is not None:
      hidden += self.more(_elu(more))
    return x + layers.gated(self.last(_elu(hidden), condition))


class _Block(tf.Module):
  """Residual layers of both stacks; what is above is told to the left."""

  def __init__(self, depth, count, shortcuts, rng, conditions):
    super().__init__()
    above = depth if shortcuts else 0
    left = 2 * depth if shortcuts else depth
    self.above = [
      _Residual('above', depth, above, rng, conditions) for _ in range(count)
    ]
    self.left = [
      _Residual('left', depth, left, rng, conditions) for _ in range(count)
    ]

  def down(self, above, left, condition, shortcuts):
    """Appends each layer's output to the list `shortcuts`."""
    for layer_above, layer_left in zip(self.above, self.left, strict=True):
      above = layer_above(above, condition)
      left = layer_left(left, condition, above)
      shortcuts.append((above, left))
    return above, left

  def up(self, above, left, condition, shortcuts):
    """Takes the newest off `shortcuts` for each layer."""
    for layer_above, layer_left in zip(self.above, self.left, strict=True):
      more_above, more_left = shortcuts.pop()
      above = layer_above(above, condition, more_above)
      more_left = tf.concat([above, more_left], axis=-1)
      left = layer_left(left, condition, more_left)
    return above, left


class PixelCnn(tf.Module):
  """The logit of a pixel given those before it and a context."""

  DEPTH, LAYERS, SIZES = 64, 2, 3

  def __init__(self, dtype: str, rng: np.random.Generator, conditions: int = 0):
    super().__init__()
    self.block = 1
    self._dtype = dtype
    depth, inputs = self.DEPTH, 2
    self.rows_above = _Causal('above', inputs, depth, rng)
    self.row_above = layers.Conv(inputs, depth, (1, 3), rng)
    self.column_left = layers.Conv(inputs, depth, (2, 1), rng, 1, 'VALID')
    self.down = [
      _Block(depth, self.LAYERS, False, rng, conditions)
      for _ in range(self.SIZES)
    ]
    self.up = [
      _Block(depth, self.LAYERS, True, rng, conditions)
      for _ in range(self.SIZES)
    ]
    sides = ('above', 'left')
    self.halve = [
      [_Causal(side, depth, depth, rng, stride=2) for side in sides]
      for _ in range(self.SIZES - 1)
    ]
    self.double = [
      [_Causal(side, depth, 4 * depth, rng) for side in sides]
      for _ in range(self.SIZES - 1)
    ]
    self.out = layers.Dense(2 * depth, 1, rng, gain=0.1)

  def logits(
    self,
    symbols: tf.Tensor,
    context: tf.Tensor,
    condition: tf.Tensor | None = None,
  ) -> tf.Tensor:
    """Pixels int32 `[N, H, W]`, context `[N, H, W, 1]` -> `[N, H, W, 2]`."""
    pixels = tf.cast(2 * symbols[..., None] - 1, self._dtype)
    x = tf.concat([pixels, tf.cast(context, self._dtype)], axis=-1)
    above = _shift(self.rows_above(x), down=1)
    column = self.column_left(tf.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]]))
    left = _shift(self.row_above(x), down=1) + _shift(column, right=1)
    shortcuts = []
    for size, block in enumerate(self.down):
      if size:
        halve_above, halve_left = self.halve[size - 1]
        above, left = halve_above(above), halve_left(left)
      above, left = block.down(above, left, condition, shortcuts)
    for size, block in enumerate(self.up):
      if size:
        # Each pixel of the smaller image makes four, all of them at or after
        # its own place.
        double_above, double_left = self.double[size - 1]
        above = tf.nn.depth_to_space(double_above(above), 2)
        left = tf.nn.depth_to_space(double_left(left), 2)
      above, left = block.up(above, left, condition, shortcuts)
    logits = tf.cast(self.out(_elu(left)), tf.float32)
    return tf.concat([tf.zeros_like(logits), logits], axis=-1)


def _shift(x, down=0, right=0):
  """Moves rows down and columns right, filling with zeros."""
  height, width = x.shape[1:3]
  x = tf.pad(x, [[0, 0], [down, 0], [right, 0], [0, 0]])
  return x[:, :height, :width]
