"""Prints the paper's claims beside our numbers, as Markdown.

    python -m plots.claims [--brief]

Every number and every verdict is computed from the table of results. C at a
given rate is interpolated along the curve of a multi-beta model.

#### References

Fertig, Arbabi and Alemi. beta-VAEs can retain label information even at high
compression. NeurIPS workshop on Bayesian Deep Learning, 2018.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

from absl import app, flags

from plots import table
from plots.evidence import AUTO, DECONV, MARGINALS, Evidence
from vae_info import cli
from vae_info.errors import UserError

FLAGS = flags.FLAGS

RATES = (8.0, 10.4, 16.0, 17.0, 20.0)  # Nats, in the tables of equal rate.
# Nats, the rate of PCA with k = 30 and sigma = 1: 15 ln 2, "10.4" in the table.
PCA_RATE = 10.397207708399179
TASKS = ('digit', 'alphabet', 'character')

Tasks = Mapping[str, Evidence]  # From a task's name to its results.


@dataclasses.dataclass(frozen=True)
class Claim:
  """One claim of the paper, and whether our results agree.

  Attributes:
    paper: The claim.
    here: Our numbers, in a sentence or two.
    verdict: Whether they agree, in a few words.
    short: The claim in few words.
    brief: The most important of our numbers.
  """

  paper: str
  here: str
  verdict: str
  short: str
  brief: str


def numbers(values: Sequence[float], digits: int = 3) -> str:
  """The values as text, such as `0.1, 0.2 and 0.3`."""
  texts = [f'{value:.{digits}f}' for value in values]
  return (
    ' and '.join([', '.join(texts[:-1]), texts[-1]]) if texts[1:] else texts[0]
  )


def span(values: tuple[float, float]) -> str:
  """The range as text, such as `0.100 to 0.300`."""
  return f'{values[0]:.3f} to {values[1]:.3f}'


def retained(tasks: Tasks) -> Claim:
  """Claim 1: deconvolutional decoders keep label information by 20 nats."""
  digits = tasks['digit']
  best = min(
    digits.seeds('supervised_complex')[0], digits.seeds('supervised_simple')[0]
  )
  reached = []
  for marginal, name in MARGINALS.items():
    rates = [
      row.number('rate')
      for row in digits.curve(DECONV, marginal).rows
      if row.number('label_distortion') <= best + 0.05
    ]
    if rates:
      reached.append((min(rates), name))
  losses = digits.losses(DECONV, 20.0)
  where = ', '.join(f'{name} from {rate:.1f} nats' for rate, name in reached)
  verdict = 'partly' if reached else 'not seen'
  return Claim(
    'Deconvolutional decoders keep nearly all label information by 17 to 20 '
    'nats: C within 0.05 of the best supervised network.',
    f'The best supervised C is {best:.3f}. C at 20 nats is '
    f'{numbers(losses)} (Gaussian, MAF, VampPrior). '
    f'Within 0.05: {where or "none"}.',
    'seen' if reached and min(reached)[0] <= 20 else verdict,
    'Deconvolutional decoders keep nearly all label information by 20 nats',
    f'C = {min(losses):.3f} at 20 nats; supervised {best:.3f}',
  )


def autoregressive_at_8(tasks: Tasks) -> Claim:
  """Claim 2: an autoregressive decoder kept label information at 8 nats."""
  digits = tasks['digit']
  best, name = min(
    zip(digits.losses(AUTO, 8.0), MARGINALS.values(), strict=True)
  )
  simple = digits.losses(DECONV, 8.0)[-1]
  enough = digits.seeds('supervised_complex')[0] + 0.05
  return Claim(
    'An autoregressive decoder did so once, at 8 nats.',
    f'C at 8 nats is {best:.3f} at best ({name}). A deconvolutional decoder '
    f'with a VampPrior has {simple:.3f} there.',
    'seen' if best <= enough else 'not seen',
    'An autoregressive decoder kept it once at 8 nats',
    f'C = {best:.3f} at 8 nats; deconvolutional {simple:.3f}',
  )


def below_pca(tasks: Tasks) -> Claim:
  """Claim 3: β-VAEs beat PCA and random discarding at equal rate."""
  digits = tasks['digit']
  texts, above = [], set()
  for rate, name in ((PCA_RATE, '10.4'), (16.0, '16')):
    losses = digits.losses(DECONV, rate) + digits.losses(AUTO, rate)
    pca = _known(digits.pca(rate), f'PCA at {name} nats')
    discard = digits.random_discard(rate)
    texts.append(
      f'At {name} nats random discarding has C = {discard:.2f}, PCA '
      f'{pca:.3f}, the six families {span((min(losses), max(losses)))}.'
    )
    worse = [c.first for c in digits.curves if (c.at(rate) or 0) > pca]
    above |= {row.decoder for row in worse}
    texts.append(
      f'Curves worse than PCA: {len(worse)} of {len(digits.curves)}.'
    )
  but = f'but for some {" and ".join(sorted(above))} trainings'
  return Claim(
    'Both decoders are far below random discarding, and below PCA at equal '
    'rate.',
    ' '.join(texts),
    f'seen, {but}' if above else 'seen',
    'At equal rate β-VAEs beat PCA and random discarding',
    f'C = {span((min(losses), max(losses)))} at 16 nats; PCA {pca:.3f}, '
    f'random {discard:.2f}',
  )


def _known(value: float | None, what: str) -> float:
  """The value; raises `UserError` if the table does not have it."""
  if value is None:
    raise UserError(f'the table has no {what}')
  return value


def decoders(tasks: Tasks) -> Claim:
  """Claim 4: a factorised decoder keeps more than an autoregressive one."""
  texts, means = [], []
  verdicts: dict[str, list[str]] = {}
  for task in TASKS:
    simple, strong = (tasks[task].losses(d, 17.0) for d in (DECONV, AUTO))
    means += [sum(simple) / len(simple), sum(strong) / len(strong)]
    texts.append(f'{task}s {numbers(simple)} against {numbers(strong)}')
    fewer = sum(a < b for a, b in zip(simple, strong, strict=True))
    words = {3: 'seen', 0: 'the reverse'}.get(fewer, 'mixed')
    verdicts.setdefault(words, []).append(f'{task}s')
  return Claim(
    'At equal rate a factorised decoder keeps more label information than an '
    'autoregressive one.',
    'C at 17 nats, by marginal (Gaussian, MAF, VampPrior), factorised against '
    f'autoregressive: {"; ".join(texts)}.',
    ', '.join(
      f'{words} for {" and ".join(names)}' for words, names in verdicts.items()
    ),
    'At equal rate a factorised decoder keeps more than an autoregressive one',
    f'C of digits at 17 nats: {means[0]:.3f} against {means[1]:.3f}, mean of '
    'three marginals',
  )


def random_encoders(tasks: Tasks) -> Claim:
  """Claim 5: codes of random encoders keep less than the best β-VAE."""
  digits = tasks['digit']
  best = min(digits.of('vae'), key=lambda row: row.number('label_distortion'))
  loss = best.number('label_distortion')
  random = digits.seeds('random_conv')
  return Claim(
    'Codes of a random convolutional encoder, not compressed, keep less than '
    'the best β-VAE.',
    f'C of random encoders is {span(random)} (three seeds). That of the best '
    f'β-VAE is {loss:.3f} ± {best.number("label_distortion_stderr"):.3f} at '
    f'{best.number("rate"):.1f} nats. The same classifier on pixels has '
    f'{span(digits.seeds("supervised_simple"))}.',
    'seen' if loss < random[0] else 'not seen',
    'Random convolutional codes keep less than the best β-VAE',
    f'C = {random[0]:.3f} at best; β-VAE {loss:.3f}',
  )


def preferences(tasks: Tasks) -> Claim:
  """Claim 6: on Omniglot, codes hardly favour the labels.

  "Tracks PCA" means that C differs by less than 0.1 nats at two rates. "Weak"
  means that characters have less than half the preference of digits.
  """
  texts, means = [], []
  for task in TASKS[::-1]:
    values = [
      tasks[task].at(tasks[task].curve(d, 'gaussian'), 17.0, 'label_preference')
      for d in (DECONV, AUTO)
    ]
    texts.append(f'{task}s {numbers(values, 1)}')
    means.append(sum(values) / len(values))
  alphabets = tasks['alphabet']
  curve = alphabets.curve(AUTO, 'gaussian')
  pairs = [
    (_known(alphabets.pca(r), 'PCA of alphabets'), alphabets.at(curve, r))
    for r in (PCA_RATE, 16.0)
  ]
  tracks = all(abs(pca - loss) < 0.1 for pca, loss in pairs)
  weaker = means[1] < means[0] < 0.5 * means[2]
  return Claim(
    'Omniglot: little or no preference for alphabets, and the autoregressive '
    'decoder with a Gaussian marginal tracks PCA; more for characters, still '
    'weak.',
    'Label preference at 17 nats, Gaussian marginal (deconvolutional, '
    f'autoregressive): {"; ".join(texts)}. C of alphabets at 10.4 and 16 nats: '
    f'PCA {numbers([a for a, _ in pairs])}, autoregressive '
    f'{numbers([b for _, b in pairs])}.',
    'seen' if tracks and weaker else 'partly',
    'Omniglot: little preference for alphabets, more for characters',
    f'label preference at 17 nats: {means[1]:.1f} and {means[0]:.1f}; digits '
    f'{means[2]:.1f}',
  )


def marginals(tasks: Tasks) -> Claim:
  """Claim 7: the marginal matters more on Omniglot than on MNIST.

  Its measure is the gain in H(Y) - C from a Gaussian to a VampPrior marginal,
  in percent.
  """
  texts, exceptions, briefs = [], [], []
  for decoder in (DECONV, AUTO):
    gains = {}
    for task in TASKS:
      gaussian, _, vampprior = (
        tasks[task].label_entropy - loss
        for loss in tasks[task].losses(decoder, 17.0)
      )
      gains[task] = 100 * (vampprior / gaussian - 1)
    shares = ', '.join(f'{task}s {gain:.0f} %' for task, gain in gains.items())
    texts.append(f'{decoder}: {shares}')
    briefs.append(f'{gains["alphabet"]:.0f} and {gains["digit"]:.0f} %')
    exceptions += [
      f'{task}s with the {decoder} decoder'
      for task in TASKS[1:]
      if gains[task] <= gains['digit']
    ]
  return Claim(
    'The marginal matters more on Omniglot than on MNIST.',
    'From a Gaussian to a VampPrior, H(Y) − C at 17 nats grows by: '
    f'{"; ".join(texts)}.',
    f'seen, but for {", ".join(exceptions)}' if exceptions else 'seen',
    'The marginal matters more on Omniglot',
    'VampPrior over Gaussian, label information of alphabets and of digits: '
    f'+{briefs[0]}',
  )


CLAIMS: Sequence[Callable[[Tasks], Claim]] = (
  retained,
  autoregressive_at_8,
  below_pca,
  decoders,
  random_encoders,
  preferences,
  marginals,
)


def claims_table(tasks: Tasks, brief: bool = False) -> str:
  """All claims as a Markdown table, a row for each; in few words if `brief`.

  Raises:
    UserError: The table of results lacks a number that a claim needs.
  """
  lines = ['| | the paper | here | |', '|---|---|---|---|']
  for number, make in enumerate(CLAIMS, 1):
    claim = make(tasks)
    paper, here = (
      (claim.short, claim.brief) if brief else (claim.paper, claim.here)
    )
    lines.append(f'| {number} | {paper} | {here} | *{claim.verdict}* |')
  return '\n'.join(lines)


def rates_table(task: Evidence) -> str:
  """C at equal rates, nats, as a Markdown table.

  A row for each multi-beta model, one for PCA, and one for random discarding.
  """
  title = f'C of {task.task}s at a rate of'
  heads = [f'{rate:g} nats' for rate in RATES]
  lines = [
    f'| {" | ".join([title, *heads, "least C", "at R"])} |',
    '|---' * (len(RATES) + 3) + '|',
  ]
  for curve in task.curves:
    best = curve.best
    least = (
      f'{best.number("label_distortion"):.3f} '
      f'± {best.number("label_distortion_stderr"):.3f}'
    )
    lines.append(
      _line(
        curve.name,
        [curve.at(rate) for rate in RATES],
        least,
        f'{best.number("rate"):.1f}',
      )
    )
  pca = [task.pca(PCA_RATE if rate == 10.4 else rate) for rate in RATES]
  lines.append(_line('PCA, the best', pca))
  discards = [task.random_discard(rate) for rate in RATES]
  lines.append(_line('random discarding', discards))
  return '\n'.join(lines)


def _line(name, values, *last):
  """A row of `rates_table`; a dash stands for a missing value."""
  cells = ['–' if value is None else f'{value:.3f}' for value in values]
  cells += last or ('', '')
  return f'| {" | ".join([name, *cells])} |'


def main(argv):
  cli.no_arguments(argv)
  rows = table.read(pathlib.Path(FLAGS.results))
  tasks = {task: Evidence(rows, task) for task in TASKS}
  print(claims_table(tasks, FLAGS.brief))
  if not FLAGS.brief:
    for task in tasks.values():
      print(f'\n{rates_table(task)}')


if __name__ == '__main__':
  flags.DEFINE_string(
    'results', 'plots/results.csv', 'Table of results to read.'
  )
  flags.DEFINE_bool(
    'brief', False, 'Print each claim in few words, and no tables of rates.'
  )
  app.run(cli.one_line_errors(main))
