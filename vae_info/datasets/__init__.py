"""Data sets, each wholly in memory: `load(name, data_dir) -> Dataset`."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from vae_info.datasets import static_mnist


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
  """

  name: str
  train: Split
  validation: Split
  test: Split
  num_classes: Mapping[str, int]
  entropy_estimate: float | None

  @property
  def image_shape(self) -> tuple[int, int, int]:
    return self.train.images.shape[1:]


def label_entropy(labels: np.ndarray) -> float:
  """H(Y) in nats of the empirical distribution of `labels`, int `[N]`."""
  counts = np.unique(labels, return_counts=True)[1]
  frequencies = counts / counts.sum()
  return float(-np.sum(frequencies * np.log(frequencies)))


def _load_static_mnist(data_dir: str | None) -> Dataset:
  del data_dir  # It ships inside the package.
  splits = {
    name: Split(images, {'digit': digits})
    for name, (images, digits) in static_mnist.read().items()
  }
  return Dataset(
    name='static_mnist',
    num_classes={'digit': 10},
    # Tomczak & Welling (2017), table 1: the best upper bound on the negative
    # log-likelihood that they report, which the paper takes for H(X).
    entropy_estimate=79.78,
    **splits,
  )


DATASETS = {'static_mnist': _load_static_mnist}


def load(name: str, data_dir: str | None = None) -> Dataset:
  """Loads a data set into memory.

  Args:
    name: A key of `DATASETS`.
    data_dir: Where prepared data lie, for data sets that are not bundled.

  Returns:
    The `Dataset`.

  Raises:
    ValueError: `name` is unknown.
  """
  if name not in DATASETS:
    raise ValueError(
      f'unknown dataset {name!r}; expected one of {", ".join(DATASETS)}'
    )
  return DATASETS[name](data_dir)
