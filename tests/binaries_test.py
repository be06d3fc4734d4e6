"""The real command lines, end to end, on tiny models and data."""

import csv
import json
import re
import shutil
import signal
import time

import numpy as np
import pytest
import small_data
import tensorflow as tf
from commands import (
  FAST,
  FAST_CLASSIFIER,
  ROOT,
  TINY,
  call,
  check_refusal,
  run,
  start,
)

from vae_info import config as configs, evaluation as evaluations, machine
from vae_info.config import Config
from vae_info.evaluation import measure
from vae_info.runs import Run, locks


def read_table(path):
  with open(path, newline='') as file:
    return list(csv.DictReader(file))


def check_row(row, entropy):
  """Checks bounds that hold for every evaluation; returns D + R, nats."""
  rate, distortion = float(row['rate']), float(row['distortion'])
  for name in ('rate', 'distortion', 'label_distortion'):
    assert float(row[f'{name}_stderr']) > 0
  assert float(row['label_entropy']) == pytest.approx(entropy, abs=1e-4)
  assert float(row['label_distortion']) > entropy - rate
  assert 0 <= float(row['label_accuracy']) <= 1
  assert float(row['train_seconds']) > 0
  assert row['method'] == 'vae'
  assert int(row['step']) == 2
  return rate + distortion


def label_entropy(labels):
  shares = np.bincount(labels) / len(labels)
  return -np.sum(shares * np.log(shares))


def test_from_a_sweep_to_the_table(tmp_path, prepared_quadrants):
  """Commands run as processes, on a new data set that a user has prepared."""
  runs = f'--runs_dir={tmp_path}'
  sweep = ('--sweep=smoke', '--engine=serial', runs, *prepared_quadrants)
  sweep += ('--filter=encoder=conv,decoder=deconvolutional,marginal=gaussian',)
  extra = ('--dataset=tfds:tiny_quadrants', '--steps=2')
  assert '1 runs, 1 of them to do' in run('launch.sweep', *sweep, '--', *extra)
  assert '0 running, 1 done, 0 failed' in run('launch.status', runs)
  [folder] = tmp_path.iterdir()
  again = (f'--run={folder}', *prepared_quadrants)
  fewer = ('--classifier_hidden=7', *FAST_CLASSIFIER)
  call('train_classifier', *again, *fewer)
  assert 'D+R' in call('evaluate', *again, '--entropy_estimate=14')
  run('results', runs, f'--output={tmp_path}/results.csv')
  [row] = read_table(tmp_path / 'results.csv')
  _, labels = small_data.draw(53, 2)
  check_row(row, label_entropy(labels))
  assert row['task'] == 'quadrant'
  assert row['classifier'] == f'mlp 7 {FAST}'  # The stored classifier was used.
  assert float(row['label_preference_stderr']) > 0


def train_here(folder, digits, *words):
  call(
    'train', f'--runs_dir={folder}', '--steps=2', *TINY, *words, dataset=digits
  )


@pytest.mark.slow
@pytest.mark.parametrize(
  'encoder, decoder, marginal',
  configs.families(),
)
def test_every_combination_reaches_the_table(
  tmp_path, digits, encoder, decoder, marginal
):
  parts = {'encoder': encoder, 'decoder': decoder, 'marginal': marginal}
  train_here(
    tmp_path, digits, *(f'--{key}={value}' for key, value in parts.items())
  )
  runs = f'--runs_dir={tmp_path}'
  fast = ('--num_samples=1', *FAST_CLASSIFIER)
  assert 'D+R' in call('evaluate', runs, *fast, dataset=digits)
  call('results', runs, f'--output={tmp_path}/results.csv')
  [row] = read_table(tmp_path / 'results.csv')
  assert parts.items() <= row.items()
  assert row['task'] == 'digit'
  # No published model describes the test images in fewer nats.
  assert check_row(row, label_entropy(digits.test.labels['digit'])) > 79
  assert (tmp_path / row['run'] / 'evaluation.json').is_file()


@pytest.mark.slow
@pytest.mark.parametrize('decoder', configs.DECODERS)
def test_the_papers_networks_and_the_other_flags(tmp_path, digits, decoder):
  """Trains with all options at once that no other test uses."""
  flags = ('--architecture=paper', '--precision=bfloat16', '--seed=3')
  flags += ('--lr_schedule=paper', '--kl_annealing_epochs=0.02')
  flags += ('--strategy=mirrored', f'--decoder={decoder}')
  train_here(tmp_path, digits, *flags)
  runs = f'--runs_dir={tmp_path}'
  fast = ('--num_samples=1', '--classifier=linear', '--task=digit')
  output = call('evaluate', runs, *fast, *FAST_CLASSIFIER, dataset=digits)
  assert 'D+R' in output
  [row] = evaluation(next(tmp_path.iterdir()))
  assert check_row(row, label_entropy(digits.test.labels['digit'])) > 79
  assert row['classifier'] == f'linear {FAST}'


@pytest.mark.slow
def test_the_bundled_data_whole(tmp_path):
  """README's first command with fewer steps, on all 10,000 test images."""
  runs = f'--runs_dir={tmp_path}'
  run('train', runs, '--steps=2', *TINY)
  run('evaluate', runs, '--num_samples=1', *FAST_CLASSIFIER)
  run('results', runs, f'--output={tmp_path}/results.csv')
  [row] = read_table(tmp_path / 'results.csv')
  assert check_row(row, 2.30085) > 79
  assert row['input_entropy'] == '79.78'


@pytest.fixture(scope='module')
def finished(tmp_path_factory, digits):
  """An evaluated run on digits, alone in its folder."""
  folder = tmp_path_factory.mktemp('runs')
  train_here(folder, digits)
  fast = ('--num_samples=1', *FAST_CLASSIFIER)
  call('evaluate', f'--runs_dir={folder}', *fast, dataset=digits)
  [run] = folder.iterdir()
  return run


def evaluation(run):
  return json.loads((run / 'evaluation.json').read_text())['rows']


def test_the_numbers_of_a_run_are_possible(finished, digits):
  [row] = evaluation(finished)
  assert check_row(row, label_entropy(digits.test.labels['digit'])) > 79


def test_a_second_time_there_is_nothing_to_do(finished):
  text = call('evaluate', f'--runs_dir={finished.parent}')
  assert 'every finished run has its evaluation; --run=DIR' in text
  assert 'is finished' in call('train', f'--run={finished}')


def test_a_folder_that_cannot_be_opened_does_not_stop_the_others(
  tmp_path, monkeypatch
):
  for name in 'ab':
    Run(tmp_path / name).open(Config())
    Run(tmp_path / name).finish({'step': 1, 'train_images': [5, 2, 2, 1]})
  (tmp_path / 'a' / 'run.lock').unlink(missing_ok=True)
  (tmp_path / 'a' / 'run.lock').mkdir()
  monkeypatch.setattr(
    measure, 'measure', lambda run, _: run.write_rows([]) or []
  )
  errors = call('evaluate', f'--runs_dir={tmp_path}', status=1)
  assert 'error: ' in errors and 'run.lock' in errors
  assert (tmp_path / 'b' / 'evaluation.json').exists()


def test_what_another_process_evaluates_meanwhile_is_not_repeated(
  tmp_path, monkeypatch
):
  runs = [Run(tmp_path / name) for name in 'ab']
  for one in runs:
    one.open(Config())
    one.finish({'step': 1, 'train_images': [5, 2, 2, 1]})
  evaluated = []

  def evaluate(chosen, _):
    evaluated.append(chosen.name)
    for one in runs:
      one.write_rows([one.facts | {'task': 'digit'}])
    return []

  monkeypatch.setattr(evaluations, 'run', evaluate)
  call('evaluate', f'--runs_dir={tmp_path}')
  assert evaluated == ['a']
  text = call('evaluate', f'--runs_dir={tmp_path}')
  assert 'every finished run has its evaluation (2 without bounds);' in text


def test_one_run_again_with_its_own_classifier(finished, digits):
  flags = (f'--run={finished}', '--task=digit', '--classifier_hidden=7')
  call('train_classifier', *flags, *FAST_CLASSIFIER, dataset=digits)
  with locks.lock(finished):
    refused = call('train_classifier', f'--run={finished}', status=75)
  assert 'in use' in refused
  call('evaluate', f'--run={finished}', '--num_samples=1', dataset=digits)
  [row] = evaluation(finished)
  assert row['classifier'] == f'mlp 7 {FAST}'


def test_rate_and_distortion_do_not_depend_on_the_batch(finished, digits):
  values = []
  for size in (10_000, 333):
    flags = ('--num_samples=1', f'--eval_batch_size={size}')
    call('evaluate', f'--run={finished}', *flags, dataset=digits)
    [row] = evaluation(finished)
    values.append([row['rate'], row['distortion'], row['label_distortion']])
  np.testing.assert_allclose(values[0], values[1], rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('marginal', ['gaussian', 'vampprior'])
def test_a_range_of_betas_from_one_training(tmp_path, digits, marginal):
  """Each beta has a row; a later evaluation at other betas keeps old rows."""
  train_here(tmp_path, digits, '--beta=0.10:10.0', f'--marginal={marginal}')
  [folder] = tmp_path.iterdir()
  assert '_beta0.1-10_seed0' in folder.name
  fast = ('--num_samples=1', *FAST_CLASSIFIER)
  evaluate = ('evaluate', f'--runs_dir={tmp_path}', *fast)
  call(*evaluate, '--betas=0.1,2', dataset=digits)
  assert 'every finished run' in call(*evaluate, '--betas=2')
  call(*evaluate, '--betas=0.5', dataset=digits)
  call('results', f'--runs_dir={tmp_path}', f'--output={tmp_path}/results.csv')
  rows = read_table(tmp_path / 'results.csv')
  assert [float(row['beta']) for row in rows] == [0.1, 0.5, 2]
  assert {row['beta_trained'] for row in rows} == {'0.1:10'}
  assert len({row['rate'] for row in rows}) == 3
  beyond = ('evaluate', f'--run={folder}', '--betas=0.05')
  errors = call(*beyond, status=1, dataset=digits)
  assert 'was trained for betas 0.1 to 10, not for 0.05' in errors


def final_weights(run_dir):
  path = tf.train.latest_checkpoint(str(run_dir / 'checkpoints'))
  reader = tf.train.load_checkpoint(path)
  return {
    name: reader.get_tensor(name)
    for name in reader.get_variable_to_shape_map()
    # These differ between runs: the training's time, and the count of saves.
    if not name.startswith(('seconds', 'save_counter', '_CHECKPOINTABLE'))
  }


@pytest.mark.slow
@pytest.mark.parametrize(
  'variables',
  [{}, {machine.ONEDNN: '0'}, dict.fromkeys(machine.THREADS, '1')],
  ids=['as it is', 'without oneDNN', 'one thread'],
)
def test_killed_at_any_moment_and_resumed_it_is_the_same(
  tmp_path, monkeypatch, variables
):
  for name, value in variables.items():
    monkeypatch.setenv(name, value)
  flags = (*TINY, '--steps=120', '--marginal=maf', '--steps_per_call=3')
  flags += ('--beta=0.1:10',)  # A range runs all code of one beta, and more.
  run('train', f'--run={tmp_path}/whole', *flags, '--checkpoint_minutes=9')
  parts = tmp_path / 'parts'
  kills = 0
  for delay in (0.3, 0.0, 0.7, 0.1):
    seen = set((parts / 'checkpoints').glob('*.index'))
    process = start('train', f'--run={parts}', *flags, '--checkpoint_minutes=0')
    deadline = time.monotonic() + 300
    # Kills it `delay` seconds after the first new checkpoint.
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
  """A training that runs until it is stopped, and its run directory."""
  folder = tmp_path / 'run'
  process = start(
    'train',
    f'--run={folder}',
    '--steps=100000',
    '--steps_per_call=5',
    '--checkpoint_minutes=0',
    *TINY,
  )
  deadline = time.monotonic() + 300
  while not list((folder / 'checkpoints').glob('*.index')):
    assert process.poll() is None, process.communicate()
    assert time.monotonic() < deadline
    time.sleep(0.1)
  yield process, folder
  process.kill()
  process.communicate()


@pytest.mark.parametrize(
  'signum, status',
  [
    (signal.SIGTERM, 42),
    pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
  ],
)
def test_others_are_refused_and_a_signal_saves(busy, signum, status):
  process, folder = busy
  errors = call('train', f'--run={folder}', status=75)
  assert f'in use by another process (pid {process.pid})' in errors
  errors = call('evaluate', f'--run={folder}', status=1)
  assert 'is not finished' in errors
  process.send_signal(signum)
  _, errors = process.communicate(timeout=60)
  assert process.returncode == status
  assert 'The same command resumes it' in errors
  assert 'Traceback' not in errors
  assert not (folder / 'finished.json').exists()


@pytest.mark.parametrize(
  'module, flags, message',
  [
    ('train', ['--decoder=foo'], 'expected one of deconvolutional, deconv'),
    ('train', ['--architecture=big'], 'should be one of <compact|paper>'),
    ('train', ['--beta=-1'], 'beta must be at least 0, got -1'),
    ('train', ['--beta=1:2:3'], "such as '0.3:10', got '1:2:3'"),
    ('train', ['--beta=3:1'], "needs 0 < LOW < HIGH, got '3:1'"),
    ('train', ['--beta=much'], "such as '0.3:10', got 'much'"),
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
    ('train_classifier', [], '--run is needed'),
  ],
)
def test_mistakes_get_one_clear_line(tmp_path, module, flags, message):
  check_refusal(tmp_path, module, flags, message)


def test_a_run_directory_with_another_config_is_refused(finished):
  errors = call('train', f'--run={finished}', '--beta=3', status=1)
  assert 'another config (beta: 1.0, not 3.0)' in errors
  errors = call('train', f'--run={finished}', '--steps=7', status=1)
  assert 'another config (' in errors and 'not 7' in errors
  errors = call('train', f'--run={finished}', '--epochs=7', status=1)
  assert 'another config (' in errors and 'not 7.0' in errors
  # Even if the flag does not suit the config that is there.
  errors = call('train', f'--run={finished}', '--encoder=categorical', status=1)
  assert 'another config (encoder: conv, not categorical)' in errors


def test_a_run_without_a_readable_checkpoint_is_told(
  finished, digits, tmp_path
):
  copy = tmp_path / 'copy'
  shutil.copytree(finished, copy)
  for file in (copy / 'checkpoints').glob('*.index'):
    file.write_bytes(b'')
  evaluate = ('evaluate', f'--run={copy}')
  errors = call(*evaluate, status=1, dataset=digits)
  assert 'is readable' in errors
  assert 'Traceback' not in errors
  shutil.rmtree(copy / 'checkpoints')
  assert 'there is no checkpoint in' in call(
    *evaluate, status=1, dataset=digits
  )


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


@pytest.mark.slow
def test_the_network_in_the_readme_trains(tmp_path, digits, monkeypatch):
  text = (ROOT / 'vae_info/networks/README.md').read_text()
  code = re.search(r'```python\n# my_networks.py\n(.*?)```', text, re.DOTALL)
  (tmp_path / 'my_networks.py').write_text(code.group(1))
  flags = re.search(r'--\w+=my_networks:\w+', text).group()
  folder = tmp_path / 'run'
  # The module is in the user's working directory, outside this repository.
  run('train', f'--run={folder}', flags, '--steps=2', *TINY, cwd=tmp_path)
  config = json.loads((folder / 'config.json').read_text())
  assert 'my_networks:' in json.dumps(config)
  monkeypatch.syspath_prepend(tmp_path)
  evaluate = ('evaluate', f'--run={folder}', '--num_samples=1')
  assert 'D+R' in call(*evaluate, *FAST_CLASSIFIER, dataset=digits)
