"""Elementwise maps of a flow, whose parameters a network gives.

Each maps numbers `[..., C]`, given parameters `[..., count C]` in `count`
parts, and is increasing in each number. In float32 the inverse is good to 1e-4.
"""

import math
from typing import Protocol

import numpy as np
import tensorflow as tf

LOG_NORMALIZER = 0.5 * math.log(2.0 * math.pi)


class Elementwise(Protocol):
  """An increasing map of each number.

  Attributes:
    count: Parameters of a number.
  """

  count: int

  def seen(self, x: tf.Tensor) -> tf.Tensor:
    """What a network sees of the numbers that it is given."""
    ...

  def forward(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
    """Returns y, of the shape of `x`."""
    ...

  def inverse(self, y: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
    """Returns x, of the shape of `y`."""
    ...

  def log_slope(self, x: tf.Tensor, parameters: tf.Tensor) -> tf.Tensor:
    """Returns log dy/dx, of the shape of `x`."""
    ...


class Affine:
  """y = exp(s) x + t, with |s| below 2."""

  count = 2
  CLAMP = 2.0

  def __init__(self, sigma: float):
    del sigma

  def seen(self, x):
    return x

  def _of(self, parameters):
    scale, shift = tf.split(parameters, 2, axis=-1)
    return self.CLAMP * tf.tanh(scale / self.CLAMP), shift

  def forward(self, x, parameters):
    scale, shift = self._of(parameters)
    return x * tf.exp(scale) + shift

  def inverse(self, y, parameters):
    scale, shift = self._of(parameters)
    return (y - shift) * tf.exp(-scale)

  def log_slope(self, x, parameters):
    del x
    return self._of(parameters)[0]


class Mixture:
  """y = Phi^-1(F(x)), F of p Normal(1, sigma^2) + (1 - p) Normal(-1, sigma^2).

  The parameter is the logit of p.

  Args:
    sigma: Standard deviation of both components.
  """

  count = 1
  ITERATIONS = 32
  LEAST = 1e-37  # Of a tail's probability, in float32.

  def __init__(self, sigma: float):
    self._sigma = sigma

  def seen(self, x):
    """E(2 x - 1 | v) of a pixel with equal odds: almost -1 or 1."""
    return tf.tanh(x / self._sigma**2)

  def _tails(self, x, logit):
    """F(x) and 1 - F(x), each with a small relative error."""
    scale = math.sqrt(0.5) / self._sigma
    up, down = scale * (x - 1.0), scale * (x + 1.0)
    high, low = 0.5 * tf.sigmoid(logit), 0.5 * tf.sigmoid(-logit)
    return (
      high * tf.math.erfc(-up) + low * tf.math.erfc(-down),
      high * tf.math.erfc(up) + low * tf.math.erfc(down),
    )

  def forward(self, x, parameters):
    below, above = self._tails(x, parameters)
    tail = tf.math.ndtri(tf.maximum(tf.minimum(below, above), self.LEAST))
    return tf.where(below < above, tail, -tail)

  def log_slope(self, x, parameters):
    y = self.forward(x, parameters)
    return self._log_density(x, parameters) + 0.5 * y**2 + LOG_NORMALIZER

  def _log_density(self, x, logit):
    high = tf.math.log_sigmoid(logit) - 0.5 * ((x - 1.0) / self._sigma) ** 2
    low = tf.math.log_sigmoid(-logit) - 0.5 * ((x + 1.0) / self._sigma) ** 2
    return (
      tf.reduce_logsumexp(tf.stack([high, low]), axis=0)
      - math.log(self._sigma)
      - LOG_NORMALIZER
    )

  def inverse(self, y, parameters):
    x = tf.stop_gradient(self._bisect(y, parameters))
    # The value stays; the derivatives are those of the implicit function.
    slope = tf.stop_gradient(tf.exp(self.log_slope(x, parameters)))
    change = (y - self.forward(x, parameters)) / slope
    return x + change - tf.stop_gradient(change)

  def _bisect(self, y, parameters):
    """Halves an interval around x until it is below float32's precision."""
    tail = tf.math.erfc(tf.abs(y) * np.float32(math.sqrt(0.5))) / 2.0
    reach = 1.0 + 14.0 * self._sigma

    def halve(low, high):
      x = 0.5 * (low + high)
      below, above = self._tails(x, parameters)
      short = tf.where(y < 0, below < tail, above > tail)
      return [tf.where(short, x, low), tf.where(short, high, x)]

    low, high = tf.while_loop(
      lambda low, high: True,
      halve,
      [tf.fill(tf.shape(y), -reach), tf.fill(tf.shape(y), reach)],
      maximum_iterations=self.ITERATIONS,
    )
    return 0.5 * (low + high)


MAPS = {'affine': Affine, 'mixture': Mixture}
