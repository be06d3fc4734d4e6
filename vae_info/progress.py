"""How far a training is: a bar on a terminal, lines elsewhere, and a file."""

import contextlib
import json
import sys
import time

import tqdm

from vae_info.config import Config
from vae_info.paths import Path, write_atomically

PROGRESS = 'progress.json'


class Progress(contextlib.AbstractContextManager):
  """A bar on a terminal; elsewhere, a line for each `report`.

  Each `report` writes <run>/progress.json as well, for whoever watches.
  """

  def __init__(self, config: Config, run: Path, step: int, total: int):
    self._run = run
    self._size = config.batch_size
    self._beta = None if config.beta_range else config.beta
    self._terminal = sys.stderr.isatty()
    self._bar = tqdm.tqdm(
      total=total * self._size,
      initial=step * self._size,
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

  def update(self, count: int, rate: float, distortion: float) -> None:
    """Counts steps, and shows the mean of the newest."""
    self._step += count
    self._text = f'R {rate:.2f}  D {distortion:.2f}'
    if self._beta is not None:  # Else these are means over betas.
      self._text += f'  loss {distortion + self._beta * rate:.2f}'
    self._bar.set_postfix_str(self._text, refresh=False)
    self._bar.update(count * self._size)

  def report(self) -> None:
    took = time.monotonic() - self._started
    speed = (self._step - self._first) / max(took, 1e-9)
    left = (self._total - self._step) / max(speed, 1e-9)
    facts = {
      'step': self._step,
      'total': self._total,
      'seconds_left': round(left, 1),
    }
    write_atomically(self._run / PROGRESS, json.dumps(facts) + '\n')
    if self._terminal:
      return
    print(
      f'step {self._step}/{self._total}  {self._text}  '
      f'{speed * self._size:.0f} images/s  {left:.0f} s left',
      file=sys.stderr,
      flush=True,
    )
