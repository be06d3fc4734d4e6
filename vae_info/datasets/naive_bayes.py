"""Recovers labels of binarised images from their originals, as in [1].

An original with intensities p defines a product of Bernoulli distributions; p
is clipped away from 0 and 1. A binary image x gets the label of the original
under which it is most likely. This is naive Bayes with a class per original:

    log p(x | original) = sum_i x_i log p_i + (1 - x_i) log(1 - p_i)
                        = x . (log p - log(1 - p)) + sum_i log(1 - p_i)

For all images and originals, this is one matrix product. It is computed in
blocks of images, and only the two best originals of each image are kept.

#### References

[1]: Emily Fertig, Aryan Arbabi and Alexander Alemi. Beta-VAEs can retain label
     information even at high compression. _NeurIPS workshop on Bayesian Deep
     Learning_, 2018.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Generator

import numpy as np

# Images in one product: 500 x 60,000 scores are 120 MB.
BLOCK = 500
# Keeps log-odds finite. It is tiny, because a pixel of intensity 0 is never
# drawn as 1, and one of intensity 255 never as 0.
CLIP = 1e-6


@dataclasses.dataclass(frozen=True)
class Matches:
  """The best original of each image.

  Attributes:
    best: int32 `[N]`, index of the best original.
    margin: float32 `[N]`, in nats: log-likelihood of the image under the best
      original minus that under the second best.
  """

  best: np.ndarray
  margin: np.ndarray


def match(
  images: np.ndarray, originals: np.ndarray, title: str = 'images'
) -> Matches:
  """Finds the original under which each image is most likely.

  Args:
    images: uint8 `[N, ...]`, 0 and 1.
    originals: uint8 `[M, ...]`, 0..255, M at least 2.
    title: Title of the progress bar.
  """
  import tensorflow as tf
  import tqdm

  flat = images.reshape(len(images), -1)
  log_odds, bias = (tf.constant(part) for part in _log_odds(originals))

  @tf.function(input_signature=[tf.TensorSpec([None, flat.shape[1]], tf.uint8)])
  def best_two(block):
    scores = tf.matmul(tf.cast(block, tf.float32), log_odds, transpose_b=True)
    values, indices = tf.math.top_k(scores + bias, k=2)
    return indices[:, 0], values[:, 0] - values[:, 1]

  best = np.empty(len(flat), np.int32)
  margin = np.empty(len(flat), np.float32)
  with (
    _full_float32(),
    tqdm.tqdm(
      desc=f'matching {title}',
      total=len(flat),
      unit=' images',
      disable=not sys.stderr.isatty(),
    ) as bar,
  ):
    for start in range(0, len(flat), BLOCK):
      rows = slice(start, start + BLOCK)
      best[rows], margin[rows] = best_two(tf.constant(flat[rows]))
      bar.update(len(flat[rows]))
  return Matches(best, margin)


def _log_odds(originals):
  """Returns log-odds, float32 `[M, D]`, and sum_i log(1 - p_i), `[M]`."""
  # There are only 256 intensities, so logarithms are looked up in a table.
  p = np.clip(np.arange(256) / 255, CLIP, 1 - CLIP)
  flat = originals.reshape(len(originals), -1)
  off = np.log1p(-p)
  bias = np.array([off[row].sum() for row in flat])
  table = (np.log(p) - off).astype(np.float32)
  return table[flat], bias.astype(np.float32)


@contextlib.contextmanager
def _full_float32() -> Generator[None, None, None]:
  """Turns TensorFloat-32 off, with which a GPU rounds factors to 10 bits."""
  import tensorflow as tf

  before = tf.config.experimental.tensor_float_32_execution_enabled()
  tf.config.experimental.enable_tensor_float_32_execution(False)
  try:
    yield
  finally:
    tf.config.experimental.enable_tensor_float_32_execution(before)
