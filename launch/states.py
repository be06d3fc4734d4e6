"""The state of each run, read from its run directory alone.

A sweep keeps no other record, so any sweep can go on from the directories.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from concurrent import futures

from vae_info.runs import Run
from vae_info.runs.directory import read_json
from vae_info.runs.paths import is_remote, write_atomically

FAILED_FILE = 'failed.json'

PENDING = 'pending'  # Not started.
RUNNING = 'running'
STOPPED = 'stopped'  # Started, not running.
TRAINED = 'trained'  # Not evaluated yet.
EVALUATING = 'evaluating'
DONE = 'done'
FAILED = 'failed'  # A sweep gave it up; the next sweep tries again.


@dataclasses.dataclass(frozen=True)
class State:
  """The state of a run.

  Attributes:
    name: The run's name.
    state: One of the states above, such as `DONE`.
    step: Training steps done, if known.
    total: Training steps in all, if known.
    seconds_left: Estimate for a training that runs.
    message: Why the run failed.
  """

  name: str
  state: str
  step: int | None = None
  total: int | None = None
  seconds_left: float | None = None
  message: str = ''


def read(run: Run) -> State:
  """The state of a run; its directory need not exist."""
  held = run.locked  # A process is training or evaluating.
  progress = run.progress
  reached = progress.get('step'), progress.get('total')
  if run.evaluated:
    return State(run.name, DONE, *reached)
  if run.finished:
    state = EVALUATING if held else TRAINED
  elif held:
    return State(run.name, RUNNING, *reached, progress.get('seconds_left'))
  else:
    state = STOPPED if run.exists else PENDING
  # A lock shows that someone tries again, so an old failure does not count.
  failed = run.launch / FAILED_FILE
  if not held and failed.is_file():
    message = read_json(failed).get('message', '')
    return State(run.name, FAILED, *reached, message=message)
  return State(run.name, state, *reached)


def read_all(runs: Iterable[Run]) -> list[State]:
  """The states of several runs, in their order."""
  runs = list(runs)
  if not runs or not is_remote(runs[0].path):
    return [read(run) for run in runs]
  with futures.ThreadPoolExecutor(32) as pool:  # Each waits for the network.
    return list(pool.map(read, runs))


def mark_failed(run: Run, facts: dict) -> None:
  """Records that a sweep gave a run up; `facts` must have a 'message'."""
  run.launch.mkdir(parents=True, exist_ok=True)
  write_atomically(run.launch / FAILED_FILE, json.dumps(facts, indent=2) + '\n')


def clear_failed(run: Run) -> None:
  """Deletes the record of `mark_failed`, if there is one."""
  (run.launch / FAILED_FILE).unlink(missing_ok=True)


def duration(seconds: float) -> str:
  """A duration as text, for instance '1:02:03' or '2:03'."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}:{minutes:02}:{rest:02}'
  return f'{minutes}:{rest:02}'


def line(state: State) -> str:
  """The state as one line of text."""
  details = ''
  if state.step is not None and state.state != DONE:
    details = f'step {state.step}/{state.total}'
  if state.seconds_left is not None:
    details += f', {duration(state.seconds_left)} left'
  if state.message:
    details = f'{details}  {state.message}'.strip()
  return f'{state.state:10}  {state.name}  {details}'.rstrip()


def counts(states: Sequence[State]) -> str:
  """A summary, for instance '3 pending, 2 running, 10 done, 1 failed'."""
  groups = {
    'pending': (PENDING, STOPPED, TRAINED),
    'running': (RUNNING, EVALUATING),
    'done': (DONE,),
    'failed': (FAILED,),
  }
  return ', '.join(
    f'{sum(state.state in names for state in states)} {group}'
    for group, names in groups.items()
  )
