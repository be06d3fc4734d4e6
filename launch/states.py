"""How far each run is, from its directory alone, which is the only truth."""

import dataclasses
import json
from collections.abc import Iterable
from concurrent import futures

from vae_info import cli, evaluate, locks, results
from vae_info.paths import Path, is_remote, write_atomically
from vae_info.progress import PROGRESS

FOLDER = 'launch'  # In a run directory: what the launcher writes.
FAILED_FILE = 'failed.json'

PENDING = 'pending'  # Not begun.
RUNNING = 'running'
STOPPED = 'stopped'  # Begun, and nobody is at it.
TRAINED = 'trained'  # To be evaluated.
EVALUATING = 'evaluating'
DONE = 'done'
FAILED = 'failed'  # Given up by a sweep; the next one tries again.


@dataclasses.dataclass(frozen=True)
class State:
  """A run, as its directory tells."""

  name: str
  state: str
  step: int | None = None
  total: int | None = None
  seconds_left: float | None = None
  message: str = ''  # Why it failed.


def read(run: Path) -> State:
  """The state of the run in a directory, which need not exist."""
  held = locks.is_held(run)
  progress = _read_json(run / PROGRESS)
  facts = {name: progress.get(name) for name in ('step', 'total')}
  if is_evaluated(run):
    return State(run.name, DONE, **facts)
  if (run / cli.FINISHED).is_file():
    state = EVALUATING if held else TRAINED
  elif held:
    left = progress.get('seconds_left')
    return State(run.name, RUNNING, seconds_left=left, **facts)
  else:
    state = STOPPED if (run / 'config.json').is_file() else PENDING
  failed = run / FOLDER / FAILED_FILE
  if not held and failed.is_file():
    message = _read_json(failed).get('message', '')
    return State(run.name, FAILED, message=message, **facts)
  return State(run.name, state, **facts)


def is_evaluated(run: Path) -> bool:
  """Whether a run has all it is to have."""
  # A baseline is its own evaluation.
  if 'baseline' in _read_json(run / 'config.json'):
    return results.has_rows(run)
  return (run / cli.FINISHED).is_file() and bool(evaluate.current_rows(run))


def read_all(runs: Iterable[Path]) -> list[State]:
  """The states of many, in their order."""
  runs = list(runs)
  if not runs or not is_remote(runs[0]):
    return [read(run) for run in runs]
  with futures.ThreadPoolExecutor(32) as pool:  # Each waits for the network.
    return list(pool.map(read, runs))


def mark_failed(run: Path, facts: dict) -> None:
  """Notes that a run was given up; `facts` has a `message`."""
  (run / FOLDER).mkdir(parents=True, exist_ok=True)
  write_atomically(
    run / FOLDER / FAILED_FILE, json.dumps(facts, indent=2) + '\n'
  )


def clear_failed(run: Path) -> None:
  """Forgets that it was given up."""
  (run / FOLDER / FAILED_FILE).unlink(missing_ok=True)


def _read_json(path):
  """A file's content; nothing if there is none, or none that is whole."""
  try:
    return json.loads(path.read_text())
  except (FileNotFoundError, NotADirectoryError, ValueError):
    return {}


def duration(seconds: float) -> str:
  """For instance '1:02:03' or '2:03'."""
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}:{minutes:02}:{seconds:02}'
  return f'{minutes}:{seconds:02}'


def line(state: State) -> str:
  """One row of a table."""
  details = ''
  if state.step is not None and state.state != DONE:
    details = f'step {state.step}/{state.total}'
  if state.seconds_left is not None:
    details += f', {duration(state.seconds_left)} left'
  if state.message:
    details = f'{details}  {state.message}'.strip()
  return f'{state.state:10}  {state.name}  {details}'.rstrip()


def counts(states: Iterable[State]) -> str:
  """For instance '3 pending, 2 running, 10 done, 1 failed'."""
  groups = {
    'pending': (PENDING, STOPPED, TRAINED),
    'running': (RUNNING, EVALUATING),
    'done': (DONE,),
    'failed': (FAILED,),
  }
  found = [state.state for state in states]
  return ', '.join(
    f'{sum(map(found.count, names))} {group}' for group, names in groups.items()
  )
