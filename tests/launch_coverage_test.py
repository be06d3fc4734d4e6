"""Which runs of the sweeps a table of results has."""

import pytest

from launch import coverage, sweeps
from launch.entries import Entry
from vae_info.errors import UserError

AUTOREGRESSIVE = '| static_mnist: conv autoregressive'


@pytest.fixture
def known(tmp_path):
  """The names of three runs, of which one is of no sweep."""
  names = [entry.name for entry in sweeps.SWEEPS['readme'][:2]]
  path = tmp_path / 'r.csv'
  path.write_text('\n'.join(['beta,run', *(f'1,{n}' for n in [*names, 'x'])]))
  return coverage.runs_of(path)


def test_a_sweep_without_a_run_has_no_line(known):
  assert coverage.overview(known)[2:] == ['| `readme` | 2 | 3 |']
  assert coverage.overview(set())[2:] == []


def test_a_sweep_has_a_line_for_each_kind(known):
  assert coverage.of_sweep('readme', known)[2:] == [
    '| static_mnist: conv deconvolutional, 12 epochs, one β | 1 | 1 |',
    f'{AUTOREGRESSIVE}, 10 epochs, one β, annealed for 5 | 1 | 1 |',
    f'{AUTOREGRESSIVE}, 20 epochs, one β, annealed for 10 | 0 | 1 |',
  ]


@pytest.mark.parametrize('name', sweeps.SWEEPS)
def test_every_run_of_every_sweep_is_counted_once(name):
  lines = coverage.of_sweep(name, ())[2:]
  counts = [int(line.strip('| ').split(' | ')[-1]) for line in lines]
  assert sum(counts) == len({run.name for run in sweeps.SWEEPS[name]})


def test_a_kind_tells_the_size_and_the_range():
  entry = Entry({'beta': '0.3:10', 'architecture': 'paper', 'steps': 20})
  assert coverage.kind(entry) == (
    'static_mnist: conv deconvolutional, 20 steps, a range of β, paper size'
  )
  assert coverage.kind(Entry({'target_rate': 8.5, 'epochs': 8.0})) == (
    'static_mnist: conv deconvolutional, 8 epochs, a target rate'
  )


def test_a_kind_of_baseline_tells_the_data_set():
  flags = {'baseline': 'pca', 'dataset': 'omniglot', 'task': 'alphabet'}
  entry = Entry(flags, module='vae_info.baselines')
  assert coverage.kind(entry) == 'omniglot: pca'


def test_what_is_no_sweep_or_no_table_is_refused(tmp_path):
  with pytest.raises(UserError, match='--sweep is one of smoke'):
    coverage.of_sweep('none', ())
  path = tmp_path / 'x.csv'
  path.write_text('a,b\n1,2\n')
  with pytest.raises(UserError, match='has no column run'):
    coverage.runs_of(path)
