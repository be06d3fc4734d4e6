"""Means over seeds: known errors and limits, and which rows are averaged."""

import math

import numpy as np
import plots_table
import pytest

from plots import label_distortion, seeds, style, table
from plots.seeds import Mean


def test_the_error_is_of_the_mean_over_seeds():
  mean = Mean.of([1.0, 2.0, 6.0], [9.0, 9.0, 9.0])
  assert mean.value == 3.0
  assert mean.stderr == pytest.approx(math.sqrt(7) / math.sqrt(3))
  assert (mean.freedom, mean.count) == (2, 3)
  assert str(mean) == '3.000 ± 1.528'


def test_one_seed_keeps_its_own_error():
  mean = Mean.of([0.5], [0.01])
  assert mean == Mean(0.5, 0.01)
  assert str(mean) == '0.500 ± 0.010†'
  assert str(mean.times(-1.0)) == '−0.500 ± 0.010†'


def test_limits_are_those_of_students_t():
  # Quantiles from tables: 2.920 with 2 degrees of freedom, 1.645 with many.
  assert Mean(1.0, 0.1, 2, 3).upper == pytest.approx(1.292, abs=1e-4)
  assert Mean(1.0, 0.1).upper == pytest.approx(1.1645, abs=1e-4)
  assert Mean(1.0, 0.1).lower == pytest.approx(0.8355, abs=1e-4)


def test_differences_have_the_freedom_of_welch():
  one, two = Mean(1.0, 0.3, 2, 3), Mean(0.4, 0.4, 4, 5)
  gap = one.minus(two)
  assert gap.value == pytest.approx(0.6)
  assert gap.stderr == pytest.approx(0.5)
  expected = 0.25**2 / (0.09**2 / 2 + 0.16**2 / 4)
  assert gap.freedom == pytest.approx(expected)
  assert one.minus(Mean(0.4, 0.0)).freedom == pytest.approx(2)
  same = seeds.average([one, one])
  assert same.value == pytest.approx(1.0)
  assert same.stderr == pytest.approx(0.3 / math.sqrt(2))
  of_same_images = seeds.average([one, two], independent=False)
  assert of_same_images.value == pytest.approx(0.7)
  assert of_same_images.stderr == pytest.approx(0.35)
  assert (of_same_images.freedom, of_same_images.count) == (2, 3)


def with_seeds(shifts, lacking=()):
  """Rows whose multi-beta models have a seed for each shift of C."""
  made = plots_table.rows(['binarized_mnist'])
  for row in made:
    if not row.get('beta_trained'):
      yield row
      continue
    for seed, shift in enumerate(shifts):
      if (seed, row['beta']) not in lacking:
        yield row | {
          'run': row['run'].replace('_seed0', f'_seed{seed}'),
          'seed': seed,
          'label_distortion': row['label_distortion'] + shift,
        }


def read(tmp_path, rows):
  return table.read(plots_table.write(tmp_path / 'x.csv', rows))


def test_rows_that_differ_in_their_seed_are_averaged(tmp_path):
  before = read(tmp_path, plots_table.rows(['binarized_mnist']))
  after = seeds.averaged(read(tmp_path, with_seeds((-0.01, 0.0, 0.04))))
  assert len(after) == len(before)
  ranged = [row for row in before if row.beta_trained]
  for old, new in zip(
    ranged, [row for row in after if row.beta_trained], strict=True
  ):
    assert (new.run, new.beta) == (old.run, old.beta)
    assert new.rate == pytest.approx(old.rate)
    assert new.seeds == 3
    assert new.label_distortion == pytest.approx(old.label_distortion + 0.01)
    error = np.std([-0.01, 0.0, 0.04], ddof=1) / math.sqrt(3)
    assert new.label_distortion_stderr == pytest.approx(error)
    assert new.rate_stderr == pytest.approx(0.0)
  others = [
    [row.run for row in rows if row.method != 'vae'] for rows in (before, after)
  ]
  assert others[0] == others[1]


def test_only_betas_that_all_seeds_have_remain(tmp_path):
  first = next(
    row
    for row in plots_table.rows(['binarized_mnist'])
    if row.get('beta_trained')
  )
  rows = read(tmp_path, with_seeds((0.0, 0.1), {(1, first['beta'])}))
  panels = label_distortion.make_panels(rows)
  means = [seeds.averaged_panel(panel) for panel in panels]
  [panel] = means
  ranged = [row for row in panel.rows if row.beta_trained]
  assert {row.seeds for row in ranged} == {2}
  assert first['beta'] not in {row.beta for row in ranged}
  lost = sum(row.beta == first['beta'] for row in rows if row.beta_trained)
  [note] = seeds.notes(panels, means)
  assert note.startswith(f'not drawn in the panel MNIST digit: {lost} results')


def test_the_key_says_what_a_bar_is(tmp_path):
  rows = read(tmp_path, with_seeds((0.0, 0.1)))
  texts = [entry.get_label() for entry in style.run_key(seeds.averaged(rows))]
  assert 'bar: standard error, of seeds if several' in texts
  texts = [entry.get_label() for entry in style.run_key(rows)]
  assert not any('bar' in text for text in texts)


def test_a_column_that_a_seed_lacks_is_empty(tmp_path):
  rows = list(with_seeds((0.0, 0.1)))
  for row in rows:
    if row.get('beta_trained') and row['seed'] == 1:
      row['label_preference'] = row['label_preference_stderr'] = ''
  for row in seeds.averaged(read(tmp_path, rows)):
    if row.beta_trained:
      assert row.label_preference is row.label_preference_stderr is None
      assert row.seeds == 2 and row.label_distortion is not None
