"""Anyone's codes: evaluated as arrays, with one clear line for bad ones."""

import csv
import dataclasses
import functools
import math

import numpy as np
import pytest
import tensorflow as tf
from commands import call

from vae_info import datasets
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.evaluation import (
  Settings,
  arrays,
  arrays_file,
  bounds,
  critics,
  least,
)
from vae_info.evaluation.pairwise import Kernel
from vae_info.networks import model as models
from vae_info.runs import Run, rows as tables

FAST = Settings(hidden=(5,), epochs=2, batch_size=50)


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
  monkeypatch.setattr(least, 'SIZES', ((8,),))


def make(count=1_200, noise=0.5):
  """Two far classes of a Gaussian channel each: ln 2 nats more than one."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 2, count)
  means = rng.standard_normal([count, 3]) + 20.0 * labels[:, None]
  return {
    'means': means.astype(np.float32),
    'scales': np.full([count, 3], noise, np.float32),
    'labels': labels,
    'split': np.arange(count) % 3,
  }


def test_a_known_channel_is_enclosed():
  [row] = arrays.evaluate(make(), 'mine', FAST)
  assert tuple(row) == tables.COLUMNS
  nats = math.log(2) + 1.5 * math.log1p(1 / 0.5**2)
  assert row['information_lower'] < nats + 3 * row['information_lower_stderr']
  assert row['information_upper'] > nats - 3 * row['information_upper_stderr']
  assert row['information_lower'] > 0.8 * nats
  assert row['rate'] >= row['information_upper'] - 0.1
  assert row['label_distortion_least'] < 0.02 < row['label_distortion']
  assert row['label_information_lower'] == pytest.approx(
    row['label_entropy'] - row['label_distortion_least']
  )
  assert row['label_information_upper'] >= 0.66
  assert row['run'] == 'mine' and row['task'] == 'label'
  assert tables.doubts(row) == []
  table = tables.bounds_table([row])
  assert 'mine' in table and row['information_lower_by'] in table
  # A second time gives the same.
  assert arrays.evaluate(make(), 'mine', FAST) == [row]


def test_the_first_images_of_a_split_have_all_classes_even_of_sorted_arrays():
  given = make()
  order = np.argsort(given['labels'], kind='stable')
  checked = arrays_file.check({name: given[name][order] for name in given})
  for number, name in enumerate(arrays_file.SPLITS):
    part = checked.part(name)
    np.testing.assert_array_equal(
      np.sort(part), np.flatnonzero(checked.split == number)
    )
    assert {*checked.labels['label'][part[:20]]} == {0, 1}


def test_codes_alone_have_c_and_no_density():
  given = make()
  codes = {'codes': given['means'], 'split': given['split']}
  tasks = {
    'labels_side': given['labels'],
    'labels_other': np.arange(1_200) // 3 % 2,
  }
  rows = arrays.evaluate(codes | tasks, settings=FAST)
  assert [row['task'] for row in rows] == ['side', 'other']
  for row in rows:
    for name in ('rate', 'information_lower', 'information_upper'):
      assert row[name] is None
  assert rows[0]['label_distortion_least'] < 0.02
  assert tables.doubts(rows[0]) == []


@pytest.mark.parametrize(
  'change, message',
  [
    ({'means': None}, 'no array means; found scales'),
    ({'scales': None}, 'no array scales; found means'),
    ({'means': None, 'scales': None}, 'no array codes, or means and scales'),
    ({'means': np.zeros([1_200])}, r'means should be float \[N, L\], found'),
    ({'means': np.zeros([0, 3])}, r'found float64 \[0, 3\]'),
    ({'means': np.zeros([1_200, 3], int)}, r'found int64 \[1200, 3\]'),
    ({'scales': np.ones([1_200, 1])}, r'the shape of means, \[1200, 3\]'),
    ({'scales': np.zeros([1_200, 3])}, 'standard deviations above 0, found 0'),
    ({'means': np.full([1_200, 3], np.nan)}, 'should be finite: 1200 rows'),
    ({'labels': None}, 'no labels: give an array labels, or labels_TASK'),
    ({'labels': np.zeros(1_200)}, r'should be int \[1200\], found float64'),
    (
      {'labels': np.zeros(7, int)},
      r'should be int \[1200\], found int64 \[7\]',
    ),
    ({'labels': np.full(1_200, -1)}, 'should be 0 or more, found -1'),
    ({'labels': np.arange(1_200) + 2**32}, 'at most 2147483647, found 42949'),
    ({'labels': np.zeros(1_200, int)}, 'at least two classes'),
    ({'labels': np.arange(1_200)}, 'at least 1200 training images are needed'),
    ({'split': None}, 'no array split'),
    ({'split': np.full(1_200, 3)}, r'0 \(training\), 1 \(validation\)'),
    ({'split': np.zeros(1_200, int)}, 'at least 2 images of validation'),
    # Degenerate ones, which gave a traceback or NaN.
    (
      {'means': np.full([1_200, 3], 1e20), 'scales': np.full([1_200, 3], 1e20)},
      r'means should be at most 1e\+15 in size, found 1e\+20; divide',
    ),
    ({'means': np.full([1_200, 3], 1e300)}, r'found 1e\+300; divide'),
    ({'scales': np.full([1_200, 3], 1e20)}, r'scales should be at most 1e\+15'),
    (
      {'scales': np.full([1_200, 3], 1e-30)},
      'scales should be at least .*e-14 for means with a range of .*, found '
      '1e-30; multiply',
    ),
    (
      {
        'means': np.arange(3_600.0).reshape([1_200, 3]) * 1e5,
        'scales': np.full([1_200, 3], 1e-14),
      },
      'scales should be at least 3.6e-07 for means',
    ),
    (
      {
        'means': np.arange(3_600.0).reshape([1_200, 3]),
        'scales': np.full([1_200, 3], 1e-4),
      },
      'scales should be at least 1e-06 times their means, found 0.0001 for '
      '3.6e.03, since codes are float32',
    ),
    (
      {'means': None, 'scales': None, 'codes': np.full([1_200, 3], 0.1)},
      'codes of all 400 training images are the same',
    ),
    (
      {'labels': np.arange(1_200) % 3 % 2},
      'among training images, found 0 alone',
    ),
    (
      {'labels': np.where(np.arange(1_200) % 3 == 2, 1, make()['labels'])},
      'at least two classes among test images, found 1 alone; give images',
    ),
  ],
)
def test_what_is_wrong_is_said_in_one_line(change, message):
  given = {k: v for k, v in (make() | change).items() if v is not None}
  with pytest.raises(UserError, match=message) as caught:
    arrays.evaluate(given, settings=FAST)
  assert len(str(caught.value).splitlines()) == 1


def test_small_units_are_not_degenerate():
  given = make()
  some = {name: 1e-13 * given[name] for name in ('means', 'scales')}
  [row] = arrays.evaluate(given | some, settings=FAST)
  numbers = [value for value in row.values() if isinstance(value, float)]
  assert np.isfinite(numbers).all()
  assert row['information_upper'] == pytest.approx(3.1, abs=0.3)
  assert row['label_distortion_least'] < 0.02


def test_each_dimension_has_a_unit_of_its_own():
  given, units = make(), np.array([1e3, 1e-3, 1.0])
  some = {name: units * given[name] for name in ('means', 'scales')}
  assert arrays_file.check(given | some).codes.shape == (1_200, 3)


def test_twins_of_which_training_has_none_get_bounds(monkeypatch):
  """Test codes are near validation codes, and far from those of training."""
  rng = np.random.default_rng(5)  # A seed at which temperature 1 is chosen.
  centres = rng.standard_normal([3_000, 5])
  known, new = np.arange(1_500), np.arange(1_500, 1_560)
  means, objects = [], []
  for kinds, count in ((known, 1_000), (new, 400), (new, 400)):
    objects.append(rng.choice(kinds, count))
    means.append(centres[objects[-1]] + 0.01 * rng.standard_normal([count, 5]))
  given = {
    'means': np.concatenate(means),
    'scales': np.full([1_800, 5], 0.01),
    'labels': np.concatenate(objects) % 3,
    'split': np.repeat(np.arange(3), [1_000, 400, 400]),
  }
  kernels = []
  choose_all = bounds._choose_all

  def chosen(*values):
    found = choose_all(*values)
    kernels.extend(found.kernels)
    return found

  monkeypatch.setattr(bounds, '_choose_all', chosen)
  [row] = arrays.evaluate(given, settings=FAST)
  assert Kernel.tempered(1.0) in kernels
  assert row['information_lower'] < row['information_upper']


def test_codes_in_an_unsuitable_unit_get_a_note(tmp_path):
  given = make()
  del given['scales']
  codes = given.pop('means')
  codes /= codes[given['split'] == 0].std(axis=0)
  for factor, spread in (
    (0.01, '0.01'),
    (0.5, None),
    (5.0, None),
    (30.0, '30'),
  ):
    note = arrays_file.spread_note(
      arrays_file.check(given | {'codes': codes * factor})
    )
    if spread is None:
      assert note is None
    else:
      assert f'deviation of {spread}' in note
  np.savez(tmp_path / 'x.npz', codes=codes * 0.01, **given)
  fast = ('--classifier_epochs=1', '--classifier_batch_size=100')
  output = call('evaluate_codes', f'--codes={tmp_path}/x.npz', *fast)
  assert output.startswith('note: training codes have a standard deviation of')


@pytest.fixture
def quick_critics(monkeypatch):
  """Lets one small critic take the place of three."""
  quick = dataclasses.replace(
    critics.SETTINGS, epochs=12, batch_size=100, learning_rate=3e-3
  )
  monkeypatch.setattr(
    critics, 'measure', functools.partial(critics.measure, settings=quick)
  )
  monkeypatch.setattr(critics, 'HIDDEN', (64,))
  one = {'InfoNCE': critics.OBJECTIVES['InfoNCE']}
  monkeypatch.setattr(critics, 'OBJECTIVES', one)


def test_critics_bound_a_known_channel_and_need_its_density(quick_critics):
  nats = math.log(2) + 1.5 * math.log1p(1 / 0.5**2)
  [bound] = arrays.critics_of(make())
  assert 0.6 < bound.mean < nats + 3 * bound.stderr  # ln 2 is easy.
  codes = make()
  del codes['scales'], codes['means']
  codes['codes'] = make()['means']
  with pytest.raises(UserError, match='critics need means and scales'):
    arrays.critics_of(codes)


def test_a_task_of_several_can_be_chosen():
  given = dict.fromkeys(('codes', 'labels', 'labels_style', 'split'), [])
  assert [*arrays_file.of_task(given, 'label')] == ['codes', 'labels', 'split']
  assert [*arrays_file.of_task(given, 'style')] == [
    'codes',
    'labels_style',
    'split',
  ]
  with pytest.raises(UserError, match='the file has label, style'):
    arrays_file.of_task(given, 'size')


def test_a_file_that_is_none_is_refused(tmp_path):
  np.save(tmp_path / 'one.npy', np.zeros(3))
  with pytest.raises(
    UserError, match='one.npy is not an .npz .* np.savez writ'
  ):
    arrays_file.read(str(tmp_path / 'one.npy'))
  with pytest.raises(UserError, match='does not exist'):
    arrays_file.read(str(tmp_path / 'none.npz'))
  np.savez_compressed(tmp_path / 'good.npz', codes=np.arange(1000))
  good = (tmp_path / 'good.npz').read_bytes()
  np.save(tmp_path / 'array.npy', np.zeros(3))
  for content in (
    b'no',
    good[:-30],  # Cut short.
    good[:200] + bytes([good[200] ^ 1]) + good[201:],
    (tmp_path / 'array.npy').read_bytes(),
  ):
    (tmp_path / 'bad.npz').write_bytes(content)
    with pytest.raises(UserError, match=r'is not an \.npz file') as raised:
      arrays_file.read(str(tmp_path / 'bad.npz'))
    assert 'allow_pickle' not in str(raised.value)
  np.savez(tmp_path / 'bad.npz', labels=np.array(['a', 3], object))
  with pytest.raises(UserError, match='Python objects; convert it with astype'):
    arrays_file.read(str(tmp_path / 'bad.npz'))


def test_the_codes_of_a_run_are_beside_their_own_labels(
  tiny, tmp_path, monkeypatch, capsys
):
  run = Run(tmp_path / 'run')
  run.open(Config(latent_size=2))
  model = models.build(run.config, tiny.train.images)
  tf.train.Checkpoint(model=model).save(str(run.checkpoints / 'ckpt'))
  run.finish({'step': 1, 'train_images': tiny.train.images.shape})
  monkeypatch.setattr(datasets, 'load', lambda *args: tiny)
  found = arrays.of_run(run)
  assert np.bincount(found['split']).tolist() == [64, 17, 53]
  for number, split in enumerate((tiny.train, tiny.validation, tiny.test)):
    here = found['split'] == number
    labels = split.labels['quadrant']
    np.testing.assert_array_equal(found['labels_quadrant'][here], labels)
    encoding = model.encoder(split.images.astype(np.float32)).distribution
    means, scales = found['means'][here], found['scales'][here]
    np.testing.assert_allclose(means, encoding.loc, atol=1e-5)
    np.testing.assert_allclose(scales, encoding.scale, rtol=1e-4)
    noise = (found['codes'][here] - means) / scales
    assert 0.5 < np.square(noise).mean() < 2.0
  alone = arrays.of_run(run, 'validation')
  np.testing.assert_array_equal(
    alone['labels_quadrant'], tiny.validation.labels['quadrant']
  )
  # A task with one class would be refused by `evaluate_codes`.
  labels = {'quadrant': np.zeros_like(tiny.test.labels['quadrant'])}
  test = dataclasses.replace(tiny.test, labels=labels)
  constant = dataclasses.replace(tiny, test=test)
  monkeypatch.setattr(datasets, 'load', lambda *args: constant)
  assert 'labels_quadrant' not in arrays.of_run(run)
  assert 'are 0, so there is nothing to know; its' in capsys.readouterr().err


def test_the_commands_encode_and_evaluate_codes(
  tmp_path, digits, quick_critics
):
  runs = f'--runs_dir={tmp_path}/runs'
  small = ('--steps=2', '--latent_size=4', '--batch_size=20')
  call('train', runs, *small, dataset=digits)
  [run] = (tmp_path / 'runs').iterdir()
  codes, table = tmp_path / 'codes.npz', tmp_path / 'x.csv'
  lost = f'--output={tmp_path}/nowhere/x'
  for words in (('encode', f'--run={run}'), ('evaluate_codes', '--codes=x')):
    error = call(*words, lost, status=1)
    assert 'nowhere/x does not exist' in error
    error = call(*words, f'--output={tmp_path}', status=1)
    assert 'is a folder; name a file in it' in error
  call('encode', f'--run={run}', f'--output={codes}', dataset=digits)
  with np.load(codes) as file:
    assert file['means'].shape == file['codes'].shape == (2_000, 4)
    assert np.bincount(file['split']).tolist() == [1_000, 500, 500]
    assert file['scales'].min() > 0
    for task in ('digit', 'slant'):
      labels = [
        split.labels[task]
        for split in (digits.train, digits.validation, digits.test)
      ]
      np.testing.assert_array_equal(
        file[f'labels_{task}'], np.concatenate(labels)
      )
    some = {k: v for k, v in file.items() if k in ('means', 'scales', 'split')}
    some |= {k: file[k] for k in ('labels_digit', 'labels_slant')}
    np.savez(codes, **some)
  fast = ('--classifier_epochs=1', '--classifier_batch_size=500')
  few = '--label_budgets=100,1000'
  output = call(
    'evaluate_codes',
    f'--codes={codes}',
    f'--output={table}',
    '--task=digit',
    '--critics',
    few,
    *fast,
  )
  assert 'any C ≥' in output and '1,000 labels' in output
  assert '\nInfoNCE: at most I(X;Z)' in output and 'doubtful' not in output
  assert 'note: training codes' not in output
  with open(table, newline='') as file:
    [row] = csv.DictReader(file)
  assert row['run'] == 'codes' and row['task'] == 'digit'
  assert 0 <= float(row['information_upper']) <= float(row['rate']) + 0.1
  assert 0.0 < float(row['label_distortion_1000']) < 2.4
  assert float(row['label_distortion_100_stderr']) > 0.0
  assert row['label_distortion_10000'] == ''
  # `evaluate` fills the same columns, and evaluates a run that lacks them.
  without = (runs, '--nobounds', '--task=digit', *fast)
  for words, known in (((), False), ((few,), True)):
    assert 'evaluating' in call('evaluate', *without, *words, dataset=digits)
    [row] = Run(run).rows
    assert (row['label_distortion_100'] is not None) == known
    assert row['label_distortion_10000'] is None
  assert 'has its evaluation' in call('evaluate', *without, few, dataset=digits)
