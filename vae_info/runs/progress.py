"""Training progress: a bar on a terminal, lines elsewhere, and a file."""

import contextlib
import sys
import time

import tqdm

from vae_info.runs.directory import Run


class Progress(contextlib.AbstractContextManager):
  """Shows a bar on a terminal, and elsewhere a line for each `report`.

  Each `report` also writes <run>/progress.json, which other processes read.

  Args:
    run: Run that is trained.
    batch_size: Images in a step.
    step: Number of steps already made.
    total: Number of steps of the whole training.
  """

  def __init__(self, run: Run, batch_size: int, step: int, total: int):
    self._run = run
    self._size = batch_size
    self._terminal = sys.stderr.isatty()
    self._bar = tqdm.tqdm(
      total=total * batch_size,
      initial=step * batch_size,
      unit=' images',
      unit_scale=True,
      disable=not self._terminal,
      dynamic_ncols=True,
    )
    self._total, self._step = total, step
    self._first, self._started = step, time.monotonic()
    self._text = ''

  def __exit__(self, *exception):
    self._bar.close()

  def update(self, step: int, text: str) -> None:
    """Shows the number of steps made, and a text about the newest ones."""
    self._text = text
    self._bar.set_postfix_str(text, refresh=False)
    self._bar.update((step - self._step) * self._size)
    self._step = step

  def report(self) -> None:
    """Writes the progress file; without a terminal, also prints a line."""
    took = time.monotonic() - self._started
    speed = (self._step - self._first) / max(took, 1e-9)
    left = (self._total - self._step) / max(speed, 1e-9)
    self._run.report(
      {
        'step': self._step,
        'total': self._total,
        'seconds_left': round(left, 1),
      }
    )
    if self._terminal:
      return
    print(
      f'step {self._step}/{self._total}  {self._text}  '
      f'{speed * self._size:.0f} images/s  {left:.0f} s left',
      file=sys.stderr,
      flush=True,
    )
