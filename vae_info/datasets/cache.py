"""Caches arrays that take long to compute, in files.

A file's name has a digest of what the arrays were computed from, so other
sources give another file. A file appears whole or not at all, and a damaged one
is computed again. While one process computes arrays, another that needs them
waits, and then reads the file.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Generator, Iterable
from typing import Any, BinaryIO

import numpy as np
from absl import logging

from vae_info.datasets import memory

Arrays = dict[str, np.ndarray]


def folder(cache_dir: str | None = None) -> pathlib.Path:
  """`cache_dir`, or else `vae_info` in XDG_CACHE_HOME or ~/.cache."""
  if cache_dir:
    return pathlib.Path(cache_dir).expanduser()
  home = os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache'
  return pathlib.Path(home) / 'vae_info'


def digests(paths: Iterable[pathlib.Path]) -> dict[str, str]:
  """SHA-256 of each file's content, by the file's name."""
  result = {}
  for path in sorted(paths):
    with open(path, 'rb') as file:
      result[path.name] = hashlib.file_digest(file, 'sha256').hexdigest()
  return result


def load_or_make(
  cache_dir: str | None, name: str, key: dict, make: Callable[[], Arrays]
) -> Arrays:
  """Returns the arrays of `make`, from the cache if possible.

  Args:
    cache_dir: Folder of the cache; see `folder` for None.
    name: Start of the file's name.
    key: Everything that `make` depends on, as values for JSON.
    make: Computes the arrays; called only if there is no good file.
  """
  text = json.dumps(key, sort_keys=True)
  digest = hashlib.sha256(text.encode()).hexdigest()[:16]
  path = folder(cache_dir) / f'{name}-{digest}.npz'
  arrays = _read(path, text)
  if arrays is not None:
    return arrays
  with contextlib.ExitStack() as stack:
    try:
      path.parent.mkdir(parents=True, exist_ok=True)
      stack.enter_context(_lock(path))
      writable = True
    except OSError as error:
      logging.warning('nothing is cached in %s: %s', path.parent, error)
      writable = False
    # Another process may have made it while this one waited for the lock.
    arrays = _read(path, text)
    if arrays is None:
      arrays = make()
      if writable:
        _write(path, text, arrays)
  return arrays


def _read(path: pathlib.Path, key: str) -> Arrays | None:
  """Reads the arrays of a file; None if it is missing or damaged."""
  try:
    with np.load(path) as file:
      # Reading verifies the checksum of each array.
      arrays = {name: memory.read_member(file, name) for name in file.files}
    if str(arrays.pop('key')) == key:
      return arrays
    reason = 'it has another key'
  except FileNotFoundError:
    return None
  except (OSError, ValueError, LookupError, EOFError) as error:
    reason = error
  except zipfile.BadZipFile as error:
    reason = error
  logging.warning('%s is damaged and made again: %s', path, reason)
  return None


def _write(path: pathlib.Path, key: str, arrays: Arrays) -> None:
  """Writes a file; a failure is only a warning, since the arrays are good."""
  for stale in path.parent.glob(f'{path.name}.*.tmp'):
    stale.unlink(missing_ok=True)  # Left by a process that was killed.
  members: dict[str, Any] = {'key': key, **arrays}
  try:
    with written_whole(path) as file:
      np.savez(file, **members)
  except OSError as error:
    logging.warning('cannot write %s: %s', path, error)


@contextlib.contextmanager
def written_whole(path: pathlib.Path) -> Generator[BinaryIO, None, None]:
  """Opens a file that appears at `path` if the context ends without error."""
  draft = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  try:
    with open(draft, 'wb') as file:
      yield file
    os.replace(draft, path)
  finally:
    draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _lock(path: pathlib.Path) -> Generator[None, None, None]:
  """Waits until no other process makes `path`, and keeps others waiting."""
  with open(path.with_name(f'{path.name}.lock'), 'w') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    yield
