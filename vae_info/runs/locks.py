"""One process at a time in a run directory.

On a local or network file system, the lock is `flock` on run.lock. The system
releases it when its holder dies, in whatever way.

An object store has no such lock. There, each process writes a claim: an object
of its own under run.lock/, which it renews while it lives.

1. A newcomer writes its claim.
2. After that, it lists all claims.
3. If another claim is alive, it withdraws its own, waits and tries again.

This is safe if listing is consistent with writing, as on Google Cloud Storage.
Of two newcomers, the one that lists later sees the other's claim. Both may
withdraw and try again, but they never both go on.

The limits of claims:

- A holder that died keeps others out for `EXPIRY` seconds.
- The clocks of all machines must agree to well within `EXPIRY`.
- A holder that was cut off for longer loses its claim. It notices this only at
  its next renewal, and then stops itself. Until then it does no harm: every
  step of a run is determined, so its successor writes the same bytes.
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
from collections.abc import Generator

from absl import logging

from vae_info.errors import UserError
from vae_info.runs import paths

LOCK = 'run.lock'
EXPIRY = 180.0  # A claim is dead this many seconds after its last renewal.
RENEWAL = 20.0  # Seconds between renewals.


class InUse(UserError):
  """Another process holds the lock; the command can be tried again later."""

  status = 75  # EX_TEMPFAIL of sysexits.h.


@contextlib.contextmanager
def lock(run: paths.Path) -> Generator[None, None, None]:
  """Keeps other processes out of `run` while the context lasts.

  Raises:
    InUse: Another process holds the lock.
  """
  with _claim(run) if paths.is_remote(run) else _flock(run):
    yield


def is_held(run: paths.Path) -> bool:
  """Whether a process holds the lock."""
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
  """Holds `flock` on run.lock, which then has this process's number."""
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
        time.sleep(wait)  # `is_held` takes it for a moment.
    file.seek(0)
    file.truncate()
    file.write(f'{os.getpid()}\n')
    file.flush()
    yield


@contextlib.contextmanager
def _claim(run):
  """Holds a claim, and renews it in a thread; see the module's docstring."""
  folder = run / LOCK
  folder.mkdir(parents=True, exist_ok=True)
  holder = f'{socket.gethostname()}-{os.getpid()}'
  mine = folder / f'{holder}-{uuid.uuid4().hex[:8]}'
  try:
    for last in (False, False, True):
      _renew(mine)
      others = [claim for claim in _living(run) if claim.name != mine.name]
      if not others:
        break
      mine.unlink(missing_ok=True)
      if last:
        raise InUse(f'{run} is in use by another process ({others[0].name})')
      # A random wait, so that two newcomers do not collide again.
      time.sleep(random.uniform(0.1, 1.0))
    with _kept(mine):
      yield
  finally:
    mine.unlink(missing_ok=True)


@contextlib.contextmanager
def _kept(claim):
  """Renews a claim in a thread."""
  ended = threading.Event()
  renewing = threading.Thread(target=_keep, args=(claim, ended), daemon=True)
  renewing.start()
  try:
    yield
  finally:
    ended.set()
    renewing.join()


def _renew(claim):
  claim.write_text(json.dumps({'renewed': time.time()}))


def _keep(claim, ended):
  """Renews a claim until `ended`; stops the process if the claim is lost."""
  renewed = time.monotonic()
  while not ended.wait(RENEWAL):
    try:
      if not claim.exists():
        logging.error('%s was taken over, since it was not renewed', claim)
        os.kill(os.getpid(), signal.SIGTERM)
        return
      _renew(claim)
      renewed = time.monotonic()
    except Exception as error:  # Stores raise many kinds.
      logging.warning('cannot renew %s: %s', claim, error)
      if time.monotonic() - renewed > EXPIRY:
        os.kill(os.getpid(), signal.SIGTERM)
        return


def _living(run):
  """Returns the claims that are alive, and removes the others."""
  folder = run / LOCK
  living = []
  for claim in folder.iterdir() if folder.exists() else ():
    try:
      renewed = json.loads(claim.read_text())['renewed']
    except FileNotFoundError:
      continue  # It was withdrawn meanwhile.
    except ValueError:
      renewed = time.time()  # It is being written at this moment.
    if time.time() - renewed < EXPIRY:
      living.append(claim)
    else:
      claim.unlink(missing_ok=True)
  return living
