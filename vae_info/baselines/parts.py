"""Parts of a baseline: rows that are stored as soon as they are made."""

import json
import time
from collections.abc import Callable

from vae_info.baselines.job import Job
from vae_info.runs.paths import write_atomically


def kept_or_made(
  job: Job, name: str, title: str, make: Callable[[], list[dict]]
) -> list[dict]:
  """Returns the rows of one part, from their file if there is one.

  Rows that were made with another H(X) are made anew.

  Args:
    job: The baseline, in whose run directory the file is.
    name: The name of the part's file.
    title: What is printed when the part is made.
    make: Makes the rows. Each then has an equal share of the seconds it took.

  Raises:
    Stopped: `make` raised it.
  """
  path = job.run.path / 'parts' / f'{name}.json'
  same = job.entropies
  try:
    rows = json.loads(path.read_text())
    if all({**same, **row}.items() >= same.items() for row in rows):
      return rows
  except (FileNotFoundError, ValueError):
    pass  # Not made yet, or damaged.
  started = time.monotonic()
  rows = make()
  seconds = time.monotonic() - started
  for row in rows:
    row |= same
    row['train_seconds'] = round(seconds / len(rows), 1)
  path.parent.mkdir(exist_ok=True)
  write_atomically(path, json.dumps(rows, indent=2) + '\n')
  print(f'{title}, {seconds:.0f} s', flush=True)
  return rows
