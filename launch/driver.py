"""Runs the jobs of a sweep, and retries those that fail."""

import collections
import contextlib
import dataclasses
import os
import shlex
import signal
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence

from launch import engines, jobs, states
from launch.display import Display
from launch.entries import TRAIN, Entry
from launch.jobs import Job, Outcome
from vae_info.errors import Stopped, UserError
from vae_info.runs import Run, rows
from vae_info.runs.paths import is_remote, open_path

PAUSE_SECONDS = 1.0  # Before a run that failed or was preempted starts again.
IN_USE_SECONDS = 10.0  # Before another try at a run that is in use.


@dataclasses.dataclass(frozen=True)
class Options:
  """Where a sweep runs, and what each of its runs may use.

  Attributes are the flags of `launch.sweep`; see their help.
  """

  runs_dir: str = 'runs'
  data_dir: str | None = None
  cache_dir: str | None = None
  engine: str = 'ray'  # Or 'serial'; `launch.sweep` handles 'print' itself.
  ray_address: str = 'local'
  cpus_per_run: int = 1
  gpus_per_run: float = 0.0
  tpus_per_run: int = 0
  max_retries: int = 3

  def run(self, entry: Entry) -> Run:
    """The run directory of an entry of the sweep."""
    return Run(open_path(self.runs_dir) / entry.name)


def sweep(
  entries: Sequence[Entry], extra: Sequence[str], options: Options
) -> bool:
  """Runs all entries that are not done, and prints the result of each.

  Args:
    entries: The entries, from `selection.choose`.
    extra: Flags for each training, from `selection.handed_on`.
    options: Where and with what to run them.

  Returns:
    Whether all entries are done.

  Raises:
    Stopped: A signal came; the active runs have saved their state.
    UserError: Ray is not installed, or there is no cluster at the address.
  """
  runs = [options.run(entry) for entry in entries]
  before = states.read_all(runs)
  todo = []
  for entry, run, state in zip(entries, runs, before, strict=True):
    if state.state == states.FAILED:
      states.clear_failed(run)
    if state.state != states.DONE:
      todo.append(make_job(entry, extra, options))
  print(f'{len(entries)} runs, {len(todo)} of them to do', flush=True)
  if todo:
    with (
      listening() as received,
      make_engine(options, received) as engine,
      Display(runs) as display,
    ):
      drive(todo, engine, options.max_retries, display, received)
  done = report(runs)
  print(f'as a file: python -m vae_info.results --runs_dir={options.runs_dir}')
  return done


def make_job(entry: Entry, extra: Sequence[str], options: Options) -> Job:
  """The job of an entry.

  Args:
    entry: What to run.
    extra: Flags for the training; a baseline ignores them.
    options: Where and with what to run it.
  """
  runs_dir = options.runs_dir
  if not is_remote(runs_dir):
    runs_dir = os.path.abspath(runs_dir)
  directory = f'{runs_dir}/{entry.name}'
  folders = {'data_dir': options.data_dir, 'cache_dir': options.cache_dir}
  shared = _words(
    {'run': directory}
    | {name: folder for name, folder in folders.items() if folder is not None}
  )
  train = ['-m', entry.module, *shared, *_words(entry.flags)]
  training = entry.module == TRAIN
  if training:
    if options.tpus_per_run:
      train += ['--strategy=tpu', '--tpu=local']
    train += extra
  evaluation = ['-m', 'vae_info.evaluate', *shared, *_words(entry.evaluation)]
  return Job(
    name=entry.name,
    directory=directory,
    train=tuple(train),
    evaluate=tuple(evaluation) if training else None,
    folder=os.getcwd(),
    threads=options.cpus_per_run,
  )


def _words(flags: Mapping[str, object]) -> list[str]:
  return [f'--{name}={value}' for name, value in flags.items()]


def print_commands(entries: Iterable[Entry], extra, options: Options) -> None:
  """Prints one line of shell for each run that is not done.

  Raises:
    UserError: A run needs another one of these to be finished before. Lines
      have no order, since they may run side by side.
  """
  names = {entry.name for entry in entries}
  for entry in entries:
    first = entry.flags.get('codes_of')
    if first in names:
      raise UserError(
        f'{entry.name} needs {first} to be finished, and printed lines have no '
        'order; print one sweep after the other'
      )
  for job in (make_job(entry, extra, options) for entry in entries):
    known = [f'{name}={count}' for name, count in jobs.threads(job).items()]
    lines = [
      shlex.join(['env', *known, 'python', *words])
      for _, words in jobs.commands(job)
    ]
    if lines:
      print(' && '.join(lines))


def drive(
  todo: Sequence[Job],
  engine: engines.Engine,
  max_retries: int,
  display: Display,
  received: Sequence[int] = (),
) -> dict[str, Outcome]:
  """Runs the jobs, and retries those that fail.

  Only failures count as retries. A job that was preempted, or is in use by
  another process, is tried again without limit.

  Args:
    todo: The jobs.
    engine: Runs each attempt.
    max_retries: How often each job is tried again after a failure.
    display: Shows the progress.
    received: Signals; `listening` adds to it while this function runs.

  Returns:
    From each job's name to the outcome of its last attempt.

  Raises:
    Stopped: A signal was received.
  """
  ends: dict[str, Outcome] = {}
  attempts: collections.Counter[str] = collections.Counter()  # Failed ones.
  later = [(0.0, job) for job in todo]  # When to submit it, and the job.
  while len(ends) < len(todo):
    if received:
      raise Stopped(received[0])
    # Submits the jobs that are due: at first all, later those tried again.
    now = time.monotonic()
    for when, job in [item for item in later if item[0] <= now]:
      later.remove((when, job))
      engine.submit(job)
    # Waits only briefly, so that signals and the display get their turn.
    for job, outcome in engine.wait(seconds=1.0):
      attempts[job.name] += outcome.failed
      pause, text = _next(outcome, attempts[job.name] <= max_retries)
      if pause is not None:
        later.append((time.monotonic() + pause, job))
      else:
        ends[job.name] = outcome
        if outcome.failed:
          text += _give_up(job, outcome, attempts[job.name])
      display.tell(f'{len(ends)}/{len(todo)}  {job.name}: {text}')
    display.refresh()
  return ends


def _next(outcome: Outcome, again: bool) -> tuple[float | None, str]:
  """Decides what follows an attempt.

  Args:
    outcome: How the attempt ended.
    again: Whether a failure may be tried again.

  Returns:
    Seconds until the next attempt, None if there is none; and a text for the
    user.
  """
  if outcome.status == 0:
    return None, f'done in {states.duration(outcome.seconds)}'
  if outcome.status in (jobs.PREEMPTED, jobs.LOST):
    return PAUSE_SECONDS, 'was preempted; it goes on'
  if outcome.status == jobs.IN_USE:
    return IN_USE_SECONDS, 'is in use by another process; waiting'
  text = f'{outcome.stage} failed ({outcome.status}): {outcome.message}'
  if again:
    return PAUSE_SECONDS, f'{text}; tried again'
  return None, f'{text}; given up'


def _give_up(job: Job, outcome: Outcome, attempts: int) -> str:
  """Records the failure; returns what is to be said if it cannot."""
  facts = {
    'message': f'{outcome.stage} ({outcome.status}): {outcome.message}',
    'stage': outcome.stage,
    'status': outcome.status,
    'attempts': attempts,
  }
  try:
    states.mark_failed(job.run, facts)
  except OSError as error:  # The other runs go on.
    return f'; this cannot be recorded: {error}'
  return ''


def report(runs: Sequence[Run]) -> bool:
  """Prints the states and results of the runs; returns whether all are done."""
  after = states.read_all(runs)
  table = []
  for run, state in zip(runs, after, strict=True):
    print(states.line(state))
    if state.state == states.DONE:
      table += run.rows
  if table:
    print('nats per test image, mean ± standard error:')
    print(rows.table(table))
  print(states.counts(after))
  return all(state.state == states.DONE for state in after)


def make_engine(options: Options, received: Sequence[int]) -> engines.Engine:
  """The engine that the options name.

  Raises:
    UserError: Ray is not installed, or there is no cluster at the address.
  """
  if options.engine == 'serial':
    return engines.Serial(received)
  return engines.Ray(
    options.ray_address,
    options.cpus_per_run,
    options.gpus_per_run,
    options.tpus_per_run,
  )


@contextlib.contextmanager
def listening() -> Generator[list[int], None, None]:
  """Collects SIGINT and SIGTERM in a list while the context lasts.

  The handler raises no exception, since one inside a call of Ray would break
  Ray. A second signal ends this process at once. The system then sends SIGTERM
  to the commands that this process started.

  Yields:
    The list of signals received so far.

  Raises:
    Stopped: A signal came, and the context ended without another exception.
  """
  received: list[int] = []

  def remember(signum, frame):
    del frame
    if received:
      stopped = Stopped(received[0], saved=False)
      print(stopped, file=sys.stderr, flush=True)
      os._exit(stopped.status)
    received.append(signum)
    print('stopping; what runs saves its state', flush=True)

  before = {
    signum: signal.signal(signum, remember)
    for signum in (signal.SIGINT, signal.SIGTERM)
  }
  try:
    yield received
  finally:
    for signum, handler in before.items():
      signal.signal(signum, handler)
  if received:
    raise Stopped(received[0])
