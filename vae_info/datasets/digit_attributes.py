"""Attributes of MNIST's digits, as tasks: how thick, how slanted, how large.

The bundled file has the rank of each of MNIST's 70,000 images in each
attribute, in 250 levels. The 60,000 training images define the levels: each
level has 240 of them. A task has ten classes of 25 levels each. So its entropy
over these images is ln 10.

The attributes are measured on the grey images by `measure_digits.py`, which
also makes the file. A binary draw of the grey image does not show all of them.
"""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vae_info.datasets import cache
from vae_info.errors import UserError

PATH = pathlib.Path(__file__).with_name('digit_attributes.npz')
NAMES = ('area', 'length', 'thickness', 'slant', 'width', 'height')
LEVELS = 250
CLASSES = 10
SIZE = 70_000


def levels(values: np.ndarray, train_size: int) -> np.ndarray:
  """The ranks among training images, in equal levels.

  Equal values of training images are ranked in their order, so every level has
  the same number of them.

  Args:
    values: Float `[N]`; training images come first.
    train_size: How many of them are training images.

  Returns:
    uint8 `[N]`, in `[0, LEVELS)`.
  """
  train = values[:train_size]
  order = np.argsort(train, kind='stable')
  ranks = np.empty(train_size, np.int64)
  ranks[order] = np.arange(train_size)
  rest = np.searchsorted(train[order], values[train_size:])
  ranks = np.minimum(np.concatenate([ranks, rest]), train_size - 1)
  return (ranks * LEVELS // train_size).astype(np.uint8)


def write(
  values: Mapping[str, np.ndarray], train_size: int, path: pathlib.Path
) -> None:
  """Writes the levels of measured attributes, float `[N]` each, by name."""
  arrays: dict[str, Any] = {
    name: levels(values[name], train_size) for name in NAMES
  }
  with cache.written_whole(path) as file:
    np.savez_compressed(file, **arrays)


@functools.cache
def read(path: pathlib.Path = PATH) -> dict[str, np.ndarray]:
  """Returns attribute -> class of each image of MNIST, int32 `[70000]`.

  Images are in the order of TensorFlow Datasets, `train` before `test`.

  Raises:
    UserError: The file has other attributes, or another number of images.
  """
  with np.load(path) as file:
    ranks = {name: file[name] for name in file.files}
  found = {name: len(values) for name, values in ranks.items()}
  if found != dict.fromkeys(NAMES, SIZE):
    raise UserError(
      f'{path}: expected {", ".join(NAMES)} of {SIZE} images, found {found}; '
      'make it again with python -m vae_info.datasets.measure_digits'
    )
  return {
    name: (values // (LEVELS // CLASSES)).astype(np.int32)
    for name, values in ranks.items()
  }


def of_images(rows: np.ndarray) -> dict[str, np.ndarray]:
  """Returns attribute -> classes, int32 `[N]`, of some images of MNIST.

  Args:
    rows: Indices into MNIST's 70,000 images, `train` before `test`, `[N]`.
  """
  return {name: classes[rows] for name, classes in read().items()}
