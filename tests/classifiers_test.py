"""Classifiers: C against a known Bayes value, repeats, and what is kept."""

import dataclasses
import functools
import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import classifiers
from vae_info.classifiers import Settings
from vae_info.config import UserError

tfd = tfp.distributions
MEANS = np.array([[-1.0, 0.0], [1.0, 0.0]], np.float32)


class GaussianCodes:
  """A model whose encoder's parameters are the means of its codes."""

  class encoder:
    @staticmethod
    def distribution(parameters):
      return tfd.Independent(tfd.Normal(parameters, 1.0), 1)


def fit(settings, count=2_000):
  labels = (np.arange(count) % 2).astype(np.int32)
  [classifier] = classifiers.fit_to_codes(
    [GaussianCodes], [MEANS[labels]], labels, 2, settings
  )
  return classifier


def test_two_gaussians_reach_the_bayes_label_distortion():
  classifier = fit(Settings((20,), learning_rate=1e-2, epochs=40))
  rng = np.random.default_rng(1)
  labels = rng.integers(0, 2, 50_000)
  codes = MEANS[labels] + rng.normal(size=[50_000, 2]).astype(np.float32)
  losses = -classifier(codes).log_prob(labels).numpy()
  # The posterior's log odds are (m1 - m0) . z = 2 z_0.
  odds = 2 * codes[:, 0] * (2 * labels - 1)
  bayes = np.log1p(np.exp(-odds))
  # The same by quadrature over z_0 ~ Normal(1, 1) of the class at 1.
  z = np.linspace(-9, 11, 20_001)
  density = np.exp(-0.5 * (z - 1) ** 2) / np.sqrt(2 * np.pi)
  exact = np.sum(density * np.log1p(np.exp(-2 * z))) * (z[1] - z[0])
  assert bayes.mean() == pytest.approx(exact, abs=0.01)
  assert 0 <= np.mean(losses - bayes) < 0.01


def test_the_same_seed_gives_the_same_weights():
  settings = Settings((8,), learning_rate=1e-2, epochs=3)
  first, second = fit(settings), fit(settings)
  other = fit(dataclasses.replace(settings, seed=1))
  for a, b, c in zip(
    first.trainable_variables,
    second.trainable_variables,
    other.trainable_variables,
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_one_step_is_that_of_keras_adam():
  import tf_keras

  settings = Settings((8,), learning_rate=1e-2, epochs=1, batch_size=100)
  labels = (np.arange(100) % 2).astype(np.int32)
  inputs = tf.random.stateless_normal([100, 2], [0, 1])
  ours, keras = (
    classifiers.Mlp(2, 2, (8,), np.random.default_rng(0)) for _ in range(2)
  )
  classifiers.fit(ours, lambda epoch: inputs, labels, settings)
  with tf.GradientTape() as tape:
    loss = -tf.reduce_mean(keras(inputs).log_prob(labels))
  gradients = tape.gradient(loss, keras.trainable_variables)
  tf_keras.optimizers.Adam(1e-2).apply_gradients(
    zip(gradients, keras.trainable_variables, strict=True)
  )
  for a, b in zip(
    ours.trainable_variables, keras.trainable_variables, strict=True
  ):
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_what_cannot_be_is_refused():
  with pytest.raises(UserError, match='classifier_epochs must be above 0'):
    Settings(epochs=0)
  with pytest.raises(UserError, match='must be numbers above 0'):
    Settings(hidden=(0,))
  with pytest.raises(UserError, match='4000 is larger than the 2000'):
    fit(Settings((4,), batch_size=4_000))
  with pytest.raises(UserError, match='the loss of the classifier is'):
    fit(Settings((4,), learning_rate=1e30, epochs=4))


def test_saved_and_loaded(tmp_path, caplog):
  settings = Settings((8,), epochs=1)
  classifier = fit(settings)
  classifiers.save(classifier, tmp_path, settings, {'step': 5})
  again, read = classifiers.load(tmp_path, 2, 2, step=5)
  assert read == settings
  codes = tf.ones([3, 2])
  np.testing.assert_array_equal(again.logits(codes), classifier.logits(codes))
  assert classifiers.load(tmp_path, 2, 2, step=6) is None
  assert classifiers.load(tmp_path / 'none', 2, 2, step=5) is None
  # Damage counts as absence, and is told.
  (tmp_path / 'weights.index').write_bytes(b'')
  assert classifiers.load(tmp_path, 2, 2, step=5) is None
  assert 'is damaged' in caplog.text
  (tmp_path / 'classifier.json').write_text(json.dumps({'step': 5}))
  assert classifiers.load(tmp_path, 2, 2, step=5) is None


@pytest.mark.parametrize('most_weights', [0, 250, 10**6])
def test_fitted_together_each_is_as_fitted_alone(monkeypatch, most_weights):
  # Each has 99 weights: stacks of one, of two, of as many as cores leave.
  monkeypatch.setattr(classifiers, 'MOST_WEIGHTS', most_weights)
  settings = Settings((8, 6), learning_rate=1e-2, epochs=3)
  labels = (np.arange(1_000) % 3).astype(np.int32)
  alone, together = (
    [classifiers.Mlp(2, 3, (8, 6), np.random.default_rng(k)) for k in range(5)]
    for _ in range(2)
  )

  def draw(member, epoch):
    noise = tf.random.stateless_normal([1_000, 2], [member, epoch])
    return noise + (member + 1.0) * labels[:, None]

  draws = [functools.partial(draw, k) for k in range(5)]
  classifiers.fit_together(together, draws, labels, settings)
  for one, fresh, member in zip(alone, draws, together, strict=True):
    classifiers.fit(one, fresh, labels, settings)
    for a, b in zip(
      one.trainable_variables, member.trainable_variables, strict=True
    ):
      np.testing.assert_allclose(a, b, atol=2e-5)
  # They have learned, and from different codes.
  losses = [
    -np.mean(member(fresh(9)).log_prob(labels))
    for member, fresh in zip(together, draws, strict=True)
  ]
  assert losses[0] < 0.9 and losses[4] < losses[0] - 0.2


def test_after_a_failure_no_further_stack_is_begun(monkeypatch):
  monkeypatch.setattr(classifiers, 'MOST_WEIGHTS', 0)
  monkeypatch.setattr(classifiers.os, 'sched_getaffinity', lambda _: {0})
  labels = np.zeros(8, np.int32)
  members = [
    classifiers.Mlp(2, 3, (), np.random.default_rng(0)) for _ in range(4)
  ]
  drawn = []

  def draw(member, epoch):
    drawn.append(member)
    return tf.fill([8, 2], np.float32(np.inf))

  draws = [functools.partial(draw, k) for k in range(4)]
  with pytest.raises(UserError, match='the loss of the pair is nan'):
    classifiers.fit_together(
      members, draws, labels, Settings((), batch_size=8), 'pair'
    )
  assert 3 not in drawn


def test_families_have_names():
  assert Settings(()).family == 'linear'
  assert Settings().family == 'mlp 200-200'
  # Without a hidden layer the logits are affine.
  linear = classifiers.Mlp(2, 3, (), np.random.default_rng(0))
  a, b = linear.logits(tf.eye(2))
  zero = linear.logits(tf.zeros([1, 2]))[0]
  np.testing.assert_allclose(linear.logits(tf.ones([1, 2]))[0], a + b - zero)
