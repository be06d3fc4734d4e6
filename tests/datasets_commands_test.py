"""Every kind of data set by the real command lines, at tiny size."""

import csv
import json
import pathlib
import time

import numpy as np
import pytest
from binaries_test import FAST_CLASSIFIER, TINY, run

from vae_info import datasets
from vae_info.datasets import binarized_mnist, static_mnist

DATA = pathlib.Path(__file__).parents[2] / 'shared/data'
PREPARED = DATA / 'tensorflow_datasets'
pytestmark = pytest.mark.skipif(
  not DATA.is_dir(), reason=f'no prepared data in {DATA}'
)


@pytest.fixture(scope='module')
def cache_dir(tmp_path_factory):
  return tmp_path_factory.mktemp('cache')


@pytest.fixture(scope='module')
def omniglot_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('data')
  (folder / 'omniglot').mkdir()
  file = folder / 'omniglot/chardata.mat'
  file.symlink_to(DATA / 'omniglot/chardata_from_lake.mat')
  return folder


def train_and_evaluate(folder, data_dir, cache_dir, *flags, evaluate=()):
  """Returns the rows of the table of results."""
  places = (f'--data_dir={data_dir}', f'--cache_dir={cache_dir}')
  runs = f'--runs_dir={folder}'
  run('train', runs, *places, *flags, '--steps=2', *TINY)
  table = run(
    'evaluate', runs, *places, '--num_samples=1', *FAST_CLASSIFIER, *evaluate
  )
  assert 'D+R' in table
  run('results', runs, f'--output={folder}/results.csv')
  with open(folder / 'results.csv', newline='') as file:
    return list(csv.DictReader(file))


def check(row, entropy):
  assert float(row['rate']) > 0
  assert float(row['label_entropy']) == pytest.approx(entropy, abs=0.01)
  least = float(row['label_entropy']) - float(row['rate'])
  assert float(row['label_distortion']) > least


def test_omniglot_gives_one_run_with_two_tasks(
  tmp_path, omniglot_dir, cache_dir
):
  rows = train_and_evaluate(
    tmp_path,
    omniglot_dir,
    cache_dir,
    '--dataset=omniglot',
    '--binarization=dynamic',
  )
  assert len({row['run'] for row in rows}) == 1
  assert [row['task'] for row in rows] == ['alphabet', 'character']
  assert {row['binarization'] for row in rows} == {'dynamic'}
  assert {row['input_entropy'] for row in rows} == {'89.83'}
  check(rows[0], 3.857)
  check(rows[1], 7.312)
  name = rows[0]['run']
  assert name.startswith('omniglot_') and 'binarization=dynamic' in name

  # One task again, with another H(X): the other keeps its row.
  places = (f'--data_dir={omniglot_dir}', f'--cache_dir={cache_dir}')
  flags = (f'--run={tmp_path / name}', *places, '--task=character')
  run('train_classifier', *flags, '--classifier_hidden=5', *FAST_CLASSIFIER)
  run('evaluate', *flags, '--num_samples=1', '--entropy_estimate=91.5')
  content = json.loads((tmp_path / name / 'evaluation.json').read_text())
  assert [
    (row['task'], row['classifier'], row['input_entropy'])
    for row in content['rows']
  ] == [('alphabet', 'mlp 200-200', 89.83), ('character', 'mlp 5', 91.5)]
  errors = run('evaluate', *flags[:-1], '--task=digit', status=1)
  assert "unknown task 'digit' of omniglot; expected one of alpha" in errors


def test_omniglot_lake(tmp_path, cache_dir):
  rows = train_and_evaluate(
    tmp_path, PREPARED, cache_dir, '--dataset=omniglot_lake'
  )
  assert [row['task'] for row in rows] == ['alphabet', 'character']
  assert {row['input_entropy'] for row in rows} == {''}
  check(rows[0], 3.857)
  check(rows[1], 7.315)


def test_tfds_mnist_by_one_task(tmp_path, cache_dir):
  rows = train_and_evaluate(
    tmp_path,
    PREPARED,
    cache_dir,
    '--dataset=tfds:mnist',
    '--binarization=threshold',
    evaluate=['--task=label', '--entropy_estimate=60'],
  )
  assert [row['task'] for row in rows] == ['label']
  assert rows[0]['dataset'] == 'tfds:mnist'
  assert rows[0]['input_entropy'] == '60.0'
  check(rows[0], 2.301)


def test_binarized_mnist(tmp_path, cache_dir, monkeypatch):
  # The labels are recovered elsewhere; here the cache has others already.
  static = static_mnist.read()
  monkeypatch.setattr(
    binarized_mnist, '_read_images', lambda _, split: static[split][0]
  )
  monkeypatch.setattr(binarized_mnist, 'read_mnist', lambda _: None)
  monkeypatch.setattr(
    binarized_mnist,
    'recover',
    lambda *_: {
      f'{split}/digit': digits.astype(np.uint8)
      for split, (_, digits) in static.items()
    },
  )
  datasets.load('binarized_mnist', str(PREPARED), str(cache_dir))
  rows = train_and_evaluate(
    tmp_path, PREPARED, cache_dir, '--dataset=binarized_mnist'
  )
  assert [row['task'] for row in rows] == ['digit']
  assert rows[0]['input_entropy'] == '79.78'
  check(rows[0], 2.301)


@pytest.mark.parametrize(
  'module, flags, message',
  [
    ('train', ['--dataset=mnist'], 'omniglot_lake, tfds:NAME'),
    ('train', ['--binarization=dynamic'], 'static_mnist has only binary'),
    ('train', ['--binarization=grey'], 'should be one of <static|dynamic|'),
    ('train', ['--dataset=omniglot', '--run={}'], 'omniglot/chardata.mat'),
    ('train', ['--dataset=tfds:no_such', '--run={}'], "cannot open 'no_such'"),
    ('train', ['--dataset=omniglot_lake', '--run={}'], 'no prepared omniglot'),
    ('datasets.recover_labels', ['--dataset=x'], 'should be one of <binarized'),
  ],
)
def test_mistakes_get_one_clear_line(tmp_path, module, flags, message):
  (tmp_path / 'data').mkdir()
  started = time.monotonic()
  errors = run(
    module,
    *[flag.format(tmp_path / 'x') for flag in flags],
    f'--data_dir={tmp_path}/data',
    f'--cache_dir={tmp_path}/cache',
    status=1,
  )
  assert message in errors
  assert 'Traceback' not in errors
  # A mistyped flag is answered before TensorFlow is imported.
  loads = any('{}' in flag for flag in flags)
  assert loads or time.monotonic() - started < 5
