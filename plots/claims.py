"""Prints the paper's claims beside our numbers, as Markdown.

    python -m plots.claims [--brief]

Every number and every verdict is computed from the table of results, by the
rules of `claim_rules`. C at a given rate is interpolated along the curve of a
multi-beta model, and averaged over seeds.
"""

import functools
import itertools
import pathlib
from collections.abc import Sequence

from absl import app, flags

from plots import table
from plots.claim_rules import (
  CLAIMS,
  EQUAL_RATE,
  KEPT_RATE,
  PCA_RATE,
  TASKS,
  Tasks,
)
from plots.evidence import AUTO, DECONV, MARGINALS, Evidence
from plots.seeds import Mean, cell
from plots.table import Row
from vae_info import cli
from vae_info.errors import UserError

FLAGS = flags.FLAGS

RATES = (8.5, 10.4, 16.0, 17.0, 20.0)  # Nats, in the tables of equal rate.
NOTE = (
  '± is one standard error: of the mean over seeds, which share their test '
  'images; with † of one seed, over test images.'
)
MORE = '*Above* and *below* in a rule hold with 95 % certainty.'
# The rates at which the table of families has them.
DECODERS = {DECONV: (EQUAL_RATE, KEPT_RATE), AUTO: (EQUAL_RATE,)}


def evidence(rows: Sequence[Row]) -> Tasks:
  """A function from a task's name to its results in the table."""
  return functools.cache(lambda task: Evidence(rows, task))


def claims_table(tasks: Tasks, brief: bool = False) -> str:
  """All claims as a Markdown table, a row for each; in few words if `brief`.

  A claim is *not measured* if the table of results lacks one of its numbers.
  """
  rule = '' if brief else ' the rule |'
  lines = [
    f'| | the paper |{rule} here | |',
    f'|---|---|{rule and "---|"}---|---|',
  ]
  for number, judge in enumerate(CLAIMS, 1):
    try:
      claim = judge(tasks)
    except UserError as error:
      name = (judge.__doc__ or '').partition(': ')[2].strip()
      cells = [name, *([] if brief else ['']), str(error), '*not measured*']
    else:
      cells = [claim.short, claim.brief]
      if not brief:
        cells = [claim.paper, claim.rule, claim.here]
      cells.append(f'*{claim.verdict}*')
    lines.append(f'| {" | ".join([str(number), *cells])} |')
  return '\n'.join(lines)


def families_table(tasks: Tasks) -> str:
  """C of the families of claims 1 and 4, nats, as a Markdown table.

  In brackets is the least C. The last column is of the autoregressive training
  with the least D, if another one represents the family.

  Raises:
    UserError: The table of results lacks a family.
  """
  heads = [
    f'{decoder}, {rate:g} nats'
    for decoder, rates in DECODERS.items()
    for rate in rates
  ]
  last = f'that with the least D, {EQUAL_RATE:g} nats'
  lines = [
    f'| {" | ".join(["C [least C] of", "marginal", *heads, last])} |',
    '|---' * (len(heads) + 3) + '|',
  ]
  for task, (marginal, name) in itertools.product(TASKS, MARGINALS.items()):
    results = tasks(task)
    cells = []
    for decoder, rates in DECODERS.items():
      for rate in rates:
        least = results.family(decoder, marginal).at(
          rate, 'label_distortion_least'
        )
        more = f' [{least}]' if least else ''
        cells.append(f'{results.at(decoder, marginal, rate)}{more}')
    finest = results.finest(AUTO, marginal, EQUAL_RATE)
    other = finest and finest != results.family(AUTO, marginal)
    cells.append(cell(finest.at(EQUAL_RATE) if finest and other else None))
    lines.append(f'| {" | ".join([f"{task}s", name, *cells])} |')
  return '\n'.join(lines)


def rates_table(task: Evidence) -> str:
  """C at equal rates, nats, as a Markdown table.

  A row for each configuration of multi-beta models, one for PCA, and one for
  random discarding. The last columns are of the beta with the lowest C.
  """
  title = f'C of {task.task}s at a rate of'
  heads = [f'{rate:g} nats' for rate in RATES]
  lines = [
    f'| {" | ".join([title, *heads, "lowest C", "at R"])} |',
    '|---' * (len(RATES) + 3) + '|',
  ]
  for family in task.families:
    best = family.best
    lowest = Mean.of_row(best, 'label_distortion')
    values = [family.at(rate) for rate in RATES]
    least = family.at(best.number('beta'), 'label_distortion_least', 'beta')
    more = '' if least is None else f' [{least.value:.3f}]'
    if least and least.count < best.seeds:
      more += f' of {least.count}'
    last = f'{lowest}{more}', f'{best.number("rate"):.1f}'
    lines.append(_line(family.name, values, *last))
  pca = [task.pca(PCA_RATE if rate == 10.4 else rate) for rate in RATES]
  lines.append(_line('PCA, the best', pca))
  discards = [f'{task.random_discard(rate):.3f}' for rate in RATES]
  lines.append(_line('random discarding', discards))
  return '\n'.join(lines)


def _line(name, values, *last):
  """A row of `rates_table`; a dash stands for a missing value."""
  cells = ['–' if value is None else str(value) for value in values]
  cells += last or ('', '')
  return f'| {" | ".join([name, *cells])} |'


def main(argv):
  cli.no_arguments(argv)
  tasks = evidence(table.read(pathlib.Path(FLAGS.results)))
  print(claims_table(tasks, FLAGS.brief))
  print(f'\n{NOTE}' if FLAGS.brief else f'\n{NOTE} {MORE}')
  if FLAGS.brief:
    return
  try:
    print(f'\n{families_table(tasks)}')
  except UserError as error:
    print(f'\nNo table of families: {error}.')
  for task in TASKS:
    try:
      print(f'\n{rates_table(tasks(task))}')
    except UserError as error:
      print(f'\nNo curves of {task}s: {error}.')


if __name__ == '__main__':
  cli.define_results()
  flags.DEFINE_bool(
    'brief', False, 'Print each claim in few words, and no tables of rates.'
  )
  app.run(cli.one_line_errors(main))
