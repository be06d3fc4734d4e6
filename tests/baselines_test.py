"""The baselines: configs, networks, and the command at tiny size."""

import csv
import dataclasses
import json
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from binaries_test import check_refusal, run, start

from vae_info import (
  baseline_methods,
  baselines,
  classifiers,
  interruption,
  random_encoders,
  results,
  supervised,
)
from vae_info.baseline_config import OPTIONS, BaselineConfig
from vae_info.config import Config, UserError

FAST = ('--classifier_epochs=1', '--classifier_batch_size=500')


def test_every_option_has_a_default_where_it_is_used():
  assert OPTIONS.keys() == baseline_methods.METHODS.keys()
  for baseline, options in OPTIONS.items():
    config = BaselineConfig('omniglot', 'alphabet', baseline)
    for name in {name for names in OPTIONS.values() for name in names}:
      assert (getattr(config, name) is not None) == (name in options)
  simple = BaselineConfig('static_mnist', 'digit', 'supervised_simple')
  assert baseline_methods._settings(simple) == classifiers.Settings()


def test_config_comes_back_from_its_file(tmp_path):
  config = BaselineConfig('static_mnist', 'digit', 'pca', pca_sizes=(3, 4))
  (tmp_path / 'config.json').write_text(config.to_json())
  assert BaselineConfig.read(tmp_path / 'config.json') == config


def test_run_names_are_readable_and_unique():
  make = BaselineConfig
  first = make('static_mnist', 'digit', 'pca')
  assert first.run_name == 'static_mnist_pca_digit_seed0'
  configs = [
    first,
    make('static_mnist', 'digit', 'pca', seed=1),
    make('static_mnist', 'digit', 'pca', pca_sizes=(3, 40)),
    make('static_mnist', 'digit', 'pca', pca_sizes=(34, 0.5)),
    make('static_mnist', 'digit', 'pca', classifier_hidden=()),
    make('omniglot', 'alphabet', 'supervised_complex'),
    make('omniglot', 'alphabet', 'supervised_complex', dropout=0.1),
    make('omniglot', 'character', 'supervised_complex'),
    make('omniglot', 'alphabet', 'supervised_complex', early_stopping=True),
  ]
  assert len({config.run_name for config in configs}) == len(configs)
  # The paper's dropout is each task's default.
  assert [c.dropout for c in configs[-4:-1]] == [0.0, 0.1, 0.1]


def test_what_cannot_be_is_refused():
  for kwargs, message in (
    ({'baseline': 'pcb'}, 'unknown baseline'),
    ({'baseline': 'pca', 'depth': 3}, 'pca has no option depth'),
    ({'baseline': 'pca', 'pca_sizes': (0,)}, 'pca_sizes must be above 0'),
    ({'baseline': 'supervised_complex', 'dropout': 1.0}, 'must be below 1'),
    ({'baseline': 'pca', 'seed': -1}, 'seed must be at least 0'),
  ):
    with pytest.raises(UserError, match=message):
      BaselineConfig('static_mnist', 'digit', **kwargs)


@pytest.mark.parametrize('baseline', ['random_dense', 'random_conv'])
def test_random_codes_are_scaled_and_follow_from_the_seed(tiny, baseline):
  images = np.concatenate([tiny.train.images, tiny.test.images])
  config = BaselineConfig('static_mnist', 'digit', baseline, latent_size=6)
  (encoder, *codes), (again, _), (_, other) = (
    random_encoders.random_encoder(c, images)
    for c in (config, config, dataclasses.replace(config, seed=1))
  )
  codes += [again.parameters(images.astype(np.float32)).numpy()]
  np.testing.assert_allclose(*codes, atol=1e-5)
  assert not np.allclose(codes[0], other)
  np.testing.assert_allclose(np.mean(codes[0], 0), 0.0, atol=1e-3)
  np.testing.assert_allclose(np.std(codes[0], 0), 1.0, atol=1e-3)
  np.testing.assert_array_equal(
    encoder.distribution(codes[0]).sample(seed=[0, 1]), codes[0]
  )


def complex_config(**kwargs):
  options = {'depth': 4, 'epochs': 40, 'batch_size': 16, 'learning_rate': 1e-2}
  return BaselineConfig(
    'static_mnist', 'quadrant', 'supervised_complex', **options | kwargs
  )


def test_complex_network_learns_and_resumes_bit_for_bit(tiny, tmp_path):
  config = complex_config()
  with interruption.Signals() as signals:
    whole, facts = supervised.train(config, tiny, tmp_path / 'a', signals)
    assert facts['step'] == 160
    assert facts['validation_label_distortion'] < 0.5
    signals.received = signal.SIGTERM
    for _ in range(3):
      with pytest.raises(interruption.Stopped):
        supervised.train(config, tiny, tmp_path / 'b', signals)
    signals.received = None
    parts, _ = supervised.train(config, tiny, tmp_path / 'b', signals)
    stored, again = supervised.train(config, tiny, tmp_path / 'a', signals)
    assert again == facts
    # What it says of a training is nothing without the weights.
    shutil.rmtree(tmp_path / 'a' / 'checkpoints')
    anew, _ = supervised.train(config, tiny, tmp_path / 'a', signals)
  for network in (parts, stored, anew):
    for a, b in zip(
      whole.trainable_variables, network.trainable_variables, strict=True
    ):
      np.testing.assert_array_equal(a, b)


def test_early_stopping_keeps_the_best_weights():
  network = classifiers.Mlp(2, 2, (), np.random.default_rng(0))
  best = supervised.Best(network)
  variable = network.trainable_variables[0]
  stops = []
  for value in (0.9, 0.5, 0.7, 0.6, 0.8):
    variable.assign(tf.fill(variable.shape, value))
    stops.append(best.update(network, value))
  assert stops == [False, False, False, False, True]
  best.restore(network)
  np.testing.assert_allclose(variable, 0.5)


def test_dropout_acts_in_training_alone(tiny):
  network = supervised.Network(complex_config(dropout=0.5), (8, 8, 1), 4)
  images = tiny.test.images.astype(np.float32)
  plain = network.logits(images)
  np.testing.assert_array_equal(plain, network.logits(images))
  dropped = network.logits(images, tf.constant([0, 1]))
  assert not np.allclose(plain, dropped)
  np.testing.assert_array_equal(
    dropped, network.logits(images, tf.constant([0, 1]))
  )


def test_all_baselines_reach_the_table(tmp_path):
  common = (f'--runs_dir={tmp_path}', '--task=digit', *FAST)
  grid = ('--pca_sizes=3,30', '--pca_rates=1,10.39720770839918')
  grid += ('--num_samples=1',)
  supervised = ('--depth=2', '--epochs=1', '--batch_size=1000')
  flags = (*common, *grid, *supervised, '--early_stopping')
  output = run('baselines', '--baseline=all', *flags)
  assert 'best k' in output
  run('results', f'--runs_dir={tmp_path}', f'--output={tmp_path}/r.csv')
  with open(tmp_path / 'r.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert tuple(rows[0]) == results.COLUMNS
  assert {row['method'] for row in rows} == set(OPTIONS)
  for row in rows:
    assert float(row['label_distortion']) > 0
    assert float(row['label_distortion_stderr']) > 0
    assert float(row['label_entropy']) == pytest.approx(2.3008, abs=1e-4)
    assert row['beta'] == row['encoder'] == row['distortion'] == ''
    assert (row['rate'] == '') == (row['method'] != 'pca')
    assert (row['label_preference'] == '') == (row['method'] != 'pca')
  known = [row for row in rows if row['method'] == 'pca'][3]
  assert (known['latent_size'], float(known['noise'])) == ('30', 1.0)
  assert float(known['rate']) == pytest.approx(10.397, abs=5e-4)
  assert float(known['rate_variational']) > float(known['rate'])
  kept = 2.3008 - float(known['label_distortion'])
  expected = kept / (2.3008 * 10.397 / 79.78)
  assert float(known['label_preference']) == pytest.approx(expected, rel=1e-3)
  # A second time nothing is done, and a lost evaluation is quickly made again.
  assert 'finished; next' in run('baselines', '--baseline=all', *flags)
  lost = tmp_path / known['run'] / results.EVALUATION
  before = json.loads(lost.read_text())
  lost.unlink()
  # The table of beta-VAEs goes on without the baselines.
  assert 'no finished run' in run(
    'evaluate', f'--runs_dir={tmp_path}', status=1
  )
  again = run('baselines', '--baseline=pca', *common, *grid)
  assert 'R 10.397' in again
  assert json.loads(lost.read_text()) == before


@pytest.mark.parametrize(
  'signum, status', [(signal.SIGTERM, 42), (signal.SIGINT, 130)]
)
def test_signals_save_and_say_how_to_resume(tmp_path, signum, status):
  process = start(
    'baselines',
    f'--run={tmp_path}/x',
    '--task=digit',
    '--baseline=supervised_complex',
    '--depth=2',
    '--epochs=1000',
  )
  deadline = time.monotonic() + 120
  while not (tmp_path / 'x' / 'run.lock').exists():
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.05)
  process.send_signal(signum)
  _, errors = process.communicate(timeout=120)
  assert process.returncode == status, errors
  assert 'The same command resumes it' in errors
  assert 'Traceback' not in errors
  assert list((tmp_path / 'x' / 'checkpoints').glob('*.index'))


def test_search_evaluates_the_best_alone(tmp_path):
  output = run(
    'baselines',
    f'--runs_dir={tmp_path}',
    '--task=digit',
    '--search',
    '--search_depths=1,2',
    '--search_dropouts=0',
    '--baseline=supervised_complex',
    '--epochs=1',
    '--batch_size=1000',
  )
  assert output.count('C on validation images') == 2
  values = {
    path.parent: json.loads(path.read_text())['validation_label_distortion']
    for path in tmp_path.glob('*/trained.json')
  }
  assert len(values) == 2
  [evaluated] = tmp_path.glob(f'*/{results.EVALUATION}')
  assert evaluated.parent == min(values, key=values.get)


def test_a_finished_directory_of_something_else_is_refused(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(baselines, 'folder_of', lambda config: tmp_path)
  config = complex_config()
  assert not baselines.is_finished(config)
  (tmp_path / 'config.json').write_text(config.to_json())
  rows = [dict.fromkeys(results.COLUMNS)]
  (tmp_path / results.EVALUATION).write_text(json.dumps({'rows': rows}))
  assert baselines.is_finished(config)
  with pytest.raises(UserError, match='another config .depth: 4, not 8.'):
    baselines.is_finished(complex_config(depth=8))
  (tmp_path / 'config.json').write_text(Config().to_json())
  with pytest.raises(UserError, match='is not a config'):
    baselines.is_finished(config)


@pytest.mark.parametrize(
  'flags, message',
  [
    (['--baseline=foo'], 'should be one of'),
    (['--baseline=pca', '--depth=3'], 'pca has no option depth'),
    (['--baseline=pca', '--pca_sizes=3,x'], 'pca_sizes must be numbers'),
    (['--baseline=pca', '--search'], 'pca has nothing to search'),
    (['--run=somewhere'], '--run needs --task and one --baseline'),
    (['--dataset=foo'], "unknown dataset 'foo'"),
    (['--classifier=foo'], 'should be one of <linear|mlp|mlp_large>'),
    (['--task=letter', '--runs_dir={}'], "unknown task 'letter'"),
  ],
)
def test_mistakes_get_one_clear_line(tmp_path, flags, message):
  check_refusal(tmp_path, 'baselines', flags, message)
