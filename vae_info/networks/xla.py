"""Whether XLA is available."""

import functools

import tensorflow as tf


@functools.cache
def compiles_here() -> bool:
  """Whether XLA compiles for the host. In TensorFlow's TPU wheel it cannot."""
  try:
    tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(0))
  except tf.errors.NotFoundError:
    return False
  return True
