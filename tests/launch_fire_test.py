"""Sweeps of real trainings survive kills of processes and of machines.

These tests are slow, so the default run leaves them out. Nor does .ci/run kill
drivers and nodes; this does:

    python -m pytest -m fire
"""

import functools
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import tensorflow as tf

from launch import selection, states
from vae_info.runs import Run

ROOT = pathlib.Path(__file__).parents[1]
STEPS, PER_CALL = 300, 10
EXTRA = (f'--steps={STEPS}', f'--steps_per_call={PER_CALL}')
EXTRA += ('--checkpoint_minutes=0', '--dataset=tfds:tiny_quadrants')
FILTER = 'encoder=conv,decoder=deconvolutional'

pytestmark = pytest.mark.slow


def names(runs_filter=FILTER):
  """From each marginal to the name of its run."""
  runs = selection.choose('smoke', EXTRA, runs_filter)
  return {run.config.marginal: run.name for run in runs}


NAMES = names()


# Nodes and sweep share a token, whatever the user's own settings are.
ENVIRONMENT = {
  **os.environ,
  'RAY_USAGE_STATS_ENABLED': '0',
  'RAY_AUTH_MODE': 'token',
  'RAY_AUTH_TOKEN': secrets.token_hex(32),
}


@pytest.fixture(scope='module')
def start(prepared_quadrants):
  return functools.partial(start_sweep, prepared_quadrants)


def start_sweep(data, folder, *flags):
  """Starts a sweep; its output goes to FOLDER/sweep.log."""
  folder.mkdir(exist_ok=True)
  words = ['--sweep=smoke', f'--filter={FILTER}', f'--runs_dir={folder}']
  words += [*data, *flags, '--', *EXTRA]
  with open(folder / 'sweep.log', 'ab') as log:
    return subprocess.Popen(
      [sys.executable, '-m', 'launch.sweep', *words],
      cwd=ROOT,
      stdout=log,
      stderr=subprocess.STDOUT,
      env=ENVIRONMENT,
    )


def end(process, folder, status=0):
  process.wait(600)
  assert process.returncode == status, (folder / 'sweep.log').read_text()


def wait_for(condition, process, seconds=300):
  """Waits until `condition()` is true and returns it.

  It fails if the process ends first.
  """
  deadline = time.monotonic() + seconds
  while not (result := condition()):
    assert process.poll() is None, 'the sweep has ended too early'
    assert time.monotonic() < deadline
    time.sleep(0.05)
  return result


def begun(run):
  """The id of the process that trains in `run`; None before a checkpoint."""
  if (run / 'finished.json').exists():
    raise AssertionError(f'{run} was finished before it could be disturbed')
  if not list((run / 'checkpoints').glob('*.index')):
    return None
  return int((run / 'run.lock').read_text())


def metrics(run):
  """From each scalar in the event files to its steps."""
  steps = {}
  for path in (run / 'summaries').glob('events.*'):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      for value in event.summary.value:
        if value.metadata.plugin_data.plugin_name == 'scalars':
          steps.setdefault(value.tag, []).append(event.step)
  return {tag: sorted(numbers) for tag, numbers in steps.items()}


def weights(run):
  path = tf.train.latest_checkpoint(str(run / 'checkpoints'))
  reader = tf.train.load_checkpoint(path)
  return {
    name: reader.get_tensor(name)
    for name in reader.get_variable_to_shape_map()
    if not name.startswith(('seconds', 'save_counter', '_CHECKPOINTABLE'))
  }


def rows(run):
  content = json.loads((run / 'evaluation.json').read_text())['rows']
  # The training's time and the commit are not part of the result.
  told = set(content[0]) - {'train_seconds', 'version'}
  return [{name: row[name] for name in told} for row in content]


def check(folder, undisturbed, marginals=tuple(NAMES)):
  """Checks that each run has the same results as in an undisturbed sweep."""
  for marginal in marginals:
    run, other = folder / NAMES[marginal], undisturbed / NAMES[marginal]
    assert states.read(Run(run)).state == states.DONE
    found = metrics(run)
    assert {'rate', 'distortion', 'loss'} <= set(found)
    for numbers in found.values():
      assert numbers == list(range(PER_CALL, STEPS + 1, PER_CALL))
    assert rows(run) == rows(other)
    mine, theirs = weights(run), weights(other)
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
      np.testing.assert_array_equal(value, mine[name], err_msg=name)


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory, start):
  folder = tmp_path_factory.mktemp('undisturbed')
  end(start(folder), folder)
  return folder


def test_one_killed_one_preempted_one_that_always_fails(
  tmp_path, undisturbed, start
):
  bad = tmp_path / NAMES['maf']
  bad.mkdir()
  (bad / 'thesis.tex').write_text('')  # So it is not a run directory.
  process = start(tmp_path, '--max_retries=1')
  waiting = {'gaussian': signal.SIGKILL, 'mixture': signal.SIGTERM}
  while waiting:
    for marginal, signum in list(waiting.items()):
      pid = begun(tmp_path / NAMES[marginal])
      if pid:
        os.kill(pid, signum)
        del waiting[marginal]
    assert process.poll() is None
    time.sleep(0.05)
  end(process, tmp_path, status=1)
  log = (tmp_path / 'sweep.log').read_text()
  assert 'train failed (-9)' in log
  assert 'was preempted' in log
  assert 'thesis.tex but no config.json; given up' in log
  assert '0 pending, 0 running, 3 done, 1 failed' in log
  assert states.read(Run(bad)).state == states.FAILED
  check(tmp_path, undisturbed, ('gaussian', 'mixture', 'vampprior'))
  # A second sweep tries only the failed run, which now can be trained.
  (bad / 'thesis.tex').unlink()
  process = start(tmp_path)
  end(process, tmp_path)
  assert '4 runs, 1 of them to do' in (tmp_path / 'sweep.log').read_text()
  check(tmp_path, undisturbed)


@pytest.mark.fire
def test_the_sweep_itself_is_stopped_and_killed(tmp_path, undisturbed, start):
  process = start(tmp_path)
  first = tmp_path / NAMES['gaussian']
  wait_for(lambda: begun(first), process)
  process.send_signal(signal.SIGINT)
  end(process, tmp_path, status=130)
  assert 'The same command resumes it' in (tmp_path / 'sweep.log').read_text()
  reached = json.loads((first / 'progress.json').read_text())['step']
  assert states.read(Run(first)).state == states.STOPPED
  process = start(tmp_path)
  wait_for(
    lambda: json.loads((first / 'progress.json').read_text())['step'] > reached,
    process,
  )
  process.kill()
  process.wait()
  # Starts at once, while trainings of the first sweep may still be saving.
  process = start(tmp_path)
  end(process, tmp_path)
  check(tmp_path, undisturbed)


@pytest.fixture
def cluster():
  """Two Ray nodes of one CPU each, on two addresses of this machine."""
  port = 20000 + os.getpid() % 20000
  ray = str(pathlib.Path(sys.executable).parent / 'ray')
  shared = ['--block', '--num-cpus=1', '--object-store-memory=80000000']
  head = ['--head', f'--port={port}', '--include-dashboard=false']
  heads = ['--node-ip-address=127.0.0.1', *head]
  others = ['--node-ip-address=127.0.0.2', f'--address=127.0.0.1:{port}']
  nodes = []
  for words in (heads, others):
    node = subprocess.Popen(
      [ray, 'start', *words, *shared],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
      env=ENVIRONMENT,
    )
    nodes.append(node)
    time.sleep(10 if node is nodes[0] else 5)
  yield f'127.0.0.1:{port}', nodes[1]
  for node in nodes:
    if node.poll() is None:
      node.terminate()
      node.wait(60)


def descendants(process):
  return psutil.Process(process.pid).children(recursive=True)


def training_on(node):
  """Whether a run on that node has written a checkpoint."""
  for process in descendants(node):
    try:
      words = process.cmdline()
    except psutil.Error:
      continue
    if 'vae_info.train' in words:
      run = next(word for word in words if word.startswith('--run='))
      if begun(pathlib.Path(run.removeprefix('--run='))):
        return True
  return False


@pytest.mark.fire
def test_a_node_of_two_is_killed_in_the_middle(
  tmp_path, undisturbed, start, cluster
):
  address, node = cluster
  process = start(tmp_path, f'--ray_address={address}')
  wait_for(lambda: training_on(node), process)
  for victim in [*descendants(node), psutil.Process(node.pid)]:
    try:
      victim.kill()
    except psutil.NoSuchProcess:
      continue
  end(process, tmp_path)
  assert 'it goes on' in (tmp_path / 'sweep.log').read_text()
  check(tmp_path, undisturbed)
