"""Pixels of 256 values: mixtures of discretised logistics.

A value x of 0, ..., 255 is the bin of width 2/255 around x' = 2 x / 255 - 1.
The first and the last bin have no outer end. Given one of K components, a
channel c of a pixel is a logistic variable that is rounded to its bin [1]:

    p(x_c | k, x_1, ..., x_{c-1}) = S(b) - S(a)
    a = (x'_c - 1/255 - l) / s,    b = (x'_c + 1/255 - l) / s
    l = location_kc + sum_{j<c} coefficient_kcj x'_j,    s = scale_kc

where S is the sigmoid. All channels of a pixel share their component. This is
also the mixture of `tfd.PixelCNN`. With b - a = d > 0, the difference is

    S(b) - S(a) = S(b) S(-a) (1 - exp(-d)),

so its logarithm loses no digits, however improbable the value is.

#### References

[1]: Tim Salimans et al. PixelCNN++. _ICLR_, 2017.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks.autoregressive import pick

tfd = tfp.distributions

LEVELS = 256
HALF = 1.0 / (LEVELS - 1)  # Half of the width of a bin.
# The least scale. A component can have all but 1e-13 of its mass in one bin.
MIN_SCALE = HALF / 30


class Mixtures(NamedTuple):
  """K components for each of M pixels, of C channels each.

  Attributes:
    logits: Of the components, `[M, K]`.
    locations: `[M, K]` of each channel.
    scales: `[M, K]` of each channel, above 0.
    coefficients: `[M, K]` of each pair of channels: (2, 1), (3, 1), (3, 2),
      (4, 1) and so on.
  """

  logits: tf.Tensor
  locations: Sequence[tf.Tensor]
  scales: Sequence[tf.Tensor]
  coefficients: Sequence[tf.Tensor] = ()

  def at(self, rows: tf.Tensor) -> 'Mixtures':
    """The mixtures of some pixels, int `[m]`."""
    return Mixtures(
      tf.gather(self.logits, rows),
      *([tf.gather(x, rows) for x in values] for values in self[1:]),
    )

  def location(self, channel: int, before: Sequence[tf.Tensor]) -> tf.Tensor:
    """The locations of a channel, given the channels before it, `[M, K]`.

    Args:
      channel: Its number.
      before: x' of each channel before it, `[M, 1]` each.
    """
    location, first = self.locations[channel], channel * (channel - 1) // 2
    for coefficient, x in zip(
      self.coefficients[first : first + channel], before, strict=True
    ):
      location += coefficient * x
    return location


def size_of(components: int, channels: int) -> int:
  """How many numbers a pixel's mixture has."""
  return components * (1 + 2 * channels + channels * (channels - 1) // 2)


def from_outputs(outputs: tf.Tensor, channels: int) -> Mixtures:
  """Mixtures from the outputs of a network, float32 `[..., size_of(K, C)]`.

  Outputs near zero give locations that are spread over all values.
  """
  count = size_of(1, channels)
  components = outputs.shape[-1] // count
  parts = tf.split(tf.reshape(outputs, [-1, outputs.shape[-1]]), count, -1)
  spread = first_locations(components)
  return Mixtures(
    parts[0],
    [part + spread for part in parts[1 : 1 + channels]],
    [
      tf.nn.softplus(part + FIRST_SCALE) + MIN_SCALE
      for part in parts[1 + channels : 1 + 2 * channels]
    ],
    parts[1 + 2 * channels :],
  )


FIRST_SCALE = -1.5  # softplus(-1.5) is 0.2, a tenth of the range of values.


def first_locations(components: int) -> np.ndarray:
  """Where the components' locations start, float32 `[K]`."""
  edges = np.linspace(-1.0, 1.0, components + 1)
  return ((edges[1:] + edges[:-1]) / 2).astype(np.float32)


def to_unit(values: tf.Tensor) -> tf.Tensor:
  """Values 0 to 255 -> x' in [-1, 1]."""
  return values * (2.0 * HALF) - 1.0


def log_prob(mixtures: Mixtures, values: tf.Tensor) -> tf.Tensor:
  """The log-probability of each pixel, nats, `[M]`.

  Args:
    mixtures: Of M pixels.
    values: Whole numbers 0 to 255, float32 `[M, C]`.
  """
  total = tf.nn.log_softmax(mixtures.logits)
  before = []
  for channel, value in enumerate(tf.split(values, values.shape[-1], -1)):
    x = to_unit(value)
    location = mixtures.location(channel, before)
    total += log_bin(value, x - location, mixtures.scales[channel])
    before.append(x)
  return tf.reduce_logsumexp(total, axis=-1)


def log_bin(
  values: tf.Tensor, distances: tf.Tensor, scales: tf.Tensor
) -> tf.Tensor:
  """ln of a logistic's mass in a bin, `[M, K]`.

  Args:
    values: `[M, 1]`, which say whether the bin is the first or the last.
    distances: x' less the location, `[M, K]`.
    scales: `[M, K]`.
  """
  inverse = 1.0 / scales
  not_first = tf.cast(values > 0.0, tf.float32)
  not_last = tf.cast(values < LEVELS - 1.0, tf.float32)
  width = -tf.math.log(-tf.math.expm1(-2.0 * HALF * inverse))
  return -(
    not_last * tf.nn.softplus(-(distances + HALF) * inverse)
    + not_first * tf.nn.softplus((distances - HALF) * inverse)
    + not_first * not_last * width
  )


def sample(mixtures: Mixtures, uniforms: tf.Tensor) -> tf.Tensor:
  """Draws pixels: whole numbers 0 to 255, float32 `[M, C]`.

  Args:
    mixtures: Of M pixels.
    uniforms: `[M, 1 + C]` in [0, 1), all that is random here.
  """
  chosen = tf.one_hot(
    pick(mixtures.logits, uniforms[:, 0]), mixtures.logits.shape[-1]
  )

  def of_chosen(values):
    return tf.reduce_sum(values * chosen, axis=-1, keepdims=True)

  before, drawn = [], []
  for channel, scales in enumerate(mixtures.scales):
    location = of_chosen(mixtures.location(channel, before))
    uniform = tf.clip_by_value(uniforms[:, 1 + channel, None], 1e-7, 1 - 1e-7)
    noise = tf.math.log(uniform) - tf.math.log1p(-uniform)
    x = location + of_chosen(scales) * noise
    value = tf.round((x + 1.0) / (2.0 * HALF))
    value = tf.clip_by_value(value, 0.0, LEVELS - 1.0)
    drawn.append(value)
    before.append(to_unit(value))
  return tf.concat(drawn, axis=-1)


def mean(mixtures: Mixtures) -> tf.Tensor:
  """The mean of each pixel of one channel, 0 to 255, `[M, 1]`.

  It is the sum over t = 0, ..., 254 of the probability of a value above t.
  """
  weights = tf.nn.softmax(mixtures.logits)
  location, inverse = mixtures.locations[0], 1.0 / mixtures.scales[0]

  def add(t, total):
    edge = to_unit(tf.cast(t, tf.float32)) + HALF
    above = tf.sigmoid((location - edge) * inverse)
    return t + 1, total + tf.reduce_sum(weights * above, -1, keepdims=True)

  _, total = tf.while_loop(
    lambda t, _: t < LEVELS - 1,
    add,
    (0, tf.zeros_like(location[:, :1])),
  )
  return total
