"""Reference lines and numbers against known values."""

import numpy as np
import pytest

from vae_info import references


def test_the_urn_of_the_introduction():
  # The chance to draw all 3 red balls out of 100. In 70 draws it is 34 %, as in
  # the paper; in 10 it is 10 * 9 * 8 / (100 * 99 * 98), in the paper 0.1 %.
  assert references.chance_of_all(3, 100, 70) == pytest.approx(0.3385, abs=5e-5)
  assert references.chance_of_all(3, 100, 10) == pytest.approx(720 / 970_200)
  assert references.chance_of_all(3, 100, 10) == pytest.approx(7.4e-4, rel=0.01)
  assert references.chance_of_all(3, 100, 2) == 0


def test_random_discarding_keeps_labels_in_proportion():
  line = references.random_discard(np.array([0, 39.89, 79.78, 99]), 2.3, 79.78)
  np.testing.assert_allclose(line, [2.3, 1.15, 0, 0], atol=1e-12)
  floor = references.hard_floor(np.array([0.0, 1.0, 2.3, 50.0]), 2.3)
  np.testing.assert_allclose(floor, [2.3, 1.3, 0, 0])


def test_label_preference_is_one_on_the_line_of_random_discarding():
  rates = np.full(10, 20.0)
  losses = references.random_discard(rates, 2.3, 80.0)
  assert references.label_preference(losses, rates, 2.3, 80.0) == (
    pytest.approx(1.0),
    pytest.approx(0.0, abs=1e-12),
  )
  # The code keeps the whole label in 20 of 80 nats. Random discarding would
  # keep a quarter of it.
  assert references.label_preference(
    np.zeros(10), 20.0, 2.3, 80.0
  ) == pytest.approx((4.0, 0.0))
  assert references.label_preference(losses, 0.0, 2.3, 80.0) == (None, None)
  # Of one class there is nothing to prefer.
  assert references.label_preference(losses, 1.0, 0.0, 80.0) == (None, None)


@pytest.mark.parametrize('correlation', [-0.8, 0.0, 0.8])
def test_label_preference_has_the_spread_it_says(correlation):
  rng = np.random.default_rng(0)
  count, repeats = 400, 2_000
  common = rng.normal(size=[repeats, count])
  own = rng.normal(size=[repeats, count])
  rates = 20.0 + 3.0 * common
  losses = 1.0 + 0.3 * (
    correlation * common + np.sqrt(1 - correlation**2) * own
  )
  told = [
    references.label_preference(*pair, 2.3, 80.0)
    for pair in zip(losses, rates, strict=True)
  ]
  values, errors = np.array(told).T
  assert errors.mean() == pytest.approx(values.std(), rel=0.06)
