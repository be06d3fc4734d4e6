"""The real command lines, end to end, at tiny size."""

import csv
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from concurrent import futures

import numpy as np
import pytest
import tensorflow as tf

from vae_info import config as configs, locks

ROOT = pathlib.Path(__file__).parents[1]
TINY = ('--latent_size=4', '--batch_size=20')
FAST_CLASSIFIER = ('--classifier_epochs=1', '--classifier_batch_size=500')


def start(module, *flags, cwd=ROOT, **kwargs):
  environment = {**os.environ, 'PYTHONPATH': f'{ROOT}{os.pathsep}{cwd}'}
  return subprocess.Popen(
    [sys.executable, '-m', f'vae_info.{module}', *map(str, flags)],
    cwd=cwd,
    env=environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    **kwargs,
  )


def run(module, *flags, status=0, **kwargs):
  """Runs a command to its end; returns what it printed."""
  process = start(module, *flags, **kwargs)
  output, errors = process.communicate(timeout=600)
  assert process.returncode == status, output + errors
  return output if status == 0 else errors


def check_refusal(folder, module, flags, message):
  """A command ends with one line; '{}' in its flags becomes a place."""
  if not any('{}' in flag for flag in flags):
    # A mistyped flag is answered before TensorFlow is imported, which alone
    # takes seconds: here, importing it would be a traceback.
    (folder / 'tensorflow.py').write_text('raise AssertionError')
  flags = [flag.format(folder / 'x') for flag in flags]
  errors = run(module, *flags, status=1, cwd=folder)
  assert message in errors
  assert 'Traceback' not in errors


def final_weights(run_dir):
  path = tf.train.latest_checkpoint(str(run_dir / 'checkpoints'))
  reader = tf.train.load_checkpoint(path)
  return {
    name: reader.get_tensor(name)
    for name in reader.get_variable_to_shape_map()
    # Bookkeeping: the time it took, and how often it was saved.
    if not name.startswith(('seconds', 'save_counter', '_CHECKPOINTABLE'))
  }


@pytest.fixture(scope='module')
def runs_dir(tmp_path_factory):
  """Every encoder x decoder x marginal, trained, evaluated and gathered."""
  folder = tmp_path_factory.mktemp('runs')

  def train(parts):
    encoder, decoder, marginal = parts
    run(
      'train',
      f'--runs_dir={folder}',
      f'--encoder={encoder}',
      f'--decoder={decoder}',
      f'--marginal={marginal}',
      '--steps=2',
      *TINY,
    )

  # Two at a time: what they do is mostly to start.
  with futures.ThreadPoolExecutor(2) as pool:
    combinations = itertools.product(
      configs.ENCODERS, configs.DECODERS, configs.MARGINALS
    )
    list(pool.map(train, combinations))
  table = run(
    'evaluate', f'--runs_dir={folder}', '--num_samples=1', *FAST_CLASSIFIER
  )
  assert 'D+R' in table
  run('results', f'--runs_dir={folder}', f'--output={folder}/results.csv')
  return folder


def test_every_combination_reaches_the_table(runs_dir):
  with open(runs_dir / 'results.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  told = {(row['encoder'], row['decoder'], row['marginal']) for row in rows}
  assert len(rows) == len(told) == 16
  for row in rows:
    assert row['method'] == 'vae'
    assert row['task'] == 'digit'
    assert int(row['step']) == 2
    assert (runs_dir / row['run'] / 'evaluation.json').is_file()
    rate, distortion = float(row['rate']), float(row['distortion'])
    label_distortion = float(row['label_distortion'])
    for name in ('rate', 'distortion', 'label_distortion'):
      assert float(row[f'{name}_stderr']) > 0
    # No published model describes the test images in fewer nats.
    assert rate + distortion > 79
    assert label_distortion > float(row['label_entropy']) - rate
    assert 0 <= float(row['label_accuracy']) <= 1
    assert float(row['train_seconds']) > 0


def test_a_second_time_there_is_nothing_to_do(runs_dir):
  assert 'every finished run has its evaluation' in run(
    'evaluate', f'--runs_dir={runs_dir}'
  )
  finished = next(path for path in runs_dir.iterdir() if path.is_dir())
  assert 'is finished' in run('train', f'--run={finished}')


def test_one_run_again_with_its_own_classifier(runs_dir):
  finished = next(path for path in runs_dir.iterdir() if path.is_dir())
  run(
    'train_classifier',
    f'--run={finished}',
    '--task=digit',
    '--classifier_hidden=7',
    *FAST_CLASSIFIER,
  )
  with locks.lock(finished):
    refused = run('train_classifier', f'--run={finished}', status=75)
  assert 'in use' in refused
  run('evaluate', f'--run={finished}', '--num_samples=1')
  content = json.loads((finished / 'evaluation.json').read_text())
  assert content['rows'][0]['classifier'] == 'mlp 7'


def test_rate_and_distortion_do_not_depend_on_the_batch(runs_dir):
  finished = next(path for path in runs_dir.iterdir() if path.is_dir())
  values = []
  for size in (10_000, 333):
    run(
      'evaluate',
      f'--run={finished}',
      '--num_samples=1',
      f'--eval_batch_size={size}',
    )
    row = json.loads((finished / 'evaluation.json').read_text())['rows'][0]
    values.append([row['rate'], row['distortion'], row['label_distortion']])
  np.testing.assert_allclose(values[0], values[1], rtol=1e-5)


def test_a_range_of_betas_from_one_training(tmp_path):
  """A row for each beta; those that are left out later keep theirs."""
  run(
    'train',
    f'--runs_dir={tmp_path}',
    '--beta=0.10:10.0',
    '--marginal=vampprior',
    '--steps=2',
    *TINY,
  )
  [folder] = tmp_path.iterdir()
  assert '_beta0.1-10_seed0' in folder.name
  fast = ('--num_samples=1', *FAST_CLASSIFIER)
  evaluate = ('evaluate', f'--runs_dir={tmp_path}', *fast)
  run(*evaluate, '--betas=0.1,2')
  assert 'every finished run' in run(*evaluate, '--betas=2')
  run(*evaluate, '--betas=2,0.5')
  run('results', f'--runs_dir={tmp_path}', f'--output={tmp_path}/results.csv')
  with open(tmp_path / 'results.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert [float(row['beta']) for row in rows] == [0.1, 0.5, 2]
  assert {row['beta_trained'] for row in rows} == {'0.1:10'}
  assert len({row['rate'] for row in rows}) == 3
  errors = run(*evaluate, f'--run={folder}', '--betas=0.05', status=1)
  assert 'was trained for betas 0.1 to 10, not for 0.05' in errors


def test_killed_at_any_moment_and_resumed_it_is_the_same(tmp_path):
  flags = (*TINY, '--steps=120', '--marginal=maf', '--steps_per_call=3')
  flags += ('--beta=0.1:10',)  # The longest way: what one beta has, and more.
  run('train', f'--run={tmp_path}/whole', *flags, '--checkpoint_minutes=9')
  parts = tmp_path / 'parts'
  kills = 0
  for delay in (0.3, 0.0, 0.7, 0.1):
    seen = set((parts / 'checkpoints').glob('*.index'))
    process = start('train', f'--run={parts}', *flags, '--checkpoint_minutes=0')
    deadline = time.monotonic() + 120
    # As soon as it has gone on beyond what it found, and a little later.
    while process.poll() is None and time.monotonic() < deadline:
      if set((parts / 'checkpoints').glob('*.index')) - seen:
        time.sleep(delay)
        break
      time.sleep(0.02)
    kills += process.poll() is None
    process.kill()
    process.communicate()
  assert kills >= 2
  run('train', f'--run={parts}', *flags)
  whole, parts = final_weights(tmp_path / 'whole'), final_weights(parts)
  assert whole.keys() == parts.keys()
  for name, value in whole.items():
    np.testing.assert_array_equal(value, parts[name], err_msg=name)


@pytest.fixture
def busy(tmp_path):
  """A training that goes on until it is stopped, and its directory."""
  folder = tmp_path / 'run'
  process = start(
    'train',
    f'--run={folder}',
    '--steps=100000',
    '--checkpoint_minutes=0',
    *TINY,
  )
  deadline = time.monotonic() + 120
  while not list((folder / 'checkpoints').glob('*.index')):
    assert process.poll() is None, process.communicate()
    assert time.monotonic() < deadline
    time.sleep(0.1)
  yield process, folder
  process.kill()
  process.communicate()


@pytest.mark.parametrize(
  'signum, status', [(signal.SIGTERM, 42), (signal.SIGINT, 130)]
)
def test_signals_save_and_say_how_to_resume(busy, signum, status):
  process, folder = busy
  process.send_signal(signum)
  _, errors = process.communicate(timeout=60)
  assert process.returncode == status
  assert 'The same command resumes it' in errors
  assert 'Traceback' not in errors
  assert not (folder / 'finished.json').exists()


def test_a_second_process_is_refused(busy):
  process, folder = busy
  errors = run('train', f'--run={folder}', status=75)
  assert f'in use by another process (pid {process.pid})' in errors


def test_an_unfinished_run_is_not_evaluated(busy):
  _, folder = busy
  errors = run('evaluate', f'--run={folder}', status=1)
  assert 'is not finished' in errors


@pytest.mark.parametrize(
  'module, flags, message',
  [
    ('train', ['--decoder=foo'], 'expected one of deconvolutional, autoreg'),
    ('train', ['--architecture=big'], 'should be one of <compact|paper>'),
    ('train', ['--beta=-1'], 'beta must be at least 0, got -1'),
    ('train', ['--beta=1:2:3'], "a range LOW:HIGH of two, got '1:2:3'"),
    ('train', ['--beta=3:1'], "needs 0 < LOW < HIGH, got '3:1'"),
    ('train', ['--beta=much'], "or a range LOW:HIGH of two, got 'much'"),
    ('train', ['--beta=1:2', '--free_nats=3'], 'free_nats needs one beta'),
    ('evaluate', ['--betas='], 'separated by commas, got none'),
    ('evaluate', ['--betas=1,x'], 'betas must be numbers separated by commas'),
    ('train', ['--epochs=0'], 'epochs must be above 0'),
    ('train', ['--latentsize=3'], "Unknown command line flag 'latentsize'"),
    ('train', ['beta=1'], "unexpected argument 'beta=1'"),
    ('train', ['--batch_size=50001', '--run={}'], 'larger than the 50000'),
    ('train', ['--run=/dev/null/{}'], 'Not a directory'),
    ('train', ['--encoder=no.such:Thing', '--run={}'], "cannot import 'no.su"),
    ('train', ['--strategy=tpu', '--run={}'], 'no TPU at'),
    ('evaluate', ['--runs_dir={}'], 'no finished run in'),
    ('evaluate', ['--run={}'], 'is not a run directory'),
    ('evaluate', ['--classifier_hidden=2,x'], 'must be integers'),
    ('results', ['--runs_dir={}'], 'no evaluation.json'),
    ('train_classifier', ['--runs_dir={}'], 'no finished run in'),
  ],
)
def test_mistakes_get_one_clear_line(tmp_path, module, flags, message):
  check_refusal(tmp_path, module, flags, message)


def test_a_run_directory_with_another_config_is_refused(runs_dir):
  finished = next(path for path in runs_dir.iterdir() if path.is_dir())
  errors = run('train', f'--run={finished}', '--beta=3', status=1)
  assert 'another config (beta: 1.0, not 3.0)' in errors


def test_a_run_without_a_readable_checkpoint_is_told(runs_dir, tmp_path):
  import shutil

  finished = next(path for path in runs_dir.iterdir() if path.is_dir())
  copy = tmp_path / 'copy'
  shutil.copytree(finished, copy)
  for file in (copy / 'checkpoints').glob('*.index'):
    file.write_bytes(b'')
  errors = run('evaluate', f'--run={copy}', status=1)
  assert 'is readable' in errors
  assert 'Traceback' not in errors
  shutil.rmtree(copy / 'checkpoints')
  assert 'has no checkpoint' in run('evaluate', f'--run={copy}', status=1)


@pytest.mark.parametrize(
  'module', ['train', 'evaluate', 'train_classifier', 'results']
)
def test_help_tells_every_flag_in_a_sentence(module):
  process = start(module, '--help')
  text, _ = process.communicate()
  own = text[text.index(f'vae_info.{module}') :]
  assert '--' in own
  for flag in re.findall(r'^  --(?:\[no\])?(\w+): (.+)', text, re.MULTILINE):
    assert flag[1][0].isupper() or flag[1].startswith('<'), flag


def test_the_network_in_the_readme_trains(tmp_path):
  text = (ROOT / 'README.md').read_text()
  code = re.search(r'```python\n# my_networks.py\n(.*?)```', text, re.DOTALL)
  (tmp_path / 'my_networks.py').write_text(code.group(1))
  flags = re.search(r'--\w+=my_networks:\w+', text).group()
  folder = tmp_path / 'run'
  run('train', f'--run={folder}', flags, '--steps=2', *TINY, cwd=tmp_path)
  config = json.loads((folder / 'config.json').read_text())
  assert 'my_networks:' in json.dumps(config)
  assert 'D+R' in run(
    'evaluate',
    f'--run={folder}',
    '--num_samples=1',
    *FAST_CLASSIFIER,
    cwd=tmp_path,
  )
