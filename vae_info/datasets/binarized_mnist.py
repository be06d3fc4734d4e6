"""The static binarisation of MNIST by Larochelle & Murray (2011), with labels.

The 50,000 / 10,000 / 10,000 images are those of TensorFlow Datasets'
`binarized_mnist` [1], in its order. That data set has no labels. They are
recovered from TensorFlow Datasets' `mnist` as in [2]; see `naive_bayes.py`.
Training and validation images come from MNIST's 60,000 training images, and
test images from its 10,000 test images.

This command reports how well the labels are recovered:

    python -m vae_info.datasets.recover_labels

#### References

[1]: Hugo Larochelle and Iain Murray. The Neural Autoregressive Distribution
     Estimator. _AISTATS_, 2011.
[2]: Emily Fertig, Aryan Arbabi and Alexander Alemi. Beta-VAEs can retain label
     information even at high compression. _NeurIPS workshop on Bayesian Deep
     Learning_, 2018.
"""

from collections.abc import Mapping

import numpy as np
from absl import logging

from vae_info.datasets import cache, naive_bayes, tfds_source
from vae_info.errors import UserError

SIZES = {'train': 50_000, 'validation': 10_000, 'test': 10_000}
# MNIST's split -> the splits of this data set that come from it.
SOURCES = {'train': ('train', 'validation'), 'test': ('test',)}
# Split -> where its originals begin in MNIST's 70,000, `train` before `test`.
FIRSTS = {'train': 0, 'validation': 0, 'test': 60_000}
VERSION = 1  # Of the cached arrays; a new number recomputes them.


def read(
  data_dir: str | None, cache_dir: str | None
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
  """Returns split name -> (images, digits, originals).

  Images are uint8 `[N, 28, 28, 1]` of 0 and 1, and digits int32 `[N]`.
  Originals, int64 `[N]`, are indices into MNIST's 70,000 images, `train` before
  `test`.

  Raises:
    UserError: Data are missing or damaged.
  """
  arrays = recovered(data_dir, cache_dir)
  return {
    split: (
      np.unpackbits(arrays[f'{split}/bits']).reshape([size, 28, 28, 1]),
      arrays[f'{split}/digit'].astype(np.int32),
      arrays[f'{split}/original'].astype(np.int64) + FIRSTS[split],
    )
    for split, size in SIZES.items()
  }


def recovered(data_dir: str | None, cache_dir: str | None) -> cache.Arrays:
  """Returns packed images and recovered labels, from the cache if possible.

  Returns:
    The arrays of `recover`, and packed pixels `SPLIT/bits` of each split.

  Raises:
    UserError: Data are missing or damaged.
  """
  source = tfds_source.find('binarized_mnist', data_dir)
  mnist = tfds_source.find('mnist', data_dir)

  def make():
    images = {split: _read_images(source, split) for split in SIZES}
    arrays = recover(images, read_mnist(mnist))
    for split, pixels in images.items():
      arrays[f'{split}/bits'] = np.packbits(pixels)
    return arrays

  key = {
    'version': VERSION,
    'clip': naive_bayes.CLIP,
    'binarized_mnist': tfds_source.fingerprint(source),
    'mnist': tfds_source.fingerprint(mnist),
  }
  return cache.load_or_make(cache_dir, 'binarized_mnist', key, make)


def recover(
  images: Mapping[str, np.ndarray],
  mnist: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> cache.Arrays:
  """Finds each image's original in MNIST, and checks the counts of digits.

  Args:
    images: Split name -> uint8 `[N, ...]`, 0 and 1.
    mnist: The result of `read_mnist`.

  Returns:
    For each split, `SPLIT/digit`, uint8 `[N]`; `SPLIT/original`, int32 `[N]`,
    the index in MNIST's split; `SPLIT/margin`, float32 `[N]`, as in
    `naive_bayes.Matches`.
  """
  arrays = {}
  for source, splits in SOURCES.items():
    originals, digits = mnist[source]
    title = ' and '.join(splits)
    together = np.concatenate([images[split] for split in splits])
    matches = naive_bayes.match(together, originals, title)
    recovered_digits = digits[matches.best].astype(np.uint8)
    wrong = count_mismatch(recovered_digits, digits)
    if wrong:
      logging.warning(
        'recovered labels of %s: %d of %d disagree with the counts of '
        "MNIST's digits",
        title,
        wrong,
        len(together),
      )
    ends = np.cumsum([len(images[split]) for split in splits])[:-1]
    for name, values in (
      ('digit', recovered_digits),
      ('original', matches.best),
      ('margin', matches.margin),
    ):
      for split, part in zip(splits, np.split(values, ends), strict=True):
        arrays[f'{split}/{name}'] = part
  return arrays


def count_mismatch(labels: np.ndarray, expected: np.ndarray) -> int:
  """Counts the labels beyond the expected number of each class.

  The result is 0 if the counts of all classes agree.

  Args:
    labels: Integers `[N]`, 0..9.
    expected: Integers `[M]`, 0..9, whose counts are expected.
  """
  difference = np.bincount(labels, minlength=10) - np.bincount(
    expected, minlength=10
  )
  return int(np.maximum(difference, 0).sum())


def read_mnist(builder) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Returns MNIST's split name -> (uint8 `[N, 28, 28, 1]`, uint8 `[N]`).

  Raises:
    UserError: The data are damaged, or are not MNIST.
  """
  result = {}
  for split in SOURCES:
    arrays = tfds_source.read(builder, split, lambda example: example)
    images, digits = arrays['image'], arrays['label']
    if images.shape[1:] != (28, 28, 1) or digits.min() < 0 or digits.max() > 9:
      raise UserError(
        f'{builder.data_path} is not MNIST: images of {images.shape[1:]}, '
        f'labels from {digits.min()} to {digits.max()}'
      )
    result[split] = images, digits.astype(np.uint8)
  return result


def _read_images(builder, split):
  images = tfds_source.read(builder, split, lambda example: example)['image']
  expected = (SIZES[split], 28, 28, 1)
  if images.shape != expected or images.max() > 1:
    raise UserError(
      f'{split} of {builder.data_path} should be {expected} of 0 and 1, found '
      f'{images.shape} up to {images.max()}'
    )
  return images
