"""C with few labels: known answers, and no wild overfitting."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from vae_info.errors import UserError
from vae_info.evaluation import budgets, least
from vae_info.evaluation.least import Labelled
from vae_info.evaluation.options import Options, Settings

SETTINGS = Settings(hidden=(20,), epochs=12)


def world(train, classes=2, apart=1.0, noise=None):
  """Codes of classes that lie on a line; a function as `columns` takes it."""
  rng = np.random.default_rng(0)

  def draw(count):
    labels = rng.integers(0, classes, count).astype(np.int32)
    codes = rng.standard_normal([count, 4]).astype(np.float32)
    codes[:, 0] += 2 * apart * labels
    return codes, labels

  (codes, labels), validation, test = draw(train), draw(1_500), draw(1_500)
  if noise is not None:  # Labels that the codes do not know.
    labels = noise.integers(0, classes, train).astype(np.int32)

  def labelled(some):
    held = tf.constant(codes[some])
    return Labelled(lambda epoch: held, labels[some], validation, test, classes)

  return labelled


def bayes(labelled):
  codes, labels = labelled(np.arange(2)).test
  return np.log1p(np.exp(-2 * (codes[:, 0] - 1) * (2 * labels - 1))).mean()


def test_c_falls_with_labels_to_that_of_bayes():
  labelled = world(10_000)
  found = budgets.columns(labelled, 10_000, (100, 1_000, 10_000), SETTINGS)
  few, more, most = (
    found[f'label_distortion_{n}'] for n in (100, 1_000, 10_000)
  )
  best, error = bayes(labelled), found['label_distortion_10000_stderr']
  assert best - 3 * error < most <= more + 0.01 <= few + 0.02
  assert most < best + 0.02 and more < best + 0.04 and few < best + 0.2
  # A second time gives the same.
  again = budgets.columns(labelled, 10_000, (100,), SETTINGS)
  assert again.items() <= found.items()


def test_labels_that_the_code_does_not_know_cost_no_more_than_their_entropy():
  labelled = world(500, noise=np.random.default_rng(1))
  [found, _] = budgets.columns(labelled, 500, (100,), SETTINGS).values()
  assert found < math.log(2) + 0.03


def test_a_budget_sees_exactly_its_images_and_their_labels(monkeypatch):
  seen, mixed = [], []
  network, mix = least.network, least.mix

  def fit(labelled, *rest):
    seen.append(labelled)
    return network(labelled, *rest)

  def weigh(components, labelled):
    mixed.append(labelled)
    return mix(components, labelled)

  monkeypatch.setattr(least, 'network', fit)
  monkeypatch.setattr(least, 'mix', weigh)
  monkeypatch.setattr(budgets, 'ROUND', 250)
  whole = world(1_000)
  everything = whole(np.arange(1_000))
  once = dataclasses.replace(SETTINGS, epochs=1)
  budgets.columns(whole, 1_000, (100,), once)
  [few], [prior] = seen, mixed
  some = budgets.chosen(1_000, 100, once.seed)
  codes, labels = np.asarray(everything.draw(0)), everything.train
  # Thrice each, so that an epoch has 250 codes or more.
  np.testing.assert_array_equal(few.draw(0), np.tile(codes[some], [3, 1]))
  np.testing.assert_array_equal(few.train, np.tile(labels[some], 3))
  np.testing.assert_array_equal(prior.train, labels[some])


def test_a_budget_has_the_images_of_a_smaller_one():
  few, more = (budgets.chosen(1_000, n, 3) for n in (10, 100))
  np.testing.assert_array_equal(more[:10], few)
  assert len(set(more)) == 100 and more.max() < 1_000
  assert set(more) != set(budgets.chosen(1_000, 100, 4))


def test_what_has_no_column_or_too_few_images_is_refused():
  with pytest.raises(UserError, match='of 100, 1000, 10000, got 7'):
    Options(label_budgets=(100, 7))
  with pytest.raises(UserError, match='at most the 64 training images, got 10'):
    budgets.columns(world(64), 64, (100,), SETTINGS)
