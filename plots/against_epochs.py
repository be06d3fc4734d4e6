"""Prints what more epochs change, annealing and networks, as a Markdown table.

    python -m plots.against_epochs

It has the decoders and marginals of MNIST that were trained in several ways:
for other times, annealed otherwise, at another size, or with another encoder.
Its numbers are C less that of the best supervised network, at 8.5, 17 and
20 nats, and D + beta R at two betas. They are interpolated along the curve of
each seed; see `evidence`.
"""

import itertools
import pathlib
from collections.abc import Sequence

from absl import app, flags

from plots import table
from plots.claim_rules import EQUAL_RATE, KEPT_RATE
from plots.evidence import AUTO, DECONV, MARGINALS, Evidence, Family
from plots.seeds import Mean, cell
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS

RATES = (8.5, EQUAL_RATE, KEPT_RATE)  # Nats.
LOW_BETA = 0.6  # The lowest that all curves have.
HEAD = (
  '| decoder | marginal | encoder | epochs | annealing | β | seeds | '
  f'C − supervised C at {RATES[0]:g} nats | '
  f'{" | ".join(f"at {rate:g} nats" for rate in RATES[1:])} | '
  f'D + βR at β = {LOW_BETA:g} | at β = 1 |'
)


def lines(rows: Sequence[Row]) -> list[str]:
  """The table: a row for each configuration, by family, networks and epochs.

  Args:
    rows: The whole table of results.

  Raises:
    UserError: It lacks MNIST, or a supervised network.
  """
  digits = Evidence(rows, 'digit')
  result = [HEAD, '|---' * 12 + '|']
  for decoder, marginal in itertools.product((DECONV, AUTO), MARGINALS):
    families = [
      family for family in digits.trained(decoder, marginal) if family.epochs
    ]
    families.sort(key=_place)
    if len(families) > 1:
      result += [_line(family, digits.supervised) for family in families]
  return result


def _place(family: Family) -> tuple:
  row = family.first
  return row.encoder, row.architecture, family.epochs, family.annealing


def _line(family: Family, supervised: Mean) -> str:
  row = family.first
  gaps = [loss and loss.minus(supervised) for loss in map(family.at, RATES)]
  objectives = map(family.objective, (LOW_BETA, 1.0))
  cells = [
    row.decoder,
    MARGINALS[row.marginal],
    ', '.join([row.encoder, *row.unusual]),
    f'{family.epochs:g}',
    f'{family.annealing:g}',
    row.beta_trained,
    f'{len(family.curves)}',
    *map(cell, gaps),
    *(cell(one, 2) for one in objectives),
  ]
  return f'| {" | ".join(cells)} |'


def main(argv):
  cli.no_arguments(argv)
  for text in lines(table.read(pathlib.Path(FLAGS.results))):
    print(text)


if __name__ == '__main__':
  cli.define_results()
  app.run(cli.one_line_errors(main))
