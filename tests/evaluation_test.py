"""Evaluation: every image once, whatever the batch, and known answers."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import classifiers, evaluation, model as models
from vae_info.config import Config

tfd = tfp.distributions


@pytest.fixture(scope='module')
def images(tiny):
  return tiny.test.images


def build(tiny, **kwargs):
  return models.build(Config(latent_size=4, **kwargs), tiny.train.images)


def test_estimate_is_the_mean_and_its_standard_error():
  estimate = evaluation.Estimate.of(np.array([1.0, 2.0, 3.0, 6.0]))
  assert estimate.mean == 3.0
  assert estimate.stderr == pytest.approx(np.sqrt(14 / 3) / 2)


def test_batches_are_static_and_cover_all():
  parts = list(evaluation.batches(4, np.arange(10), np.arange(10) * 2))
  assert [real for real, _ in parts] == [4, 4, 2]
  assert all(x.shape == y.shape == [4] for _, (x, y) in parts)
  double = evaluation.map_batches(lambda x: 2 * x, 4, np.arange(10))
  np.testing.assert_array_equal(double, 2 * np.arange(10))


@pytest.mark.parametrize('encoder', ['conv', 'iaf'])
@pytest.mark.parametrize('marginal', ['gaussian', 'maf', 'vampprior'])
def test_the_batch_size_changes_nothing(tiny, images, encoder, marginal):
  model = build(
    tiny, encoder=encoder, marginal=marginal, decoder='autoregressive'
  )
  whole = evaluation.rate_and_distortion(model, images, 2, len(images))
  assert whole[0].shape == whole[1].shape == (len(images),)
  for size in (1_000, 20, 7):
    parts = evaluation.rate_and_distortion(model, images, 2, size)
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-4)


def test_rate_agrees_with_the_closed_form(tiny, images):
  model = build(tiny)
  rates, _ = evaluation.rate_and_distortion(model, images, num_samples=400)
  encoding = model.encoder(images.astype(np.float32)).distribution
  kl = encoding.kl_divergence(tfd.Normal(0.0, 1.0)).numpy().sum(-1)
  # Over the same images, what is left is the error of sampling.
  one, _ = evaluation.rate_and_distortion(model, images, 1, seed=7)
  stderr = np.std(one - kl) / np.sqrt(400 * len(images))
  assert abs(rates.mean() - kl.mean()) < 3 * stderr


def test_more_samples_lower_the_spread_and_keep_the_mean(tiny, images):
  model = build(tiny)
  few, _ = evaluation.rate_and_distortion(model, images, 1)
  many, _ = evaluation.rate_and_distortion(model, images, 64)
  assert many.std() < few.std()
  assert abs(many.mean() - few.mean()) < 4 * few.std() / np.sqrt(len(few))


def test_a_uniform_classifier_has_the_entropy_of_uniform_labels(tiny, images):
  model = build(tiny)
  rng = np.random.default_rng(0)
  classifier = classifiers.Mlp(4, 10, (5,), rng)
  for variable in classifier.trainable_variables:
    variable.assign(tf.zeros_like(variable))
  labels = tiny.test.labels['quadrant']
  losses, right = evaluation.label_distortion(model, classifier, images, labels)
  np.testing.assert_allclose(losses, np.full(len(labels), 2.3026), atol=1e-4)
  np.testing.assert_array_equal(right, labels == 0)
