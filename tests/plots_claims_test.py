"""Numbers and verdicts of the claims follow from the table of results."""

import dataclasses
import math
import re

import pytest

from plots import claim_rules, claims, table
from plots.curves import interpolated
from plots.evidence import Evidence
from plots.pages import ROOT
from vae_info.errors import UserError

ROWS = table.read(ROOT / 'plots' / 'results.csv')


def evidence(change=lambda row: row):
  """Evidence for each task, from the repository's table with changed rows."""
  return claims.evidence([change(row) for row in ROWS])


def with_losses(factor, **where):
  """A function that multiplies C in the rows with these attributes."""

  def change(row):
    if any(getattr(row, name) != value for name, value in where.items()):
      return row
    loss = factor * row.label_distortion
    return dataclasses.replace(row, label_distortion=loss)

  return change


def test_all_claims_are_there():
  for brief, bars in ((False, 6), (True, 5)):
    lines = claims.claims_table(evidence(), brief).splitlines()
    assert len(lines) == 2 + 7
    assert all(line.count('|') == bars for line in lines)


@pytest.mark.parametrize(
  ('claim', 'change', 'verdict'),
  [
    (
      claim_rules.retained,
      with_losses(0.1, decoder='deconvolutional', task='digit'),
      'seen',
    ),
    (
      claim_rules.retained,
      with_losses(3, decoder='deconvolutional', task='digit'),
      'not seen',
    ),
    (
      claim_rules.kept_once,
      with_losses(0.1, decoder='autoregressive', task='digit'),
      'seen',
    ),
    (
      claim_rules.kept_once,
      with_losses(0.75, decoder='autoregressive', task='digit'),
      'partly',
    ),
    (
      claim_rules.kept_once,
      with_losses(3, decoder='autoregressive', task='digit'),
      'not seen',
    ),
    (claim_rules.below_pca, with_losses(2, method='pca', task='digit'), 'seen'),
    (
      claim_rules.below_pca,
      with_losses(0.3, method='pca', task='digit'),
      'not seen',
    ),
    (
      claim_rules.decoders,
      with_losses(3, decoder='deconvolutional'),
      'the reverse for digits, alphabets and characters',
    ),
    (
      claim_rules.decoders,
      with_losses(3, decoder='autoregressive'),
      'seen for digits, alphabets and characters',
    ),
    (
      claim_rules.random_encoders,
      with_losses(0.1, method='random_conv'),
      'not seen',
    ),
    (claim_rules.random_encoders, with_losses(2, method='random_conv'), 'seen'),
    (
      claim_rules.preferences,
      with_losses(2, method='pca', task='alphabet'),
      'seen, but for tracking PCA',
    ),
    (
      claim_rules.marginals,
      with_losses(0.5, marginal='vampprior', dataset='omniglot'),
      'seen',
    ),
    (
      claim_rules.marginals,
      with_losses(2, marginal='vampprior', dataset='omniglot'),
      'not seen',
    ),
  ],
)
def test_a_verdict_follows_the_numbers(claim, change, verdict):
  assert claim(evidence(change)).verdict == verdict


def test_a_claim_is_seen_only_beyond_its_error():
  def losses(stderr):
    """C of the deconvolutional decoders is 0.03 above the best network."""
    best = evidence()('digit').supervised.value

    def change(row):
      if (row.decoder, row.task) != ('deconvolutional', 'digit'):
        return row
      return dataclasses.replace(
        row,
        label_distortion=best + 0.03,
        label_distortion_stderr=stderr,
      )

    first = [change(row) for row in ROWS if not row.seed]
    return claims.evidence(first)

  assert claim_rules.retained(losses(0.001)).verdict == 'seen'
  assert claim_rules.retained(losses(0.1)).verdict == 'partly'


def test_an_augmented_training_does_not_count_for_claim_2():
  def change(augmentation):
    cheap = with_losses(0.01, decoder='autoregressive', marginal='vampprior')
    return evidence(
      lambda row: dataclasses.replace(
        cheap(row),
        augmentation=augmentation if cheap(row) is not row else '',
      )
    )

  assert claim_rules.kept_once(change('')).verdict == 'seen'
  assert claim_rules.kept_once(change('affine')).verdict == 'not seen'


def test_the_least_c_stands_beside_c_where_the_table_has_it():
  def change(row):
    return dataclasses.replace(
      row,
      label_distortion_least=0.5 * row.label_distortion,
      label_distortion_least_stderr=0.001,
    )

  tasks = evidence(change)
  family = tasks('digit').family('deconvolutional', 'maf')
  c, least = family.at(17.0), family.at(17.0, 'label_distortion_least')
  assert least.value == pytest.approx(0.5 * c.value)
  assert f'| {c} [{least}] |' in claims.families_table(tasks)

  def without(row):
    return dataclasses.replace(row, label_distortion_least=None)

  numbers = claims.families_table(evidence(without)).splitlines()[2:]
  assert len(numbers) == 9
  assert '[' not in ''.join(numbers)


def test_what_the_table_lacks_is_said():
  with pytest.raises(UserError, match='no row of omniglot, task alphabet'):
    Evidence([row for row in ROWS if row.task == 'digit'], 'alphabet')
  digits = Evidence([r for r in ROWS if r.marginal != 'maf'], 'digit')
  with pytest.raises(UserError, match='no curve of deconvolutional, maf'):
    digits.losses('deconvolutional', 17.0)
  few = claims.evidence([row for row in ROWS if row.task == 'digit'])
  lines = claims.claims_table(few).splitlines()[2:]
  lacking = [line for line in lines if '*not measured*' in line]
  assert [line[2] for line in lacking] == ['4', '6', '7']
  assert all('no row of omniglot' in line for line in lacking)


def test_a_family_is_the_mean_of_its_seeds_at_a_rate():
  others = [
    dataclasses.replace(
      row,
      run=row.run.replace('_seed0', f'_seed{seed}'),
      seed=float(seed),
      label_distortion=(1.0 + 0.1 * seed) * row.label_distortion,
    )
    for row in ROWS
    for seed in (1, 2)
    if row.task == 'digit' and row.method == 'vae' and not row.seed
  ]
  digits = Evidence([*(row for row in ROWS if not row.seed), *others], 'digit')
  family = digits.family('deconvolutional', 'gaussian')
  assert [curve.first.seed for curve in family.curves] == [0, 1, 2]
  each = [curve.at(17.0) for curve in family.curves]
  mean = family.at(17.0)
  assert mean.value == pytest.approx(sum(each) / 3)
  assert (mean.count, mean.freedom) == (3, 2)
  assert digits.at('deconvolutional', 'gaussian', 17.0) == mean


def test_random_discarding_is_a_line():
  digits = evidence()('digit')
  entropy = digits.label_entropy
  assert digits.random_discard(79.78 / 2) == pytest.approx(entropy / 2)


def test_interpolation_is_monotone_and_stays_within_the_points():
  places, values = (20.0, 2.0, 8.0), (0.1, 2.0, 0.5)
  assert interpolated(8.0, places, values) == pytest.approx(0.5)
  assert 0.1 < interpolated(12.0, places, values) < 0.5
  assert interpolated(1.0, places, values) is None
  assert not math.isnan(interpolated(20.0, places, values))


def test_the_finest_training_has_the_least_distortion():
  digits = evidence()('digit')
  best = digits.finest('autoregressive', 'vampprior', 17.0)
  least = best.at(17.0, 'distortion').value
  others = [
    family.at(17.0, 'distortion')
    for family in digits.usual('autoregressive', 'vampprior')
  ]
  assert least == min(other.value for other in others if other)
  assert sum(other is not None for other in others) > 1
  assert digits.finest('autoregressive', 'vampprior', 1e3) is None
  assert best != digits.family('autoregressive', 'vampprior')
  [line] = [
    line
    for line in claims.families_table(evidence()).splitlines()
    if line.startswith('| digits | VampPrior |')
  ]
  assert line.endswith(f' | {best.at(17.0)} |')


def test_the_lowest_c_of_claim_2_is_a_mean_over_seeds():
  held = [row for row in ROWS if row.target_rate and row.task == 'digit']
  place = 'autoregressive', 8.5
  first = next(row for row in held if (row.decoder, row.target_rate) == place)
  seeds = [
    dataclasses.replace(
      first, run=f'held_seed{seed}', seed=seed, label_distortion=loss
    )
    for seed, loss in enumerate((0.02, 0.03, 0.07))
  ]
  digits = claims.evidence([*ROWS, *seeds])('digit')
  loss, name = claim_rules.lowest(digits)
  assert (loss.value, loss.count) == (pytest.approx(0.04), 3)
  assert name == 'vampprior, R held at 8.5 nats, 25 epochs, 3 seeds'


def test_trainings_with_the_least_distortion_stand_beside_claim_4():
  digits = evidence()('digit')
  best = digits.finest('autoregressive', 'vampprior', claim_rules.EQUAL_RATE)
  assert best != digits.family('autoregressive', 'vampprior')
  loss = best.at(claim_rules.EQUAL_RATE)
  doubled = evidence(
    with_losses(2, run=best.curves[0].first.run, task='digit')
  )('digit')

  def gap(evidence):
    brief = claim_rules.decoders(lambda _: evidence).brief
    found = re.search(r'; (.*) ± .* by trainings with the least D', brief)
    return float(found[1].replace('−', '-'))

  before, after = gap(digits), gap(doubled)
  # One of three marginals has more C.
  assert after - before == pytest.approx(loss.value / 3, abs=2e-3)


def test_trainings_that_held_the_rate_stand_beside_claim_4():
  held = [row for row in ROWS if row.target_rate == claim_rules.EQUAL_RATE]
  assert {row.decoder for row in held} == {'autoregressive', 'deconvolutional'}
  others = [row for row in ROWS if row not in held]

  def brief(rows):
    return claim_rules.decoders(claims.evidence([*others, *rows])).brief

  changed = [
    dataclasses.replace(
      row, label_distortion=0.25 if row.decoder == 'autoregressive' else 0.125
    )
    for row in held
  ]
  assert re.search(
    'where R was held: VampPrior 0.250 ± .*† less 0.125 ± .*†$', brief(changed)
  )
  assert 'where R was held' not in brief(changed[:1])
  # A shorter training does not take the place of a longer one.
  short = [
    dataclasses.replace(row, run=f'{row.run}_x', epochs=5, label_distortion=1.0)
    for row in changed
  ]
  for rows in ([*short, *changed], [*changed, *short]):
    assert brief(rows) == brief(changed)


def test_images_of_another_entropy_are_no_evidence():
  grey = [
    dataclasses.replace(row, run=f'{row.run}_grey', binarization='none')
    for row in map(with_losses(0.1), ROWS)
  ]
  both = claims.evidence([*ROWS, *grey])
  assert both('alphabet').rows == claims.evidence(ROWS)('alphabet').rows


def test_trainings_with_the_least_distortion_stand_beside_claims_3_and_6():
  tasks = evidence()
  for task, judge in (
    ('digit', claim_rules.below_pca),
    ('alphabet', claim_rules.preferences),
  ):
    best = tasks(task).finest('autoregressive', 'gaussian', 10.4)
    assert best != tasks(task).family('autoregressive', 'gaussian')
    text = f'has the least D at 10.4 nats has C = {best.at(10.4)} ({best.name})'
    assert text in judge(tasks).here


def test_where_the_least_distortion_is_as_usual_claim_4_says_nothing_of_it():
  digits = evidence()('digit')
  usual = [
    row
    for row in ROWS
    if row.method != 'vae'
    or row.task == 'digit'
    and row.configuration
    in {
      digits.family(decoder, marginal).curves[0].first.configuration
      for decoder in ('deconvolutional', 'autoregressive')
      for marginal in ('gaussian', 'maf', 'vampprior')
    }
  ]
  alone = claims.evidence(usual)('digit')
  assert 'least D' not in claim_rules.decoders(lambda _: alone).brief


def test_claim_7_also_has_the_share_of_what_was_missing():
  best = evidence()('digit').supervised

  def change(row):
    more = {'gaussian': 0.4, 'vampprior': 0.1}.get(row.marginal)
    if row.method != 'vae' or more is None:
      return row
    loss, error = best.value + more, 0.02
    return dataclasses.replace(
      row, label_distortion=loss, label_distortion_stderr=error
    )

  first = claims.evidence([change(row) for row in ROWS if not row.seed])
  text = claim_rules.marginals(lambda _: first('digit')).here
  # (G - V) / (G - S), and its derivatives by G, V and S.
  terms = 0.25 * 0.02, 0.02, 0.75 * first('digit').supervised.stderr
  error = 100 / 0.4 * math.hypot(*terms)
  share = f'digits 75 ± {error:.0f}†'
  assert text.partition('Of what')[2].count(share) == 2


def test_c_by_two_classifiers_is_refused():
  def change(row):
    other = row.seed == 1 and row.task == 'digit'
    return dataclasses.replace(row, classifier='linear') if other else row

  with pytest.raises(UserError, match='linear and mlp 200-200: evaluate all'):
    evidence(change)('digit')
  evidence(change)('alphabet')


def test_without_multi_beta_models_most_claims_are_not_measured():
  tasks = claims.evidence([row for row in ROWS if not row.beta_trained])
  lines = claims.claims_table(tasks).splitlines()[2:]
  # Claim 2 is of any training.
  assert [n for n, x in enumerate(lines, 1) if 'not measured' not in x] == [2]


def test_what_is_unusual_in_a_training_is_named():
  [row, *_] = [row for row in ROWS if row.method == 'vae']
  assert row.unusual == []
  odd = dataclasses.replace(
    row, architecture='paper', latent_size=8.0, augmentation='affine'
  )
  assert odd.unusual == ['paper size', '8 dimensions', 'affine augmentation']
