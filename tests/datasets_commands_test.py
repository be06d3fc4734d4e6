"""Every kind of data set through the real command lines, with tiny models."""

import csv
import json

import numpy as np
import prepared_data
import pytest
import small_data
from commands import FAST, FAST_CLASSIFIER, TINY, call, check_refusal

from vae_info import datasets
from vae_info.datasets import binarized_mnist, static_mnist

pytestmark = prepared_data.needed


# Data set -> how its images become binary.
BINARIZATIONS = {
  'binarized_mnist': 'static',
  'omniglot': 'dynamic',
  'omniglot_lake': 'static',
  'tfds:mnist': 'threshold',
}


@pytest.fixture(scope='module')
def places(tmp_path_factory):
  """Flags for the folders of data and cache, laid out as a user's are."""
  data_dir = tmp_path_factory.mktemp('data')
  cache_dir = tmp_path_factory.mktemp('cache')
  for name in ('mnist', 'binarized_mnist', 'omniglot'):
    (data_dir / name).mkdir()
    for version in (prepared_data.TFDS / name).iterdir():
      (data_dir / name / version.name).symlink_to(version)
  file = data_dir / 'omniglot/chardata.mat'
  file.symlink_to(prepared_data.CHARDATA)
  _put_labels_in_cache(data_dir, cache_dir)
  return f'--data_dir={data_dir}', f'--cache_dir={cache_dir}'


def _put_labels_in_cache(data_dir, cache_dir):
  """Fills the cache with stand-ins, since recovering labels takes too long."""
  static = static_mnist.read()
  digits = {
    f'{split}/digit': labels.astype(np.uint8)
    for split, (_, labels) in static.items()
  }
  digits |= {
    f'{split}/original': np.arange(len(labels), dtype=np.int32)
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
def few_to_train_on():
  """Cuts training sets to 2,000 images; test sets stay whole."""
  load = datasets.load

  def load_less(*args, **kwargs):
    return small_data.cut(load(*args, **kwargs), train=2_000)

  with pytest.MonkeyPatch.context() as patched:
    patched.setattr(datasets, 'load', load_less)
    yield


@pytest.fixture(scope='module')
def runs_dir(tmp_path_factory, places, few_to_train_on):
  """A folder with a run of each kind, trained and evaluated, and the table."""
  folder = tmp_path_factory.mktemp('runs')
  runs = f'--runs_dir={folder}'
  for dataset, binarization in BINARIZATIONS.items():
    flags = (f'--dataset={dataset}', f'--binarization={binarization}')
    call('train', runs, *places, *flags, '--steps=2', *TINY)
  table = call('evaluate', runs, *places, '--num_samples=1', *FAST_CLASSIFIER)
  assert 'D+R' in table
  call('results', runs, f'--output={folder}/results.csv')
  return folder


@pytest.mark.slow
def test_every_kind_reaches_the_table(runs_dir):
  with open(runs_dir / 'results.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  # One run gives both rows of Omniglot, one for each task.
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


@pytest.mark.slow
def test_one_task_again_leaves_the_other_its_row(runs_dir, places):
  finished = next(runs_dir.glob('omniglot_conv*'))
  flags = (f'--run={finished}', *places)
  one = (*flags, '--task=character')
  call('train_classifier', *one, '--classifier_hidden=5', *FAST_CLASSIFIER)
  call('evaluate', *one, '--num_samples=1', '--entropy_estimate=91.5')
  content = json.loads((finished / 'evaluation.json').read_text())
  assert [
    (row['task'], row['classifier'], row['input_entropy'])
    for row in content['rows']
  ] == [
    ('alphabet', f'mlp 200-200 {FAST}', 89.83),
    ('character', f'mlp 5 {FAST}', 91.5),
  ]
  errors = call('evaluate', *flags, '--task=digit', status=1)
  assert "unknown task 'digit' of omniglot; expected one of alpha" in errors


@pytest.mark.parametrize(
  'module, flags, message',
  [
    ('train', ['--dataset=mnist'], 'sprites, tfds:NAME'),
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
