"""Run directories: config, lock, checkpoints, and the mark of completeness.

<run>/config.json     what it is; written first, never changed
<run>/run.lock        held while a process trains or evaluates it
<run>/checkpoints/    the newest two, each written whole or not at all
<run>/finished.json   written last: only a finished run has it
"""

import json
import os
import re

import numpy as np
import tensorflow as tf
from absl import logging

from vae_info.config import Config, UserError
from vae_info.locks import LOCK
from vae_info.paths import Path, write_atomically

_FINISH_AGAIN = (
  'delete finished.json, and the command of the training goes on from the last '
  'good checkpoint'
)
NOT_OURS = (LOCK, 'launch')  # What may be in a directory before its config.


def open_run(run: Path, config: Config) -> None:
  """Makes `run`, or checks that it is a run of this very config.

  Raises:
    UserError: The directory has another config, or has files but no config.
  """
  run.mkdir(parents=True, exist_ok=True)
  path = run / 'config.json'
  if not path.exists():
    others = [file.name for file in run.iterdir() if file.name not in NOT_OURS]
    if others:
      raise UserError(
        f'{run} is neither empty nor a run directory: it has '
        f'{sorted(others)[0]} but no config.json'
      )
    write_atomically(path, config.to_json())
  config.check_run(run)


def save(manager: tf.train.CheckpointManager, step: int) -> None:
  """Writes a checkpoint, unless a weight is not finite.

  Raises:
    UserError: A weight is NaN or infinite, or the disk refuses.
  """
  for variable in tf.nest.flatten(manager.checkpoint.model.trainable_variables):
    if not np.all(np.isfinite(variable.numpy())):
      raise UserError(
        f'at step {step} a weight of shape {tuple(variable.shape)} is not '
        f'finite; the last good checkpoint is kept: {manager.latest_checkpoint}'
      )
  try:
    manager.save(checkpoint_number=step)
  except tf.errors.OpError as error:
    raise UserError(
      f'cannot write a checkpoint to {manager.directory}: {error.message}; '
      f'the last one is kept: {manager.latest_checkpoint}'
    ) from error


def restore_newest(
  checkpoint: tf.train.Checkpoint, directory: Path, partial: bool
) -> str | None:
  """Restores the newest readable checkpoint, and skips damaged ones.

  Args:
    checkpoint: What to restore; all of it must be in the file.
    directory: Of the checkpoints.
    partial: Whether the file may hold more, such as an optimizer's state.

  Returns:
    The path restored, or None if there is no checkpoint at all.

  Raises:
    UserError: There are checkpoints, but none is readable; or one does not
      match `checkpoint`.
  """
  names = []
  if tf.io.gfile.isdir(str(directory)):
    names = tf.io.gfile.listdir(str(directory))
  matches = [re.fullmatch(r'ckpt-(\d+)\.index', name) for name in names]
  numbers = sorted((int(match[1]) for match in matches if match), reverse=True)
  paths = [os.path.join(str(directory), f'ckpt-{step}') for step in numbers]
  for path in paths:
    try:
      _read_all(path)
    except (tf.errors.OpError, LookupError, ValueError, RuntimeError) as error:
      logging.warning('skipping damaged checkpoint %s: %s', path, error)
      continue
    try:
      status = checkpoint.restore(path)
      if partial:
        status.expect_partial().assert_existing_objects_matched()
      else:
        status.assert_consumed()
    except (AssertionError, ValueError) as error:
      reason = str(error).strip().split('\n')[0]
      raise UserError(
        f'checkpoint {path} does not match the model: {reason}'
      ) from error
    return path
  if paths:
    raise UserError(
      f'none of the {len(paths)} checkpoints in {directory} is readable; '
      'delete the directory to start the run again'
    )
  return None


def step_of(path: str) -> int:
  """The step after which a checkpoint was written."""
  return int(path.rpartition('-')[2])


def _read_all(path: str) -> None:
  """Reads every tensor, so that checksums are verified before any is used."""
  # Not tf.train.load_checkpoint, which mistakes some prefixes for folders.
  reader = tf.compat.v1.train.NewCheckpointReader(path)
  for name in reader.get_variable_to_shape_map():
    reader.get_tensor(name)


def finish(run: Path, facts: dict) -> None:
  """Marks the run as complete; `facts` tell how it was made."""
  write_atomically(run / 'finished.json', json.dumps(facts, indent=2) + '\n')


def is_finished(run: Path) -> bool:
  return (run / 'finished.json').is_file()


def read_finished(run: Path) -> dict:
  """The facts given to `finish`.

  Raises:
    UserError: The file is damaged.
  """
  path = run / 'finished.json'
  try:
    facts = json.loads(path.read_text())
    int(facts['step'])
  except (ValueError, LookupError, TypeError) as error:
    raise UserError(f'{path} is damaged ({error}); {_FINISH_AGAIN}') from error
  return facts


def restore_model(model: tf.Module, run: Path) -> None:
  """Restores the weights of a finished run, alone.

  Raises:
    UserError: The checkpoint of its last step is not there or not readable.
  """
  directory = run / 'checkpoints'
  step = read_finished(run)['step']
  path = restore_newest(
    tf.train.Checkpoint(model=model), directory, partial=True
  )
  if path is None:
    raise UserError(f'{run} has no checkpoint in {directory}')
  if step_of(path) != step:
    raise UserError(
      f'the checkpoint of the last step, {step}, in {directory} is not '
      f'readable; {_FINISH_AGAIN}'
    )
