"""Codes of K classes: sums over classes, first prototypes, whole trainings."""

import math
import os
import signal

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from commands import FAST_CLASSIFIER, call

from vae_info import loop, objectives, steps, training
from vae_info.config import Config
from vae_info.errors import Stopped, UserError
from vae_info.loop import Execution, Schedule
from vae_info.networks import enumeration, model as models
from vae_info.runs import Run, checkpoints

tfd = tfp.distributions


def make_config(**options):
  defaults = {'encoder': 'categorical', 'latent_size': 5, 'batch_size': 16}
  return Config(**{**defaults, 'steps': 6, **options})


def stirred(config, images):
  """A model whose weights are all off their start."""
  model = models.build(config, images)
  for number, variable in enumerate(model.trainable_variables):
    noise = tf.random.stateless_normal(variable.shape, [number, 1])
    variable.assign_add(0.1 * noise)
  return model


class Shared(tf.Module):
  """A user's decoder: equal pixels, whose likelihood knows all classes."""

  def __init__(self, config, image_shape, make):
    super().__init__()
    self.logits = make.dense(config.latent_size, 1)
    self._image_shape = image_shape

  def __call__(self, codes):
    logits = self.logits(codes)[..., None, None]
    logits = tf.broadcast_to(
      logits, tf.concat([tf.shape(codes)[:-1], self._image_shape], axis=0)
    )
    return Pixels(logits)


class Pixels(tfd.Independent):
  """Independent pixels that are evaluated by their number of ones."""

  def __init__(self, logits):
    super().__init__(tfd.Bernoulli(logits=logits), 3)

  def log_prob_of_each(self, images):
    logit = self.distribution.logits_parameter()[:, 0, 0, 0]
    ones = tf.reduce_sum(images, axis=[1, 2, 3])[:, None]
    pixels = math.prod(images.shape[1:])
    return ones * logit - pixels * tf.math.softplus(logit)


DECODERS = ('deconvolutional', 'autoregressive', f'{__name__}:Shared')


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('parts', [1, 2])
def test_the_sum_over_classes_is_that_of_brute_force(tiny, decoder, parts):
  config = make_config(decoder=decoder, beta=0.7)
  model = stirred(config, tiny.train.images)
  images = tf.constant(tiny.test.images[:6], tf.float32)
  encoding, marginal = model.encoder(images), model.marginal()
  log_likelihoods = enumeration.log_probs(
    model.decoder, images, 5, enumeration.decode(model.decoder, 5, parts)
  )
  rates, distortions = objectives.enumerated_rate_and_distortion(
    encoding, marginal, log_likelihoods
  )
  expected = np.zeros([2, 6])
  for k in range(5):
    codes = tf.repeat(tf.one_hot([k], 5), 6, axis=0)
    values = objectives.rate_and_distortion(model, images, encoding, codes)
    expected += np.exp(encoding.log_prob(codes)) * np.stack(values)
  np.testing.assert_allclose([rates, distortions], expected, rtol=1e-4)
  # Draws have these means.
  codes = encoding.sample(2_000, seed=[0, 1])
  values = objectives.rate_and_distortion(model, images, encoding, codes)
  for exact, drawn in zip((rates, distortions), values, strict=True):
    error = np.std(drawn, axis=0) / math.sqrt(2_000)
    difference = np.abs(np.mean(drawn, axis=0) - exact)
    assert np.all(difference < 4 * error + 1e-4 * np.abs(exact) + 1e-3)


def test_any_marginal_has_the_same_sum():
  encoding = tfd.OneHotCategorical(
    logits=tf.random.stateless_normal([6, 5], [0, 2]), dtype=tf.float32
  )
  likelihoods = tf.random.stateless_normal([6, 5], [0, 3])
  for shape in ([5], [6, 5]):
    logits = tf.random.stateless_normal(shape, [0, 4])
    known = tfd.OneHotCategorical(logits=logits, dtype=tf.float32)
    other = tfd.TransformedDistribution(known, tfp.bijectors.Identity())
    np.testing.assert_allclose(
      *(
        objectives.enumerated_rate_and_distortion(encoding, m, likelihoods)
        for m in (known, other)
      ),
      atol=1e-5,
    )


def test_equal_encoder_and_marginal_have_no_rate(tiny):
  model = models.build(make_config(), tiny.train.images)
  marginal = model.marginal()
  np.testing.assert_allclose(tf.exp(marginal.log_prob(tf.eye(5))), 0.2)
  rates, distortions = objectives.enumerated_rate_and_distortion(
    tfd.OneHotCategorical(logits=tf.zeros([3, 5]), dtype=tf.float32),
    marginal,
    -tf.range(15.0)[:, None][:3] * tf.ones([1, 5]),
  )
  np.testing.assert_allclose(rates, 0.0, atol=1e-6)
  np.testing.assert_allclose(distortions, [0.0, 1.0, 2.0], rtol=1e-6)


@pytest.mark.parametrize('architecture', ['compact', 'paper'])
def test_contracts(tiny, architecture):
  config = make_config(architecture=architecture, precision='bfloat16')
  model = stirred(config, tiny.train.images)
  images = tf.constant(tiny.test.images[:3], tf.float32)
  encoding = model.encoder(images)
  assert (encoding.batch_shape, encoding.event_shape) == ([3], [5])
  codes = encoding.sample(2, seed=[0, 1])
  assert codes.shape == [2, 3, 5] and codes.dtype == tf.float32
  np.testing.assert_array_equal(tf.reduce_sum(codes, -1), 1.0)
  half = model.encoder.distribution(model.encoder.parameters(images))
  np.testing.assert_array_equal(half.sample(2, seed=[0, 1]), codes)
  marginal = model.marginal()
  assert (marginal.batch_shape, marginal.event_shape) == ([], [5])
  assert marginal.sample(seed=[0, 1]).dtype == tf.float32
  total = tf.reduce_sum(tf.exp(marginal.log_prob(tf.eye(5))))
  assert float(total) == pytest.approx(1.0)
  assert model.decoder(codes).batch_shape == [2, 3]


def test_every_class_begins_with_images(tiny, digits):
  model = models.build(make_config(latent_size=8), digits.train.images)
  images = tf.constant(digits.train.images, tf.float32)
  probs = model.encoder(images).probs_parameter().numpy()
  assert probs.mean(axis=0).min() > 0.01
  # More classes than images: the others are left, and nothing fails.
  few = models.build(make_config(latent_size=8), tiny.train.images[:3])
  images = tf.constant(tiny.train.images, tf.float32)
  assert np.all(np.isfinite(few.encoder.parameters(images)))
  blank = models.build(make_config(), 0 * tiny.train.images)
  np.testing.assert_array_equal(blank.encoder.prototypes, 0.0)


def test_too_many_pairs_are_refused_in_one_line(tiny):
  config = make_config(decoder='autoregressive', latent_size=3)
  model = models.build(config, tiny.train.images)
  images = tf.zeros([7_000, 8, 8, 1])
  with pytest.raises(UserError, match='3 classes of 7000 images are 21000'):
    enumeration.log_probs(model.decoder, images, 3)


def run_steps(config, data, **execution):
  schedule, execution = Schedule.of(config, 64), Execution(**execution)
  with execution.strategy.scope():
    model = models.build(config, data.train.images)
    optimizer = loop.make_optimizer(schedule, model.trainable_variables)
    images = tf.Variable(data.train.images, trainable=False)
  take = steps.make_steps(config, model, optimizer, images, execution)
  values = take(tf.constant(0), tf.constant(schedule.order(0, config.steps)))
  return values, [v.numpy() for v in model.trainable_variables]


@pytest.mark.parametrize('beta', [1.0, '0.5:4'])
def test_shares_change_only_last_digits(tiny, beta):
  config = make_config(beta=beta)
  one, weights = run_steps(config, tiny)
  two, others = run_steps(config, tiny, shards=2)
  for name in one:
    np.testing.assert_allclose(one[name], two[name], rtol=1e-3)
  for a, b in zip(weights, others, strict=True):
    np.testing.assert_allclose(a, b, atol=5e-3)


def test_a_step_moves_every_weight_and_training_lowers_the_loss(tiny):
  config = make_config(steps=60, learning_rate=1e-2)
  before = [
    v.numpy()
    for v in models.build(config, tiny.train.images).trainable_variables
  ]
  values, after = run_steps(config, tiny)
  for old, new in zip(before, after, strict=True):
    assert not np.array_equal(old, new)
  sums = values['rate'].numpy() + values['distortion'].numpy()
  assert sums[-10:].mean() < sums[:10].mean() - 5


def test_a_multi_beta_model_has_each_beta(tiny):
  """The classes of each beta are decoded at that beta."""
  config = make_config(beta='0.5:4')
  model = stirred(config, tiny.train.images)
  assert model.betas_in_a_batch == 2
  images = tf.constant(tiny.test.images[:4], tf.float32)
  log_betas = tf.math.log(tf.constant([0.6, 0.6, 3.0, 3.0]))
  networks = model.for_batch(log_betas, 2)
  found = objectives.enumerated_rate_and_distortion(
    networks.encoder(images),
    networks.marginal(),
    enumeration.log_probs(networks.decoder, images, 5),
  )
  for beta, where in ((0.6, slice(0, 2)), (3.0, slice(2, 4))):
    at = model.at(beta)
    alone = objectives.enumerated_rate_and_distortion(
      at.encoder(images[where]),
      at.marginal(),
      enumeration.log_probs(at.decoder, images[where], 5),
    )
    for whole, part in zip(found, alone, strict=True):
      np.testing.assert_allclose(whole[where], part, rtol=1e-4)


@pytest.mark.parametrize(
  'beta', [2.0, pytest.param('0.5:4', marks=pytest.mark.slow)]
)
def test_a_training_resumes_to_the_same_bits(tiny, tmp_path, beta, monkeypatch):
  config = make_config(beta=beta)
  whole, parts = Run(tmp_path / 'whole'), Run(tmp_path / 'parts')
  training.train(config, tiny, whole, Execution(steps_per_call=6))
  real_save = checkpoints.save

  def save_and_signal(manager, step):
    real_save(manager, step)
    os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(checkpoints, 'save', save_and_signal)
  often = Execution(steps_per_call=2, checkpoint_minutes=0)
  stops = 0
  while not parts.finished:
    try:
      training.train(config, tiny, parts, often)
    except Stopped:
      stops += 1
  assert stops >= 2
  for a, b in zip(
    *(run.model().trainable_variables for run in (whole, parts)), strict=True
  ):
    np.testing.assert_array_equal(a, b)


def test_evaluation_has_every_column(digits, tmp_path):
  flags = ('--encoder=categorical', '--latent_size=6', '--batch_size=50')
  runs = f'--runs_dir={tmp_path}'
  call('train', runs, *flags, '--steps=20', dataset=digits)
  output = call(
    'evaluate', runs, '--num_samples=2', *FAST_CLASSIFIER, dataset=digits
  )
  assert 'doubtful' not in output
  [path] = tmp_path.iterdir()
  [row] = Run(path).rows
  assert (row['encoder'], row['marginal']) == ('categorical', 'categorical')
  for name in ('rate', 'distortion', 'label_distortion', 'information_upper'):
    assert row[name] > 0 and row[f'{name}_stderr'] > 0
  assert row['label_distortion_least'] > 0
  assert row['rate'] < math.log(6) + 0.5
