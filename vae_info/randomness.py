"""Random draws that follow from (seed, purpose, step). Nothing is global.

Only `stateless_seed` imports TensorFlow.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
  import tensorflow as tf


def generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
  """A numpy generator for draws on the host.

  Args:
    seed: The seed of the training.
    purpose: What is drawn, such as 'order of images'.
    step: The step or epoch, if it is drawn anew for each.
  """
  key = np.array([seed, (zlib.crc32(purpose.encode()) << 32) + step], np.uint64)
  return np.random.Generator(np.random.Philox(key=key))


def stateless_seed(
  seed: int, purpose: str, step: tf.Tensor | int = 0
) -> tf.Tensor:
  """A seed, int32 `[2]`, for TensorFlow's and TFP's stateless draws.

  Arguments are those of `generator`.
  """
  import tensorflow as tf

  # fold_in hashes, so seeds of neighbouring steps are unrelated.
  base = [seed & 0x7FFFFFFF, zlib.crc32(purpose.encode()) & 0x7FFFFFFF]
  return tf.random.fold_in(tf.constant(base, tf.int32), step)
