"""What one run of a sweep does, wherever it is: its commands, as processes.

A job is plain data, so that it can travel; `execute` does what is missing of
it, one command after the other, and tells how it ended.
"""

import contextlib
import ctypes
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from launch import states
from vae_info.interruption import Stopped
from vae_info.paths import Path, is_remote, open_path

ROOT = pathlib.Path(__file__).parents[1]

# Exit statuses that are no failure: the run goes on when it is started again.
PREEMPTED = 42
IN_USE = 75
# Of ours, for an end that no command told.
LOST = -1  # The machine is gone.
GRACE_SECONDS = 60  # For a run that is stopped to save its state.


@dataclasses.dataclass(frozen=True)
class Job:
  """A run's commands."""

  name: str
  directory: str  # Of the run; absolute, or on gs://.
  train: tuple[str, ...]  # Words after `python`.
  evaluate: tuple[str, ...] | None  # None if training evaluates.
  folder: str = ''  # To be in, where it exists.
  threads: int = 1  # Of each command.


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How an attempt at a job ended."""

  status: int  # 0 if the run is done.
  stage: str = ''  # Which command ended so.
  message: str = ''  # Its last line.
  seconds: float = 0.0  # That the attempt took.


def commands(job: Job) -> list[tuple[str, tuple[str, ...]]]:
  """Those that are still to be run: ('train' or 'evaluate', words)."""
  state = states.read(open_path(job.directory)).state
  if state == states.DONE:
    return []
  todo = []
  if state not in (states.TRAINED, states.EVALUATING):
    todo.append(('train', job.train))
  if job.evaluate is not None:
    todo.append(('evaluate', job.evaluate))
  return todo


def execute(job: Job, received: Sequence[int] = ()) -> Outcome:
  """Runs what is missing of a job, up to the first command that fails.

  Raises:
    Stopped: A signal has come to be in `received`; the command was told.
  """
  started = time.monotonic()
  run = open_path(job.directory)
  for stage, words in commands(job):
    status, message = _command(job, run, stage, words, received)
    if status:
      return Outcome(status, stage, message, time.monotonic() - started)
  if commands(job):
    return Outcome(1, 'end', 'ended well, but did not finish the run')
  return Outcome(0, seconds=time.monotonic() - started)


def _command(job, run, stage, words, received):
  """Runs one command; returns its status and the last line it wrote."""
  environment = {
    **os.environ,
    'PYTHONPATH': f'{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}',
    # Weights are the same bit for bit only for the same number of threads.
    'TF_NUM_INTRAOP_THREADS': str(job.threads),
    'OMP_NUM_THREADS': str(job.threads),
  }
  folder = job.folder if os.path.isdir(job.folder) else None
  with _log(run, stage) as log:
    start = log.tell()
    process = subprocess.Popen(
      [sys.executable, *words],
      cwd=folder,
      env=environment,
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      # A signal of the terminal is for the sweep, which passes it on.
      start_new_session=True,
      preexec_fn=_end_with_parent,
    )
    try:
      # Not one long wait: Ray's interruption cannot end that.
      while (status := process.poll()) is None:
        if received:
          raise Stopped(received[0])
        time.sleep(0.05)
    except BaseException:  # A sweep that is stopped, in whatever way.
      process.terminate()
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
      process.kill()
      process.wait()
      raise
    log.seek(start)
    lines = log.read().decode(errors='replace').strip().splitlines()
  if status < 0:
    return status, f'killed by {signal.Signals(-status).name}'
  return status, lines[-1] if lines else f'{stage} ended with {status}'


@contextlib.contextmanager
def _log(run: Path, stage: str):
  """The file that a command writes to: <run>/launch/STAGE.log.

  An object cannot be appended to: on a store each attempt has its own, which
  is there when it has ended.
  """
  folder = run / states.FOLDER
  folder.mkdir(parents=True, exist_ok=True)
  if not is_remote(run):
    with open(folder / f'{stage}.log', 'ab+') as file:
      yield file
    return
  with tempfile.TemporaryFile() as file:
    try:
      yield file
    finally:
      file.seek(0)
      text = file.read().decode(errors='replace')
      stamp = time.strftime('%Y%m%d-%H%M%S', time.gmtime())
      (folder / f'{stage}-{stamp}.log').write_text(text)


# Loaded here, since little is safe between fork and exec.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == 'linux' else None
_PR_SET_PDEATHSIG = 1


def _end_with_parent():
  """Has the system send SIGTERM to this process when its parent dies."""
  if _PRCTL is not None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)
