"""Run directories: who may write there, and what is read from them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import vae_info
from vae_info.baselines.config import BaselineConfig
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.runs import Run, finished_runs, locks, provenance, rows

PCA = BaselineConfig('static_mnist', 'digit', 'pca')


@pytest.fixture
def run(tmp_path):
  return Run(tmp_path / 'run')


def test_its_name_is_that_of_the_folder(tmp_path, monkeypatch):
  (tmp_path / 'mine' / 'sub').mkdir(parents=True)
  monkeypatch.chdir(tmp_path / 'mine' / 'sub')
  for path, name in {'.': 'sub', '..': 'mine', 'x/': 'x'}.items():
    assert Run(pathlib.Path(path)).name == name


def test_it_keeps_its_config(run):
  assert not run.exists
  assert run.kind is None
  run.open(Config(beta=0.5))
  run.open(Config(beta=0.5))
  assert run.exists
  assert run.kind == 'training'
  assert run.config == Config(beta=0.5)
  with pytest.raises(UserError, match='another config .beta: 0.5, not 2.0'):
    run.open(Config(beta=2.0))


def test_a_range_of_betas_and_a_baseline_come_back_whole(tmp_path):
  curve, baseline = Run(tmp_path / 'curve'), Run(tmp_path / 'baseline')
  curve.open(Config(beta='0.5:2'))
  assert curve.config.beta_range == (0.5, 2)
  baseline.open(PCA)
  assert baseline.kind == 'baseline'
  assert baseline.read_config(BaselineConfig) == PCA
  with pytest.raises(UserError, match='of a baseline, not of a training'):
    baseline.check_finished()


def test_a_folder_of_something_else_is_not_taken(run):
  run.path.mkdir()
  (run.path / 'thesis.tex').write_text('')
  with pytest.raises(UserError, match='thesis.tex but no config.json'):
    run.open(Config())


def test_a_draft_of_the_config_is_no_obstacle(run):
  run.path.mkdir()
  (run.path / 'config.json.4242.tmp').write_text('{')  # Its writer was killed.
  run.open(Config())
  assert run.config == Config()


def test_what_a_launcher_wrote_before_is_no_obstacle(run):
  run.launch.mkdir(parents=True)
  run.open(Config())
  assert run.exists


@pytest.mark.parametrize(
  'text, reason',
  [
    ('{"dataset": "static_mnist"}', 'an earlier version of vae_info wrote it'),
    ('{"kind": "training", "beta": -1}', 'beta must be at least 0'),
    ('{', 'Expecting'),
  ],
)
def test_a_config_of_another_version_or_damaged_gets_one_line(
  run, text, reason
):
  run.path.mkdir()
  (run.path / 'config.json').write_text(text)
  with pytest.raises(UserError, match=f'is not a config: {reason}') as error:
    run.check_finished()
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('text', ['', '{}', '[1]', '{"step": "x"}'])
def test_a_damaged_mark_of_completeness_is_reported(run, text):
  run.path.mkdir()
  (run.path / 'finished.json').write_text(text)
  with pytest.raises(UserError, match='finished.json is damaged'):
    _ = run.facts


def test_a_table_is_whole_and_a_link_stays_a_link(tmp_path):
  target, link = tmp_path / 'table.csv', tmp_path / 'link.csv'
  target.write_text('before')
  link.symlink_to(target)
  rows.write([{'run': 'a'}], link)
  assert link.is_symlink()
  assert target.read_text().splitlines()[1].startswith('a,')
  rows.write([{'run': 'b'}], target)
  assert [path.name for path in sorted(tmp_path.iterdir())] == [
    'link.csv',
    'table.csv',
  ]
  assert target.read_text().splitlines()[1].startswith('b,')


def test_finished_runs_are_those_that_say_so(tmp_path):
  with pytest.raises(UserError, match='no finished run in'):
    finished_runs(tmp_path)
  for name in ('b', 'a', 'c'):
    Run(tmp_path / name).open(Config())
  with pytest.raises(UserError, match='a is not finished; .* resumes it'):
    Run(tmp_path / 'a').check_finished()
  for name in ('b', 'a'):
    Run(tmp_path / name).finish({'step': 1, 'train_images': [1, 2, 2, 1]})
  assert [run.name for run in finished_runs(tmp_path)] == ['a', 'b']
  Run(tmp_path / 'a').check_finished()


def test_rows_are_whole_and_of_the_last_training(run):
  run.open(Config())
  assert run.rows == []
  run.write_rows([{'rate': 1.5}])
  assert not run.evaluated  # Rows do not count before the training is finished.
  run.finish({})
  run.write_rows([{'rate': 1.5}])
  assert run.evaluated
  [row] = run.rows
  assert set(row) == set(rows.COLUMNS)
  assert row['rate'] == 1.5
  evaluation = run.path / rows.EVALUATION
  os.utime(evaluation, (0, 0))  # As a copy may have it.
  assert run.rows == [row]
  run.finish({'step': 7, 'train_seconds': 2.0})
  assert run.rows == []
  run.write_rows([{'step': 7, 'train_seconds': 2.0}])
  assert run.evaluated
  evaluation.write_text(json.dumps({'rows': [{'rate': 1.5}]}))
  assert not run.evaluated


def test_a_second_process_is_refused_until_the_first_ends(tmp_path):
  code = (
    'import pathlib, sys; from vae_info.runs import locks\n'
    f'with locks.lock(pathlib.Path({str(tmp_path)!r})):\n'
    '  print("locked", flush=True); sys.stdin.read()'
  )
  holder = subprocess.Popen(
    [sys.executable, '-c', code],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
  )
  assert holder.stdout.readline() == b'locked\n'
  with (
    pytest.raises(UserError, match=f'in use .*pid {holder.pid}'),
    locks.lock(tmp_path),
  ):
    raise AssertionError('two processes hold the lock')
  holder.kill()
  holder.wait()
  with locks.lock(tmp_path):
    assert (tmp_path / 'run.lock').read_text().strip().isdigit()


def test_a_version_is_never_that_of_another_checkout(tmp_path, monkeypatch):
  place = tmp_path / '.venv' / 'vae_info'
  monkeypatch.setattr(vae_info, '__file__', str(place / '__init__.py'))
  (tmp_path / '.git').mkdir()
  assert provenance.version() == vae_info.__version__
