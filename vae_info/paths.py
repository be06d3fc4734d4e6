"""Places for files: folders of this machine, and Google Cloud Storage.

A local place is a `pathlib.Path`. A `gs://` one is an `etils.epath.Path`, which
has the same methods and goes through `tf.io.gfile`; it imports TensorFlow with
its first access, a local one never does.
"""

import os
import pathlib
from typing import TypeAlias

from etils import epath

from vae_info.config import UserError

Path: TypeAlias = pathlib.Path | epath.Path


def is_remote(path: Path | str) -> bool:
  return '://' in str(path)


def open_path(text: str) -> Path:
  """The place that a flag names.

  Raises:
    UserError: It is remote, and of an unknown kind or out of reach.
  """
  if not is_remote(text):
    return pathlib.Path(text)
  try:
    path = epath.Path(text)
  except KeyError as error:
    raise UserError(
      f'{text} is neither a local path nor one on gs://'
    ) from error
  import tensorflow as tf

  try:
    path.exists()
  except tf.errors.OpError as error:
    reason = error.message.strip().splitlines()[0]
    raise UserError(f'cannot reach {text}: {reason}') from error
  return path


def modified(path: Path) -> float:
  """When a file was last written, in seconds, by its own system's clock."""
  return path.stat().mtime if is_remote(path) else path.stat().st_mtime


def write_atomically(path: Path, text: str) -> None:
  """Writes a file that others see whole or not at all."""
  if is_remote(path):
    path.write_text(text)  # An object appears when it is closed.
    return
  draft = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  try:
    draft.write_text(text)
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)
