"""Loads whole data sets into memory: `load(name, data_dir) -> Dataset`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vae_info.config import check_data
from vae_info.datasets import (
  binarize,
  binarized_mnist,
  omniglot,
  omniglot_lake,
  sprites,
  static_mnist,
  tfds_images,
)
from vae_info.errors import UserError

# H(X) in nats. Tomczak & Welling (2017), table 1: their best upper bound on the
# negative log-likelihood. The paper takes it for H(X).
MNIST_ENTROPY = 79.78, 'Tomczak & Welling (2017)'
# Chen et al., Variational Lossy Autoencoder, ICLR 2017: the fine-tuned model.
# This is also an upper bound. The paper does not name its own for Omniglot.
OMNIGLOT_ENTROPY = 89.83, 'Chen et al. (2017)'
NO_ENTROPY = None, None


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples of one split.

  Attributes:
    images: uint8 `[N, H, W, 1]`, each pixel 0 or 1.
    labels: Task name -> int32 `[N]`, each in `[0, num_classes[task])`.
  """

  images: np.ndarray
  labels: Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Dataset:
  """Three splits, and facts about the whole data set.

  Attributes:
    name: The name given to `load`.
    train: Examples that the model and its classifiers are fitted to.
    validation: Examples for choosing settings; no reported number uses them.
    test: Examples for reported numbers, each of which uses all of them.
    num_classes: Task name -> number of classes.
    entropy_estimate: A published estimate of H(X) in nats, or None.
    entropy_source: Who published it, or None.
    train_intensities: uint8 `[N, H, W, 1]`, 0..255, from which each step draws
      new images of `train`; None if these images are the same for all steps.
    default_tasks: The tasks to use if none is named; by default all.
  """

  name: str
  train: Split
  validation: Split
  test: Split
  num_classes: Mapping[str, int]
  entropy_estimate: float | None
  entropy_source: str | None = None
  train_intensities: np.ndarray | None = None
  default_tasks: Sequence[str] = ()

  def __post_init__(self):
    if not self.default_tasks:
      object.__setattr__(self, 'default_tasks', tuple(self.num_classes))

  @property
  def image_shape(self) -> tuple[int, int, int]:
    return self.train.images.shape[1:]


def label_entropy(labels: np.ndarray) -> float:
  """H(Y) in nats of the empirical distribution of `labels`, int `[N]`."""
  counts = np.unique(labels, return_counts=True)[1]
  frequencies = counts / counts.sum()
  return float(-np.sum(frequencies * np.log(frequencies)))


def chosen_tasks(task: str | None, dataset: Dataset) -> list[str]:
  """Returns the named task, or the default tasks if `task` is None.

  Raises:
    UserError: The data set has no such task.
  """
  if task is None:
    return list(dataset.default_tasks)
  if task not in dataset.num_classes:
    raise UserError(
      f'unknown task {task!r} of {dataset.name}; expected one of '
      f'{", ".join(dataset.num_classes)}'
    )
  return [task]


def load(
  name: str,
  data_dir: str | None = None,
  cache_dir: str | None = None,
  binarization: str = 'static',
) -> Dataset:
  """Loads a data set into memory.

  Args:
    name: One of `config.DATASETS`, or 'tfds:NAME' for an image
      classification data set of TensorFlow Datasets.
    data_dir: Folder of prepared data; bundled data sets do not need it. The
      default is TFDS_DATA_DIR, or else ~/tensorflow_datasets.
    cache_dir: Folder that caches arrays computed from the data. The default is
      `vae_info` in XDG_CACHE_HOME, or else in ~/.cache.
    binarization: How intensities become 0 and 1; see `binarize.py`.

  Returns:
    The `Dataset`.

  Raises:
    UserError: `name` or `binarization` is unknown, or the data are missing,
      damaged, or not as expected.
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
  del data_dir, cache_dir  # The package has the data.
  return _digits('static_mnist', static_mnist.read())


def _load_binarized_mnist(data_dir, cache_dir):
  return _digits('binarized_mnist', binarized_mnist.read(data_dir, cache_dir))


def _load_sprites(data_dir, cache_dir):
  del data_dir, cache_dir  # They are drawn.
  parts: dict[str, Any] = {
    split: Split(*content) for split, content in sprites.read().items()
  }
  return Dataset(
    name='sprites',
    num_classes=sprites.NUM_CLASSES,
    entropy_estimate=sprites.world().entropy,
    entropy_source='exact',
    **parts,
  )


_BINARY = {
  'static_mnist': _load_static_mnist,
  'binarized_mnist': _load_binarized_mnist,
  'sprites': _load_sprites,
}


def _digits(name, splits):
  """Builds a `Dataset` from binary `(images, digits)` of each split."""
  entropy, source = MNIST_ENTROPY
  parts: dict[str, Any] = {
    split: Split(images, {'digit': digits})
    for split, (images, digits) in splits.items()
  }
  return Dataset(
    name=name,
    num_classes={'digit': 10},
    entropy_estimate=entropy,
    entropy_source=source,
    **parts,
  )


def _load_intensities(name, data_dir, cache_dir, binarization):
  """Loads a `Dataset` with intensities, and binarises its images."""
  entropy, source = NO_ENTROPY
  num_classes = omniglot.NUM_CLASSES
  if name == 'omniglot':
    splits = omniglot.read(data_dir)
    if binarization != 'threshold':  # A threshold changes H(X).
      entropy, source = OMNIGLOT_ENTROPY
  elif name == 'omniglot_lake':
    splits = omniglot_lake.read(data_dir, cache_dir)
  else:
    splits, num_classes = tfds_images.read(
      name.removeprefix('tfds:'), data_dir, cache_dir
    )
  parts: dict[str, Any] = {
    split: Split(
      binarize.split_images(intensities, split, binarization), labels
    )
    for split, (intensities, labels) in splits.items()
  }
  return Dataset(
    name=name,
    num_classes=num_classes,
    entropy_estimate=entropy,
    entropy_source=source,
    train_intensities=(
      splits['train'][0] if binarization == 'dynamic' else None
    ),
    **parts,
  )


def _check_split(dataset: Dataset, name: str) -> None:
  """Raises `UserError` unless the split is as `Split` describes it."""
  split = getattr(dataset, name)
  images, where = split.images, f'{name} of {dataset.name}'
  if len(images) == 0:
    raise UserError(f'{where} has no images')
  if images.dtype != np.uint8 or images.ndim != 4 or images.max() > 1:
    raise UserError(
      f'{where}: images should be uint8 [N, H, W, 1] of 0 and 1, found '
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
