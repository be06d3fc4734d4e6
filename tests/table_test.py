"""The table of results in the repository: made by its sweeps, by commits."""

import csv
import dataclasses
import pathlib
import re

import pytest

from launch import sweeps

TABLE = pathlib.Path(__file__).parents[1] / 'plots' / 'results.csv'
NAMES = ('curves', 'omniglot_curves', 'baselines')


@pytest.fixture(scope='module')
def rows():
  with open(TABLE, newline='') as file:
    return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def runs():
  return {run.name: run for name in NAMES for run in sweeps.SWEEPS[name]}


def test_each_row_is_of_a_run_of_a_sweep(rows, runs):
  assert rows
  for row in rows:
    config = dataclasses.asdict(runs[row['run']].config)
    of_pca = config.pop('num_samples', None)
    assert of_pca is None or int(row['num_samples']) == of_pca
    if 'baseline' in config:
      assert row['method'] == config.pop('baseline')
      config = {k: v for k, v in config.items() if v is not None}
      if row['method'] == 'pca':
        assert int(row['latent_size']) in config['pca_sizes']
    else:
      assert row['method'] == 'vae'
      low, high = runs[row['run']].config.beta_range or (config['beta'],) * 2
      assert low <= float(row['beta']) <= high
      told = '' if low == high else config['beta']
      assert row['beta_trained'] == told
      del config['beta']
    for name, value in config.items():
      if row.get(name):
        same = row[name] == str(value) or float(row[name]) == value
        assert same, (row['run'], name)


def test_each_row_says_which_commit_made_it(rows):
  for row in rows:
    assert re.fullmatch(r'[0-9.]+\+[0-9a-f]{10}', row['version']), row['run']


def test_no_result_is_there_twice(rows):
  names = ('run', 'task', 'beta', 'latent_size', 'noise', 'classifier')
  results = [tuple(row[name] for name in names) for row in rows]
  assert len(set(results)) == len(results)
