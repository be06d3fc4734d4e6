"""Finds, downloads and reads data sets of TensorFlow Datasets (TFDS)."""

import logging
import os
import pathlib
import sys
import textwrap
from collections.abc import Callable

import numpy as np

from vae_info.config import UserError
from vae_info.datasets import cache

BATCH_SIZE = 500
# TFDS tries ten times, which without a network takes over three minutes.
DOWNLOAD_RETRIES = 4


def data_folder(data_dir: str | None) -> pathlib.Path:
  """`data_dir`, or TFDS's own: TFDS_DATA_DIR or ~/tensorflow_datasets."""
  path = data_dir or os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets')
  return pathlib.Path(path).expanduser()


def find(name: str, data_dir: str | None):
  """A `tfds.core.DatasetBuilder` whose data are prepared, downloaded if absent.

  Args:
    name: TFDS's, for instance 'mnist' or 'emnist/letters'.
    data_dir: As `data_folder` takes it.

  Raises:
    UserError: TFDS knows no such data set, or the data are neither there nor
      can be downloaded.
  """
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.download import downloader

  place = data_folder(data_dir)
  try:
    builder = tfds.builder(name, data_dir=place)
  except Exception as error:  # TFDS raises its own, of many kinds.
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
  except Exception as error:  # The network's, the disk's, the parser's.
    reason = str(error).strip().split('\n')[0]
    raise UserError(not_found(f'{name} in {folder}', name, reason)) from error
  finally:
    downloader.MAX_RETRIES = retries
  return builder


def not_found(what: str, name: str, reason: str) -> str:
  """One line on data that are neither there nor can be downloaded."""
  reason = textwrap.shorten(reason, 160, placeholder='...')
  return (
    f'no prepared {what}, and it cannot be downloaded ({reason}); run this '
    'once with a network, or point --data_dir at a folder that holds '
    f'{name}'
  )


def fingerprint(builder) -> dict[str, str]:
  """Digests of the data's files, by name; empty if there are no files."""
  folder = pathlib.Path(builder.data_path)
  if not folder.is_dir():
    return {}
  return cache.digests(path for path in folder.iterdir() if path.is_file())


def read(builder, split: str, convert: Callable[[dict], dict]) -> cache.Arrays:
  """All examples of a split in TFDS's order, stacked by name.

  Args:
    builder: As `find` gives it.
    split: TFDS's name of it.
    convert: From one decoded example to a dict of tensors, in TensorFlow.

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
    batches = []
    with tqdm.tqdm(
      desc=f'reading {builder.name} {split}',
      total=expected,
      unit=' images',
      unit_scale=True,
      disable=not sys.stderr.isatty(),
    ) as bar:
      for batch in examples.batch(BATCH_SIZE).as_numpy_iterator():
        batches.append(batch)
        bar.update(len(next(iter(batch.values()))))
  except (tf.errors.OpError, OSError, ValueError, AssertionError) as error:
    reason = str(error).strip().split('\n')[0][:200]
    raise UserError(
      f'cannot read {split} of {builder.name} in {builder.data_path}: '
      f'{reason}; delete that folder to prepare it again'
    ) from error
  arrays = {
    name: np.concatenate([batch[name] for batch in batches])
    for name in (batches[0] if batches else {})
  }
  found = len(next(iter(arrays.values()))) if arrays else 0
  if found == 0 or expected not in (None, found):
    raise UserError(
      f'{split} of {builder.name} in {builder.data_path} has {found} examples, '
      f'expected {expected or "some"}; delete that folder to prepare it again'
    )
  return arrays
