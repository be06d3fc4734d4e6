"""Classifiers: C against a known Bayes value, repeats, stacks, and ends."""

import dataclasses
import functools
import os
import signal

import numpy as np
import pytest
import tensorflow as tf

from vae_info import machine
from vae_info.errors import Stopped, UserError
from vae_info.evaluation import classifiers
from vae_info.evaluation.classifiers import Examples, Settings

MEANS = np.array([[-1.0, 0.0], [1.0, 0.0]], np.float32)


def fit(settings, count=2_000):
  """Fits to codes of unit variance around two means."""
  labels = (np.arange(count) % 2).astype(np.int32)

  def draw(epoch):
    return MEANS[labels] + tf.random.stateless_normal([count, 2], [0, epoch])

  [classifier] = classifiers.fit_together(
    [Examples(draw, labels, 2, 2)], settings, 'classifier'
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
  # The Bayes value by quadrature over z_0 ~ Normal(1, 1), for the class at 1.
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
  examples = Examples(lambda epoch: inputs, labels, 2, 2)
  ours, keras = (classifiers.new(examples, settings) for _ in range(2))
  classifiers.fit(ours, examples, settings)
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


# Each network has 99 weights. So the three form a stack of two and one alone,
# or, if a stack may have no weights, three stacks of one.
@pytest.mark.parametrize(
  'most_weights', [10_000, pytest.param(0, marks=pytest.mark.slow)]
)
def test_fitted_together_each_is_as_fitted_alone(monkeypatch, most_weights):
  monkeypatch.setattr(machine, 'cores', lambda: 2)
  settings = Settings((8, 6), learning_rate=1e-2, epochs=3)

  def make(member):
    labels = ((np.arange(1_000) + member) % 3).astype(np.int32)

    def draw(epoch):
      noise = tf.random.stateless_normal([1_000, 2], [member, epoch])
      return noise + (member + 1.0) * labels[:, None]

    return Examples(draw, labels, 2, 3)

  examples = [make(member) for member in (0, 2, 4)]
  alone = [classifiers.new(each, settings) for each in examples]
  losses = []
  for each, classifier in zip(examples, alone, strict=True):
    classifiers.fit(classifier, each, settings)
    losses.append(-np.mean(classifier(each.draw(9)).log_prob(each.labels)))
  # Each classifier has learned, and from its own codes.
  assert losses[0] < 0.9 and losses[2] < losses[0] - 0.2
  monkeypatch.setattr(classifiers, 'MOST_WEIGHTS', most_weights)
  together = classifiers.fit_together(examples, settings)
  for one, member in zip(alone, together, strict=True):
    for a, b in zip(
      one.trainable_variables, member.trainable_variables, strict=True
    ):
      np.testing.assert_allclose(a, b, atol=2e-5)


def test_a_stack_computes_what_its_members_do():
  members = [
    classifiers.Mlp(2, 3, (8, 6), np.random.default_rng(k)) for k in range(3)
  ]
  codes = tf.random.stateless_normal([3, 5, 2], [0, 0])
  logits = classifiers.Stack(members).logits(codes)
  assert not np.allclose(logits[0], logits[1])
  for number, member in enumerate(members):
    np.testing.assert_allclose(
      logits[number], member.logits(codes[number]), atol=1e-5
    )


def test_after_a_failure_no_further_stack_is_begun(monkeypatch):
  monkeypatch.setattr(classifiers, 'MOST_WEIGHTS', 0)
  monkeypatch.setattr(machine, 'cores', lambda: 1)
  labels = np.zeros(8, np.int32)
  drawn = []

  def draw(member, epoch):
    drawn.append(member)
    return tf.fill([8, 2], np.float32(np.inf))

  examples = [
    Examples(functools.partial(draw, k), labels, 2, 3) for k in range(4)
  ]
  with pytest.raises(UserError, match='the loss of the pair is nan'):
    classifiers.fit_together(examples, Settings((), batch_size=8), 'pair')
  assert 3 not in drawn


def test_a_failure_and_a_signal_end_what_is_being_fitted(monkeypatch):
  """Stacks in other threads end after their current epoch."""
  monkeypatch.setattr(classifiers, 'MOST_WEIGHTS', 0)
  monkeypatch.setattr(machine, 'cores', lambda: 2)
  labels = np.zeros(8, np.int32)
  settings = Settings((), batch_size=8, epochs=100_000)
  drawn = []

  def draw(epoch):
    drawn.append(epoch)
    return tf.zeros([8, 2])

  def fail(epoch):
    raise OSError('no codes')

  def interrupt(epoch):
    if epoch == 5:
      os.kill(os.getpid(), signal.SIGTERM)
    return tf.zeros([8, 2])

  def stop(signum, frame):
    raise Stopped(signum)

  before = signal.signal(signal.SIGTERM, stop)
  try:
    for ending, error in ((fail, OSError), (interrupt, Stopped)):
      pair = [Examples(each, labels, 2, 3) for each in (draw, ending)]
      with pytest.raises(error):
        classifiers.fit_together(pair, settings)
      assert max(drawn) < settings.epochs - 1
  finally:
    signal.signal(signal.SIGTERM, before)


def test_families_have_names():
  assert Settings(()).family == 'linear'
  assert Settings().family == 'mlp 200-200'
  # Without a hidden layer the logits are affine.
  linear = classifiers.Mlp(2, 3, (), np.random.default_rng(0))
  a, b = linear.logits(tf.eye(2))
  zero = linear.logits(tf.zeros([1, 2]))[0]
  np.testing.assert_allclose(linear.logits(tf.ones([1, 2]))[0], a + b - zero)
