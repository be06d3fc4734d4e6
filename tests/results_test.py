"""The table of results: one schema, and damage that is told."""

import csv
import json
import os

import pytest

from vae_info import evaluate, results
from vae_info.config import UserError


def put(runs_dir, name, *rows):
  (runs_dir / name).mkdir()
  path = runs_dir / name / results.EVALUATION
  path.write_text(json.dumps({'rows': rows}))
  return path


def row(**values):
  return {**dict.fromkeys(results.COLUMNS), **values}


def test_rows_of_all_runs_are_gathered_and_written(tmp_path):
  put(tmp_path, 'b', row(run='b', rate=1.5, task='digit'))
  put(tmp_path, 'a', row(run='a', task='one'), row(run='a', task='two'))
  rows = results.gather(tmp_path)
  assert [(r['run'], r['task']) for r in rows] == [
    ('a', 'one'),
    ('a', 'two'),
    ('b', 'digit'),
  ]
  results.write(rows, tmp_path / 'x.csv')
  with open(tmp_path / 'x.csv', newline='') as file:
    read = list(csv.DictReader(file))
  assert read[2]['rate'] == '1.5'
  assert read[0]['rate'] == ''
  assert tuple(read[0]) == results.COLUMNS


def test_nothing_to_gather_is_an_error(tmp_path):
  with pytest.raises(UserError, match='no evaluation.json'):
    results.gather(tmp_path)


@pytest.mark.parametrize('text', ['{', '{}', '{"rows": [{"run": "a"}]}'])
def test_a_damaged_evaluation_is_named(tmp_path, text):
  put(tmp_path, 'a').write_text(text)
  with pytest.raises(UserError, match='evaluation.json is damaged'):
    results.gather(tmp_path)


def test_numbers_that_cannot_be_are_doubted():
  names = ('rate', 'label_distortion', 'rate_plus_distortion')
  good = dict.fromkeys([f'{name}_stderr' for name in names], 0.01)
  good |= {'rate': 1.0, 'label_entropy': 2.3, 'label_distortion': 1.29}
  good |= {'rate_plus_distortion': 79.76, 'input_entropy': 79.78}
  assert evaluate.doubts(good) == []
  assert 'below H(Y)' in evaluate.doubts(good | {'label_distortion': 1.2})[0]
  bad = good | {'rate_plus_distortion': 79.7}
  assert 'below 79.78' in evaluate.doubts(bad)[0]
  assert evaluate.doubts(bad | {'input_entropy': None}) == []


def test_each_task_is_evaluated_at_each_beta_that_is_asked_for(tmp_path):
  path = put(
    tmp_path,
    'a',
    row(task='alphabet', beta=0.5, beta_trained='0.1:1'),
    row(task='alphabet', beta=1.0, beta_trained='0.1:1'),
    row(task='character', beta=0.5, beta_trained='0.1:1'),
  )
  (tmp_path / 'a' / 'finished.json').write_text('{}')
  os.utime(tmp_path / 'a' / 'finished.json', (0, 0))
  for task, betas, lacking in (
    (None, (), False),
    (None, (0.5,), False),
    (None, (1.0,), True),
    ('alphabet', (0.5, 1.0), False),
    ('character', (0.5,), False),
    ('character', (1.0,), True),
    ('digit', (), True),
  ):
    todo = evaluate.runs_to_evaluate(tmp_path, task, betas)
    assert todo == ([path.parent] if lacking else [])
