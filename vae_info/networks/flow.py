"""A multiscale coupling flow of binary images, as bijectors.

    v = (2 x - 1) + sigma epsilon,    epsilon ~ Normal(0, I),    z = f(v).

Gaussian noise makes an image continuous. The flow f maps it to a code of as
many dimensions, whose marginal m(z) is the standard normal. Each stage cuts the
image into blocks of pixels, whose places become channels. A coupling [1] then
maps some channels, elementwise, given others that it leaves as they are. The
channels that a stage does not keep go into the code. The elementwise maps are

- `affine`: y = exp(s) v + t, as in [1].
- `mixture`: y = Phi^-1(F(v)), where F is the distribution function of the
  pixel's two noisy values, p Normal(1, sigma^2) + (1 - p) Normal(-1, sigma^2).
  [2] has such maps with logistic distributions. A network gives p.

The couplings of `mixture` go from fine pixels to coarse ones, and condition on
pixels alone. A masked network [3] ends them, over one pixel of 16.

Not reproduced: [1] has batch normalisation, and checkerboards of pixels.

#### References

[1]: Laurent Dinh et al. Density estimation using Real NVP. _ICLR_, 2017.
[2]: Jonathan Ho et al. Flow++. _ICML_, 2019.
[3]: George Papamakarios et al. Masked Autoregressive Flow. _NeurIPS_, 2017.
"""

import dataclasses
import math
import types
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks import layers, maps

tfb = tfp.bijectors
tfd = tfp.distributions


def dequantize(images: tf.Tensor, sigma: float, seed: tf.Tensor) -> tf.Tensor:
  """Draws v = (2 x - 1) + sigma epsilon; same shape as `images` of 0 and 1."""
  noise = tf.random.stateless_normal(images.shape, seed)
  return 2.0 * images - 1.0 + sigma * noise


def noise_log_prob(
  values: tf.Tensor, images: tf.Tensor, sigma: float
) -> tf.Tensor:
  """log q(v|x), nats: `[B, H, W, C]` of both -> `[B]`."""
  return tfd.Independent(tfd.Normal(2.0 * images - 1.0, sigma), 3).log_prob(
    values
  )


def pixels(values: tf.Tensor, sigma: float) -> tfd.Distribution:
  """P(x|v), independent pixels: batch `[B]`, event `[H, W, C]`.

  It is the posterior of pixels that are 0 or 1 with equal probability, so for
  others it is a decoder.
  """
  return tfd.Independent(tfd.Bernoulli(logits=2.0 * values / sigma**2), 3)


def _chosen(x: tf.Tensor, channels: Sequence[int]) -> tf.Tensor:
  """Channels of `[..., C]`, in this order."""
  # A product with zeros and ones; the derivative of a gather is slow.
  one_hot = np.zeros([x.shape[-1], len(channels)], np.float32)
  one_hot[list(channels), np.arange(len(channels))] = 1.0
  return tf.matmul(x, one_hot)


class Squeeze(tfb.Bijector):
  """Places of a block become channels: `[H, W, C] -> [H/b, W/b, b^2 C]`."""

  def __init__(self, block: int):
    super().__init__(forward_min_event_ndims=3, is_constant_jacobian=True)
    self._block = block

  def _forward(self, x):
    height, width, channels = x.shape[-3:]
    b = self._block
    x = tf.reshape(x, [-1, height // b, b, width // b, b, channels])
    x = tf.transpose(x, [0, 1, 3, 2, 4, 5])
    return tf.reshape(x, [-1, height // b, width // b, b * b * channels])

  def _inverse(self, y):
    rows, columns, channels = y.shape[-3:]
    b = self._block
    y = tf.reshape(y, [-1, rows, columns, b, b, channels // b**2])
    y = tf.transpose(y, [0, 1, 3, 2, 4, 5])
    return tf.reshape(y, [-1, rows * b, columns * b, channels // b**2])

  def _forward_log_det_jacobian(self, x):
    return tf.zeros(tf.shape(x)[:-3])


class Coupling(tfb.Bijector):
  """Maps the active channels, given the passive ones; event `[H, W, C]`.

  All other channels stay as they are, and are not seen.

  Args:
    network: Passive channels `[B, H, W, P]` -> parameters
      `[B, H, W, K A]` of `elementwise`, in K parts.
    elementwise: A map of `maps.py`.
    passive: Numbers of the passive channels.
    active: Numbers of the active channels.
  """

  def __init__(
    self,
    network,
    elementwise: maps.Elementwise,
    passive: Sequence[int],
    active: Sequence[int],
  ):
    super().__init__(forward_min_event_ndims=3)
    self._network, self._map = network, elementwise
    self._passive, self._active = list(passive), list(active)
    self._newest = types.SimpleNamespace(x=None)  # A tuple would be tracked.

  def _parts(self, x):
    # The map and its slope share the parameters for the same tensor.
    newest = self._newest
    if newest.x is not x:
      parameters = self._network(_chosen(x, self._passive))
      newest.x, newest.parts = x, (_chosen(x, self._active), parameters)
    return newest.parts

  def _joined(self, x, new):
    """`x` with new active channels."""
    places = list(range(x.shape[-1]))
    for number, channel in enumerate(self._active):
      places[channel] = x.shape[-1] + number
    return _chosen(tf.concat([x, new], axis=-1), places)

  def _forward(self, x):
    return self._joined(x, self._map.forward(*self._parts(x)))

  def _inverse(self, y):
    return self._joined(y, self._map.inverse(*self._parts(y)))

  def _forward_log_det_jacobian(self, x):
    return tf.reduce_sum(self._map.log_slope(*self._parts(x)), [-3, -2, -1])


class Masked(tfb.Bijector):
  """Maps each number given those before it; event `[H, W, C]`.

  The inverse takes as many passes as there are numbers.

  Args:
    network: `[B, L] -> [B, L]`; output i depends on inputs before i alone.
    elementwise: A map of one parameter.
  """

  def __init__(self, network, elementwise: maps.Elementwise):
    super().__init__(forward_min_event_ndims=3)
    self._network, self._map = network, elementwise
    self._newest = types.SimpleNamespace(x=None)  # A tuple would be tracked.

  def _parts(self, x):
    newest = self._newest
    if newest.x is not x:  # As in `Coupling`.
      flat = layers.flatten(x)
      newest.x, newest.parts = x, (flat, self._network(flat))
    return newest.parts

  def _forward(self, x):
    return tf.reshape(self._map.forward(*self._parts(x)), tf.shape(x))

  def _inverse(self, y):
    flat = layers.flatten(y)
    size = flat.shape[-1]
    known = []
    for place in range(size):
      rest = tf.zeros([tf.shape(flat)[0], size - place])
      parameters = self._network(tf.concat([*known, rest], axis=-1))
      here = slice(place, place + 1)
      known.append(self._map.inverse(flat[:, here], parameters[:, here]))
    return tf.reshape(tf.concat(known, axis=-1), tf.shape(y))

  def _forward_log_det_jacobian(self, x):
    return tf.reduce_sum(self._map.log_slope(*self._parts(x)), -1)


class Split(tfb.Bijector):
  """Applies a bijector to some channels: `[H, W, C] -> [H W C]`.

  The code begins with the output of `inner`; the other channels follow.

  Args:
    inner: A bijector from `[H, W, K]` to a vector, for the channels kept.
    keep: Their numbers.
    shape: The shape `[H, W, C]`.
  """

  def __init__(self, inner: tfb.Bijector, keep: Sequence[int], shape):
    super().__init__(forward_min_event_ndims=3, inverse_min_event_ndims=1)
    self._inner, self._keep, self._shape = inner, list(keep), tuple(shape)
    self._rest = [i for i in range(shape[-1]) if i not in self._keep]

  def _forward(self, x):
    kept = self._inner.forward(_chosen(x, self._keep))
    rest = layers.flatten(_chosen(x, self._rest))
    return tf.concat([kept, rest], axis=-1)

  def _inverse(self, y):
    height, width, _ = self._shape
    size = height * width * len(self._keep)
    kept = self._inner.inverse(y[..., :size])
    rest = tf.reshape(y[..., size:], [-1, height, width, len(self._rest)])
    order = np.argsort([*self._keep, *self._rest]).tolist()
    return _chosen(tf.concat([kept, rest], axis=-1), order)

  def _forward_log_det_jacobian(self, x):
    return self._inner.forward_log_det_jacobian(
      _chosen(x, self._keep), event_ndims=3
    )


@dataclasses.dataclass(frozen=True)
class Stage:
  """One stage: squeeze, couplings, and the channels that go on.

  Attributes:
    block: Side of the blocks.
    couplings: Numbers of the passive and of the active channels, for each. If
      there are none, a masked network takes their place.
    keep: Numbers of the channels that the next stage has.
    width: Channels of the networks; units of a masked network.
    depth: Residual convolutions of the networks.
  """

  block: int
  couplings: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()
  keep: tuple[int, ...] = ()
  width: int = 32
  depth: int = 2


_FINE = (((0, 3), (1, 2)), ((0,), (3,)))
_HALVES = (((0, 3), (1, 2)), ((1, 2), (0, 3)))


def _halves(channels: int, times: int):
  """Couplings of the even channels given the odd ones, and the reverse."""
  even, odd = tuple(range(0, channels, 2)), tuple(range(1, channels, 2))
  return ((even, odd), (odd, even)) * times


def plan(kind: str, side: int) -> tuple[Stage, ...]:
  """The stages of a flow for square images; `side` is a multiple of 4."""
  if kind == 'mixture':
    return (
      Stage(2, _FINE, (0,), 16, 2),
      Stage(2, _FINE, (0,), 32, 2),
      Stage(side // 4, width=256),
    )
  last = (side // 4) ** 2 * 8
  return (
    Stage(2, _HALVES * 2, tuple(range(4)), 32, 1),
    Stage(2, _halves(16, 2), tuple(range(8)), 64, 1),
    Stage(side // 4, _halves(last, 1), (), 256, 0),
  )


class Flow(tf.Module):
  """The bijector from `[H, W, C]` to codes `[H W C]`, and its weights.

  Attributes:
    bijector: `bijector.forward(v)` is the code.
    networks: One for each coupling.
    size: Dimensions of a code, H W C.
  """

  def __init__(
    self,
    stages: Sequence[Stage],
    kind: str,
    sigma: float,
    image_shape: tuple[int, int, int],
    make: layers.Make,
    dtype: str = 'float32',
  ):
    super().__init__()
    self.networks: list[tf.Module] = []
    self.size = math.prod(image_shape)
    elementwise = maps.MAPS[kind](sigma)
    self._settings = (elementwise, make, dtype)
    self.bijector = self._stages(list(stages), image_shape)

  def _stages(self, stages, shape) -> tfb.Bijector:
    """The bijector of the remaining stages."""
    stage, *later = stages
    side = stage.block
    shape = (shape[0] // side, shape[1] // side, shape[2] * side**2)
    steps = [Squeeze(side), *self._couplings(stage, shape)]
    if not stage.keep:
      last = tfb.Reshape([math.prod(shape)], shape)
    else:
      last = self._stages(later, (*shape[:2], len(stage.keep)))
      if len(stage.keep) < shape[-1]:
        last = Split(last, stage.keep, shape)
    return tfb.Chain([last, *steps[::-1]])

  def _couplings(self, stage, shape) -> list[tfb.Bijector]:
    elementwise, make, dtype = self._settings
    if not stage.couplings:
      made = layers.Made(math.prod(shape), (stage.width, stage.width), make)
      self.networks.append(made)
      return [Masked(lambda x: made(elementwise.seen(x)), elementwise)]
    result = []
    for passive, active in stage.couplings:
      network = _network(
        stage, shape, len(passive), elementwise.count * len(active), make
      )
      self.networks.append(network)

      def parameters(x, network=network):
        return tf.cast(network(tf.cast(elementwise.seen(x), dtype)), tf.float32)

      result.append(Coupling(parameters, elementwise, passive, active))
    return result

  def log_prob(self, values: tf.Tensor) -> tf.Tensor:
    """log p(v), nats: `[B, H, W, C] -> [B]`."""
    codes = self.bijector.forward(values)
    normal = tfd.Independent(tfd.Normal(tf.zeros_like(codes), 1.0), 1)
    return normal.log_prob(codes) + self.bijector.forward_log_det_jacobian(
      values, event_ndims=3
    )


def _network(stage, shape, inputs, outputs, make):
  """The network of a coupling; its first outputs are 0."""
  kernel = 1 if shape[0] == shape[1] == 1 else 3
  width, gain = stage.width, layers.RELU_GAIN
  return layers.Chain(
    make.conv(inputs, width, kernel, gain=gain),
    *(
      layers.Residual(tf.nn.silu, make.conv(width, width, kernel, gain=0.5))
      for _ in range(stage.depth)
    ),
    tf.nn.silu,
    make.conv(width, outputs, kernel, gain=0.0),
  )
