"""Early stopping: keeps the weights of the best epoch on validation images."""

import numpy as np
import tensorflow as tf

PATIENCE = 3  # Epochs without a lower value.


class Best(tf.Module):
  """The weights with the least value on validation images so far.

  It is a module, so that checkpoints keep it.

  Attributes:
    value: The least value, in nats.
    epochs_since: Epochs since then.
    weights: The network's trainable variables at that time.
  """

  def __init__(self, network: tf.Module, patience: int = PATIENCE):
    """Starts without a value.

    Args:
      network: Has the weights to keep.
      patience: After so many epochs without a lower value, it is enough.
    """
    super().__init__()
    self.value = tf.Variable(np.inf, dtype=tf.float64, trainable=False)
    self.epochs_since = tf.Variable(0, trainable=False)
    self.weights = [
      tf.Variable(v, trainable=False) for v in network.trainable_variables
    ]
    self._patience = patience

  def update(self, network: tf.Module, value: float) -> bool:
    """Records the value of an epoch, in nats; returns whether to stop."""
    if value < self.value.numpy():
      self.value.assign(value)
      self.epochs_since.assign(0)
      _copy(network.trainable_variables, self.weights)
    else:
      self.epochs_since.assign_add(1)
    return self.enough

  @property
  def enough(self) -> bool:
    """Whether the patience is at its end."""
    return int(self.epochs_since.numpy()) >= self._patience

  def restore(self, network: tf.Module) -> None:
    """Copies the best weights into the network."""
    _copy(self.weights, network.trainable_variables)


def _copy(sources, targets):
  for source, target in zip(sources, targets, strict=True):
    target.assign(source)
