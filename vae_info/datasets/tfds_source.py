"""Finds, downloads and reads data sets of TensorFlow Datasets (TFDS)."""

import contextlib
import logging
import os
import pathlib
import sys
import textwrap
from collections.abc import Callable

import numpy as np

from vae_info.datasets import cache, memory
from vae_info.errors import UserError

BATCH_SIZE = 500
# By default TFDS tries ten times: over three minutes without a network.
DOWNLOAD_RETRIES = 4


def data_folder(data_dir: str | None) -> pathlib.Path:
  """`data_dir`, or else TFDS's own: TFDS_DATA_DIR or ~/tensorflow_datasets."""
  path = data_dir or os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets')
  return pathlib.Path(path).expanduser()


def find(name: str, data_dir: str | None):
  """Returns a `tfds.core.DatasetBuilder`; downloads its data if missing.

  Args:
    name: TFDS's name, for instance 'mnist' or 'emnist/letters'.
    data_dir: Folder of the data; see `data_folder` for None.

  Raises:
    UserError: TFDS has no such data set, or the data are missing and cannot be
      downloaded.
  """
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.download import downloader

  place = data_folder(data_dir)
  try:
    builder = tfds.builder(name, data_dir=place)
  except Exception as error:  # TFDS raises many kinds.
    reason = str(error).strip().split('\n')[0]
    raise UserError(
      f'TensorFlow Datasets cannot open {name!r} in {place}: {reason}'
    ) from error
  folder = pathlib.Path(builder.data_path)
  if (folder / 'dataset_info.json').is_file():
    return builder
  logging.getLogger('urllib3').setLevel(logging.ERROR)
  if not sys.stderr.isatty():
    tfds.disable_progress_bar()
  retries, downloader.MAX_RETRIES = downloader.MAX_RETRIES, DOWNLOAD_RETRIES
  try:
    builder.download_and_prepare()
  except Exception as error:  # Of the network, a disk or a parser.
    _remove_empty(folder, place)
    reason = str(error).strip().split('\n')[0]
    raise UserError(not_found(f'{name} in {folder}', name, reason)) from error
  finally:
    downloader.MAX_RETRIES = retries
  return builder


def _remove_empty(folder: pathlib.Path, top: pathlib.Path) -> None:
  """Removes empty folders, from `folder` up to below `top`."""
  while folder.is_relative_to(top) and folder != top:
    with contextlib.suppress(OSError):  # It is not there, or is not empty.
      folder.rmdir()
    folder = folder.parent


def not_found(what: str, name: str, reason: str) -> str:
  """Words the error that data are missing and cannot be downloaded."""
  reason = textwrap.shorten(reason, 160, placeholder='...')
  return (
    f'no prepared {what}, and it cannot be downloaded ({reason}); run this '
    'once with a network, or point --data_dir at a folder that holds '
    f'{name}'
  )


def fingerprint(builder) -> dict[str, str]:
  """Returns the SHA-256 of each data file, by name; {} without files."""
  folder = pathlib.Path(builder.data_path)
  if not folder.is_dir():
    return {}
  return cache.digests(path for path in folder.iterdir() if path.is_file())


def read(builder, split: str, convert: Callable[[dict], dict]) -> cache.Arrays:
  """Reads all examples of a split, stacked by name, in TFDS's order.

  Args:
    builder: The result of `find`.
    split: TFDS's name of the split.
    convert: Maps one decoded example to a dict of tensors; it is traced.

  Raises:
    UserError: A file is damaged, or examples are missing.
  """
  import tensorflow as tf
  import tqdm

  known = builder.info.splits.get(split)
  expected = known.num_examples if known else None
  try:
    examples = builder.as_dataset(split=split, shuffle_files=False)
    examples = examples.map(convert, num_parallel_calls=tf.data.AUTOTUNE)
    stack = _Stack(expected)
    with tqdm.tqdm(
      desc=f'reading {builder.name} {split}',
      total=expected,
      unit=' images',
      unit_scale=True,
      disable=not sys.stderr.isatty(),
    ) as bar:
      for batch in examples.batch(BATCH_SIZE).as_numpy_iterator():
        stack.add(batch)
        bar.update(len(next(iter(batch.values()))))
  except (tf.errors.OpError, OSError, ValueError, AssertionError) as error:
    reason = str(error).strip().split('\n')[0][:200]
    raise UserError(
      f'cannot read {split} of {builder.name} in {builder.data_path}: '
      f'{reason}; delete that folder to prepare it again'
    ) from error
  found = stack.found
  if found == 0 or expected not in (None, found):
    raise UserError(
      f'{split} of {builder.name} in {builder.data_path} has {found} examples, '
      f'expected {expected or "some"}; delete that folder to prepare it again'
    )
  return stack.arrays()


class _Stack:
  """Joins batches of arrays. If their length is known, they are copied once."""

  def __init__(self, expected: int | None):
    self.found = 0
    self._expected = expected
    self._whole: cache.Arrays = {}
    self._batches: list[cache.Arrays] = []

  def add(self, batch: cache.Arrays) -> None:
    count = len(next(iter(batch.values())))
    end = self.found + count
    if self._expected is None:
      self._batches.append(batch)
    elif end <= self._expected:
      for name, values in batch.items():
        if name not in self._whole:
          shape = (self._expected, *values.shape[1:])
          self._whole[name] = memory.empty(shape, values.dtype)
        self._whole[name][self.found : end] = values
    self.found = end

  def arrays(self) -> cache.Arrays:
    return self._whole or {
      name: np.concatenate([batch[name] for batch in self._batches])
      for name in self._batches[0]
    }
