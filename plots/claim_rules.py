"""The paper's seven claims, and the rule by which each is judged.

A rule is a function of the table of results. It yields a verdict on C by the
paper's classifier. The least C stands beside it where the table has it. A
family is its curve at equal rate, averaged over seeds; see `evidence`. "Above"
and "below" mean with 95 % certainty; see `seeds`.

#### References

Fertig, Arbabi and Alemi. beta-VAEs can retain label information even at high
compression. NeurIPS workshop on Bayesian Deep Learning, 2018.
"""

import dataclasses
from collections.abc import Callable, Sequence

from plots.evidence import AUTO, DECONV, MARGINALS, Evidence
from plots.seeds import Mean, average, averaged
from plots.table import Row
from vae_info.errors import UserError

TASKS = ('digit', 'alphabet', 'character')
# Nats, the rate of PCA with k = 30 and sigma = 1: 15 ln 2, "10.4" in texts.
PCA_RATE = 10.397207708399179
PCA_RATES = ((PCA_RATE, '10.4'), (16.0, '16'))
CLOSE = 0.05  # Nats: "nearly all" label information is left.
KEPT_RATE = 20.0  # Nats: the paper's compression by a factor of 4.
ONCE_RATE = 8.9  # Nats: its factor of over 9.
LOCAL = 'local_autoregressive'
ONCE_LOSS = 0.15  # Nats: C that counts as "partly" there.
EQUAL_RATE = 17.0  # Nats: where decoders and marginals are compared.
LITTLE, WEAK, TRACKS = 1.5, 0.5, 0.1  # Of claim 6.

Tasks = Callable[[str], Evidence]  # From a task's name to its results.


@dataclasses.dataclass(frozen=True)
class Claim:
  """One claim of the paper, and whether our results agree.

  Attributes:
    paper: The claim.
    rule: When it counts as seen.
    here: Our numbers, in a sentence or two.
    verdict: Whether they agree, in a few words.
    short: The claim in few words.
    brief: The most important of our numbers.
  """

  paper: str
  rule: str
  here: str
  verdict: str
  short: str
  brief: str


def listed(texts: Sequence[str]) -> str:
  """The texts as one, such as `a, b and c`."""
  return ' and '.join(filter(None, [', '.join(texts[:-1]), texts[-1]]))


def known(value: Mean | None, what: str) -> Mean:
  """The value; raises `UserError` if the table does not have it."""
  if value is None:
    raise UserError(f'the table has no {what}')
  return value


def but(failed: Sequence[str], count: int) -> str:
  """`seen`, with exceptions; `not seen` if these are more than half."""
  if 2 * len(failed) > count:
    return 'not seen'
  return f'seen, but for {listed(failed)}' if failed else 'seen'


def retained(tasks: Tasks) -> Claim:
  """Claim 1: deconvolutional decoders keep label information by 20 nats."""
  digits = tasks('digit')
  best = digits.supervised
  losses = zip(digits.losses(DECONV, KEPT_RATE), MARGINALS, strict=True)
  loss, marginal = min(losses, key=lambda one: one[0].value)
  gap = loss.minus(best)
  reached = []
  for each, name in MARGINALS.items():
    rate = digits.family(DECONV, each).first_within(best.value + CLOSE)
    if rate is not None:
      reached.append(f'{name} from {rate:.1f} nats')
  verdict = 'partly' if reached else 'not seen'
  return Claim(
    'Deconvolutional decoders keep nearly all label information by 17 to 20 '
    'nats: C within 0.05 of the best supervised network.',
    f'C − C of the best supervised network, at {KEPT_RATE:g} nats, best '
    f'marginal, is below {CLOSE}. Partly: at any rate, by its value.',
    f'The best supervised C is {best}. C at {KEPT_RATE:g} nats is {loss} at '
    f'best ({MARGINALS[marginal]}). The difference is {gap}, below '
    f'{gap.upper:.3f}. Within {CLOSE}: {", ".join(reached) or "none"}.',
    'seen' if gap.upper < CLOSE else verdict,
    'Deconvolutional decoders keep nearly all label information by 20 nats',
    f'C − supervised C = {gap} at 20 nats, where {CLOSE} is asked; within it: '
    f'{", ".join(reached) or "none"}',
  )


def kept_once(tasks: Tasks) -> Claim:
  """Claim 2: an autoregressive decoder kept label information at 8 nats."""
  digits = tasks('digit')
  best = digits.supervised
  loss, name = lowest(digits)
  gap = loss.minus(best)
  simple, simple_name = lowest(digits, DECONV)
  local = _local(digits)
  verdict = 'partly' if loss.upper < ONCE_LOSS else 'not seen'
  return Claim(
    'An autoregressive decoder did so once, at 8 nats: a compression by more '
    'than 9.',
    f'For any autoregressive training without augmentation, at R up to '
    f'{ONCE_RATE} nats, C − C of the best supervised network is below {CLOSE}. '
    f'Partly: C is below {ONCE_LOSS}.',
    f'C up to {ONCE_RATE} nats is {loss} at best ({name}), {gap} above the '
    f'supervised one. A deconvolutional decoder has {simple} ({simple_name})'
    f'{local and f", a decoder that sees five by five pixels {local}"}.',
    'seen' if gap.upper < CLOSE else verdict,
    'An autoregressive decoder kept it once at 8 nats',
    f'C = {loss} by {ONCE_RATE} nats, {gap} above the supervised one, where '
    f'{CLOSE} is asked; deconvolutional {simple}'
    f'{local and f"; autoregressive in 5×5 pixels {local}"}',
  )


def lowest(digits: Evidence, decoder: str = AUTO) -> tuple[Mean, str]:
  """The least C of a decoder at up to `ONCE_RATE`, and whose it is.

  The seeds of a training are averaged. Augmented trainings do not count.

  Raises:
    UserError: The table has no such result.
  """

  def plain(row):
    return row.decoder == decoder and not row.augmentation

  found = [
    (_loss(row), _training(row))
    for row in averaged(digits.of('vae'))
    if plain(row) and row.number('rate') <= ONCE_RATE
  ]
  for family in digits.families:
    if plain(family.first):
      loss = family.at(ONCE_RATE)
      if loss:
        found.append((loss, family.name))
  if not found:
    raise UserError(f'the table has no {decoder} R up to {ONCE_RATE} nats')
  return min(found, key=lambda one: one[0].value)


def _local(digits: Evidence) -> str:
  """C of decoders with a small context at up to `ONCE_RATE`, as text, or ''.

  They are autoregressive, but not the paper's, and do not count for the claim.
  """
  try:
    return str(lowest(digits, LOCAL)[0])
  except UserError:
    return ''


def _loss(row: Row) -> Mean:
  """C of a row, which may be a mean over seeds."""
  return known(Mean.of_row(row, 'label_distortion'), f'C in {row}')


def _training(row: Row) -> str:
  """Marginal, beta or target of the rate, epochs and seeds, as text."""
  target = row.target_rate
  parts = [
    row.marginal,
    f'R held at {target:g} nats' if target else f'β = {row.number("beta"):.2g}',
    f'{row.epochs:g} epochs' if row.epochs else '',
    '' if row.encoder == 'conv' else f'{row.encoder} encoder',
    *row.unusual,
    f'{row.seeds} seeds' if row.seeds > 1 else '',
  ]
  return ', '.join(filter(None, parts))


def below_pca(tasks: Tasks) -> Claim:
  """Claim 3: β-VAEs beat PCA and random discarding at equal rate."""
  digits = tasks('digit')
  texts, finest, briefs, failed = [], [], [], {}
  for rate, name in PCA_RATES:
    pca = known(digits.pca(rate), f'PCA at {name} nats')
    discard = digits.random_discard(rate)
    values = []
    for decoder in (DECONV, AUTO):
      losses = digits.losses(decoder, rate)
      values += [loss.value for loss in losses]
      for marginal, loss in zip(MARGINALS, losses, strict=True):
        if loss.minus(pca).upper >= 0 or loss.upper >= discard / 2:
          failed[f'{decoder} with {MARGINALS[marginal]}'] = None
          finest += _finest(digits, decoder, marginal, rate, name)
    spread = f'{min(values):.3f} to {max(values):.3f}'
    briefs.append(
      f'C = {spread} at {name} nats; PCA {pca}, random {discard:.2f}'
    )
    texts.append(
      f'At {name} nats random discarding has C = {discard:.2f}, PCA {pca}, the '
      f'six families {spread}.'
    )
  return Claim(
    'Both decoders are far below random discarding, and below PCA at equal '
    'rate.',
    'At 10.4 and at 16 nats, C of each of the six families is below that of '
    'PCA, and below half of that of random discarding.',
    ' '.join(texts + finest),
    but([*failed], 2 * len(MARGINALS)),
    'At equal rate β-VAEs beat PCA and random discarding',
    '. '.join(briefs),
  )


def _finest(evidence, decoder, marginal, rate, name) -> list[str]:
  """A sentence on a family's training with the least D, if it is another."""
  best = evidence.finest(decoder, marginal, rate)
  loss = best.at(rate) if best else None
  if not best or not loss or best == evidence.family(decoder, marginal):
    return []
  return [
    f'The training of {decoder} with {MARGINALS[marginal]} that has the least '
    f'D at {name} nats has C = {loss} ({best.name}).'
  ]


def decoders(tasks: Tasks) -> Claim:
  """Claim 4: a factorised decoder keeps more than an autoregressive one."""
  texts, gaps, verdicts = [], [], {}
  others = {
    task: '; '.join(
      filter(None, [_finest_gap(tasks(task)), _held_gap(tasks(task))])
    )
    for task in TASKS
  }
  for task in TASKS:
    pairs = [tasks(task).losses(decoder, EQUAL_RATE) for decoder in _BOTH]
    gaps.append(average([b.minus(a) for a, b in zip(*pairs, strict=True)]))
    more = f' ({others[task]})' if others[task] else ''
    texts.append(f'{task}s {gaps[-1]}{more}')
    words = 'undecided'
    if gaps[-1].lower > 0 or gaps[-1].upper < 0:
      words = 'seen' if gaps[-1].lower > 0 else 'the reverse'
    verdicts.setdefault(words, []).append(f'{task}s')
  return Claim(
    'At equal rate a factorised decoder keeps more label information than an '
    'autoregressive one.',
    f'At {EQUAL_RATE:g} nats, C of the autoregressive decoder is above that of '
    'the factorised one, on average over three marginals. The reverse: below.',
    f'C at {EQUAL_RATE:g} nats, autoregressive less factorised, on average: '
    f'{"; ".join(texts)}.',
    ', '.join(
      f'{words} for {listed(names)}' for words, names in verdicts.items()
    ),
    'At equal rate a factorised decoder keeps more than an autoregressive one',
    f'C of digits at 17 nats, autoregressive less factorised: {gaps[0]}'
    + (f'; {others["digit"]}' if others['digit'] else ''),
  )


_BOTH = (DECONV, AUTO)


def _finest_gap(evidence: Evidence) -> str:
  """The difference of the decoders by the trainings with the least D.

  It is '' if these represent all families, or one has no such training.
  """
  losses: list[list[Mean]] = [[], []]
  other = False
  for decoder, found in zip(_BOTH, losses, strict=True):
    for marginal in MARGINALS:
      best = evidence.finest(decoder, marginal, EQUAL_RATE)
      loss = best.at(EQUAL_RATE) if best else None
      if loss is None:
        return ''
      found.append(loss)
      other |= best != evidence.family(decoder, marginal)
  gaps = [b.minus(a) for a, b in zip(*losses, strict=True)]
  if not other:
    return ''
  each = ', '.join(
    f'{name} {gap.value:.3f}'
    for name, gap in zip(MARGINALS.values(), gaps, strict=True)
  )
  # Those of one seed have errors over the same test images.
  mean = average(gaps, independent=False)
  return f'{mean} by trainings with the least D: {each}'


def _held_gap(evidence: Evidence) -> str:
  """C of trainings that held this rate, by marginal; '' without pairs."""
  rows = [
    row
    for row in averaged(evidence.of('vae'))
    if row.target_rate == EQUAL_RATE
    and row.encoder == 'conv'
    and not row.unusual
  ]
  # Of several trainings, that of the most seeds and epochs counts.
  rows.sort(key=lambda row: (row.seeds, row.epochs or 0.0))
  texts = []
  for marginal, name in MARGINALS.items():
    losses = {r.decoder: _loss(r) for r in rows if r.marginal == marginal}
    if losses.keys() >= set(_BOTH):
      texts.append(f'{name} {losses[AUTO]} less {losses[DECONV]}')
  return f'where R was held: {", ".join(texts)}' if texts else ''


def random_encoders(tasks: Tasks) -> Claim:
  """Claim 5: codes of random encoders keep less than the best β-VAE."""
  digits = tasks('digit')
  random = digits.baseline('random_conv')
  families = [one for one in digits.families if not one.first.augmentation]
  if not families:
    raise UserError('the table has no multi-beta model of digits')
  family = min(families, key=lambda one: one.best.number('label_distortion'))
  loss, rate = _loss(family.best), family.best.number('rate')
  pixels = digits.baseline('supervised_simple')
  return Claim(
    'Codes of a random convolutional encoder, not compressed, keep less than '
    'the best β-VAE.',
    'C of the best multi-beta model at its best β, without augmentation, is '
    'below that of random convolutional encoders.',
    f'C of random encoders is {random}. That of the best β-VAE is {loss} at '
    f'{rate:.1f} nats ({family.name}). The same classifier on pixels has '
    f'{pixels}.',
    'seen' if random.minus(loss).lower > 0 else 'not seen',
    'Random convolutional codes keep less than the best β-VAE',
    f'C = {random}; β-VAE {loss}',
  )


def preferences(tasks: Tasks) -> Claim:
  """Claim 6: on Omniglot, codes hardly favour the labels."""
  texts, means = [], {}
  for task in TASKS[::-1]:
    values = [
      tasks(task).at(decoder, 'gaussian', EQUAL_RATE, 'label_preference')
      for decoder in _BOTH
    ]
    texts.append(f'{task}s {listed([value.text(2) for value in values])}')
    means[task] = average(values, independent=False)
  alphabets = tasks('alphabet')
  pairs = [
    (
      known(alphabets.pca(rate), 'PCA of alphabets'),
      alphabets.at(AUTO, 'gaussian', rate),
    )
    for rate, _ in PCA_RATES
  ]
  little, more, digits = (means[n] for n in ('alphabet', 'character', 'digit'))
  both = [[str(loss) for loss in losses] for losses in zip(*pairs, strict=True)]
  apart = [auto.minus(pca) for pca, auto in pairs]
  failed = {
    'little preference for alphabets': little.upper >= LITTLE,
    'more of it for characters': more.minus(little).lower <= 0,
    'that being weak': more.plus(digits, -WEAK).upper >= 0,
    'tracking PCA': any(
      gap.upper >= TRACKS or gap.lower <= -TRACKS for gap in apart
    ),
  }
  names = [name for name, fails in failed.items() if fails]
  finest = [_finest(alphabets, AUTO, 'gaussian', *at) for at in PCA_RATES]
  return Claim(
    'Omniglot: little or no preference for alphabets, and the autoregressive '
    'decoder with a Gaussian marginal tracks PCA; more for characters, still '
    'weak.',
    f'At {EQUAL_RATE:g} nats, Gaussian marginal, mean of both decoders: label '
    f'preference of alphabets is below {LITTLE:g} (1 is none), that of '
    f'characters above it, and below {WEAK:g} times that of digits. C of '
    f'alphabets is within {TRACKS:g} of PCA at 10.4 and 16 nats.',
    f'Label preference (deconvolutional, autoregressive): {"; ".join(texts)}. '
    f'C of alphabets at 10.4 and 16 nats: PCA {listed(both[0])}, '
    + ' '.join([f'autoregressive {listed(both[1])}.', *sum(finest, [])]),
    but(names, len(failed)),
    'Omniglot: little preference for alphabets, more for characters',
    'label preference at 17 nats, Gaussian marginal, mean of both decoders: '
    f'{little.text(2)} and {more.text(2)}; digits {digits.text(2)}',
  )


def marginals(tasks: Tasks) -> Claim:
  """Claim 7: the marginal matters more on Omniglot than on MNIST."""
  texts, failed, briefs, others = [], [], [], []
  for decoder in _BOTH:
    gains = {task: _gain(tasks(task), decoder) for task in TASKS}
    closed = [f'{task}s {_closed(tasks(task), decoder)}' for task in TASKS]
    others.append(f'{decoder}: {", ".join(closed)}')
    shares = ', '.join(f'{task}s {one.text(1)}' for task, one in gains.items())
    texts.append(f'{decoder}: {shares}')
    briefs.append(f'{shares} ({decoder})')
    failed += [
      f'{task}s with the {decoder} decoder'
      for task in TASKS[1:]
      if gains[task].minus(gains['digit']).lower <= 0
    ]
  return Claim(
    'The marginal matters more on Omniglot than on MNIST.',
    f'At {EQUAL_RATE:g} nats, H(Y) − C grows from a Gaussian to a VampPrior by '
    'a percentage. Alphabets and characters are above digits.',
    f'Growth in percent: {"; ".join(texts)}. Of what a Gaussian lacks '
    f'to the best supervised C, in percent: {"; ".join(others)}.',
    but(failed, 4),
    'The marginal matters more on Omniglot',
    'label information grows from Gaussian to VampPrior, in %: '
    + '; '.join(briefs),
  )


def _gain(task: Evidence, decoder: str) -> Mean:
  """How much H(Y) - C grows from a Gaussian to a VampPrior, in percent."""
  gaussian, vampprior = (
    task.at(decoder, name, EQUAL_RATE) for name in ('gaussian', 'vampprior')
  )
  before = task.label_entropy - gaussian.value
  ratio = (task.label_entropy - vampprior.value) / before
  # To first order in both errors.
  change = gaussian.times(ratio / before).minus(vampprior.times(1 / before))
  return dataclasses.replace(change.times(100.0), value=100.0 * (ratio - 1))


def _closed(task: Evidence, decoder: str) -> str:
  """By what percentage a VampPrior brings C closer to the supervised C."""
  gaussian, vampprior = (
    task.at(decoder, name, EQUAL_RATE) for name in ('gaussian', 'vampprior')
  )
  gap = gaussian.value - task.supervised.value
  share = (gaussian.value - vampprior.value) / gap
  # To first order in all errors.
  change = gaussian.times(1 - share).minus(vampprior)
  change = change.plus(task.supervised, share).times(100.0 / gap)
  return dataclasses.replace(change, value=100.0 * share).text(0)


CLAIMS: Sequence[Callable[[Tasks], Claim]] = (
  retained,
  kept_once,
  below_pca,
  decoders,
  random_encoders,
  preferences,
  marginals,
)
