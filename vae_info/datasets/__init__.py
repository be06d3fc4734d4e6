"""Data sets, each wholly in memory: `load(name, data_dir) -> Dataset`."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from vae_info.config import UserError, check_data
from vae_info.datasets import (
  binarize,
  binarized_mnist,
  omniglot,
  omniglot_lake,
  static_mnist,
  tfds_images,
)

# Tomczak & Welling (2017), table 1: the best upper bound on the negative
# log-likelihood that they report, which the paper takes for H(X).
MNIST_ENTROPY = 79.78, 'Tomczak & Welling (2017)'
# The fine-tuned model of Chen et al., Variational Lossy Autoencoder, ICLR 2017:
# an upper bound too. The paper does not say what it takes for Omniglot.
OMNIGLOT_ENTROPY = 89.83, 'Chen et al. (2017)'
NO_ENTROPY = None, None


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples of one split.

  Attributes:
    images: uint8 `[N, H, W, 1]`, each pixel 0 or 1.
    labels: From task name to int32 `[N]`, each in `[0, num_classes[task])`.
  """

  images: np.ndarray
  labels: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Dataset:
  """Three splits, and what is known of the whole set.

  Attributes:
    name: What `load` was called with.
    train: Fits the model and its classifiers.
    validation: For choosing settings; no reported number uses it.
    test: Every reported number is over all of it.
    num_classes: From task name to the number of classes.
    entropy_estimate: A published estimate of H(X) in nats, or None.
    entropy_source: Who published it, or None.
    train_intensities: uint8 `[N, H, W, 1]`, 0..255, if the images of `train`
      are to be drawn from them afresh for each step; otherwise None.
  """

  name: str
  train: Split
  validation: Split
  test: Split
  num_classes: Mapping[str, int]
  entropy_estimate: float | None
  entropy_source: str | None = None
  train_intensities: np.ndarray | None = None

  @property
  def image_shape(self) -> tuple[int, int, int]:
    return self.train.images.shape[1:]


def label_entropy(labels: np.ndarray) -> float:
  """H(Y) in nats of the empirical distribution of `labels`, int `[N]`."""
  counts = np.unique(labels, return_counts=True)[1]
  frequencies = counts / counts.sum()
  return float(-np.sum(frequencies * np.log(frequencies)))


def load(
  name: str,
  data_dir: str | None = None,
  cache_dir: str | None = None,
  binarization: str = 'static',
) -> Dataset:
  """Loads a data set into memory.

  Args:
    name: One of `config.DATASETS`, or 'tfds:NAME' with any set of images and
      labels that TensorFlow Datasets has.
    data_dir: Where prepared data lie, for data sets that are not bundled; by
      default TFDS_DATA_DIR or ~/tensorflow_datasets.
    cache_dir: Where to keep what takes long to compute; by default `vae_info`
      in XDG_CACHE_HOME or ~/.cache.
    binarization: How intensities become 0 and 1; see `binarize.py`.

  Returns:
    The `Dataset`.

  Raises:
    UserError: `name` or `binarization` is unknown, or data are missing,
      damaged, or not what they should be.
  """
  check_data(name, binarization)
  if name in _BINARY:
    dataset = _BINARY[name](data_dir, cache_dir)
  else:
    dataset = _load_intensities(name, data_dir, cache_dir, binarization)
  for split in ('train', 'validation', 'test'):
    _check_split(dataset, split)
  return dataset


def _load_static_mnist(data_dir, cache_dir):
  del data_dir, cache_dir  # It ships inside the package.
  return _digits('static_mnist', static_mnist.read())


def _load_binarized_mnist(data_dir, cache_dir):
  return _digits('binarized_mnist', binarized_mnist.read(data_dir, cache_dir))


_BINARY = {
  'static_mnist': _load_static_mnist,
  'binarized_mnist': _load_binarized_mnist,
}


def _digits(name, splits):
  """A `Dataset` of binary images `(images, digits)`."""
  entropy, source = MNIST_ENTROPY
  return Dataset(
    name=name,
    num_classes={'digit': 10},
    entropy_estimate=entropy,
    entropy_source=source,
    **{
      split: Split(images, {'digit': digits})
      for split, (images, digits) in splits.items()
    },
  )


def _load_intensities(name, data_dir, cache_dir, binarization):
  """A `Dataset` whose images come as intensities."""
  entropy, source = NO_ENTROPY
  num_classes = omniglot.NUM_CLASSES
  if name == 'omniglot':
    splits = omniglot.read(data_dir)
    if binarization != 'threshold':  # Which has another entropy.
      entropy, source = OMNIGLOT_ENTROPY
  elif name == 'omniglot_lake':
    splits = omniglot_lake.read(data_dir, cache_dir)
  else:
    splits, num_classes = tfds_images.read(
      name.removeprefix('tfds:'), data_dir, cache_dir
    )
  return Dataset(
    name=name,
    num_classes=num_classes,
    entropy_estimate=entropy,
    entropy_source=source,
    train_intensities=(
      splits['train'][0] if binarization == 'dynamic' else None
    ),
    **{
      split: Split(
        binarize.split_images(intensities, split, binarization), labels
      )
      for split, (intensities, labels) in splits.items()
    },
  )


def _check_split(dataset: Dataset, name: str) -> None:
  """Raises `UserError` unless the split is as `Split` says."""
  split = getattr(dataset, name)
  images, where = split.images, f'{name} of {dataset.name}'
  if len(images) == 0:
    raise UserError(f'{where} has no images')
  if images.dtype != np.uint8 or images.ndim != 4 or images.max() > 1:
    raise UserError(
      f'{where}: images should be uint8 [N, H, W, 1] of 0 and 1, are '
      f'{images.dtype} {list(images.shape)} up to {images.max()}'
    )
  for task, classes in dataset.num_classes.items():
    labels = split.labels[task]
    if labels.shape != (len(images),):
      raise UserError(
        f'{where}: {len(images)} images, but labels of {task} are '
        f'{list(labels.shape)}'
      )
    if labels.min() < 0 or labels.max() >= classes:
      raise UserError(
        f'{where}: labels of {task} should be from 0 to {classes - 1}, are '
        f'from {labels.min()} to {labels.max()}'
      )
