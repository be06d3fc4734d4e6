"""Fills in the tables of the Markdown pages with what commands print.

These marks enclose a table in a page, and name its command:

    <!-- begin: python -m plots.claims -->
    <!-- end -->

A test compares the pages with the commands.
"""

import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable

from vae_info.errors import UserError

ROOT = pathlib.Path(__file__).parents[1]
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


def fill() -> None:
  """Fills in the tables of all pages; raises `UserError` as `printed`."""
  for page in pages():
    old = page.read_text()
    new = filled(old, printed)
    if new != old:
      page.write_text(new)
      print(f'wrote {page.relative_to(ROOT)}')
