"""Numbers and verdicts of the claims follow from the table of results."""

import dataclasses
import math

import pytest

from plots import claims, table
from plots.curves import interpolated
from plots.evidence import Evidence
from plots.pages import ROOT
from vae_info.errors import UserError

ROWS = table.read(ROOT / 'plots' / 'results.csv')


def evidence(change=lambda row: row):
  """Evidence for each task, from the repository's table with changed rows."""
  rows = [change(row) for row in ROWS]
  return {task: Evidence(rows, task) for task in claims.TASKS}


def with_losses(factor, **where):
  """A function that multiplies C in the rows with these attributes."""

  def change(row):
    if any(getattr(row, name) != value for name, value in where.items()):
      return row
    loss = factor * row.label_distortion
    return dataclasses.replace(row, label_distortion=loss)

  return change


def test_all_claims_are_there():
  for brief in (False, True):
    lines = claims.claims_table(evidence(), brief).splitlines()
    assert len(lines) == 2 + 7
    assert all(line.count('|') == 5 for line in lines)


@pytest.mark.parametrize(
  ('claim', 'change', 'before', 'after'),
  [
    (
      claims.retained,
      with_losses(0.1, decoder='deconvolutional', task='digit'),
      'partly',
      'seen',
    ),
    (
      claims.retained,
      with_losses(2, decoder='deconvolutional', task='digit'),
      'partly',
      'not seen',
    ),
    (
      claims.autoregressive_at_8,
      with_losses(0.1, decoder='autoregressive', task='digit'),
      'not seen',
      'seen',
    ),
    (
      claims.below_pca,
      with_losses(2, method='pca', task='digit'),
      'seen, but for some autoregressive trainings',
      'seen',
    ),
    (
      claims.decoders,
      with_losses(2, decoder='deconvolutional'),
      'seen for digits, the reverse for alphabets and characters',
      'the reverse for digits and alphabets and characters',
    ),
    (
      claims.random_encoders,
      with_losses(0.1, method='random_conv'),
      'seen',
      'not seen',
    ),
    (
      claims.preferences,
      with_losses(2, method='pca', task='alphabet'),
      'seen',
      'partly',
    ),
    (
      claims.marginals,
      with_losses(0.5, marginal='vampprior', task='character'),
      'seen, but for characters with the autoregressive decoder',
      'seen',
    ),
  ],
)
def test_a_verdict_follows_the_numbers(claim, change, before, after):
  assert claim(evidence()).verdict == before
  assert claim(evidence(change)).verdict == after


def test_what_the_table_lacks_is_said():
  with pytest.raises(UserError, match='no row of omniglot, task alphabet'):
    Evidence([row for row in ROWS if row.task == 'digit'], 'alphabet')
  digits = Evidence([r for r in ROWS if r.marginal != 'maf'], 'digit')
  with pytest.raises(UserError, match='no curve of deconvolutional, maf'):
    digits.losses('deconvolutional', 17.0)


def test_random_discarding_is_a_line():
  digits = evidence()['digit']
  entropy = digits.label_entropy
  assert digits.random_discard(79.78 / 2) == pytest.approx(entropy / 2)


def test_interpolation_is_monotone_and_stays_within_the_points():
  places, values = (20.0, 2.0, 8.0), (0.1, 2.0, 0.5)
  assert interpolated(8.0, places, values) == pytest.approx(0.5)
  assert 0.1 < interpolated(12.0, places, values) < 0.5
  assert interpolated(1.0, places, values) is None
  assert not math.isnan(interpolated(20.0, places, values))
