"""Prints what codes know of pixels, and of digits, as a Markdown table.

    python -m plots.pixel_lines

It is equation 6, the paper's reason for claim 4; see `pixels`. Numbers are of
MNIST, interpolated along the curve of each seed. Families are represented as in
the claims; see `evidence`.
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from plots import table
from plots.claim_rules import EQUAL_RATE
from plots.evidence import AUTO, DECONV, MARGINALS, Evidence
from plots.seeds import cell
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS

EQUAL_SUM = 120.0  # Nats.
COLUMN = 'pixel_information'


def lines(rows: Sequence[Row]) -> list[str]:
  """The table: a row for each marginal and decoder.

  Args:
    rows: The whole table of results.

  Raises:
    UserError: It lacks a family of MNIST.
  """
  digits = Evidence(rows, 'digit')
  result = [
    f'| marginal | decoder | Σ at {EQUAL_RATE:g} nats | C at {EQUAL_RATE:g} '
    f'nats | C at a Σ of {EQUAL_SUM:g} nats |',
    '|---|---|---|---|---|',
  ]
  for marginal, name in MARGINALS.items():
    for decoder in (DECONV, AUTO):
      family = digits.family(decoder, marginal)
      cells = [
        name,
        decoder,
        cell(family.at(EQUAL_RATE, COLUMN), 1),
        cell(family.at(EQUAL_RATE), 3),
        cell(family.at(EQUAL_SUM, along=COLUMN), 3),
      ]
      result.append(f'| {" | ".join(cells)} |')
  return result


def main(argv):
  cli.no_arguments(argv)
  for text in lines(table.read(pathlib.Path(FLAGS.results))):
    print(text)


if __name__ == '__main__':
  cli.define_results()
  app.run(cli.one_line_errors(main))
