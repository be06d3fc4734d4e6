"""The few layers that every network here is made of.

`Make` makes them. It alone knows the generator of first weights, and whether
layers are given beta. A network is a `Chain` of layers and of functions.

Weights are drawn in numpy, so they follow from (seed, part) alone. They are
float32. A layer casts them to the dtype of its input, so a network computes in
the precision of its input.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from vae_info import machine
from vae_info.networks.conditioning import (
  Condition,
  Modulation,
  bind,
  nested_gates,
)

Part = Callable[[tf.Tensor], tf.Tensor]

RELU_GAIN = math.sqrt(2.0)
# A gate removes about two thirds of the variance. This gain restores it.
GATED_GAIN = 1.7


def weights(
  rng: np.random.Generator,
  shape: tuple[int, ...],
  fan_in: int,
  gain: float,
  name: str = 'kernel',
) -> tf.Variable:
  """Normal draws with variance `gain**2 / fan_in`, float32 of `shape`.

  Weight decay acts only on variables whose name starts with 'kernel'.
  """
  stddev = gain / math.sqrt(fan_in)
  values = stddev * rng.standard_normal(shape, dtype=np.float32)
  return tf.Variable(values, name=name)


def product(operation, a: tf.Tensor, b: tf.Tensor, *options) -> tf.Tensor:
  """`operation(a, b, *options)` in the dtype of a, such as a convolution.

  Where bfloat16 has no fast products, float32 multiplies the same rounded
  factors, and the sums are rounded. Products of bfloat16 do just that, as their
  sums are float32 too.
  """
  b = tf.cast(b, a.dtype)
  if a.dtype != tf.bfloat16 or machine.multiplies_bfloat16():
    return operation(a, b, *options)
  factors = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
  return tf.cast(operation(*factors, *options), a.dtype)


class Dense(tf.Module):
  """An affine map `[..., inputs] -> [..., outputs]`.

  `mask`, `[inputs, outputs]` of 0 and 1, removes connections.
  """

  def __init__(
    self,
    inputs: int,
    outputs: int,
    rng: np.random.Generator,
    gain: float = 1.0,
    mask: np.ndarray | None = None,
    modulation: Modulation | None = None,
  ):
    super().__init__()
    self.kernel = weights(rng, (inputs, outputs), inputs, gain)
    self.bias = tf.Variable(tf.zeros([outputs]))
    self.modulation = modulation
    self._mask = mask

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    kernel = self.kernel if self._mask is None else self.kernel * self._mask
    x = product(tf.matmul, x, kernel)
    return _finish(x, self.bias, self.modulation)


class Conv(tf.Module):
  """A convolution `[N, H, W, inputs] -> [N, H', W', outputs]`.

  `kernel` is the kernel's size, one integer or (height, width). `mask` removes
  connections. It can be broadcast to `[height, width, inputs, outputs]`.
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
    modulation: Modulation | None = None,
  ):
    super().__init__()
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    # Masked taps add no variance, so the fan-in does not count them.
    taps = height * width if mask is None else int(mask[..., 0, 0].sum())
    self.kernel = weights(
      rng, (height, width, inputs, outputs), taps * inputs, gain
    )
    self.bias = tf.Variable(tf.zeros([outputs]))
    self.modulation = modulation
    self.mask = mask
    self._stride = stride
    self._padding = padding

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    kernel = self.kernel if self.mask is None else self.kernel * self.mask
    x = product(tf.nn.conv2d, x, kernel, self._stride, self._padding)
    return _finish(x, self.bias, self.modulation)


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
    modulation: Modulation | None = None,
  ):
    super().__init__()
    # With a stride s, each output sums over one tap in s^2.
    fan_in = kernel * kernel * inputs // stride**2
    self.kernel = weights(rng, (kernel, kernel, outputs, inputs), fan_in, gain)
    self.bias = tf.Variable(tf.zeros([outputs]))
    self.modulation = modulation
    self._stride = stride

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    shape = [
      tf.shape(x)[0],
      x.shape[1] * self._stride,
      x.shape[2] * self._stride,
      self.kernel.shape[2],
    ]
    x = product(
      tf.nn.conv2d_transpose, x, self.kernel, shape, self._stride, 'SAME'
    )
    return _finish(x, self.bias, self.modulation)


def _finish(
  x: tf.Tensor, bias: tf.Variable, modulation: Modulation | None
) -> tf.Tensor:
  """Adds the bias; in a modulated layer, scales and shifts as well."""
  if modulation is not None:
    return modulation(x, bias)
  # bias_add instead of `+`: oneDNN fuses it into the product.
  return tf.nn.bias_add(x, tf.cast(bias, x.dtype))


class Free(tf.Module):
  """A learned tensor, which a call returns, float32 `[..., channels]`.

  A copy bound to a beta of each example returns `[B, ..., channels]`.
  """

  def __init__(self, value: tf.Variable, modulation: Modulation | None = None):
    super().__init__()
    self.value = value
    self.modulation = modulation

  def __call__(self) -> tf.Tensor:
    if self.modulation is None:
      return tf.convert_to_tensor(self.value)
    return self.modulation(self.value, inner=len(self.value.shape) - 1)


class Chain(tf.Module):
  """Calls parts one after the other: layers, and functions of a tensor."""

  def __init__(self, *parts: Part):
    super().__init__()
    self.parts = list(parts)

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    for part in self.parts:
      x = part(x)
    return x


class Residual(tf.Module):
  """x plus the output of a chain of parts for x."""

  def __init__(self, *parts: Part):
    super().__init__()
    self.chain = Chain(*parts)

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    return x + self.chain(x)


class Make:
  """Makes layers. Their first weights come from one generator, in order.

  Attributes:
    rng: The generator, for other first draws of a network.
  """

  def __init__(self, rng: np.random.Generator, modulated: bool = False):
    """If `modulated`, layers scale and shift their outputs by beta."""
    self.rng = rng
    self._modulated = modulated

  @property
  def shared(self) -> 'Make':
    """A `Make` whose layers are the same at every beta."""
    return Make(self.rng)

  def _modulation(self, channels, codes=0):
    """A modulation of channels; None if layers are not modulated.

    If `codes` is not 0, channel i belongs to dimension i mod `codes` of a code.
    Its gate then starts nested.
    """
    if not self._modulated:
      return None
    gates = np.tile(nested_gates(codes), channels // codes) if codes else None
    return Modulation(channels, gates)

  def dense(
    self,
    inputs: int,
    outputs: int,
    gain: float = 1.0,
    mask: np.ndarray | None = None,
    codes: int = 0,
  ) -> Dense:
    """A `Dense`.

    Args:
      inputs: Size of the input.
      outputs: Size of the output.
      gain: Factor of the first weights.
      mask: `[inputs, outputs]`; see `Dense`.
      codes: If not 0, the size of a code: output i belongs to its dimension
        i mod `codes`.
    """
    modulation = self._modulation(outputs, codes)
    return Dense(inputs, outputs, self.rng, gain, mask, modulation)

  def conv(
    self, inputs: int, outputs: int, kernel: int | tuple[int, int], **options
  ) -> Conv:
    """A `Conv`; `options` are those of its constructor."""
    options['modulation'] = self._modulation(outputs)
    return Conv(inputs, outputs, kernel, self.rng, **options)

  def conv_transpose(
    self, inputs: int, outputs: int, kernel: int, **options
  ) -> ConvTranspose:
    """A `ConvTranspose`; `options` are those of its constructor."""
    options['modulation'] = self._modulation(outputs)
    return ConvTranspose(inputs, outputs, kernel, self.rng, **options)

  def free(self, first: tf.Tensor | np.ndarray) -> Free:
    """A `Free` that starts at `first`, float32 `[..., channels]`."""
    value = first if isinstance(first, tf.Variable) else tf.Variable(first)
    return Free(value, self._modulation(value.shape[-1]))

  def channels(self, size: int, codes: bool = False) -> Part:
    """Scales and shifts channels by beta; leaves them as they are at one beta.

    Args:
      size: Number of channels.
      codes: Whether the channels are the dimensions of the code.
    """
    return self._modulation(size, size if codes else 0) or _unchanged


class Made(tf.Module):
  """A masked network (Germain et al. 2015): `[..., size] -> [..., size]`.

  Output i depends on inputs 0 to i - 1 alone. Between the layers is a ReLU. The
  first outputs are near zero.
  """

  def __init__(self, size: int, hidden: tuple[int, ...], make: Make):
    super().__init__()
    # A hidden unit sees units of its own degree and below. An output sees those
    # below alone.
    inputs = np.arange(1, size + 1)
    degrees = [inputs]
    degrees += [np.arange(units) % max(1, size - 1) + 1 for units in hidden]
    masks = [
      (after[None, :] >= before[:, None]).astype(np.float32)
      for before, after in zip(degrees[:-1], degrees[1:], strict=True)
    ]
    masks.append((inputs[None, :] > degrees[-1][:, None]).astype(np.float32))
    gains = [RELU_GAIN] * len(hidden) + [0.01]
    self.layers = [
      make.dense(*mask.shape, gain=gain, mask=mask)
      for mask, gain in zip(masks, gains, strict=True)
    ]

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    for layer in self.layers[:-1]:
      x = tf.nn.relu(layer(x))
    return self.layers[-1](x)


# Functions for chains.


def space_to_depth(block: int) -> Part:
  """A function `[N, H, W, C] -> [N, H / block, W / block, block**2 C]`."""
  return functools.partial(tf.nn.space_to_depth, block_size=block)


def depth_to_space(block: int) -> Part:
  """The inverse of `space_to_depth`."""
  return functools.partial(tf.nn.depth_to_space, block_size=block)


def _unchanged(x: tf.Tensor) -> tf.Tensor:
  return x


def flatten(x: tf.Tensor) -> tf.Tensor:
  """`[N, ...] -> [N, M]`."""
  return tf.reshape(x, [-1, math.prod(x.shape[1:])])


def to_shape(*shape: int) -> Part:
  """A function `[N, M] -> [N, *shape]`."""
  return lambda x: tf.reshape(x, [-1, *shape])


def gated(x: tf.Tensor) -> tf.Tensor:
  """Linear gate (Dauphin et al. 2017): `[..., 2 C] -> [..., C]`.

  `h(x) = (W1 x + b1) * sigmoid(W2 x + b2)`. One layer of twice the outputs
  makes both products.
  """
  values, gates = tf.split(x, 2, axis=-1)
  return values * tf.sigmoid(gates)


# A network at several betas.


class _Once:
  """The first parts of a chain, computed once for the same input tensor."""

  def __init__(self, parts: Sequence[Part]):
    self._chain = Chain(*parts)
    self._latest = (None, None)

  def __call__(self, x: tf.Tensor) -> tf.Tensor:
    if self._latest[0] is not x or not _is_known_here(self._latest[1]):
      self._latest = (x, self._chain(x))
    return self._latest[1]


def _is_known_here(x: tf.Tensor) -> bool:
  """Whether x is a value, or of the graph being built or one around it."""
  if not tf.is_symbolic_tensor(x):
    return True
  graph = tf.compat.v1.get_default_graph()
  while graph is not None and graph is not x.graph:
    graph = getattr(graph, 'outer_graph', None)
  return graph is not None


def bind_each(
  network: tf.Module, conditions: Sequence[Condition]
) -> list[tf.Module]:
  """Copies of a network for several conditions, as `bind` makes them.

  The first parts of a chain, up to a modulation, are the same for all copies.
  If the copies are called on the same tensor, these parts are computed once.
  So the weights must not change any more.
  """
  copies = [bind(network, condition) for condition in conditions]
  for chains in zip(*map(_chains, copies), strict=True):
    if all(chain is chains[0] for chain in chains):
      continue  # There is one copy, or this chain has no modulation.
    same = 0
    for parts in zip(*(chain.parts for chain in chains), strict=True):
      if any(part is not parts[0] for part in parts):
        break
      same += 1
    once = _Once(chains[0].parts[:same])
    for chain in chains:
      # setattr would change what TensorFlow tracks of the original as well.
      vars(chain)['parts'] = [once, *chain.parts[same:]]
  return copies


def _chains(network: tf.Module) -> Iterator[Chain]:
  return (part for part in network.submodules if isinstance(part, Chain))
