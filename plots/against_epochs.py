"""Prints what more epochs change for claim 1, as a Markdown table.

    python -m plots.against_epochs

It has the families of MNIST that were trained for several times: C less that of
the best supervised network, at 17 and 20 nats, and D + R at beta = 1. Numbers
are interpolated along the curve of each seed; see `evidence`.
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from plots import table, table_flags
from plots.claim_rules import EQUAL_RATE, KEPT_RATE
from plots.evidence import AUTO, COMPACT, MARGINALS, Evidence, Family
from plots.seeds import Mean
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS

HEAD = (
  '| decoder | marginal | epochs | β | seeds | '
  f'C − supervised C at {EQUAL_RATE:g} nats | at {KEPT_RATE:g} nats | '
  'D + R at β = 1 |'
)


def lines(rows: Sequence[Row]) -> list[str]:
  """The table: a row for each configuration, by family and epochs.

  Args:
    rows: The whole table of results.

  Raises:
    UserError: It lacks MNIST, or a supervised network.
  """
  digits = Evidence(rows, 'digit')
  groups: dict[tuple[str, ...], list[Family]] = {}
  for family in filter(_comparable, digits.families):
    groups.setdefault(_first(family).family, []).append(family)
  result = [HEAD, '|---' * 8 + '|']
  for name in sorted(groups, key=lambda key: (key[1] == AUTO, key[2])):
    families = sorted(groups[name], key=lambda family: family.epochs)
    if len({family.epochs for family in families}) > 1:
      result += [_line(family, digits.supervised) for family in families]
  return result


def _first(family: Family) -> Row:
  """Any row of a family, to read what is the same in all."""
  return family.curves[0].first


def _comparable(family: Family) -> bool:
  """Whether its training is as usual, but for the number of epochs."""
  row = _first(family)
  return (
    row.encoder == 'conv'
    and row.marginal in MARGINALS
    and row.architecture == COMPACT
    and not row.augmentation
    and family.annealed == (row.decoder == AUTO)
  )


def _line(family: Family, supervised: Mean) -> str:
  row = _first(family)
  gaps = [
    loss and loss.minus(supervised)
    for loss in map(family.at, (EQUAL_RATE, KEPT_RATE))
  ]
  total = family.at(1.0, 'rate_plus_distortion', along='beta')
  cells = [
    row.decoder,
    MARGINALS[row.marginal],
    f'{family.epochs:g}',
    row.beta_trained,
    f'{len(family.curves)}',
    *(str(gap or '–') for gap in gaps),
    '–' if total is None else total.text(2),
  ]
  return f'| {" | ".join(cells)} |'


def main(argv):
  cli.no_arguments(argv)
  for text in lines(table.read(pathlib.Path(FLAGS.results))):
    print(text)


if __name__ == '__main__':
  table_flags.define_results()
  app.run(cli.one_line_errors(main))
