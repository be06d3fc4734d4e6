"""The few layers that every network here is made of.

Weights are drawn in numpy from the generator that is handed down, so that a
network follows from (seed, part) alone. Weights are float32 and are cast to
the dtype of what they are applied to, so that a network computes in the
precision of its input.

A layer made with `conditions=F` is called with a condition, `[F]` or `[B, F]`,
that scales and shifts its outputs (see `conditioning.py`).
"""

import math

import numpy as np
import tensorflow as tf


def weights(
  rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, gain: float
) -> tf.Variable:
  """Normal draws with variance `gain**2 / fan_in`, float32 of `shape`."""
  stddev = gain / math.sqrt(fan_in)
  return tf.Variable(stddev * rng.standard_normal(shape, dtype=np.float32))


class Modulation(tf.Module):
  """x -> 2 sigmoid(gate) x + shift for each channel.

  Gate and shift are linear in the condition, `[F]` or `[B, F]`. They start at
  zero, where it does nothing, unless `gates` gives the first `[F, channels]`.
  A gate can shut: a dimension of the code that a large beta does not pay for,
  costs what little is left of it times that beta.
  """

  def __init__(
    self, conditions: int, channels: int, gates: np.ndarray | None = None
  ):
    super().__init__()
    kernel = np.zeros([2, conditions, channels], np.float32)
    if gates is not None:
      kernel[0] = gates
    self.kernel = tf.Variable(np.concatenate(kernel, axis=-1))

  def terms(
    self, condition: tf.Tensor, bias: tf.Tensor | float = 0.0
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Scale and shift that do to x what the layer does to x + bias."""
    both = tf.tensordot(condition, self.kernel, 1)
    gate, shift = tf.split(both, 2, axis=-1)
    scale = 2.0 * tf.sigmoid(gate)
    return scale, shift + scale * bias

  def __call__(
    self, x: tf.Tensor, condition: tf.Tensor, bias: tf.Tensor | float = 0.0
  ) -> tf.Tensor:
    """Of `x + bias`: `[..., channels]`, or `[B, H, W, channels]`."""
    scale, shift = self.terms(condition, bias)
    if len(x.shape) == 4:
      scale, shift = (y[..., None, None, :] for y in (scale, shift))
    return x * tf.cast(scale, x.dtype) + tf.cast(shift, x.dtype)


def modulation(
  conditions: int, channels: int, gates: np.ndarray | None = None
) -> Modulation | None:
  """None for a layer that has no condition."""
  return Modulation(conditions, channels, gates) if conditions else None


class Dense(tf.Module):
  """An affine map `[..., inputs] -> [..., outputs]`.

  `mask`, `[inputs, outputs]` of 0 and 1, takes connections away. `gates` is
  of `Modulation`.
  """

  def __init__(
    self,
    inputs: int,
    outputs: int,
    rng: np.random.Generator,
    gain: float = 1.0,
    mask: np.ndarray | None = None,
    conditions: int = 0,
    gates: np.ndarray | None = None,
  ):
    super().__init__()
    self.kernel = weights(rng, (inputs, outputs), inputs, gain)
    self.bias = tf.Variable(tf.zeros([outputs]))
    self.modulation = modulation(conditions, outputs, gates)
    self._mask = mask

  def __call__(
    self, x: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    kernel = self.kernel if self._mask is None else self.kernel * self._mask
    x = tf.matmul(x, tf.cast(kernel, x.dtype))
    return _finish(x, self.bias, self.modulation, condition)


class Conv(tf.Module):
  """A convolution `[N, H, W, inputs] -> [N, H', W', outputs]`.

  `kernel` is its size, one integer or (height, width). `mask`, broadcastable
  to `[height, width, inputs, outputs]`, takes connections away.
  """

  def __init__(
    self,
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    rng: np.random.Generator,
    stride: int = 1,
    padding: str = 'SAME',
    gain: float = 1.0,
    mask: np.ndarray | None = None,
    conditions: int = 0,
  ):
    super().__init__()
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    taps = height * width if mask is None else int(mask[..., 0, 0].sum())
    self.kernel = weights(
      rng, (height, width, inputs, outputs), taps * inputs, gain
    )
    self.bias = tf.Variable(tf.zeros([outputs]))
    self.modulation = modulation(conditions, outputs)
    self.mask = mask
    self._stride = stride
    self._padding = padding

  def __call__(
    self, x: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    kernel = self.kernel if self.mask is None else self.kernel * self.mask
    x = tf.nn.conv2d(x, tf.cast(kernel, x.dtype), self._stride, self._padding)
    return _finish(x, self.bias, self.modulation, condition)


class ConvTranspose(tf.Module):
  """A transposed convolution with 'SAME' padding.

  `[N, H, W, inputs] -> [N, stride H, stride W, outputs]`.
  """

  def __init__(
    self,
    inputs: int,
    outputs: int,
    kernel: int,
    rng: np.random.Generator,
    stride: int = 1,
    gain: float = 1.0,
    conditions: int = 0,
  ):
    super().__init__()
    # Each output sums over a share of the taps: those that a stride leaves.
    fan_in = kernel * kernel * inputs // stride**2
    self.kernel = weights(rng, (kernel, kernel, outputs, inputs), fan_in, gain)
    self.bias = tf.Variable(tf.zeros([outputs]))
    self.modulation = modulation(conditions, outputs)
    self._stride = stride

  def __call__(
    self, x: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    outputs = self.kernel.shape[2]
    shape = [
      tf.shape(x)[0],
      x.shape[1] * self._stride,
      x.shape[2] * self._stride,
      outputs,
    ]
    x = tf.nn.conv2d_transpose(
      x, tf.cast(self.kernel, x.dtype), shape, self._stride, 'SAME'
    )
    return _finish(x, self.bias, self.modulation, condition)


def _finish(x, bias, modulation, condition):
  """What every layer ends with."""
  if modulation is not None:
    return modulation(x, condition, bias)
  # bias_add and not `+`: oneDNN fuses it into the product.
  return tf.nn.bias_add(x, tf.cast(bias, x.dtype))


# A gate takes away about two thirds of the variance; this gain gives it back.
GATED_GAIN = 1.7


def gated(x: tf.Tensor) -> tf.Tensor:
  """Linear gate (Dauphin et al. 2017): `[..., 2 C] -> [..., C]`.

  `h(x) = (W1 x + b1) * sigmoid(W2 x + b2)`, both products made by one layer
  of twice the outputs.
  """
  values, gates = tf.split(x, 2, axis=-1)
  return values * tf.sigmoid(gates)


class Made(tf.Module):
  """A masked network (Germain et al. 2015): `[..., size] -> [..., size]`.

  Output i depends on inputs 0 to i - 1 alone. ReLU between the layers; it
  starts near zero.
  """

  def __init__(
    self,
    size: int,
    hidden: tuple[int, ...],
    rng: np.random.Generator,
    conditions: int = 0,
  ):
    super().__init__()
    # A unit of degree d sees inputs of degree up to d; outputs, degree below.
    inputs = np.arange(1, size + 1)
    degrees = [inputs]
    degrees += [np.arange(units) % max(1, size - 1) + 1 for units in hidden]
    masks = [
      (after[None, :] >= before[:, None]).astype(np.float32)
      for before, after in zip(degrees[:-1], degrees[1:], strict=True)
    ]
    masks.append((inputs[None, :] > degrees[-1][:, None]).astype(np.float32))
    gains = [math.sqrt(2.0)] * len(hidden) + [0.01]
    self.layers = [
      Dense(*mask.shape, rng, gain, mask, conditions)
      for mask, gain in zip(masks, gains, strict=True)
    ]

  def __call__(
    self, x: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    for layer in self.layers[:-1]:
      x = tf.nn.relu(layer(x, condition))
    return self.layers[-1](x, condition)
