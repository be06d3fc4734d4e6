"""Shows a sweep's progress: a live table on a terminal, lines elsewhere."""

import contextlib
import shutil
import sys
import time
from collections.abc import Sequence

from launch import states
from vae_info.runs import Run
from vae_info.runs.paths import is_remote

SECONDS = 2.0  # Between two readings of the run directories.
REMOTE_SECONDS = 60.0  # On a store, where a reading takes a request per run.


class Display(contextlib.AbstractContextManager):
  """A table at the foot of a terminal; elsewhere only the lines of `tell`.

  Args:
    runs: The run directories that the table shows, in this order.
  """

  def __init__(self, runs: Sequence[Run]):
    self._runs = runs
    self._terminal = sys.stdout.isatty()
    remote = any(is_remote(run.path) for run in runs[:1])
    self._seconds = REMOTE_SECONDS if remote else SECONDS
    self._due = 0.0
    self._height = 0
    # From a run's name to its state. A run that is done is not read again.
    self._done: dict[str, states.State] = {}

  def __exit__(self, *exception):
    self._erase()

  def tell(self, text: str) -> None:
    """Prints a line above the table; the line stays."""
    self._erase()
    print(text, flush=True)
    self._due = 0.0

  def refresh(self) -> None:
    """Reads the states and redraws the table, if the last one is old enough."""
    if not self._terminal or time.monotonic() < self._due:
      return
    rest = [run for run in self._runs if run.name not in self._done]
    known = self._done | {state.name: state for state in states.read_all(rest)}
    self._done = {
      name: state for name, state in known.items() if state.state == states.DONE
    }
    current = [known[run.name] for run in self._runs]
    size = shutil.get_terminal_size()
    shown = [
      states.line(state)
      for state in current
      if state.state in (states.RUNNING, states.EVALUATING, states.FAILED)
    ]
    lines = [*shown[: max(1, size.lines - 4)], states.counts(current)]
    self._erase()
    for line in lines:
      print(line[: size.columns - 1])
    sys.stdout.flush()
    self._height = len(lines)
    self._due = time.monotonic() + self._seconds

  def _erase(self) -> None:
    if self._height:
      # Moves up to the table's first line, and clears all below.
      print(f'\033[{self._height}F\033[J', end='', flush=True)
      self._height = 0
