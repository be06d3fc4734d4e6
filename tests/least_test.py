"""Least C: a mixture of classifiers, always a valid one."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from vae_info.evaluation import least
from vae_info.evaluation.least import Labelled
from vae_info.evaluation.options import Settings


def two_heaps(count, rng, apart=2.0):
  """Codes of two classes, and their true ln c(y|z)."""
  labels = rng.integers(0, 2, count).astype(np.int32)
  codes = rng.standard_normal([count, 2]).astype(np.float32)
  codes[:, 0] += apart * (2 * labels - 1)
  logits = np.stack([-2 * apart * codes[:, 0], 2 * apart * codes[:, 0]], 1) / 2
  return codes, labels, logits


@pytest.fixture
def labelled():
  rng = np.random.default_rng(0)
  (train, labels, _), validation, test = (
    two_heaps(count, rng, 1.0) for count in (2_000, 1_000, 1_000)
  )
  return Labelled(
    lambda epoch: tf.constant(train), labels, validation[:2], test[:2], 2
  )


def bayes(labelled):
  """The C of the true posterior at the test codes."""
  codes, labels = labelled.test
  return np.log1p(np.exp(-2 * codes[:, 0] * (2 * labels - 1))).mean()


def test_the_mixture_is_as_good_as_the_best_and_not_below_bayes(
  labelled, monkeypatch
):
  monkeypatch.setattr(least, 'SIZES', ((8,),))
  found = least.fit(labelled, {}, Settings(epochs=3))
  best, stderr = bayes(labelled), found.losses.std() / math.sqrt(1_000)
  assert found.losses.mean() < best + 0.02
  assert found.losses.mean() > best - 3 * stderr
  assert sum(found.weights.values()) == pytest.approx(1.0)
  assert set(found.weights) == {
    'frequencies',
    'mlp 8',
    'Gaussian',
    'common Gaussian',
  }
  # A second fit is the same.
  again = least.fit(labelled, {}, Settings(epochs=3))
  np.testing.assert_array_equal(found.losses, again.losses)


def test_a_known_classifier_of_the_same_size_counts_too(labelled, monkeypatch):
  monkeypatch.setattr(least, 'SIZES', ((8,),))
  perfect = tuple(
    np.log(np.where(np.eye(2)[labels], 1 - 1e-6, 1e-6))
    for _, labels in (labelled.validation, labelled.test)
  )
  found = least.fit(labelled, {'mlp 8': perfect}, Settings(epochs=3))
  assert found.losses.mean() < 1e-4
  assert {'mlp 8', 'mlp 8, 3 epochs'} < set(found.weights)


def test_temperatures_mend_overconfidence(labelled):
  def logits(codes, confidence):
    return confidence * np.stack([-codes[:, 0], codes[:, 0]], axis=1)

  validation, test = labelled.validation[0], labelled.test[0]
  wild = {'wild': (logits(validation, 20.0), logits(test, 20.0))}
  found = least.mix(wild, labelled)
  assert found.losses.mean() == pytest.approx(bayes(labelled), abs=0.02)


def test_nothing_known_gives_the_frequencies(labelled):
  useless = {'noise': (np.zeros([1_000, 2]), np.zeros([1_000, 2]))}
  found = least.mix(useless, labelled)
  assert found.losses.mean() == pytest.approx(math.log(2), abs=0.01)


def test_test_images_and_labels_choose_nothing(labelled, monkeypatch):
  monkeypatch.setattr(least, 'SIZES', ((8,),))
  codes, labels = labelled.test
  # The other label of each image; half of the images are others too.
  moved = np.concatenate([codes[:500], 3.0 * codes[500:]])
  changed = dataclasses.replace(labelled, test=(moved, 1 - labels))
  one, two = (
    least.fit(some, {}, Settings(epochs=2)) for some in (labelled, changed)
  )
  assert one.weights == two.weights and one.validation == two.validation
  # So both have the same c(y|z), which a choice by labels would not leave.
  total = np.exp(-one.losses[:500]) + np.exp(-two.losses[:500])
  np.testing.assert_allclose(total, 1.0, rtol=1e-6)


def test_the_posterior_is_normalised_and_never_zero():
  logs = np.array([[-2_000.0, -2_001.0, -np.inf]], np.float32)
  found = np.exp(least.posterior(logs))
  np.testing.assert_allclose(found[0, :2], [0.7311, 0.2689], atol=1e-3)
  assert 0 < found[0, 2] < 2e-6
