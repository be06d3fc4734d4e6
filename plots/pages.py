"""Fills in the tables of the Markdown pages with what commands print.

These marks enclose a table in a page, and name its command:

    <!-- begin: python -m plots.claims -->
    <!-- end -->

A test compares the pages with the commands.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from vae_info.errors import UserError

ROOT = pathlib.Path(__file__).parents[1]
FIGURES = 'python -m plots.figures'
FOLDERS = ('vae_info', 'launch', 'plots', 'tests')
BLOCK = re.compile(
  r'(<!-- begin: (python -m (?:plots|launch)\.[^\n]*?) -->\n)'
  r'.*?(<!-- end -->)',
  re.DOTALL,
)


def pages() -> list[pathlib.Path]:
  """The paths of all pages of the repository."""
  inner = [
    path for name in FOLDERS for path in (ROOT / name).rglob('README.md')
  ]
  return [ROOT / 'README.md', *sorted(inner)]


def filled(text: str, printed: Callable[[str], str]) -> str:
  """The text of a page, with its tables replaced.

  Args:
    text: The page as it is.
    printed: Function from a command to what it prints.
  """
  return BLOCK.sub(
    lambda block: f'{block[1]}{printed(block[2]).strip()}\n{block[3]}', text
  )


def printed(command: str) -> str:
  """What a command `python -m ...` prints.

  Raises:
    UserError: The command ends with an error.
  """
  words = shlex.split(command)[1:]
  process = subprocess.run(
    [sys.executable, *words], cwd=ROOT, capture_output=True, text=True
  )
  if process.returncode:
    raise UserError(f'{command} failed: {process.stderr.strip()}')
  return process.stdout


def remake() -> None:
  """Draws all figures and fills in the tables of all pages.

  Each command is a process, as many at once as there are CPUs.

  Raises:
    UserError: A command ends with an error. No page is written then.
  """
  old = {page: page.read_text() for page in pages()}
  tables = [block[2] for text in old.values() for block in BLOCK.finditer(text)]
  commands = [FIGURES, *tables]  # The longest comes first.
  with ThreadPoolExecutor(os.cpu_count()) as pool:
    outputs = dict(zip(commands, pool.map(printed, commands), strict=True))
  print(outputs[FIGURES], end='')
  for page, text in old.items():
    new = filled(text, outputs.__getitem__)
    if new != text:
      page.write_text(new)
      print(f'wrote {page.relative_to(ROOT)}')
