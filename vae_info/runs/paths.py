"""Paths of local files, and of objects on Google Cloud Storage.

A local path is a `pathlib.Path`. A `gs://` path is an `etils.epath.Path`, which
has the same methods and uses `tf.io.gfile`. Its first access imports
TensorFlow; a local path never does.
"""

import os
import pathlib
from typing import TypeAlias

from etils import epath

from vae_info.errors import UserError

Path: TypeAlias = pathlib.Path | epath.Path


def is_remote(path: Path | str) -> bool:
  """Whether a path is a URL, such as gs://bucket/folder."""
  return '://' in str(path)


def open_path(text: str) -> Path:
  """Converts the text of a flag to a path.

  Raises:
    UserError: It is a URL of an unknown kind, or one that cannot be reached.
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


def open_output(text: str) -> Path:
  """The path of a file to be written at the end of a command.

  Raises:
    UserError: Its folder does not exist, or it is a folder itself. Or as for
      `open_path`.
  """
  path = open_path(text)
  if not is_remote(text) and not path.parent.is_dir():
    raise UserError(f'the folder of {text} does not exist')
  if not is_remote(text) and path.is_dir():
    raise UserError(f'{text} is a folder; name a file in it')
  return path


def write_atomically(path: Path, content: str | bytes) -> None:
  """Writes a file that others see whole or not at all.

  What is no plain file, such as /dev/stdout or a link, is written in place.
  """
  data = content.encode() if isinstance(content, str) else content
  if is_remote(path):
    path.write_bytes(data)  # An object appears when it is closed.
    return
  local = pathlib.Path(path)
  if local.is_symlink() or (local.exists() and not local.is_file()):
    local.write_bytes(data)
    return
  draft = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  try:
    draft.write_bytes(data)
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)
