"""`python -m vae_info` lists every command, without importing TensorFlow."""

import pathlib
import re
import subprocess
import sys

import pytest

from vae_info import __main__ as listing

ROOT = pathlib.Path(__file__).parents[1]


def test_every_command_is_listed_with_a_sentence():
  files = {
    file
    for package in ('vae_info', 'launch', 'plots')
    for file in (ROOT / package).rglob('*.py')
    if "if __name__ == '__main__':" in file.read_text().splitlines()
  }
  files.remove(ROOT / 'vae_info' / '__main__.py')
  assert set(map(listing.path, listing.COMMANDS)) == files
  for command in listing.COMMANDS:
    assert listing.title(command).endswith(('.', ':')), command


def test_the_list_needs_no_tensorflow(tmp_path):
  (tmp_path / 'tensorflow.py').write_text('raise AssertionError')
  output = subprocess.run(
    [sys.executable, '-m', 'vae_info'],
    cwd=ROOT,
    env={'PYTHONPATH': f'{tmp_path}:{ROOT}'},
    capture_output=True,
    text=True,
    check=True,
  ).stdout
  for command in listing.COMMANDS:
    assert f'python -m {command} ' in output
  assert len(output.splitlines()) == len(listing.COMMANDS) + 2


@pytest.mark.parametrize(
  ('command', 'names'),
  [
    (
      'vae_info.evaluate',
      ('task', 'run', 'runs_dir', 'data_dir', 'label_budgets'),
    ),
    ('plots.figures', ('results', 'datasets', 'classifier', 'output_dir')),
    ('plots.goals', ('results',)),
    ('plots.few_nats', ('results', 'task', 'classifier')),
    ('launch.coverage', ('results', 'sweep')),
  ],
)
def test_help_lists_the_flags_that_commands_share(command, names):
  process = subprocess.run(
    [sys.executable, '-m', command, '--help'],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  for name in names:
    assert re.search(rf'\n  --(\[no\])?{name}:', process.stdout), name
