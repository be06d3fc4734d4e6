"""Ctrl-C and SIGTERM end a command with one line that says how to resume."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from launch import selection

ROOT = pathlib.Path(__file__).parents[1]
STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 42}
STEPS = 6  # Steps of a stub of a training.
WORDS = {True: 'the state is saved', False: 'stopped at once'}
# Lines that TensorFlow writes while it is imported.
NOTE = re.compile(r'WARNING: All log messages before absl|[IWE]\d{4} ')

# A command whose `main` has the given body.
COMMAND = """
import time
from absl import app
from vae_info import cli

def main(argv):
{body}

app.run(cli.one_line_errors(main))
"""
SLEEP = "print('ready', flush=True); time.sleep(60)"

# `python -m launch.sweep`, with stubs instead of trainings.
SWEEP = """
import dataclasses
from absl import app
from launch import driver, sweep
from vae_info import cli

make_job = driver.make_job

def make_stub(*args):
  job = make_job(*args)
  words = ('tests/launch_stub.py', '{behaviour}', f'--run={{job.directory}}')
  return dataclasses.replace(job, train=words, evaluate=None)

driver.make_job = make_stub
sweep.define_flags()
app.run(cli.one_line_errors(sweep.main))
"""
# `python -m vae_info.evaluate` or `train_classifier`, on a run that it first
# makes from little data. It prints a line when a fit begins.
EVALUATE = """
import pathlib
import sys

from absl import app
import tensorflow as tf

sys.path.insert(0, 'tests')
from conftest import make_split
from vae_info import cli, datasets, {command}
from vae_info.config import Config
from vae_info.evaluation import classifiers, curve
from vae_info.networks import model as models
from vae_info.runs import Run, checkpoints

splits = [make_split(64, seed) for seed in range(3)]
datasets.load = lambda *_: datasets.Dataset(
  'static_mnist', *splits, {{'quadrant': 4}}, entropy_estimate=None
)
images = splits[0].images
run = Run(pathlib.Path(sys.argv[1].removeprefix('--run=')))
run.open(Config(beta='0.1:10', latent_size=2))
checkpoint = tf.train.Checkpoint(model=models.build(run.config, images))
manager = tf.train.CheckpointManager(checkpoint, str(run.checkpoints), 1)
checkpoints.save(manager, 1)
run.finish({{'step': 1, 'train_images': list(images.shape)}})
fit = classifiers.fit

def announced(*args):
  print('fits', flush=True)
  fit(*args)

classifiers.fit = announced
curve.COUNT = 2  # One for each of two threads.
{command}.define_flags()
app.run(cli.one_line_errors({command}.main))
"""

FILTER = 'encoder=conv,decoder=deconvolutional,marginal=gaussian'


def start(code, *flags):
  """Starts a process in its own group, as a terminal does."""
  return subprocess.Popen(
    [sys.executable, '-c', code, *flags],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    start_new_session=True,
  )


def start_sweep(folder, engine, behaviour='slow'):
  code = SWEEP.format(behaviour=behaviour)
  flags = ['--sweep=smoke', f'--filter={FILTER}', f'--engine={engine}']
  return start(code, *flags, f'--runs_dir={folder}')


def send(process, signum):
  """Sends Ctrl-C to the whole group, as a terminal does, or SIGTERM to one."""
  if signum == signal.SIGINT:
    os.killpg(process.pid, signum)
  else:
    process.send_signal(signum)


def check(process, signum, saved, seconds=60):
  """Waits for the end; checks the exit status and the single line of error."""
  _, errors = process.communicate(timeout=seconds)
  lines = [line for line in errors.splitlines() if not NOTE.match(line)]
  assert len(lines) == 1, errors
  [line] = lines
  assert WORDS[saved] in line
  assert 'The same command resumes' in line
  assert process.returncode == STATUSES[signum]


def wait_for(path, process, seconds=120):
  deadline = time.monotonic() + seconds
  while not path.exists():
    assert process.poll() is None, process.communicate()[1]
    assert time.monotonic() < deadline
    time.sleep(0.05)


def steps(run):
  return [int(line) for line in (run / 'steps.txt').read_text().splitlines()]


@pytest.fixture
def run(tmp_path):
  """The run directory of the sweep's only run."""
  [entry] = selection.choose('smoke', (), FILTER)
  return tmp_path / entry.name


# Any command.


@pytest.mark.parametrize('signum', STATUSES)
@pytest.mark.parametrize(
  'body',
  [
    f'  {SLEEP}',
    # Libraries catch exceptions, or convert them into others.
    f'  try: {SLEEP}\n  except Exception: time.sleep(60)',
    f'  try: {SLEEP}\n  except BaseException as e: raise ImportError from e',
  ],
  ids=['sleeps', 'catches', 'converts'],
)
def test_a_command_ends_where_it_stands(body, signum):
  process = start(COMMAND.format(body=body))
  assert process.stdout.readline() == 'ready\n'
  send(process, signum)
  check(process, signum, saved=False)


def test_a_second_signal_waits_for_nothing():
  body = f"  try: {SLEEP}\n  finally: print('cleans up', flush=True); {SLEEP}"
  process = start(COMMAND.format(body=body))
  assert process.stdout.readline() == 'ready\n'
  send(process, signal.SIGINT)
  assert process.stdout.readline() == 'cleans up\n'
  send(process, signal.SIGINT)
  check(process, signal.SIGINT, saved=False, seconds=30)


# A sweep.


@pytest.mark.parametrize(
  'engine, signum',
  [
    ('serial', signal.SIGINT),
    ('serial', signal.SIGTERM),
    ('ray', signal.SIGTERM),
    pytest.param('ray', signal.SIGINT, marks=pytest.mark.slow),
  ],
)
def test_a_sweep_saves_its_runs_and_goes_on(tmp_path, run, engine, signum):
  process = start_sweep(tmp_path, engine)
  wait_for(run / 'steps.txt', process)
  send(process, signum)
  check(process, signum, saved=True)
  reached = steps(run)
  time.sleep(1.0)
  assert steps(run) == reached  # The run's process has ended.
  assert len(reached) < STEPS
  # All state is in the run directory, so any engine can resume the sweep. The
  # serial one starts fastest.
  process = start_sweep(tmp_path, 'serial')
  output, errors = process.communicate(timeout=120)
  assert process.returncode == 0, errors
  assert '0 pending, 0 running, 1 done, 0 failed' in output
  assert steps(run) == list(range(STEPS))


def test_a_sweep_is_stopped_while_ray_starts(tmp_path, run):
  # While it starts, Ray installs its own handler of SIGTERM, which exits.
  process = start_sweep(tmp_path, 'ray', 'endless')
  assert '1 of them to do' in process.stdout.readline()
  time.sleep(1.0)
  send(process, signal.SIGTERM)
  check(process, signal.SIGTERM, saved=True)
  time.sleep(1.0)
  assert not (run / 'steps.txt').exists()


def test_a_second_signal_of_a_sweep_waits_for_no_run(tmp_path, run):
  process = start_sweep(tmp_path, 'serial', 'stubborn')
  wait_for(run / 'steps.txt', process)
  children = psutil.Process(process.pid).children(recursive=True)
  try:
    send(process, signal.SIGINT)
    assert '1 of them to do' in process.stdout.readline()
    assert 'stopping' in process.stdout.readline()
    send(process, signal.SIGINT)
    check(process, signal.SIGINT, saved=False, seconds=30)
  finally:
    for child in children:
      child.kill()


# An evaluation.


@pytest.mark.parametrize(
  'command, signum',
  [
    ('evaluate', signal.SIGINT),
    pytest.param('train_classifier', signal.SIGTERM, marks=pytest.mark.slow),
  ],
)
def test_it_stops_while_classifiers_are_fitted(tmp_path, command, signum):
  process = start(
    EVALUATE.format(command=command),
    f'--run={tmp_path}',
    '--classifier_epochs=1000000',
  )
  for line in process.stdout:
    if 'fits' in line:  # Two threads may write at once.
      break
  time.sleep(0.5)
  send(process, signum)
  check(process, signum, saved=False)
