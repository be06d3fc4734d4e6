"""The table of results: one schema, and errors that name the damage."""

import csv
import json
import re

import pytest
from commands import call

from vae_info import config as configs
from vae_info.errors import UserError
from vae_info.runs import gather, rows as tables, unevaluated


def put(runs_dir, name, *rows):
  (runs_dir / name).mkdir()
  path = runs_dir / name / tables.EVALUATION
  path.write_text(json.dumps({'rows': rows}))
  return path


def row(**values):
  return {**dict.fromkeys(tables.COLUMNS), **values}


def test_finished_runs_without_an_evaluation_are_counted(tmp_path):
  put(tmp_path, 'a', row(run='a', task='one'))
  for name in ('a', 'b'):
    (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / name / 'finished.json').write_text('{}')
  assert unevaluated(tmp_path) == 1
  flags = f'--runs_dir={tmp_path}', f'--output={tmp_path}/x.csv'
  output = call('results', *flags)
  assert 'x.csv: 1 row\n' in output
  assert 'not in it: 1 finished without an evaluation' in output


def test_rows_of_an_earlier_training_are_not_in_the_table(tmp_path):
  put(tmp_path, 'a', row(run='a', step=1))
  put(tmp_path, 'b', row(run='b', step=2))
  for name in ('a', 'b'):
    (tmp_path / name / 'finished.json').write_text('{"step": 2}')
  assert [found['run'] for found in gather(tmp_path)] == ['b']
  assert unevaluated(tmp_path) == 1


def test_a_training_that_is_to_be_repeated_has_no_rows(tmp_path):
  put(tmp_path, 'a', row(run='a', step=2))
  config = configs.to_json(configs.Config())
  (tmp_path / 'a' / 'config.json').write_text(config)
  (tmp_path / 'a' / 'finished.json').write_text('{"step": 2}')
  assert len(gather(tmp_path)) == 1
  (tmp_path / 'a' / 'finished.json').unlink()
  with pytest.raises(UserError, match='evaluation.json of the last training'):
    gather(tmp_path)


def test_rows_of_all_runs_are_gathered_and_written(tmp_path):
  put(tmp_path, 'b', row(run='b', rate=1.5, task='digit'))
  put(tmp_path, 'a', row(run='a', task='one'), row(run='a', task='two'))
  rows = gather(tmp_path)
  assert [(r['run'], r['task']) for r in rows] == [
    ('a', 'one'),
    ('a', 'two'),
    ('b', 'digit'),
  ]
  tables.write(rows, tmp_path / 'x.csv')
  with open(tmp_path / 'x.csv', newline='') as file:
    read = list(csv.DictReader(file))
  assert read[2]['rate'] == '1.5'
  assert read[0]['rate'] == ''
  assert tuple(read[0]) == tables.COLUMNS


def test_rows_of_earlier_versions_are_of_test_images(tmp_path):
  old = row(run='a')
  for name in tables.LATER:
    del old[name]
  put(tmp_path, 'a', old)
  [read] = gather(tmp_path)
  assert tuple(sorted(read)) == tuple(sorted(tables.COLUMNS))
  assert read['split'] == 'test'
  assert read['information_lower'] is None


def test_nothing_to_gather_is_an_error(tmp_path):
  with pytest.raises(UserError, match='no evaluation.json'):
    gather(tmp_path)


@pytest.mark.parametrize(
  'text', ['{', '{}', '{"rows": [{"run": "a"}]}', '{"rows": [1]}']
)
def test_a_damaged_evaluation_is_named(tmp_path, text):
  put(tmp_path, 'a').write_text(text)
  with pytest.raises(UserError, match='evaluation.json is damaged'):
    gather(tmp_path)


def test_numbers_that_cannot_be_are_doubted():
  names = ('rate', 'label_distortion', 'rate_plus_distortion')
  good = dict.fromkeys([f'{name}_stderr' for name in names], 0.01)
  good |= {'rate': 1.0, 'label_entropy': 2.3, 'label_distortion': 1.29}
  good |= {'rate_plus_distortion': 79.76, 'input_entropy': 79.78}
  assert tables.doubts(good) == []
  assert 'below H(Y)' in tables.doubts(good | {'label_distortion': 1.2})[0]
  bad = good | {'rate_plus_distortion': 79.7}
  assert 'below 79.78' in tables.doubts(bad)[0]
  assert tables.doubts(bad | {'input_entropy': None}) == []
  unknown = good | {'label_distortion': float('nan')}
  assert tables.doubts(unknown) == ['label_distortion is nan']


@pytest.mark.parametrize(
  'change, doubt',
  [
    ({'information_lower': 0.94}, None),  # Within three errors of 0.9.
    ({'information_lower': 0.95}, 'the lower bound on I.X;Z., 0.950, is above'),
    ({'information_lower': 1.05}, 'is above R'),
    ({'label_information_upper': 0.9}, 'C is below its floor, 1.400'),
    ({'label_distortion_least': 1.25}, None),
    (
      {'label_information_upper': 1.0, 'label_distortion_least': 1.25},
      'the least C is below its floor, 1.300',
    ),
  ],
)
def test_bounds_that_contradict_each_other_are_doubted(change, doubt):
  names = ('rate', 'label_distortion', 'rate_plus_distortion')
  names += ('information_lower', 'information_upper', 'label_distortion_least')
  names += ('label_information_upper',)
  good = dict.fromkeys([f'{name}_stderr' for name in names], 0.01)
  good |= {'rate': 1.0, 'label_entropy': 2.3, 'label_distortion': 1.31}
  good |= {'rate_plus_distortion': 90.0, 'input_entropy': 79.78}
  good |= {'information_lower': 0.8, 'information_upper': 0.9}
  good |= {'label_distortion_least': 1.3, 'label_information_upper': 1.2}
  assert tables.doubts(good) == []
  critic = {'estimator': 'DV', 'nats': 0.99, 'stderr': 0.01, 'holds': True}
  where = {'run': 'a', 'beta': None, 'task': 'digit'}
  detail = where | {'critics': [critic, critic | {'holds': False}]}
  assert tables.doubtful([good | where], [detail]) == [
    'doubtful: a, digit: the DV critic, 0.990, is above I(X;Z)'
  ]
  found = tables.doubts(good | change)
  if doubt is None:
    assert found == []
  else:
    assert any(re.search(doubt, text) for text in found), found


def test_few_labels_and_critics_are_printed():
  some = row(run='a', beta=0.5, task='digit', label_distortion_100=1.5)
  some['label_distortion_100_stderr'] = 0.02
  table = tables.budgets_table([some, row(run='b', task='digit')])
  assert '1.500 ± 0.020' in table and len(table.splitlines()) == 2
  assert tables.budgets_table([row(run='b', task='digit')]) == ''
  one = {'estimator': 'NWJ', 'nats': 3.0, 'stderr': 0.5, 'bounds': 'at most'}
  detail = {'run': 'a', 'beta': 0.5, 'task': 'digit'}
  detail['critics'] = [one | {'holds': False}]
  table = tables.critics_table([detail, detail | {'task': 'slant'}])
  assert table.splitlines()[1:] == [
    'a    0.5   3.000 ± 0.500 (does not hold)',
    'NWJ: at most',
  ]
  assert tables.critics_table([{'run': 'a', 'beta': 1.0}]) == ''


def test_a_column_of_another_version_is_named(tmp_path):
  put(tmp_path, 'a', row(run='a', surprise=1))
  with pytest.raises(UserError, match='surprise is of another version'):
    gather(tmp_path)
