"""Labels for binarised images, from the originals they were drawn from.

Each original is a product of Bernoullis with its intensities p, clipped away
from 0 and 1, and a binary image x takes the label of the original under which
it is most likely (naive Bayes with one class for each original):

    log p(x | original) = sum_i x_i log p_i + (1 - x_i) log(1 - p_i)
                        = x . (log p - log(1 - p)) + sum_i log(1 - p_i)

For all images and originals at once that is one matrix product, which is
computed in blocks of images, keeping the two best originals of each.

#### References

[1]: Emily Fertig, Aryan Arbabi and Alexander Alemi. Beta-VAEs can retain label
     information even at high compression. _NeurIPS workshop on Bayesian Deep
     Learning_, 2018.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator

import numpy as np

# Images in one product: 500 x 60,000 scores are 120 MB.
BLOCK = 500
# A pixel whose intensity is 0 or 255 never was drawn the other way.
CLIP = 1e-6


@dataclasses.dataclass(frozen=True)
class Matches:
  """The best original of each image.

  Attributes:
    best: int32 `[N]`, its index.
    margin: float32 `[N]`, log-likelihood of the best minus second best, nats.
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
    title: For the progress bar.
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
  """Log-odds of each pixel, float32 `[M, D]`, and sum log(1 - p), `[M]`."""
  # There are 256 intensities, so the logarithms are a table.
  p = np.clip(np.arange(256) / 255, CLIP, 1 - CLIP)
  flat = originals.reshape(len(originals), -1)
  off = np.log1p(-p)
  bias = np.array([off[row].sum() for row in flat])
  table = (np.log(p) - off).astype(np.float32)
  return table[flat], bias.astype(np.float32)


@contextlib.contextmanager
def _full_float32() -> Iterator[None]:
  """Keeps a GPU from rounding the factors of a product to 10 bits."""
  import tensorflow as tf

  before = tf.config.experimental.tensor_float_32_execution_enabled()
  tf.config.experimental.enable_tensor_float_32_execution(False)
  try:
    yield
  finally:
    tf.config.experimental.enable_tensor_float_32_execution(before)
