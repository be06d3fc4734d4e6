"""Runs of one beta beside the curve of a run of a range."""

import dataclasses
import math

import pytest

from plots import compare
from plots.table import Row


def make(beta, beta_trained='', **kwargs):
  """A row on lines that interpolation follows exactly."""
  fields = {field.name: None for field in dataclasses.fields(Row)}
  rate = 30 - 10 * math.log(beta)
  fields |= {
    'line': 2,
    'run': f'run{beta_trained or beta}',
    'method': 'vae',
    'dataset': 'binarized_mnist',
    'task': 'digit',
    'encoder': 'conv',
    'decoder': 'deconvolutional',
    'marginal': 'gaussian',
    'seed': 0.0,
    'beta': beta,
    'beta_trained': beta_trained,
    'rate': rate,
    'distortion': 65 + 20 * math.log(beta),
    'label_distortion': 1.0 - 0.02 * rate,
  }
  return Row(**(fields | kwargs))


CURVE = [make(beta, '0.5:8') for beta in (0.5, 1.0, 2.0, 4.0, 8.0)]


def test_objective_at_the_same_beta_and_c_at_the_same_rate():
  alone = make(3.0, distortion=90.0, rate=17.0, label_distortion=0.5)
  [found] = compare.comparisons([*CURVE, alone])
  assert found.own_objective == pytest.approx(90 + 3 * 17)
  log3 = math.log(3)
  expected = 65 + 20 * log3 + 3 * (30 - 10 * log3)
  assert found.objective == pytest.approx(expected)
  assert found.label_distortion == pytest.approx(1 - 0.02 * 17)
  text = compare.line(found)
  assert '| 141.00 |' in text
  assert f'{100 * (expected / 141 - 1):+.1f} %' in text
  assert '| 0.500 | 0.660 | +0.160 |' in text


def test_outside_of_the_curve_nothing_is_said():
  [found] = compare.comparisons([*CURVE, make(0.1)])
  assert found.objective is None
  assert found.label_distortion is None
  assert compare.line(found).count('–') == 4


def test_only_the_same_family_and_seed_are_compared():
  others = [
    make(1.0, marginal='maf'),
    make(1.0, seed=1.0),
    make(1.0, epochs=3.0),
    make(1.0, latent_size=2.0),
  ]
  assert not list(compare.comparisons([*CURVE, *others]))


def test_a_convex_curve_is_followed_closely():
  def at(rate):
    return 2.3 * math.exp(-rate / 8)

  rates = (2.0, 8.0, 14.0, 20.0, 26.0)
  curve = [
    make(30 / rate, '1:15', rate=rate, label_distortion=at(rate))
    for rate in rates
  ]
  [found] = compare.comparisons([*curve, make(2.7, rate=11.0)])
  straight = (at(8.0) + at(14.0)) / 2
  assert straight - at(11.0) > 0.03
  assert abs(found.label_distortion - at(11.0)) < 0.01


def test_an_annealed_curve_is_told():
  curve = [
    dataclasses.replace(row, kl_annealing_epochs=1.0, run='annealed')
    for row in CURVE
  ]
  found = list(compare.comparisons([*CURVE, *curve, make(3.0)]))
  assert [one.trained for one in found] == ['0.5:8', '0.5:8, annealed']
