"""Evaluation: every image once, whatever the batch, and known answers."""

import dataclasses
import functools
import json
import shutil
import signal
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import datasets, evaluate, evaluation, objectives
from vae_info.config import Config
from vae_info.errors import Stopped, UserError
from vae_info.evaluation import (
  Options,
  bounds,
  classifiers,
  critics,
  estimates,
  least,
  measure,
  sandwich,
  unfinished,
)
from vae_info.evaluation.estimates import Codes
from vae_info.evaluation.options import Settings
from vae_info.networks import model as models
from vae_info.runs import Run, checkpoints, rows as tables

tfd = tfp.distributions


@pytest.fixture(scope='module')
def images(tiny):
  return tiny.test.images


def build(tiny, **kwargs):
  return models.build(Config(latent_size=4, **kwargs), tiny.train.images)


def test_estimate_is_the_mean_and_its_standard_error():
  estimate = estimates.Estimate.of(np.array([1.0, 2.0, 3.0, 6.0]))
  assert estimate.mean == 3.0
  assert estimate.stderr == pytest.approx(np.sqrt(14 / 3) / 2)


def test_batches_are_static_and_cover_all():
  parts = list(estimates.batches(4, np.arange(10), np.arange(10) * 2))
  assert [real for real, _ in parts] == [4, 4, 2]
  assert all(x.shape == y.shape == [4] for _, (x, y) in parts)
  double = estimates.map_batches(lambda x: 2 * x, 4, np.arange(10))
  np.testing.assert_array_equal(double, 2 * np.arange(10))


@pytest.mark.parametrize(
  'encoder, marginal',
  [
    ('conv', 'gaussian'),
    ('conv', 'maf'),
    pytest.param('iaf', 'vampprior', marks=pytest.mark.slow),
  ],
)
def test_the_batch_size_changes_nothing(tiny, images, encoder, marginal):
  model = build(
    tiny, encoder=encoder, marginal=marginal, decoder='autoregressive'
  )

  def values(batch_size):
    codes = Codes.of(model, images, 2, batch_size)
    return estimates.rates_and_distortions(codes, images)

  whole = values(len(images))
  assert whole[0].shape == whole[1].shape == (len(images),)
  for size in (1_000, 20, 7):
    np.testing.assert_allclose(values(size), whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('marginal', ['gaussian', 'vampprior'])
def test_the_rate_of_a_flow_is_that_of_its_densities(tiny, images, marginal):
  model = build(tiny, encoder='iaf', marginal=marginal)
  codes = Codes.of(model, images, num_samples=1)
  rates, distortions = estimates.rates_and_distortions(codes, images)
  drawn = estimates.make_draw(model, codes.parameters, 0, 'evaluation codes')(0)
  expected = objectives.rate_and_distortion(
    model,
    tf.cast(images, tf.float32),
    model.encoder.distribution(codes.parameters),
    drawn,
  )
  np.testing.assert_allclose([rates, distortions], expected, rtol=1e-4)


def test_rate_agrees_with_the_closed_form(tiny, images):
  model = build(tiny)
  rates, _ = estimates.rates_and_distortions(
    Codes.of(model, images, num_samples=400), images
  )
  encoding = model.encoder(images.astype(np.float32)).distribution
  kl = encoding.kl_divergence(tfd.Normal(0.0, 1.0)).numpy().sum(-1)
  # Both averages are over the same images, so they differ only by sampling.
  one, _ = estimates.rates_and_distortions(
    Codes.of(model, images, num_samples=1, seed=7), images
  )
  stderr = np.std(one - kl) / np.sqrt(400 * len(images))
  assert abs(rates.mean() - kl.mean()) < 3 * stderr


def test_more_samples_lower_the_spread_and_keep_the_mean(tiny, images):
  model = build(tiny)
  few, many = (
    estimates.rates_and_distortions(Codes.of(model, images, count), images)[0]
    for count in (1, 64)
  )
  assert many.std() < few.std()
  assert abs(many.mean() - few.mean()) < 4 * few.std() / np.sqrt(len(few))


def test_a_uniform_classifier_has_the_entropy_of_uniform_labels(tiny, images):
  model = build(tiny)
  rng = np.random.default_rng(0)
  classifier = classifiers.Mlp(4, 10, (5,), rng)
  for variable in classifier.trainable_variables:
    variable.assign(tf.zeros_like(variable))
  labels = tiny.test.labels['quadrant']
  losses, hits = estimates.label_distortions_and_hits(
    Codes.of(model, images), classifier, labels
  )
  np.testing.assert_allclose(losses, np.full(len(labels), 2.3026), atol=1e-4)
  np.testing.assert_array_equal(hits, labels == 0)


# Whole runs.

FAST = {'epochs': 1, 'batch_size': 32, 'hidden': (5,)}
ONE_CODE = Options(num_samples=1, bounds=False, classifier=FAST)


@pytest.fixture
def make_run(tmp_path, tiny, monkeypatch):
  """A function that makes a finished run of the tiny data, not trained."""
  monkeypatch.setattr(datasets, 'load', lambda *args: tiny)

  def make(**kwargs):
    run = Run(tmp_path / 'run')
    run.open(Config(latent_size=2, **kwargs))
    model = models.build(run.config, tiny.train.images)
    manager = tf.train.CheckpointManager(
      tf.train.Checkpoint(model=model), str(run.checkpoints), max_to_keep=1
    )
    checkpoints.save(manager, 3)
    run.finish({'step': 3, 'train_images': list(tiny.train.images.shape)})
    return run

  return make


def test_a_run_becomes_rows(tiny, make_run):
  run = make_run(beta=0.5)
  assert not ONE_CODE.satisfied_by(run)
  [row] = rows = evaluation.run(run, ONE_CODE)
  assert run.rows == rows
  assert ONE_CODE.satisfied_by(run)
  # The model that `Run.model` restores gives the same numbers.
  codes = Codes.of(run.model(), tiny.test.images, num_samples=1)
  rates, distortions = estimates.rates_and_distortions(codes, tiny.test.images)
  assert row['rate'] == pytest.approx(rates.mean(), rel=1e-5)
  assert row['distortion'] == pytest.approx(distortions.mean(), rel=1e-5)
  columns = {'run': 'run', 'method': 'vae', 'task': 'quadrant', 'step': 3}
  columns |= {
    'beta': 0.5,
    'beta_trained': None,
    'classifier': 'mlp 5 (epochs 1)',
  }
  assert columns.items() <= row.items()
  # A second evaluation draws the same codes.
  assert evaluation.run(run, ONE_CODE) == rows


def test_an_evaluation_that_was_stopped_resumes_at_the_beta_it_was_at(
  make_run, monkeypatch
):
  run = make_run(beta='0.5:2')
  betas = (0.5, 1.0, 2.0)
  options = dataclasses.replace(ONE_CODE, betas=betas, refit_decoder=True)
  whole = evaluation.run(run, options)
  maps = run.pixels.read_bytes()
  assert not run.unfinished.exists()
  (run.path / tables.EVALUATION).unlink()
  measured, known, stops_at = [], [], [2.0]
  rows_of_codes, known_pixels = measure.rows_of_codes, measure.known_pixels

  def counted(codes, split, fitted, facts):
    measured.append(facts['beta'])
    if measured[-1:] == stops_at:
      raise Stopped(signal.SIGTERM)
    return rows_of_codes(codes, split, fitted, facts)

  monkeypatch.setattr(measure, 'rows_of_codes', counted)
  monkeypatch.setattr(
    measure,
    'known_pixels',
    lambda *args: known.append(1) or known_pixels(*args),
  )
  with pytest.raises(Stopped):
    evaluation.run(run, options)
  assert run.rows == [] and run.unfinished.exists()
  assert not options.satisfied_by(run)
  stops_at.clear()
  assert evaluation.run(run, options) == whole == run.rows
  assert measured == [0.5, 1.0, 2.0, 2.0] and known == [1]
  assert run.pixels.read_bytes() == maps and not run.unfinished.exists()


@pytest.mark.parametrize('change', ['options', 'classifier', 'training'])
def test_parts_of_another_evaluation_do_not_count(make_run, change):
  run = make_run()
  evaluation.run(run, ONE_CODE)
  made = []

  def part(options):
    return unfinished.Parts(run, options).kept_or_made(
      'x', lambda: made.append(1) or len(made)
    )

  assert part(ONE_CODE) == part(ONE_CODE) == 1
  # What changes no result changes no part.
  assert part(dataclasses.replace(ONE_CODE, batch_size=7)) == 1
  options = ONE_CODE
  if change == 'options':
    options = dataclasses.replace(ONE_CODE, num_samples=2)
  elif change == 'classifier':
    evaluation.fit_classifiers(run, ONE_CODE)
  else:
    run.finish(run.facts | {'train_seconds': 7.0})
  assert part(options) == 2


def test_rows_of_other_tasks_stay(make_run):
  run = make_run(beta=0.5)
  [row] = evaluation.run(run, ONE_CODE)
  run.write_rows([row, row | {'task': 'other'}, row | {'beta': 9.0}])
  evaluation.run(run, ONE_CODE)
  assert [(row['beta'], row['task']) for row in run.rows] == [
    (0.5, 'other'),
    (0.5, 'quadrant'),
  ]
  # All tasks of the data, whatever was evaluated.
  assert run.tasks == ['quadrant']
  everything = dataclasses.replace(ONE_CODE, task='all')
  assert everything.satisfied_by(run)


def test_validation_images_do_not_replace_the_rows_of_test_images(
  tiny, make_run
):
  run = make_run(beta=0.5)
  of_validation = dataclasses.replace(ONE_CODE, split='validation')
  [row] = evaluation.run(run, of_validation)
  assert run.rows == []
  images = tiny.validation.images
  codes = Codes.of(run.model(), images, num_samples=1)
  rates, _ = estimates.rates_and_distortions(codes, images)
  assert row['split'] == 'validation'
  assert row['rate'] == pytest.approx(rates.mean(), rel=1e-5)
  written = evaluation.run(run, ONE_CODE)
  assert [row['split'] for row in written] == ['test']
  assert evaluation.run(run, of_validation) == [row]
  assert run.rows == written
  assert not of_validation.satisfied_by(run)
  with pytest.raises(UserError, match="unknown split 'train'"):
    Options(split='train')
  with pytest.raises(UserError, match='critics are written beside the bounds'):
    Options(critics=True, bounds=False)


def test_a_classifier_is_kept_unless_another_is_asked_for(
  make_run, monkeypatch, capsys
):
  run = make_run()
  [row] = evaluation.run(run, ONE_CODE)
  fitted = []
  fit = classifiers.fit_together

  def counted(examples, settings, title):
    fitted.append(settings)
    return fit(examples, settings, title)

  monkeypatch.setattr(classifiers, 'fit_together', counted)
  assert evaluation.run(run, Options(num_samples=1, bounds=False)) == [row]
  assert fitted == []
  # The default has 200 units in two layers and 100 epochs.
  said = capsys.readouterr().err
  assert 'the kept classifier of quadrant has hidden 5' in said
  assert '--classifier_hidden=200,200' in said
  other = dataclasses.replace(ONE_CODE, classifier={**FAST, 'hidden': ()})
  [row] = evaluation.run(run, other)
  assert row['classifier'] == 'linear (epochs 1)'
  assert [settings.hidden for settings in fitted] == [()]
  [folder] = evaluation.fit_classifiers(run, other)
  assert folder == run.path / 'classifiers' / 'quadrant'
  assert len(fitted) == 2


def other_test_split(tiny):
  """Inverted test images, with their labels in another order."""
  order = np.random.default_rng(0).permutation(len(tiny.test.images))
  labels = {'quadrant': tiny.test.labels['quadrant'][order]}
  return dataclasses.replace(
    tiny, test=datasets.Split(1 - tiny.test.images, labels)
  )


def test_test_images_and_labels_fit_no_classifier(tiny, make_run, monkeypatch):
  run = make_run(beta=0.5)
  found = []
  for data in (tiny, other_test_split(tiny)):
    monkeypatch.setattr(datasets, 'load', lambda *args, data=data: data)
    [folder] = evaluation.fit_classifiers(run, ONE_CODE)
    reader = tf.train.load_checkpoint(str(folder / 'weights'))
    shapes = reader.get_variable_to_shape_map()
    names = [name for name in shapes if name.startswith('classifier')]
    found.append({name: reader.get_tensor(name).tolist() for name in names})
    shutil.rmtree(folder)
  assert len(found[0]) == 4 and found[0] == found[1]


def test_what_chooses_gets_codes_and_labels_of_validation(
  tiny, make_run, monkeypatch
):
  model = make_run(beta=0.5).model()
  parameters = {
    name: estimates.encode(model, getattr(tiny, name).images)
    for name in ('train', 'validation', 'test')
  }
  point = sandwich.Point.of(model, parameters, tiny, 0)
  labelled = point.labelled('quadrant')
  given = []
  monkeypatch.setattr(
    bounds, 'measure', lambda *args: given.extend(args[:3]) or {}
  )
  point.bound(['quadrant'])
  views = point.views()
  for name, one, (codes, labels), (shown, _) in zip(
    ('validation', 'test'),
    given[1:],
    (labelled.validation, labelled.test),
    (views.validation, views.test),
    strict=True,
  ):
    expected = getattr(tiny, name).labels['quadrant']
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(one.labels['quadrant'], expected)
    np.testing.assert_array_equal(shown, parameters[name])
    means, scales = one.gaussians.means, one.gaussians.scales
    assert np.abs((codes - means) / scales).mean() < 1.2
  expected = tiny.train.labels['quadrant']
  np.testing.assert_array_equal(given[0].labels['quadrant'], expected)
  np.testing.assert_array_equal(labelled.train, expected)


@pytest.mark.parametrize('encoder, beta', [('conv', '0.1:10'), ('iaf', 0.5)])
def test_bounds_are_in_the_rows_and_beside_them(
  make_run, monkeypatch, encoder, beta
):
  monkeypatch.setattr(least, 'SIZES', ((4,),))
  run = make_run(beta=beta, encoder=encoder)
  betas = (0.5, 1.0) if run.config.beta_range else None
  quick = dataclasses.replace(critics.SETTINGS, epochs=1)
  monkeypatch.setattr(
    critics, 'measure', functools.partial(critics.measure, settings=quick)
  )
  one = {'DV': critics.OBJECTIVES['DV']}
  monkeypatch.setattr(critics, 'OBJECTIVES', one)
  learned = not betas  # These take long, so they are not for each beta.
  bounded = dataclasses.replace(
    ONE_CODE, bounds=True, betas=betas, critics=learned
  )
  rows = evaluation.run(run, bounded)
  assert run.rows == rows
  for row in rows:
    assert tables.doubts(row) == []
    assert row['information_lower'] <= row['information_upper'] + 0.1
    assert row['label_information_lower'] == pytest.approx(
      row['label_entropy'] - row['label_distortion_least']
    )
    assert 0 <= row['label_information_upper'] <= row['label_entropy'] + 1e-9
  table = tables.bounds_table(rows, run.details)
  assert len(table.splitlines()) == 1 + len(rows)
  for detail in run.details:
    assert 0 <= detail['active_dimensions'] <= 2
    assert ('critics' in detail) == learned
    if encoder == 'conv':
      assert len(detail['rates_of_dimensions']) == 2
  assert (run.summaries / 'evaluation').is_dir()
  text = tables.critics_table(run.details)
  assert text.count('±') == (1 if learned else 0)
  assert bounded.satisfied_by(run)
  more = dataclasses.replace(bounded, critics=True)
  assert more.satisfied_by(run) == learned
  # Others stay if one beta is evaluated again.
  if betas:
    again = dataclasses.replace(bounded, betas=betas[:1])
    evaluation.run(run, again)
    assert [d['beta'] for d in run.details] == [1.0, 0.5]
    assert run.rows == rows


def test_details_of_other_rows_are_not_shown():
  details = [{'beta': 1.0, 'task': 'a'}, {'beta': 2.0, 'task': 'a'}]
  run = types.SimpleNamespace(name='mine', details=details)
  rows = [{'beta': 2.0, 'task': 'a'}, {'beta': 1.0, 'task': 'b'}]
  assert evaluate._details_of(rows, run) == [details[1] | {'run': 'mine'}]


def test_a_range_of_betas_becomes_a_row_for_each(make_run):
  run = make_run(beta='0.1:10')
  some = dataclasses.replace(ONE_CODE, betas=(0.1, 2.0))
  evaluation.run(run, some)
  more = dataclasses.replace(ONE_CODE, betas=(2.0, 0.5))
  assert not more.satisfied_by(run)
  rows = evaluation.run(run, more)
  assert [row['beta'] for row in rows] == [2.0, 0.5]
  assert [row['beta'] for row in run.rows] == [0.1, 0.5, 2.0]
  assert {row['beta_trained'] for row in run.rows} == {'0.1:10'}
  assert len({row['rate'] for row in run.rows}) == 3
  kept = {path.parent.name for path in run.path.rglob('classifier.json')}
  assert kept == {'beta0.1', 'beta0.5', 'beta2'}


def mark_of(codes):
  """A number by which codes are known again."""
  return float(np.abs(np.asarray(codes)).mean(dtype=np.float64))


def test_each_beta_has_the_classifier_of_its_own_codes(
  tiny, make_run, monkeypatch
):
  def fit(examples, settings, title):
    # c(y|z) is the same for all z, and tells the codes that it was shown.
    made = []
    for each in examples:
      one = classifiers.Mlp(2, 4, settings.hidden, np.random.default_rng(0))
      for variable in one.trainable_variables:
        variable.assign(tf.zeros_like(variable))
      one.out.bias.assign([mark_of(each.draw(0)), 0.0, 0.0, 0.0])
      made.append(one)
    return made

  monkeypatch.setattr(classifiers, 'fit_together', fit)
  run = make_run(beta='0.1:10')
  labels = tiny.test.labels['quadrant']
  several = dataclasses.replace(ONE_CODE, betas=(10.0, 0.1))
  rows = evaluation.run(run, several)
  assert [row['beta'] for row in rows] == [10.0, 0.1]
  points = evaluation.curve.load(run, several.betas)
  for row, point in zip(rows, points, strict=True):
    parameters = estimates.encode(point.model, tiny.train.images)
    draw = estimates.make_draw(point.model, parameters, 0, 'classifier codes')
    mark = mark_of(draw(0))
    expected = np.log(np.exp(mark) + 3) - mark * np.mean(labels == 0)
    assert row['label_distortion'] == pytest.approx(expected, abs=1e-6)
  assert len({round(row['label_distortion'], 4) for row in rows}) == 2
  # Stored ones are found again by their betas.
  monkeypatch.setattr(classifiers, 'fit_together', None)
  assert evaluation.run(run, several) == rows


def test_columns_of_a_row_are_those_of_their_definitions(tiny, make_run):
  images, labels = tiny.test.images, tiny.test.labels['quadrant']
  run = make_run(beta=0.5)
  options = dataclasses.replace(ONE_CODE, entropy_estimate=20.0)
  [row] = evaluation.run(run, options)
  codes = Codes.of(run.model(), images, num_samples=1)
  rates, distortions = estimates.rates_and_distortions(codes, images)
  both = rates + distortions
  error = both.std(ddof=1) / np.sqrt(len(images))
  assert row['rate_plus_distortion'] == pytest.approx(both.mean(), rel=1e-5)
  assert row['rate_plus_distortion_stderr'] == pytest.approx(error, rel=1e-4)
  assert row['rate_plus_distortion'] == pytest.approx(
    row['rate'] + row['distortion'], rel=1e-12
  )
  # P = (H(Y) - C) / (H(Y) R / H(X)), with H(Y) of the test labels.
  shares = np.bincount(labels) / len(labels)
  entropy = -np.sum(shares * np.log(shares))
  preference = (entropy - row['label_distortion']) * 20.0
  preference /= entropy * row['rate']
  assert row['label_preference'] == pytest.approx(preference, rel=1e-9)


def test_what_a_run_cannot_give_is_refused(make_run, tmp_path):
  run = make_run(beta=0.5)
  with pytest.raises(UserError, match='trained for beta 0.5 alone, not for 1'):
    evaluation.run(run, Options(betas=(1.0,)))
  with pytest.raises(UserError, match='unknown task'):
    evaluation.run(run, Options(task='digit'))
  with pytest.raises(UserError, match='is not a run directory'):
    evaluation.run(Run(tmp_path / 'none'))
  assert not (tmp_path / 'none').exists()
  config = json.loads((run.path / 'config.json').read_text())
  del config['kind']
  (run.path / 'config.json').write_text(json.dumps(config))
  for refuse in (evaluation.run, evaluation.fit_classifiers):
    with pytest.raises(UserError, match='an earlier version of vae_info'):
      refuse(run)


def test_each_task_is_evaluated_at_each_beta_that_is_asked_for(tmp_path):
  run = Run(tmp_path)
  run.write_rows(
    [
      {'task': task, 'beta': beta, 'beta_trained': '0.1:1'}
      for task, beta in (
        ('alphabet', 0.5),
        ('alphabet', 1.0),
        ('character', 0.5),
      )
    ]
  )
  for task, betas, satisfied in (
    (None, (), True),
    (None, (0.5,), True),
    (None, (1.0,), False),
    ('alphabet', (0.5, 1.0), True),
    ('character', (0.5,), True),
    ('character', (1.0,), False),
    ('digit', (), False),
  ):
    options = Options(task=task, betas=betas)
    assert options.satisfied_by(run) == satisfied


def test_an_evaluation_with_another_classifier_is_not_taken_for_it(tmp_path):
  run = Run(tmp_path)
  for name, classifier, satisfied in (
    # That of several tasks together.
    ('linear shared', {}, True),
    ('linear shared', {'hidden': ()}, True),
    ('linear', {'hidden': (200, 200)}, False),
    ('linear', {'epochs': 100}, True),
    ('linear', {'epochs': 5}, False),
    ('linear (epochs 5) shared', {'epochs': 5, 'hidden': ()}, True),
    ('linear (epochs 5)', {}, True),
    ('linear (epochs 5)', {'epochs': 100}, False),
    ('linear (epochs 5)', {'epochs': 5, 'learning_rate': 1e-3}, False),
    (Settings(learning_rate=1e-3).name, {'learning_rate': 1e-3}, True),
  ):
    run.write_rows([{'task': 'digit', 'beta': 1.0, 'classifier': name}])
    satisfies = Options(classifier=classifier).satisfied_by(run)
    assert satisfies == satisfied, (name, classifier)


def test_an_evaluation_with_another_entropy_is_not_taken_for_it(tmp_path):
  run = Run(tmp_path)
  run.write_rows([{'task': 'digit', 'beta': 1.0, 'input_entropy': 80.0}])
  assert Options(entropy_estimate=80.0).satisfied_by(run)
  assert not Options(entropy_estimate=81.0).satisfied_by(run)


def test_critics_at_some_betas_are_not_taken_for_those_at_all(tmp_path):
  run = Run(tmp_path)
  rows = [
    {'task': 'digit', 'beta': beta, 'beta_trained': '0.5:1'}
    for beta in (0.5, 1.0)
  ]
  detail = {'task': 'digit', 'critics': []}
  run.write_rows(rows, [detail | {'beta': 0.5}])
  assert not Options(critics=True).satisfied_by(run)
  assert Options(critics=True, betas=(0.5,)).satisfied_by(run)
  run.write_rows(rows, [detail | {'beta': beta} for beta in (0.5, 1.0)])
  assert Options(critics=True).satisfied_by(run)
