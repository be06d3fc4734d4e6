"""One process at a time in a run directory.

On a local or network file system: `flock` on run.lock, which the system lets
go of when its holder dies in whatever way.

On an object store, where nothing like it exists: a claim, an object of its own
name under run.lock/, that its holder renews while it lives. A newcomer writes
its claim, and only then lists all; if another's is alive, it withdraws its own.
Where listing is consistent with writing, as on Google Cloud Storage, of two
newcomers at least the later one to list sees the other: both may withdraw and
try again, but never do both go on. The limits: a holder that died keeps others
out for `EXPIRY` seconds; machines' clocks must agree to well within that; and
a holder that was cut off for longer notices only at its next renewal, where it
stops itself. What it writes until then are the very bytes that its successor
writes, since a run's every step is determined.
"""

import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator

from absl import logging

from vae_info import paths
from vae_info.config import UserError

LOCK = 'run.lock'
EXPIRY = 180.0  # Seconds after which a claim that is not renewed is dead.
RENEWAL = 20.0


class InUse(UserError):
  """Another process holds the lock: come again later."""

  status = 75  # EX_TEMPFAIL of sysexits.h.


@contextlib.contextmanager
def lock(run: paths.Path) -> Iterator[None]:
  """Keeps a second process out of `run` while the context lasts.

  Raises:
    InUse: Another process holds the lock.
  """
  with _claim(run) if paths.is_remote(run) else _flock(run):
    yield


def is_held(run: paths.Path) -> bool:
  """Whether a process holds the lock, without taking it."""
  if paths.is_remote(run):
    return bool(_living(run))
  try:
    with open(run / LOCK) as file:
      fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
  except FileNotFoundError:
    return False
  except BlockingIOError:
    return True
  return False


@contextlib.contextmanager
def _flock(run):
  with open(run / LOCK, 'a+') as file:
    for wait in (0.05, 0.1, 0.2, None):
      try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
      except BlockingIOError as error:
        if wait is None:
          file.seek(0)
          raise InUse(
            f'{run} is in use by another process (pid {file.read().strip()})'
          ) from error
        time.sleep(wait)  # It may only be a glance of `is_held`.
    file.seek(0)
    file.truncate()
    file.write(f'{os.getpid()}\n')
    file.flush()
    yield


@contextlib.contextmanager
def _claim(run):
  folder = run / LOCK
  folder.mkdir(parents=True, exist_ok=True)
  holder = f'{socket.gethostname()}-{os.getpid()}'
  mine = folder / f'{holder}-{uuid.uuid4().hex[:8]}'
  for last in (False, False, True):
    _renew(mine)
    others = [claim for claim in _living(run) if claim.name != mine.name]
    if not others:
      break
    mine.unlink(missing_ok=True)
    if last:
      raise InUse(f'{run} is in use by another process ({others[0].name})')
    time.sleep(random.uniform(0.1, 1.0))  # Two newcomers part here.
  ended = threading.Event()
  renewing = threading.Thread(target=_keep, args=(mine, ended), daemon=True)
  renewing.start()
  try:
    yield
  finally:
    ended.set()
    renewing.join()
    mine.unlink(missing_ok=True)


def _renew(claim):
  claim.write_text(json.dumps({'renewed': time.time()}))


def _keep(claim, ended):
  """Renews a claim until it has ended, or stops the process if it is lost."""
  renewed = time.monotonic()
  while not ended.wait(RENEWAL):
    try:
      if not claim.exists():
        logging.error('%s was taken over, since it was not renewed', claim)
        os.kill(os.getpid(), signal.SIGTERM)
        return
      _renew(claim)
      renewed = time.monotonic()
    except Exception as error:  # Whatever a store may answer: tried again.
      logging.warning('cannot renew %s: %s', claim, error)
      if time.monotonic() - renewed > EXPIRY:
        os.kill(os.getpid(), signal.SIGTERM)
        return


def _living(run):
  """Claims that are alive; those that died are removed."""
  folder = run / LOCK
  living = []
  for claim in folder.iterdir() if folder.exists() else ():
    try:
      renewed = json.loads(claim.read_text())['renewed']
    except FileNotFoundError:
      continue  # Withdrawn just now.
    if time.time() - renewed < EXPIRY:
      living.append(claim)
    else:
      claim.unlink(missing_ok=True)
  return living
