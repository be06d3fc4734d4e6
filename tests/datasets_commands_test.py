"""Every kind of data set by the real command lines, at tiny size."""

import csv
import json
import pathlib

import numpy as np
import pytest
from binaries_test import FAST_CLASSIFIER, TINY, check_refusal, run

from vae_info.datasets import binarized_mnist, static_mnist

DATA = pathlib.Path(__file__).parents[2] / 'shared/data'
PREPARED = DATA / 'tensorflow_datasets'
pytestmark = pytest.mark.skipif(
  not DATA.is_dir(), reason=f'no prepared data in {DATA}'
)


# Data set -> how its images become binary.
BINARIZATIONS = {
  'binarized_mnist': 'static',
  'omniglot': 'dynamic',
  'omniglot_lake': 'static',
  'tfds:mnist': 'threshold',
}


@pytest.fixture(scope='module')
def places(tmp_path_factory):
  """Flags that tell where data and cache are, both as a user has them."""
  data_dir = tmp_path_factory.mktemp('data')
  cache_dir = tmp_path_factory.mktemp('cache')
  for name in ('mnist', 'binarized_mnist', 'omniglot'):
    (data_dir / name).mkdir()
    for version in (PREPARED / name).iterdir():
      (data_dir / name / version.name).symlink_to(version)
  file = data_dir / 'omniglot/chardata.mat'
  file.symlink_to(DATA / 'omniglot/chardata_from_lake.mat')
  _put_labels_in_cache(data_dir, cache_dir)
  return f'--data_dir={data_dir}', f'--cache_dir={cache_dir}'


def _put_labels_in_cache(data_dir, cache_dir):
  """Other images and labels: to recover the real ones takes too long here."""
  static = static_mnist.read()
  digits = {
    f'{split}/digit': labels.astype(np.uint8)
    for split, (_, labels) in static.items()
  }
  with pytest.MonkeyPatch.context() as patched:
    for name, value in (
      ('_read_images', lambda _, split: static[split][0]),
      ('read_mnist', lambda _: None),
      ('recover', lambda *_: digits),
    ):
      patched.setattr(binarized_mnist, name, value)
    binarized_mnist.read(str(data_dir), str(cache_dir))


@pytest.fixture(scope='module')
def runs_dir(tmp_path_factory, places):
  """A run of each kind, trained, evaluated and gathered."""
  folder = tmp_path_factory.mktemp('runs')
  runs = f'--runs_dir={folder}'
  for dataset, binarization in BINARIZATIONS.items():
    flags = (f'--dataset={dataset}', f'--binarization={binarization}')
    run('train', runs, *places, *flags, '--steps=2', *TINY)
  table = run('evaluate', runs, *places, '--num_samples=1', *FAST_CLASSIFIER)
  assert 'D+R' in table
  run('results', runs, f'--output={folder}/results.csv')
  return folder


def test_every_kind_reaches_the_table(runs_dir):
  with open(runs_dir / 'results.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  # Omniglot's two tasks are of one run each.
  assert len({row['run'] for row in rows}) == 4
  assert [
    (row['dataset'], row['task'], row['input_entropy']) for row in rows
  ] == [
    ('binarized_mnist', 'digit', '79.78'),
    ('omniglot', 'alphabet', '89.83'),
    ('omniglot', 'character', '89.83'),
    ('omniglot_lake', 'alphabet', ''),
    ('omniglot_lake', 'character', ''),
    ('tfds:mnist', 'label', ''),
  ]
  entropies = [float(row['label_entropy']) for row in rows]
  expected = [2.301, 3.857, 7.312, 3.857, 7.315, 2.301]
  np.testing.assert_allclose(entropies, expected, atol=0.01)
  for row, entropy in zip(rows, entropies, strict=True):
    assert row['binarization'] == BINARIZATIONS[row['dataset']]
    assert 'binarization' in row['run'] or row['binarization'] == 'static'
    assert float(row['rate']) > 0
    assert float(row['label_distortion']) > entropy - float(row['rate'])


def test_one_task_again_leaves_the_other_its_row(runs_dir, places):
  finished = next(runs_dir.glob('omniglot_conv*'))
  flags = (f'--run={finished}', *places)
  one = (*flags, '--task=character')
  run('train_classifier', *one, '--classifier_hidden=5', *FAST_CLASSIFIER)
  run('evaluate', *one, '--num_samples=1', '--entropy_estimate=91.5')
  content = json.loads((finished / 'evaluation.json').read_text())
  assert [
    (row['task'], row['classifier'], row['input_entropy'])
    for row in content['rows']
  ] == [('alphabet', 'mlp 200-200', 89.83), ('character', 'mlp 5', 91.5)]
  errors = run('evaluate', *flags, '--task=digit', status=1)
  assert "unknown task 'digit' of omniglot; expected one of alpha" in errors


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
  places = [f'--{name}_dir={tmp_path}/{name}' for name in ('data', 'cache')]
  check_refusal(tmp_path, module, [*flags, *places], message)
