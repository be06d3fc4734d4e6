"""One run of a sweep as a job: the commands that fill a run directory.

A job is plain data, so that Ray can send it to another machine. `execute`
starts the commands that are still to be run, one after the other, each as a
process.
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
from collections.abc import Generator, Sequence
from typing import BinaryIO

from launch import states
from vae_info.errors import Stopped
from vae_info.runs import Run
from vae_info.runs.paths import is_remote, open_path

ROOT = pathlib.Path(__file__).parents[1]

# Exit statuses that are not failures: the same command resumes the run.
PREEMPTED = 42
IN_USE = 75
# Our own status, for a command that could not report its end.
LOST = -1  # The machine is gone.
GRACE_SECONDS = 60  # A stopped run has this long to save its state.


@dataclasses.dataclass(frozen=True)
class Job:
  """The commands of a run.

  Attributes:
    name: The run's name.
    directory: The run directory: an absolute path, or one on gs://.
    train: Words after `python` that train.
    evaluate: Words after `python` that evaluate; None if `train` does both.
    folder: Working directory of the commands, if it exists on the machine.
    threads: Threads of each command.
  """

  name: str
  directory: str
  train: tuple[str, ...]
  evaluate: tuple[str, ...] | None
  folder: str = ''
  threads: int = 1

  @property
  def run(self) -> Run:
    """The run directory."""
    return Run(open_path(self.directory))


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How an attempt at a job ended.

  Attributes:
    status: 0 if the run is done, otherwise an exit status or `LOST`.
    stage: The command that ended with this status, or what else failed.
    message: The last line that the command wrote.
    seconds: Duration of the attempt.
  """

  status: int
  stage: str = ''
  message: str = ''
  seconds: float = 0.0

  @property
  def failed(self) -> bool:
    """Whether the attempt counts as a failure."""
    return self.status not in (0, PREEMPTED, IN_USE, LOST)


def commands(job: Job) -> list[tuple[str, tuple[str, ...]]]:
  """The commands that are still to be run: ('train' or 'evaluate', words)."""
  state = states.read(job.run).state
  if state == states.DONE:
    return []
  todo = []
  if state not in (states.TRAINED, states.EVALUATING):
    todo.append(('train', job.train))
  if job.evaluate is not None:
    todo.append(('evaluate', job.evaluate))
  return todo


def threads(job: Job) -> dict[str, str]:
  """Environment variables that say how many threads a job has.

  Weights repeat bit for bit only with the same number.
  """
  names = 'TF_NUM_INTRAOP_THREADS', 'OMP_NUM_THREADS'
  return dict.fromkeys(names, str(job.threads))


def execute(job: Job, received: Sequence[int] = ()) -> Outcome:
  """Runs a job's remaining commands, up to the first that fails.

  Args:
    job: What to run.
    received: Signals, from `driver.listening`; the first one stops the job.

  Raises:
    Stopped: A signal is in `received`; the command has ended.
  """
  started = time.monotonic()
  todo = commands(job)
  # Quicker than a command, which loads TensorFlow before it meets the lock.
  if todo and job.run.locked:
    return Outcome(IN_USE, 'start')
  for stage, words in todo:
    status, message = _command(job, stage, words, received)
    if status:
      return Outcome(status, stage, message, time.monotonic() - started)
  if commands(job):
    return Outcome(1, 'end', 'ended well, but did not finish the run')
  return Outcome(0, seconds=time.monotonic() - started)


def _command(
  job: Job, stage: str, words: Sequence[str], received: Sequence[int]
) -> tuple[int, str]:
  """Runs one command; returns its status and the last line it wrote."""
  environment = {
    'TF_FORCE_GPU_ALLOW_GROWTH': 'true',  # So that runs can share a GPU.
    **os.environ,
    'PYTHONPATH': f'{ROOT}{os.pathsep}{os.environ.get("PYTHONPATH", "")}',
    **threads(job),
  }
  folder = job.folder if os.path.isdir(job.folder) else None
  with _log(job.run, stage) as log:
    start = log.tell()
    process = subprocess.Popen(
      [sys.executable, *words],
      cwd=folder,
      env=environment,
      stdin=subprocess.DEVNULL,
      stdout=log,
      stderr=subprocess.STDOUT,
      # Ctrl-C of the terminal then reaches only the sweep, which passes it on.
      start_new_session=True,
      preexec_fn=_end_with_parent,
    )
    status = _wait(process, received)
    log.seek(start)
    lines = log.read().decode(errors='replace').strip().splitlines()
  if status < 0:
    return status, f'killed by {signal.Signals(-status).name}'
  return status, lines[-1] if lines else f'{stage} ended with {status}'


def _wait(process: subprocess.Popen, received: Sequence[int]) -> int:
  """Waits for the exit status; stops the process if anything interrupts that.

  Raises:
    Stopped: A signal is in `received`.
  """
  try:
    # Short waits, because Ray cannot interrupt one long wait.
    while (status := process.poll()) is None:
      if received:
        raise Stopped(received[0])
      time.sleep(0.05)
    return status
  except BaseException:  # Also the KeyboardInterrupt of `ray.cancel`.
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
      process.wait(GRACE_SECONDS)
    process.kill()
    process.wait()
    raise


@contextlib.contextmanager
def _log(run: Run, stage: str) -> Generator[BinaryIO, None, None]:
  """The file that a command writes to: <run>/launch/STAGE.log.

  Objects on a store cannot be appended to. There each attempt writes its own
  log, which appears when the attempt has ended.
  """
  run.launch.mkdir(parents=True, exist_ok=True)
  if not is_remote(run.path):
    with open(run.launch / f'{stage}.log', 'ab+') as file:
      yield file
    return
  with tempfile.TemporaryFile() as draft:
    try:
      yield draft
    finally:
      draft.seek(0)
      text = draft.read().decode(errors='replace')
      stamp = time.strftime('%Y%m%d-%H%M%S', time.gmtime())
      (run.launch / f'{stage}-{stamp}.log').write_text(text)


# Loaded at import, because loading a library between fork and exec is unsafe.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == 'linux' else None
_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
  """Asks Linux to send SIGTERM to this process when its parent dies."""
  if _PRCTL is not None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)
