"""Runs the commands, as processes or in the process of the tests.

A process takes 6 to 10 seconds to import TensorFlow, and reads whole data sets.
So most tests use `call`, in this process and on little data. `run` and `start`
are for tests that need a process: its exit status, signals, death, or the
modules that it finds.
"""

import contextlib
import io
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import warnings

import pytest
from absl import app, flags

from vae_info import datasets

ROOT = pathlib.Path(__file__).parents[1]
TINY = ('--latent_size=4', '--batch_size=20')
FAST_CLASSIFIER = ('--classifier_epochs=1', '--classifier_batch_size=500')
FAST = '(epochs 1, batch_size 500)'  # What the table says of it.


def module_name(command: str) -> str:
  """The module of a command; commands of `vae_info` omit the package."""
  folder = command.split('.')[0]
  return command if folder in ('launch', 'plots') else f'vae_info.{command}'


def start(command: str, *words, cwd=ROOT, **kwargs) -> subprocess.Popen:
  """Starts a command as a process of its own."""
  return subprocess.Popen(
    [sys.executable, '-m', module_name(command), *map(str, words)],
    cwd=cwd,
    env={**os.environ, 'PYTHONPATH': f'{ROOT}{os.pathsep}{cwd}'},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    **kwargs,
  )


def run(command: str, *words, status: int = 0, **kwargs) -> str:
  """Runs a command as a process to its end.

  Returns:
    Its standard output if `status` is 0, otherwise its standard error.
  """
  process = start(command, *words, **kwargs)
  output, errors = process.communicate(timeout=600)
  assert process.returncode == status, output + errors
  return output if status == 0 else errors


@contextlib.contextmanager
def flags_left_alone():
  """Removes the flags that are defined in this context when it ends."""
  before = set(flags.FLAGS)
  try:
    yield
  finally:
    for name in set(flags.FLAGS) - before:
      delattr(flags.FLAGS, name)


def parse(command: str, words, then=lambda main, argv: None) -> None:
  """Lets a command define its flags and parse its words.

  Args:
    command: See `module_name`.
    words: The words of the command line.
    then: Called with the command's `main` and with the words that are left.

  Raises:
    flags.Error: A word is not a flag of the command.
  """

  def run_main(main):
    then(main, flags.FLAGS([command, *map(str, words)]))

  with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
    # Python warns if the module has been imported before.
    warnings.simplefilter('ignore', RuntimeWarning)
    patch.setattr(app, 'run', run_main)
    with flags_left_alone():
      runpy.run_module(module_name(command), run_name='__main__')


def call(command: str, *words, status: int = 0, dataset=None) -> str:
  """Does the same as `run`, in this process.

  Args:
    command: See `module_name`.
    *words: The words of the command line.
    status: The exit status that it must have.
    dataset: A `datasets.Dataset` that replaces the one that the words name.

  Returns:
    Its standard output if `status` is 0, otherwise its standard error.
  """
  handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
  output, errors = io.StringIO(), io.StringIO()
  ended = 0
  try:
    with (
      pytest.MonkeyPatch.context() as patch,
      contextlib.redirect_stdout(output),
      contextlib.redirect_stderr(errors),
    ):
      if dataset is not None:
        patch.setattr(datasets, 'load', lambda *_, **__: dataset)
      parse(command, words, lambda main, argv: main(argv))
  except SystemExit as stopped:
    ended = stopped.code or 0
  finally:
    for signum, handler in handlers.items():
      signal.signal(signum, handler)
  assert ended == status, output.getvalue() + errors.getvalue()
  return (output if status == 0 else errors).getvalue()


def check_refusal(folder: pathlib.Path, command: str, words, message: str):
  """Checks that a command ends with status 1 and one line of error.

  A command must refuse a mistyped flag before the slow import of TensorFlow. So
  it runs where importing TensorFlow fails. Words with '{}' mark a refusal that
  needs TensorFlow. Such a command runs in this process.

  Args:
    folder: An empty folder.
    command: See `module_name`.
    words: The words of the command line; '{}' becomes a path in `folder`.
    message: What the error must contain.
  """
  if any('{}' in word for word in words):
    words = [word.format(folder / 'x') for word in words]
    errors = call(command, *words, status=1)
    assert len(errors.strip().splitlines()) == 1, errors
  else:
    (folder / 'tensorflow.py').write_text('raise AssertionError')
    errors = run(command, *words, status=1, cwd=folder)
  assert message in errors
  assert 'Traceback' not in errors
