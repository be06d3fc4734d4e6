"""The repository's table of results: its sweeps made it, at known commits."""

import csv
import dataclasses
import pathlib
import re

import matplotlib.image
import numpy as np
import pytest
from commands import call

from launch import sweeps
from plots import goals, table

TABLE = pathlib.Path(__file__).parents[1] / 'plots' / 'results.csv'
# The sweeps of the command that makes the table, as its page names them.
PAGE = (TABLE.parent / 'README.md').read_text()
[SWEEPS] = re.findall(r'launch\.sweep .*--sweep=(\S+,\S+)', PAGE)
NAMES = SWEEPS.split(',')


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
    num_samples = config.pop('num_samples', None)  # Only PCA has it.
    assert num_samples is None or int(row['num_samples']) == num_samples
    if 'baseline' in config:
      assert row['method'] == config.pop('baseline')
      config = {k: v for k, v in config.items() if v is not None}
      if row['method'] == 'pca':
        assert int(row['latent_size']) in config['pca_sizes']
    else:
      assert row['method'] == 'vae'
      low, high = runs[row['run']].config.beta_range or (config['beta'],) * 2
      # A training at a target rate adapts its beta.
      assert config['target_rate'] or low <= float(row['beta']) <= high
      trained = '' if low == high else str(config['beta'])
      assert row['beta_trained'] == trained
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


def test_no_result_contradicts_a_bound_beyond_three_errors():
  assert goals.impossible(table.read(TABLE)) == []


@pytest.mark.slow
def test_the_figures_here_are_of_the_table(tmp_path):
  call('plots.figures', f'--output_dir={tmp_path}')
  drawn = sorted(tmp_path.glob('*.png'))
  assert len(drawn) == 10
  for path in drawn:
    here = matplotlib.image.imread(TABLE.parent / 'figures' / path.name)
    again = matplotlib.image.imread(path)
    assert here.shape == again.shape
    # Machines may round the position of a line differently.
    assert np.mean(np.abs(here - again)) < 1e-3, path.name
