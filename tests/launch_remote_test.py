"""Run directories on a store; TensorFlow's ram:// stands in for gs://."""

import json
import re
import threading
import time

import pytest
import tensorflow as tf
from absl import flags
from etils import epath
from etils.epath import backend, gpath

from launch import jobs, states, status
from vae_info import datasets, evaluate, results, train
from vae_info.errors import UserError
from vae_info.runs import Run, locks, paths


class Ram(type(backend.tf_backend)):
  """Makes ram:// overwrite files, as gs:// does, instead of appending."""

  def open(self, path, mode):
    if 'w' in mode and self.exists(path):
      self.remove(path)
    return super().open(path, mode)


@pytest.fixture(scope='module', autouse=True)
def ram():
  """Lets epath handle ram:// through tf.io.gfile, as it handles gs://."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(gpath, '_URI_PREFIXES', (*gpath._URI_PREFIXES, 'ram://'))
    patch.setattr(gpath, '_URI_SCHEMES', gpath._URI_SCHEMES | {'ram'})
    patch.setitem(gpath._URI_MAP_ROOT, 'ram://', '/ram/')
    patch.setattr(backend, 'tf_backend', Ram())
    patch.setitem(gpath._PREFIX_TO_BACKEND, 'ram', backend.tf_backend)
    epath.register_path_cls('ram://')(gpath.PosixGPath)
    yield


def call(module, *argv):
  """Runs a command's main in this process, because ram:// is per process."""
  values = flags.FLAGS
  before = set(values)
  module.define_flags()
  try:
    values([module.__name__, *argv])
    module.main(argv[:0])
  finally:
    for name in set(values) - before:
      delattr(values, name)


def test_train_evaluate_results(capsys, monkeypatch, tiny):
  monkeypatch.setattr(datasets, 'load', lambda *args: tiny)
  flags_of_train = ('--steps=4', '--steps_per_call=2', '--checkpoint_minutes=0')
  flags_of_train += ('--latent_size=2', '--batch_size=10')
  call(train, '--runs_dir=ram://bucket/runs', *flags_of_train)
  call(
    evaluate,
    '--runs_dir=ram://bucket/runs',
    '--num_samples=1',
    '--classifier_epochs=1',
    '--classifier_batch_size=32',
  )
  call(
    results, '--runs_dir=ram://bucket/runs', '--output=ram://bucket/results.csv'
  )
  output = capsys.readouterr().out
  assert 'D+R' in output
  table = paths.open_path('ram://bucket/results.csv').read_text()
  assert len(table.splitlines()) == 2
  (run,) = paths.open_path('ram://bucket/runs').iterdir()
  run = Run(run)
  kept = {path.name for path in run.checkpoints.iterdir()}
  assert {'ckpt-2.index', 'ckpt-4.index'} <= kept
  assert run.progress['step'] == run.progress['total'] == 4
  call(status, '--runs_dir=ram://bucket/runs')
  assert '0 running, 1 done, 0 failed' in capsys.readouterr().out
  # The lock is released, and nothing is done twice.
  assert not run.locked
  call(train, '--runs_dir=ram://bucket/runs', *flags_of_train)
  call(evaluate, '--runs_dir=ram://bucket/runs')
  output = capsys.readouterr().out
  assert 'is finished' in output
  assert 'every finished run has its evaluation' in output


def test_a_second_holder_is_refused_until_the_first_ends(monkeypatch):
  monkeypatch.setattr(locks.random, 'uniform', lambda low, high: 0.01)
  run = paths.open_path('ram://bucket/locked')
  with locks.lock(run):
    assert locks.is_held(run)
    with pytest.raises(locks.InUse, match='in use by another'), locks.lock(run):
      raise AssertionError('two processes hold the lock')
    assert locks.is_held(run)
  assert not locks.is_held(run)
  with locks.lock(run):
    pass


def test_of_many_newcomers_never_two_hold_it(monkeypatch):
  monkeypatch.setattr(
    locks.random, 'uniform', lambda low, high: 0.003 * threading.get_ident() % 1
  )
  run = paths.open_path('ram://bucket/race')
  inside, most, entered = 0, 0, 0
  counting = threading.Lock()

  def enter():
    nonlocal inside, most, entered
    for _ in range(20):
      try:
        with locks.lock(run):
          with counting:
            inside += 1
            entered += 1
            most = max(most, inside)
          time.sleep(0.002)
          with counting:
            inside -= 1
      except locks.InUse:
        pass

  threads = [threading.Thread(target=enter) for _ in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert entered > 0
  assert most == 1


def test_a_dead_claim_gives_way(monkeypatch):
  monkeypatch.setattr(locks, 'EXPIRY', 0.2)
  run = paths.open_path('ram://bucket/dead')
  (run / locks.LOCK).mkdir(parents=True, exist_ok=True)
  (run / locks.LOCK / 'host-1-dead').write_text(
    json.dumps({'renewed': time.time()})
  )
  assert locks.is_held(run)
  time.sleep(0.3)
  assert not locks.is_held(run)
  with locks.lock(run):
    pass


def test_a_claim_is_renewed_and_its_loss_stops_the_process(monkeypatch):
  monkeypatch.setattr(locks, 'EXPIRY', 0.5)
  monkeypatch.setattr(locks, 'RENEWAL', 0.05)
  stopped = threading.Event()
  monkeypatch.setattr(locks.os, 'kill', lambda pid, signum: stopped.set())
  run = paths.open_path('ram://bucket/renewed')
  with locks.lock(run):
    time.sleep(0.8)
    assert locks.is_held(run)
    for claim in (run / locks.LOCK).iterdir():
      claim.unlink()
    assert stopped.wait(5)


def test_each_attempt_has_a_log_of_its_own():
  run = Run(paths.open_path('ram://bucket/logged'))
  with jobs._log(run, 'train') as file:
    file.write(b'error: on purpose')
  (log,) = run.launch.iterdir()
  assert log.name.startswith('train-')
  assert log.read_text() == 'error: on purpose'


def test_what_is_given_up_is_reported_and_forgotten():
  run = Run(paths.open_path('ram://bucket/given_up'))
  states.mark_failed(run, {'message': 'for a reason'})
  assert states.read(run).message == 'for a reason'
  states.clear_failed(run)
  (state,) = states.read_all([run])
  assert state.state == states.PENDING


@pytest.mark.parametrize(
  'text, message',
  [
    ('ftp://host/runs', 'neither a local path nor one on gs://'),
    ('gs://no-such-bucket-here/runs', 'cannot reach gs://no-such-bucket'),
  ],
)
def test_places_out_of_reach_get_one_line(monkeypatch, text, message):
  def refuse(path):
    raise tf.errors.UnavailableError(None, None, f'no network\nfor {path}')

  monkeypatch.setattr(tf.io.gfile, 'exists', refuse)
  with pytest.raises(UserError, match=re.escape(message)) as error:
    paths.open_path(text)
  assert '\n' not in str(error.value)
