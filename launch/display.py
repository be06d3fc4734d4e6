"""What a sweep shows while it lasts: a live table, or lines."""

import contextlib
import shutil
import sys
import time
from collections.abc import Sequence

from launch import states
from vae_info.paths import Path, is_remote

SECONDS = 2.0  # Between looks at the run directories.
REMOTE_SECONDS = 60.0  # Where each look is a request for each run.


class Display(contextlib.AbstractContextManager):
  """A table at the foot of a terminal; elsewhere only what is told."""

  def __init__(self, runs_dir: Path, names: Sequence[str]):
    self._runs = [runs_dir / name for name in names]
    self._terminal = sys.stdout.isatty()
    self._seconds = REMOTE_SECONDS if is_remote(runs_dir) else SECONDS
    self._due = 0.0
    self._height = 0
    self._done = {}  # Once done, a run stays so, and is not looked at again.

  def __exit__(self, *exception):
    self._erase()

  def tell(self, text: str) -> None:
    """Prints a line that stays."""
    self._erase()
    print(text, flush=True)
    self._due = 0.0

  def refresh(self) -> None:
    """Draws the table anew, if it is time."""
    if not self._terminal or time.monotonic() < self._due:
      return
    rest = [run for run in self._runs if run not in self._done]
    now = dict(zip(rest, states.read_all(rest), strict=True))
    found = [self._done.get(run) or now[run] for run in self._runs]
    self._done |= {
      run: state for run, state in now.items() if state.state == states.DONE
    }
    size = shutil.get_terminal_size()
    shown = [
      states.line(state)
      for state in found
      if state.state in (states.RUNNING, states.EVALUATING, states.FAILED)
    ]
    lines = [*shown[: max(1, size.lines - 4)], states.counts(found)]
    self._erase()
    for line in lines:
      print(line[: size.columns - 1])
    sys.stdout.flush()
    self._height = len(lines)
    self._due = time.monotonic() + self._seconds

  def _erase(self):
    if self._height:
      # Up to the table's first line, and clear all below.
      print(f'\033[{self._height}F\033[J', end='', flush=True)
      self._height = 0
