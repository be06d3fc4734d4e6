"""`python -m vae_info` lists every command, without importing TensorFlow."""

import pathlib
import subprocess
import sys

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


def test_help_lists_the_flags_that_commands_share():
  process = subprocess.run(
    [sys.executable, '-m', 'vae_info.evaluate', '--help'],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  for flag in (
    '--task',
    '--run',
    '--runs_dir',
    '--data_dir',
    '--label_budgets',
  ):
    assert f'\n  {flag}:' in process.stdout, flag
