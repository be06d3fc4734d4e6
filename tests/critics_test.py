"""Learned critics: below the truth, and known answers of the formulas."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from vae_info.evaluation import critics
from vae_info.evaluation.critics import OBJECTIVES, Views

QUICK = dataclasses.replace(
  critics.SETTINGS, epochs=16, batch_size=250, learning_rate=5e-3
)


def channel(nats, size=3, count=4_000, dependent=True):
  """z = x + noise of variance 1, with so much information."""
  power = math.expm1(2 * nats / size)
  rng = np.random.default_rng(0)

  def draw(images):
    noise = np.random.default_rng([7, images]).standard_normal([images, size])
    x = math.sqrt(power) * rng.standard_normal([images, size])
    z = x + noise
    if not dependent:
      z = z[rng.permutation(images)]
    return x.astype(np.float32), z.astype(np.float32)

  (x, z), validation, test = draw(count), draw(1_500), draw(2_000)

  def codes(epoch):
    fresh = np.random.default_rng([9, epoch]).standard_normal(x.shape)
    return tf.constant(x + fresh if dependent else z, tf.float32)

  return Views(codes, x, validation, test)


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
  monkeypatch.setattr(critics, 'HIDDEN', (64,))
  monkeypatch.setattr(critics, 'EMBEDDING', 16)


@pytest.mark.parametrize(
  'nats', [1.0, pytest.param(3.0, marks=pytest.mark.slow)]
)
def test_each_bound_is_below_the_closed_form_and_near_it(nats):
  found = critics.measure(channel(nats), QUICK)
  assert [bound.name for bound in found] == [*OBJECTIVES]
  for bound in found:
    assert bound.mean < nats + 3 * bound.stderr, bound
    assert bound.mean > 0.6 * nats, bound
    assert bound.holds and bound.stderr > 0.0


def test_infonce_is_at_most_the_logarithm_of_the_images():
  rng = np.random.default_rng(0)
  for strength in (0.0, 1.0, 30.0):  # The last tells all pairs apart.
    left = rng.standard_normal([300, 20]).astype(np.float32)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    bound = critics.bound_of_factors('InfoNCE', left, strength * left)
    assert bound.mean <= math.log(300) + 1e-6
  assert bound.mean > math.log(300) - 0.01


@pytest.mark.slow
def test_beyond_the_logarithm_of_the_images_only_what_holds_is_a_bound():
  nats = 12.0
  infonce, *others = critics.measure(channel(nats, size=6), QUICK)
  assert 4.0 < infonce.mean <= math.log(2_000) + 1e-6
  for bound in others:
    assert not bound.holds or bound.mean < nats + 3 * bound.stderr


def test_independence_gives_about_nothing():
  settings = dataclasses.replace(QUICK, epochs=4)
  for bound in critics.measure(channel(2.0, dependent=False), settings):
    assert abs(bound.mean) < 3 * bound.stderr + 0.01, bound
    assert 'at most I(X;Z)' in critics.described(bound)['bounds']


@pytest.mark.parametrize('name', OBJECTIVES)
def test_bounds_of_all_pairs_are_those_of_tensorflow_probability(
  name, monkeypatch
):
  monkeypatch.setattr(critics, 'BLOCK', 7)  # It does not divide 40.
  rng = np.random.default_rng(2)
  left, right = rng.standard_normal([2, 40, 5]).astype(np.float32)
  right += left  # Own pairs score higher.
  expected = OBJECTIVES[name](tf.constant(left @ right.T)).numpy()
  bound = critics.bound_of_factors(name, left, right)
  assert bound.mean == pytest.approx(expected, rel=1e-4)
  assert 0.0 <= bound.share < 1.0


def test_the_bound_of_donsker_and_varadhan_by_hand():
  scores = tf.constant([[2.0, 0.0], [math.log(3.0), 4.0]])
  # (2 + 4) / 2 - ln((1 + 3) / 2)
  assert critics.donsker_varadhan(scores).numpy() == pytest.approx(
    3.0 - math.log(2.0)
  )


def test_errors_are_those_of_repetitions():
  # A fixed critic f = x z, so that only the images differ.
  def draw(seed):
    x, noise = np.random.default_rng(seed).standard_normal([2, 300, 1])
    left = np.concatenate([0.3 * x + 0.3 * noise, np.ones_like(x)], axis=1)
    return left, np.concatenate([x, -0.3 * x**2], axis=1)

  for name in OBJECTIVES:
    found = [critics.bound_of_factors(name, *draw(s)) for s in range(200)]
    spread = np.std([bound.mean for bound in found])
    typical = np.median([bound.stderr for bound in found])
    assert typical == pytest.approx(spread, rel=0.2), name


def test_a_loss_that_is_not_finite_keeps_the_best_critic(monkeypatch):
  monkeypatch.setattr(critics, 'OBJECTIVES', {'NWJ': OBJECTIVES['NWJ']})
  wild = dataclasses.replace(QUICK, epochs=3, learning_rate=1e6)
  [bound] = critics.measure(channel(1.0, count=500), wild)
  assert bound.mean == pytest.approx(0.0, abs=0.05)


def test_validation_images_choose_and_test_images_are_reported(monkeypatch):
  monkeypatch.setattr(critics, 'OBJECTIVES', {'DV': OBJECTIVES['DV']})
  views, shown, bound = (
    channel(1.0, count=500).standardised(),
    [],
    critics.bound,
  )

  def kept(critic, name, *split):
    shown.append((split, bound(critic, name, *split)))
    return shown[-1][1]

  monkeypatch.setattr(critics, 'bound', kept)
  [found] = critics.measure(views, dataclasses.replace(QUICK, epochs=2))
  *chosen, (test, last) = shown
  assert found is last and len(chosen) == 3  # At the start, and each epoch.
  for split, _ in chosen:
    for seen, expected in zip(split, views.validation, strict=True):
      np.testing.assert_allclose(seen, expected, atol=1e-4)
  for seen, expected in zip(test, views.test, strict=True):
    np.testing.assert_allclose(seen, expected, atol=1e-4)
