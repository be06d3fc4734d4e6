"""Writes and reads checkpoints, each whole or not at all."""

import contextlib
import os
import re

import numpy as np
import tensorflow as tf
from absl import logging

from vae_info.errors import UserError
from vae_info.runs.paths import Path


def save(manager: tf.train.CheckpointManager, step: int) -> None:
  """Writes a checkpoint, after checking that every weight is finite.

  Args:
    manager: Its checkpoint has the attribute `model`.
    step: Number of steps made so far; it becomes the checkpoint's number.

  Raises:
    UserError: A weight is NaN or infinite, or the file cannot be written.
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
    _remove_drafts(manager.directory)
    raise UserError(
      f'cannot write a checkpoint to {manager.directory}: {error.message}; '
      f'the last one is kept: {manager.latest_checkpoint}'
    ) from error


def _remove_drafts(directory: str) -> None:
  """Removes what a failed save leaves, which can fill the disk."""
  with contextlib.suppress(tf.errors.OpError):
    for path in tf.io.gfile.glob(os.path.join(directory, 'ckpt-*_temp')):
      tf.io.gfile.rmtree(path)


def restore_newest(
  checkpoint: tf.train.Checkpoint, directory: Path, partial: bool
) -> str | None:
  """Restores the newest readable checkpoint, and skips damaged ones.

  Args:
    checkpoint: What to restore; all of it must be in the file.
    directory: Folder of the checkpoints.
    partial: Whether the file may hold more, such as an optimizer's state.

  Returns:
    The path of the restored checkpoint, or None if the folder has none.

  Raises:
    UserError: No checkpoint of the folder is readable, or the newest readable
      one does not match `checkpoint`.
  """
  names = []
  if tf.io.gfile.isdir(str(directory)):
    names = tf.io.gfile.listdir(str(directory))
  matches = [re.fullmatch(r'ckpt-(\d+)\.index', name) for name in names]
  numbers = sorted((int(match[1]) for match in matches if match), reverse=True)
  paths = [os.path.join(str(directory), f'ckpt-{step}') for step in numbers]
  for path in paths:
    # Read everything first, so that a damaged file changes no variable.
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
  """Returns the number of steps after which a checkpoint was written."""
  return int(path.rpartition('-')[2])


def _read_all(path: str) -> None:
  """Reads every tensor, which verifies its checksum."""
  # tf.train.load_checkpoint would mistake some prefixes for folders.
  reader = tf.compat.v1.train.NewCheckpointReader(path)
  for name in reader.get_variable_to_shape_map():
    reader.get_tensor(name)


def restore_step(model: tf.Module, directory: Path, step: int) -> None:
  """Restores the weights that the model had after `step`.

  Raises:
    UserError: The checkpoint of that step is missing or not readable.
  """
  path = restore_newest(
    tf.train.Checkpoint(model=model), directory, partial=True
  )
  if path is None:
    raise UserError(
      f'there is no checkpoint in {directory}; delete finished.json and run '
      'the same training command again: it starts anew'
    )
  if step_of(path) != step:
    raise UserError(
      f'the checkpoint of the last step, {step}, in {directory} is not '
      'readable; delete finished.json and run the same training command again: '
      'it resumes from the last good checkpoint'
    )
