"""Loads whole data sets into memory: `load(name, data_dir) -> Dataset`."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vae_info.config import check_data, levels
from vae_info.datasets import (
  binarize,
  binarized_mnist,
  digit_attributes,
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
ALL = 'all'  # Stands for all tasks of a data set.
# Data set -> tasks that are not among its default ones.
MORE_TASKS: Mapping[str, Sequence[str]] = {
  'static_mnist': digit_attributes.NAMES,
  'binarized_mnist': digit_attributes.NAMES,
  'omniglot_lake': ('drawer',),
}


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples of one split.

  Attributes:
    images: uint8 `[N, H, W, C]`. Each pixel is 0 or 1, and C is 1; with the
      binarization `none`, values are 0 to 255 and C is 1 to 4.
    labels: Task name -> int32 `[N]`, each in `[0, num_classes[task])`.
    given: Task name -> what a classifier of the task is given beside the code,
      float32 `[N, G]` each. Most tasks have none. C then bounds the information
      about the label given these.
  """

  images: np.ndarray
  labels: Mapping[str, np.ndarray]
  given: Mapping[str, Sequence[np.ndarray]] = dataclasses.field(
    default_factory=dict
  )


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
    default_tasks: The tasks to use if none is named; by default all but those
      in `MORE_TASKS`.
    shared: Tasks whose classifiers share a trunk if all of these tasks are
      evaluated together.
    levels: The number of values of a pixel in a channel: 2, or 256.
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
  shared: Sequence[str] = ()
  levels: int = 2

  def __post_init__(self):
    if not self.default_tasks:
      more = MORE_TASKS.get(self.name, ())
      default = [task for task in self.num_classes if task not in more]
      object.__setattr__(self, 'default_tasks', tuple(default))

  @property
  def image_shape(self) -> tuple[int, int, int]:
    return self.train.images.shape[1:]


def label_entropy(labels: np.ndarray) -> float:
  """H(Y) in nats of the empirical distribution of `labels`, int `[N]`."""
  counts = np.unique(labels, return_counts=True)[1]
  frequencies = counts / counts.sum()
  return float(-np.sum(frequencies * np.log(frequencies)))


def chosen_tasks(task: str | None, dataset: Dataset) -> list[str]:
  """Returns the named task, all tasks, or the default tasks.

  Of several tasks, those with one class are left out. A line on stderr says so.

  Args:
    task: A task's name, or `ALL`, or None for the default tasks.
    dataset: The data set.

  Raises:
    UserError: The data set has no such task, or each has only one class.
  """
  if task is None:
    tasks = list(dataset.default_tasks)
  elif task == ALL:
    tasks = list(dataset.num_classes)
  elif task in dataset.num_classes:
    tasks = [task]
  else:
    raise UserError(_unknown_task(task, dataset))
  texts = {name: constant(name, dataset) for name in tasks}
  kept = [name for name in tasks if not texts[name]]
  if not kept:
    raise UserError(f'{texts[tasks[0]]}; name another task with --task')
  for text in filter(None, texts.values()):
    print(f'note: {text}; it is left out', file=sys.stderr, flush=True)
  return kept


def varied_tasks(dataset: Dataset) -> list[str]:
  """All tasks with more than one class, which `ALL` stands for."""
  return [name for name in dataset.num_classes if not constant(name, dataset)]


def constant(task: str, dataset: Dataset) -> str | None:
  """Says that a task has one class in a split; None if it has more."""
  for split in ('train', 'test'):
    labels = getattr(dataset, split).labels[task]
    if np.all(labels == labels[0]):
      return (
        f'{task} of {dataset.name} has one class: all {len(labels)} labels '
        f'of {split} are {labels[0]}, so there is nothing to know'
      )
  return None


def _unknown_task(task: str, dataset: Dataset) -> str:
  """Words the error that a data set has no such task."""
  known = f'expected one of {", ".join(dataset.num_classes)}'
  having = [name for name, tasks in MORE_TASKS.items() if task in tasks]
  if having:
    return (
      f'{dataset.name} has no task {task!r}, which is of '
      f'{" and ".join(having)} alone; {known}'
    )
  return f'unknown task {task!r} of {dataset.name}; {known}, or {ALL}'


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
    binarization: How intensities become 0 and 1, or stay; see `binarize.py`.

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
  rows = np.arange(digit_attributes.SIZE)  # They are in MNIST's order.
  ends = np.cumsum(list(static_mnist.SIZES.values()))[:-1]
  splits = {
    split: (*pair, originals)
    for (split, pair), originals in zip(
      static_mnist.read().items(), np.split(rows, ends), strict=True
    )
  }
  return _digits('static_mnist', splits)


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
  """Builds a `Dataset` from binary images, digits and rows of MNIST."""
  entropy, source = MNIST_ENTROPY
  parts: dict[str, Any] = {
    split: Split(
      images, {'digit': digits, **digit_attributes.of_images(originals)}
    )
    for split, (images, digits, originals) in splits.items()
  }
  attributes = dict.fromkeys(digit_attributes.NAMES, digit_attributes.CLASSES)
  return Dataset(
    name=name,
    num_classes={'digit': 10, **attributes},
    entropy_estimate=entropy,
    entropy_source=source,
    shared=digit_attributes.NAMES,
    **parts,
  )


def _load_intensities(name, data_dir, cache_dir, binarization):
  """Loads a `Dataset` with intensities, and binarises its images."""
  entropy, source = NO_ENTROPY
  num_classes, given, shared = omniglot.NUM_CLASSES, {}, ()
  if name == 'omniglot':
    splits = omniglot.read(data_dir)
    if binarization in ('static', 'dynamic'):  # Others have another H(X).
      entropy, source = OMNIGLOT_ENTROPY
  elif name == 'omniglot_lake':
    splits = omniglot_lake.read(data_dir, cache_dir)
    num_classes, given = omniglot_lake.NUM_CLASSES, omniglot_lake.GIVEN
  else:
    splits, num_classes = tfds_images.read(
      name.removeprefix('tfds:'), data_dir, cache_dir, binarization == 'none'
    )
    # Yes-or-no features come by the dozen: CelebA has 40.
    shared = [task for task, classes in num_classes.items() if classes == 2]
  parts: dict[str, Any] = {
    split: Split(
      binarize.split_images(intensities, split, binarization),
      labels,
      {
        task: [np.eye(num_classes[other], dtype=np.float32)[labels[other]]]
        for task, other in given.items()
      },
    )
    for split, (intensities, labels) in splits.items()
  }
  dataset = Dataset(
    name=name,
    num_classes=num_classes,
    entropy_estimate=entropy,
    entropy_source=source,
    train_intensities=(
      splits['train'][0] if binarization == 'dynamic' else None
    ),
    levels=levels(binarization),
    **parts,
  )
  varied = varied_tasks(dataset)  # The others have no classifier.
  return dataclasses.replace(
    dataset, shared=[task for task in shared if task in varied]
  )


def _check_split(dataset: Dataset, name: str) -> None:
  """Raises `UserError` unless the split is as `Split` describes it."""
  split = getattr(dataset, name)
  images, where = split.images, f'{name} of {dataset.name}'
  if len(images) == 0:
    raise UserError(f'{where} has no images')
  largest = dataset.levels - 1
  if images.dtype != np.uint8 or images.ndim != 4 or images.max() > largest:
    raise UserError(
      f'{where}: images should be uint8 [N, H, W, C] of 0 to {largest}, found '
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
