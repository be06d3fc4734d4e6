"""Comparison of trainings at one beta with multi-beta models."""

import dataclasses
import math

import plots_table
import pytest
from commands import call

from plots import compare, comparisons
from plots.table import Row


def make(beta, beta_trained='', **kwargs):
  """A row whose values are linear, so that interpolation is exact."""
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
  [comparison] = comparisons.comparisons([*CURVE, alone])
  assert comparison.own_objective == pytest.approx(90 + 3 * 17)
  log3 = math.log(3)
  expected = 65 + 20 * log3 + 3 * (30 - 10 * log3)
  assert comparison.objective == pytest.approx(expected)
  assert comparison.label_distortion == pytest.approx(1 - 0.02 * 17)
  text = compare.line(comparison)
  assert '| 141.00 |' in text
  assert f'{100 * (expected / 141 - 1):+.1f} %' in text
  assert '| 0.500 | 0.660 | +0.160 |' in text


def test_outside_of_the_curve_nothing_is_said():
  [comparison] = comparisons.comparisons([*CURVE, make(0.1)])
  assert comparison.objective is None
  assert comparison.label_distortion is None
  assert compare.line(comparison).count('–') == 4


def test_only_the_same_family_and_seed_are_compared():
  others = [
    make(1.0, marginal='maf'),
    make(1.0, seed=1.0),
    make(1.0, epochs=3.0),
    make(1.0, latent_size=2.0),
  ]
  assert not list(comparisons.comparisons([*CURVE, *others]))


def test_only_as_many_steps_are_compared():
  curve = [make(beta, '0.5:8', step=300.0) for beta in (0.5, 1.0, 2.0)]
  alone = [make(1.0, run=f'{n:g} steps', step=n) for n in (300.0, 1000.0)]
  [comparison] = comparisons.comparisons([*curve, *alone])
  assert comparison.row.run == '300 steps'


def test_a_convex_curve_is_followed_closely():
  def at(rate):
    return 2.3 * math.exp(-rate / 8)

  rates = (2.0, 8.0, 14.0, 20.0, 26.0)
  curve = [
    make(30 / rate, '1:15', rate=rate, label_distortion=at(rate))
    for rate in rates
  ]
  [comparison] = comparisons.comparisons([*curve, make(2.7, rate=11.0)])
  straight = (at(8.0) + at(14.0)) / 2
  assert straight - at(11.0) > 0.03
  assert abs(comparison.label_distortion - at(11.0)) < 0.01


def test_a_training_whose_beta_was_adapted_is_not_compared():
  held = dataclasses.replace(make(3.0), target_rate=8.5)
  assert list(comparisons.comparisons([*CURVE, held])) == []


def test_a_training_without_a_price_of_rate_is_not_compared():
  free = dataclasses.replace(make(1.0), beta=0.0)
  assert list(comparisons.comparisons([*CURVE, free])) == []


def test_an_annealed_curve_is_named():
  curve = [
    dataclasses.replace(row, kl_annealing_epochs=1.0, run='annealed')
    for row in CURVE
  ]
  compared = list(comparisons.comparisons([*CURVE, *curve, make(3.0)]))
  assert [one.trained for one in compared] == ['0.5:8', '0.5:8, annealed']


def test_trainings_by_steps_have_a_line_without_epochs(tmp_path):
  made = [
    row
    | {
      'epochs': None if row.get('seed') else 8,
      'label_accuracy_stderr': 0.01,
    }
    for row in plots_table.rows(('binarized_mnist',))
  ]
  path = plots_table.write(tmp_path / 'r.csv', made)
  text = call(
    'plots.trainings', f'--results={path}', '--datasets=binarized_mnist'
  )
  lines = [line.strip('| ').split(' | ') for line in text.splitlines()[2:]]
  assert {line[3] for line in lines} == {'8', '–'}
  alone = [r for r in made if r['method'] == 'vae' and not r['beta_trained']]
  assert len(lines) == len(alone)


def test_the_command_prints_a_line_for_each_run_at_one_beta():
  printed, _, summary = call('plots.compare').partition('\n\n')
  _, heading, *lines = printed.splitlines()
  assert set(heading) == {'|', '-'}
  assert len(lines) >= 4  # Two trainings of Omniglot, each with two tasks.
  columns = heading.count('|')
  assert all(line.count('|') == columns for line in lines)
  assert any('%' in line for line in lines)
  assert [line.split(':')[0] for line in summary.splitlines()] == [
    '- autoregressive',
    '- deconvolutional',
  ]


def test_how_many_are_met_is_counted():
  runs = [
    make(1.0),  # The same as the curve.
    make(2.0, distortion=70.0),  # The curve is more than 1 % above.
    make(0.5, distortion=200.0, label_distortion=0.9),  # The curve is better.
    make(0.1),  # Outside the curve.
  ]
  [text] = compare.summary(list(comparisons.comparisons([*CURVE, *runs])))
  assert text == (
    '- deconvolutional: D + βR of the curve is at most 1 % above in 2 of 3, '
    'and below in 1; C is within 0.03 nats in 2 of 3.'
  )
