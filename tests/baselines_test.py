"""The baselines: configs, networks, and the command on tiny data."""

import csv
import dataclasses
import json
import math
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from commands import FAST_CLASSIFIER, call, check_refusal, run, start

from vae_info import baselines, config as configs, early_stopping, loop
from vae_info.baselines import (
  __main__ as command,
  codes,
  methods,
  pca,
  random_encoders,
  supervised,
)
from vae_info.baselines.config import ALL, OPTIONS, BaselineConfig
from vae_info.baselines.job import Job
from vae_info.config import Config
from vae_info.errors import Stopped, UserError
from vae_info.evaluation import classifiers, least
from vae_info.loop import Execution
from vae_info.runs import Run, interruption, rows as tables
from vae_info.runs.rows import COLUMNS, EVALUATION

# Options with which each baseline takes seconds on the tiny data set.
TINY = {
  'classifier_hidden': (10,),
  'classifier_epochs': 2,
  'classifier_batch_size': 16,
  'latent_size': 6,
  'pca_sizes': (3, 30),
  'pca_rates': (15 * math.log(2),),
  'kmeans_clusters': (2, 5),
  'kmeans_components': 8,
  'num_samples': 2,
  'depth': 2,
  'epochs': 2,
  'batch_size': 16,
}


def tiny_config(baseline, **options):
  options = {k: v for k, v in TINY.items() if k in OPTIONS[baseline]} | options
  return BaselineConfig('static_mnist', 'quadrant', baseline, **options)


def test_every_option_has_a_default_where_it_is_used():
  assert OPTIONS.keys() == methods.METHODS.keys()
  for baseline, options in OPTIONS.items():
    required = {'codes_of': 'run'} if baseline == 'clusters' else {}
    config = BaselineConfig('omniglot', 'alphabet', baseline, **required)
    for name in {name for names in OPTIONS.values() for name in names}:
      assert (getattr(config, name) is not None) == (name in options)
  simple = BaselineConfig('static_mnist', 'digit', 'supervised_simple')
  assert codes.settings(simple) == classifiers.Settings()


def test_config_comes_back_from_its_file():
  config = BaselineConfig('static_mnist', 'digit', 'pca', pca_sizes=(3, 4))
  assert configs.from_json(BaselineConfig, configs.to_json(config)) == config


def test_run_names_are_readable_and_unique():
  make = BaselineConfig
  first = make('static_mnist', 'digit', 'pca')
  assert first.run_name == 'static_mnist_pca_digit_seed0'
  others = [
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
  assert len({config.run_name for config in others}) == len(others)
  # Each task's default is the dropout of the paper.
  assert [c.dropout for c in others[-4:-1]] == [0.0, 0.1, 0.1]


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
  (encoder, drawn), (again, _), (_, other) = (
    random_encoders.random_encoder(c, images)
    for c in (config, config, dataclasses.replace(config, seed=1))
  )
  np.testing.assert_allclose(
    again.parameters(images.astype(np.float32)), drawn, atol=1e-5
  )
  assert not np.allclose(drawn, other)
  np.testing.assert_allclose(np.mean(drawn, 0), 0.0, atol=1e-3)
  np.testing.assert_allclose(np.std(drawn, 0), 1.0, atol=1e-3)
  np.testing.assert_array_equal(
    encoder.distribution(drawn).sample(seed=[0, 1]), drawn
  )


def complex_config(**options):
  options = {'depth': 4, 'epochs': 40, 'learning_rate': 1e-2} | options
  return tiny_config('supervised_complex', **options)


def test_complex_network_learns_and_resumes_bit_for_bit(
  tiny, tmp_path, monkeypatch
):
  # Three steps in a call do not divide the four steps of an epoch.
  monkeypatch.setattr(loop, 'Execution', lambda: Execution(steps_per_call=3))
  with interruption.Signals() as signals:
    jobs = [
      Job(complex_config(), tiny, Run(tmp_path / name), signals)
      for name in ('whole', 'parts')
    ]
    whole, facts = supervised.train(jobs[0])
    assert facts['step'] == 160
    assert facts['validation_label_distortion'] < 0.5
    signals.received = signal.SIGTERM
    with pytest.raises(Stopped):
      supervised.train(jobs[1])
    assert (jobs[1].run.checkpoints / 'ckpt-3.index').exists()
    signals.received = None
    parts, _ = supervised.train(jobs[1])
    stored, again = supervised.train(jobs[0])
    assert again == facts
    # Without its weights a finished training is repeated.
    shutil.rmtree(jobs[0].run.checkpoints)
    anew, _ = supervised.train(jobs[0])
  for network in (parts, stored, anew):
    for a, b in zip(
      whole.trainable_variables, network.trainable_variables, strict=True
    ):
      np.testing.assert_array_equal(a, b)


def test_early_stopping_ends_a_training_that_gets_no_better(tiny, tmp_path):
  # At this learning rate the weights change wildly in the first epochs.
  config = complex_config(early_stopping=True, learning_rate=0.5)
  with interruption.Signals() as signals:
    job = Job(config, tiny, Run(tmp_path / 'x'), signals)
    network, facts = supervised.train(job)
    stored, again = supervised.train(job)
  per_epoch = 64 // 16
  assert facts['step'] % per_epoch == 0
  assert early_stopping.PATIENCE * per_epoch < facts['step'] < 40 * per_epoch
  assert again == facts
  losses, _ = supervised.label_distortions_and_hits(
    job, stored, tiny.validation
  )
  assert losses.mean() == facts['validation_label_distortion']
  for a, b in zip(
    network.trainable_variables, stored.trainable_variables, strict=True
  ):
    np.testing.assert_array_equal(a, b)


def test_early_stopping_looks_at_validation_images_alone(
  tiny, tmp_path, monkeypatch
):
  seen, values = [], []
  evaluate = supervised.label_distortions_and_hits

  def look(job, network, split):
    losses, hits = evaluate(job, network, split)
    seen.append(split)
    values.append(losses.mean())
    return losses, hits

  monkeypatch.setattr(supervised, 'label_distortions_and_hits', look)
  config = complex_config(early_stopping=True, epochs=2)
  with interruption.Signals() as signals:
    job = Job(config, tiny, Run(tmp_path / 'x'), signals)
    _, facts = supervised.train(job)
  assert len(seen) == 3  # After each epoch, and of the best weights.
  assert all(split is tiny.validation for split in seen)
  assert facts['validation_label_distortion'] == values[2] == min(values)


def test_rows_of_pca_have_c_of_both_splits(tiny, tmp_path, monkeypatch):
  monkeypatch.setattr(pca.bounded, 'columns', lambda *args: {})
  images = tiny.train.images
  whitening = pca.Whitening(images.reshape([len(images), -1]), 3)
  encoder = pca.PcaEncoder(whitening, 3, 0.5)
  classifier = classifiers.Mlp(3, 4, (10,), np.random.default_rng(0))
  with interruption.Signals() as signals:
    job = Job(tiny_config('pca'), tiny, Run(tmp_path / 'x'), signals)
  means = codes.encode(encoder, tiny.test.images)
  row = pca._row(job, encoder, classifier, means)
  for name, split in (
    ('validation_label_distortion', tiny.validation),
    ('label_distortion', tiny.test),
  ):
    losses, _ = codes.label_distortions_and_hits(
      job, encoder, classifier, split
    )
    assert len(losses) == len(split.images)
    assert row[name] == losses.mean()


def test_early_stopping_keeps_the_best_weights():
  network = classifiers.Mlp(2, 2, (), np.random.default_rng(0))
  best = early_stopping.Best(network)
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


def words(options):
  """Options as words of a command line."""
  texts = {
    name: ','.join(map(str, value)) if isinstance(value, tuple) else value
    for name, value in options.items()
  }
  return [f'--{name}={text}' for name, text in texts.items()]


# Tests in this group go to one worker, since they share the command's results.
shares_runs = pytest.mark.xdist_group('baselines')


@pytest.fixture(scope='module')
def runs(tiny, tmp_path_factory):
  """Makes every baseline by one command line; from its name to its `Run`."""
  folder = tmp_path_factory.mktemp('runs')
  command_line = ('--baseline=all', f'--runs_dir={folder}', *words(TINY))
  command_line += ('--entropy_estimate=20', '--early_stopping')
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(least, 'SIZES', ())  # Networks take long to compile.
    output = call('baselines', *command_line, dataset=tiny)
  assert 'best k' in output
  # The second call finds nothing to do.
  again = call('baselines', *command_line, dataset=tiny)
  assert again.count('is finished') == len(ALL)
  again = call('baselines', *command_line, '--task=quadrant', dataset=tiny)
  following = f'python -m vae_info.results --runs_dir={folder}'
  assert again == f'finished; next: {following}\n'
  made = [Run(path) for path in folder.iterdir()]
  return {run.read_config(BaselineConfig).baseline: run for run in made}


@shares_runs
@pytest.mark.parametrize('baseline', ALL)
def test_rows_of_each_baseline(runs, baseline):
  rows = runs[baseline].rows
  has_distortion = baseline.startswith('kmeans')
  has_rate = has_distortion or baseline.startswith('pca')
  assert len(rows) == (2 if baseline == 'pca' or has_distortion else 1)
  for row in rows:
    assert tuple(row) == COLUMNS
    assert row['run'] == runs[baseline].name
    assert row['method'] == baseline
    assert row['label_distortion'] > 0
    assert row['label_distortion_stderr'] > 0
    assert 0 <= row['label_accuracy'] <= 1
    assert 1.3 < row['label_entropy'] <= math.log(4)
    assert row['input_entropy'] == 20.0
    assert row['beta'] is row['encoder'] is None
    assert (row['distortion'] is not None) == has_distortion
    assert (row['rate'] is not None) == has_rate
    assert (row['label_preference'] is not None) == has_rate
    assert row['label_information_lower'] == pytest.approx(
      row['label_entropy'] - row['label_distortion_least']
    )
    # The mixture may be of the frequencies alone, whose values hardly differ.
    assert row['label_distortion_least_stderr'] >= 0
    # Only these codes have a Gaussian density.
    assert (row['information_lower'] is not None) == baseline.startswith('pca')
    assert [d for d in tables.doubts(row) if 'least' in d or 'I(X' in d] == []


@shares_runs
def test_pca_has_the_rate_of_the_paper(runs):
  *_, row = runs['pca'].rows
  assert (row['latent_size'], row['noise']) == (30, pytest.approx(1.0))
  assert row['rate'] == pytest.approx(10.397, abs=5e-4)
  assert row['rate_variational'] > 0
  kept = row['label_entropy'] - row['label_distortion']
  expected = kept / (row['label_entropy'] * row['rate'] / 20.0)
  assert row['label_preference'] == pytest.approx(expected)


@shares_runs
def test_rows_are_gathered(runs, tmp_path):
  folder = runs['pca'].path.parent
  call('results', f'--runs_dir={folder}', f'--output={tmp_path}/r.csv')
  with open(tmp_path / 'r.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert tuple(rows[0]) == COLUMNS
  assert {row['method'] for row in rows} == set(ALL)
  # `evaluate` ignores the run directories of baselines.
  errors = call('evaluate', f'--runs_dir={folder}', status=1)
  assert 'no finished run' in errors


@shares_runs
@pytest.mark.parametrize('baseline', ['pca', 'supervised_complex'])
def test_lost_rows_are_quickly_made_again(
  runs, tiny, tmp_path, monkeypatch, baseline
):
  run = Run(shutil.copytree(runs[baseline].path, tmp_path / 'x'))
  (run.path / EVALUATION).unlink()
  monkeypatch.setattr(codes, 'fit_together', None)
  monkeypatch.setattr(loop, 'take', None)
  monkeypatch.setattr(least, 'SIZES', ())
  data = dataclasses.replace(tiny, entropy_estimate=20.0)
  rows = baselines.run(run.read_config(BaselineConfig), data, run)
  assert [row | {'run': ''} for row in rows] == [
    row | {'run': ''} for row in runs[baseline].rows
  ]


def test_test_codes_follow_from_the_seed(tiny, tmp_path):
  config = tiny_config('pca')
  encoder = pca.PcaEncoder(lambda pixels: pixels, 64, 0.5)
  classifier = classifiers.Mlp(64, 4, (), np.random.default_rng(0))
  losses = [
    codes.label_distortions_and_hits(
      Job(dataclasses.replace(config, seed=seed), tiny, Run(tmp_path), None),
      encoder,
      classifier,
      tiny.test,
    )[0]
    for seed in (0, 0, 1)
  ]
  np.testing.assert_array_equal(losses[0], losses[1])
  assert not np.allclose(losses[0], losses[2])


def test_a_signal_ends_a_fit_after_an_epoch(tiny, tmp_path):
  with interruption.Signals() as signals:
    signals.received = signal.SIGINT
    config = tiny_config('pca', classifier_epochs=1000)
    with pytest.raises(Stopped) as stopped:
      methods.rows_of(Job(config, tiny, Run(tmp_path), signals))
  assert stopped.value.status == 130
  assert not list(tmp_path.glob('parts/*'))


@pytest.mark.slow
def test_all_baselines_on_the_bundled_data(tmp_path):
  flags = (f'--runs_dir={tmp_path}', '--task=digit', *FAST_CLASSIFIER)
  flags += ('--pca_sizes=3,30', '--pca_rates=1,10.39720770839918')
  flags += ('--num_samples=1', '--depth=2', '--epochs=1', '--batch_size=1000')
  flags += ('--kmeans_clusters=10',)
  assert 'best k' in run('baselines', '--baseline=all', *flags)
  run('results', f'--runs_dir={tmp_path}', f'--output={tmp_path}/r.csv')
  with open(tmp_path / 'r.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert len(rows) == len(ALL) - 2 + 4 + 2
  for row in rows:
    assert float(row['label_entropy']) == pytest.approx(2.3008, abs=1e-4)
    assert float(row['label_distortion']) < 2.6


@pytest.mark.parametrize(
  'signum, status',
  [
    pytest.param(signal.SIGTERM, 42, marks=pytest.mark.slow),
    pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
  ],
)
def test_signals_save_and_say_how_to_resume(
  tmp_path, prepared_quadrants, signum, status
):
  process = start(
    'baselines',
    '--dataset=tfds:tiny_quadrants',
    *prepared_quadrants,
    f'--run={tmp_path}/x',
    '--task=quadrant',
    '--baseline=supervised_complex',
    '--depth=2',
    '--batch_size=16',
    '--epochs=100000',
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


def test_search_ranks_by_validation_images(tiny, tmp_path):
  candidates = [
    (complex_config(epochs=epochs), Run(tmp_path / f'{epochs}'))
    for epochs in (1, 30)
  ]
  ranking = supervised.search(candidates, tiny)
  assert [config.epochs for _, config, _ in ranking] == [30, 1]
  for value, _, trained in ranking:
    facts = json.loads((trained.path / 'trained.json').read_text())
    assert facts['validation_label_distortion'] == value
    assert not trained.rows


def test_search_evaluates_the_best_alone(tiny, tmp_path):
  output = call(
    'baselines',
    '--baseline=supervised_complex',
    '--search',
    '--search_depths=1,2',
    '--search_dropouts=0',
    '--epochs=1',
    '--batch_size=16',
    f'--runs_dir={tmp_path}',
    dataset=tiny,
  )
  assert output.count('C on validation images') == 2
  values = {
    path.parent: json.loads(path.read_text())['validation_label_distortion']
    for path in tmp_path.glob('*/trained.json')
  }
  assert len(values) == 2
  [evaluated] = tmp_path.glob(f'*/{EVALUATION}')
  assert evaluated.parent == min(values, key=values.get)


def test_after_a_baseline_that_cannot_be_come_the_others(tiny, tmp_path):
  errors = call(
    'baselines',
    '--baseline=all',
    '--epochs=1',
    '--batch_size=16',
    '--classifier_epochs=1',
    '--classifier_batch_size=16',
    f'--runs_dir={tmp_path}',
    dataset=tiny,
    status=1,
  )
  assert 'error: pca: the images have' in errors
  assert 'error: kmeans: --kmeans_clusters must be at most' in errors
  kinds = {
    json.loads(p.read_text())['rows'][0]['method']
    for p in tmp_path.glob(f'*/{EVALUATION}')
  }
  assert {'random_dense', 'supervised_simple', 'supervised_complex'} <= kinds


def test_requests_become_configs():
  common = {'dataset': 'static_mnist', 'binarization': 'static', 'seed': 1}
  searched = [{'depth': depth} for depth in (1, 2)]
  request = command.Request(ALL, common, {'depth': 3}, searched)
  *others, networks = request.configs('digit')
  assert [config.baseline for [config] in others] == list(ALL)[:-1]
  assert [config.depth for config in networks] == [1, 2]
  assert all(config.seed == 1 for config in networks)
  # An unused option is an error only if a single baseline is requested.
  with pytest.raises(UserError, match='pca has no option depth'):
    command.Request(('pca',), common, {'depth': 3}).configs('digit')


def test_a_finished_directory_of_something_else_is_refused(tmp_path):
  config, run = complex_config(), Run(tmp_path)
  assert not command.is_finished(config, run)
  run.open(config)
  assert not command.is_finished(config, run)
  run.write_rows([{}])
  assert command.is_finished(config, run)
  with pytest.raises(UserError, match='another config .depth: 4, not 8.'):
    command.is_finished(complex_config(depth=8), run)
  (tmp_path / 'config.json').write_text(configs.to_json(Config()))
  with pytest.raises(UserError, match='is of a training, not of a baseline'):
    command.is_finished(config, run)
  (tmp_path / 'config.json').write_text('{"baseline": "pca"}')
  with pytest.raises(UserError, match='an earlier version of vae_info'):
    command.is_finished(config, run)


@pytest.mark.parametrize(
  'flags, message',
  [
    (['--baseline=foo'], 'should be one of'),
    (['--baseline=pca', '--depth=3'], 'pca has no option depth'),
    (['--baseline=pca', '--pca_sizes=3,x'], 'pca_sizes must be numbers'),
    (['--baseline=pca', '--search'], 'pca has nothing to search'),
    ([], '--baseline is needed: one of random_dense, '),
    (['--baseline=clusters'], '--codes_of is needed'),
    (
      ['--baseline=all', '--run=x'],
      '--run needs one --task and one --baseline',
    ),
    (
      ['--baseline=pca', '--task=all', '--run=x'],
      '--run needs one --task and one --baseline',
    ),
    (
      ['--baseline=supervised_complex', '--search', '--depth=8'],
      'with --search give --search_depths instead of --depth',
    ),
    (
      ['--baseline=supervised_complex', '--search_dropouts=0'],
      '--search_dropouts needs --search',
    ),
    (['--baseline=all', '--dataset=foo'], "unknown dataset 'foo'"),
    (['--classifier=foo'], 'should be one of <linear|mlp|mlp_large>'),
    (['--baseline=pca', '--task=letter', '--runs_dir={}'], 'unknown task'),
  ],
)
def test_mistakes_get_one_clear_line(tmp_path, flags, message):
  check_refusal(tmp_path, 'baselines', flags, message)
