"""A beta that follows the rate, for trainings with a target rate.

Minimising D subject to R = target has the loss D + beta R, where beta is the
Lagrange multiplier. Alemi et al. (2018) minimise D + |R - target| instead. Its
beta jumps between -1 and 1, so it misses a target that needs a larger one.

With e = ln(R / target), cut to [-1, 1], of the batch of a step:

    ln beta = i + e,    i <- i + GAIN e.

The sum i, cut to [-LIMIT, LIMIT], finds beta. The second e damps it. A rate is
positive, so errors are relative: the same gain suits all targets.
"""

import tensorflow as tf

GAIN = 0.02
LIMIT = 20.0  # Of |i|. A target out of reach would end with a beta of 0.


class Multiplier(tf.Module):
  """The beta of a target rate; a checkpoint holds its state.

  Attributes:
    log_beta: i, the slow part of ln beta, a scalar variable.
  """

  def __init__(self, beta: float, target_rate: float):
    """Starts at `beta`, above 0; `target_rate` is in nats per image."""
    super().__init__()
    self._target = target_rate
    # Each replica assigns the same value, since the rate is of all replicas.
    self.log_beta = tf.Variable(
      tf.math.log(tf.constant(beta, tf.float32)),
      trainable=False,
      aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )

  @property
  def beta(self) -> float:
    """The value that beta has found, to six digits."""
    return float(f'{tf.exp(self.log_beta).numpy():.6g}')

  def follow(self, rate: tf.Tensor) -> tf.Tensor:
    """Takes one step after a batch, and returns its beta.

    Args:
      rate: Mean rate of the batch, of all replicas, nats.
    """
    ratio = tf.maximum(tf.stop_gradient(rate), 1e-6) / self._target
    error = tf.clip_by_value(tf.math.log(ratio), -1.0, 1.0)
    beta = tf.exp(self.log_beta + error)
    moved = self.log_beta + GAIN * error
    self.log_beta.assign(tf.clip_by_value(moved, -LIMIT, LIMIT))
    return beta
