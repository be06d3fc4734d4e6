"""Prints the bounds of each family at four rates, as a Markdown table.

    python -m plots.sandwiches

A family has a row for each of the round rates: that of its beta whose rate is
nearest. A rate is left out if none of its betas comes within a factor of 1.25.
One training represents a family, as in the figures. Its seeds are averaged, if
they have bounds.
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from plots import seeds, table
from plots.information import drawable
from plots.panels import check_same
from plots.representatives import of_paper
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS

RATES = (5.0, 8.0, 17.0, 30.0)  # Nats.
NEAR = 1.25  # A rate is near another within this factor.
NUMBERS = (
  'rate',
  'information_lower',
  'information_upper',
  'label_distortion',
  'label_distortion_least',
  'label_information_upper',
)
METHODS = {'vae': (*table.with_errors(*NUMBERS), 'label_entropy')}
HEAD = """\
| decoder, marginal | β | R | I(X;Z) ≥ | I(X;Z) ≤ | C | least C | any C ≥ |
|---|---|---|---|---|---|---|---|"""


def nearest(rows: Sequence[Row], rate: float) -> Row | None:
  """The row whose rate is nearest to a rate in nats; None if none is near."""
  best = min(
    rows,
    key=lambda row: abs(row.number('rate') - rate),
    default=None,
  )
  if best is None or not 1 / NEAR < best.number('rate') / rate < NEAR:
    return None
  return best


def line(row: Row) -> str:
  """A row of the table, as Markdown: nats, with standard errors."""
  cells = [f'{row.decoder} {row.marginal}', f'{row.number("beta"):.3g}']
  cells += [seeds.cell(seeds.Mean.of_row(row, name)) for name in NUMBERS[:-1]]
  floor = row.number('label_entropy') - row.number(NUMBERS[-1])
  cells.append(f'{max(floor, 0.0):.3f}')
  return f'| {" | ".join(cells)} |'


def lines(rows: Sequence[Row]) -> list[str]:
  """The rows of the table, by family and rate.

  Args:
    rows: Results of multi-beta models of one data set and task.
  """
  runs: dict[str, list[Row]] = {}
  for row in rows:
    runs.setdefault(row.run, []).append(row)
  chosen = [nearest(run, rate) for run in runs.values() for rate in RATES]
  return [line(row) for row in chosen if row is not None]


def main(argv):
  cli.no_arguments(argv)
  rows = table.read(pathlib.Path(FLAGS.results))
  rows = [
    row
    for row in rows
    if row.dataset == 'binarized_mnist'
    and row.task == 'digit'
    and row.encoder == 'conv'
    and row.beta_trained
  ]
  bounded = [row for row in of_paper(rows) if drawable(row)]
  checked = table.rows_of_methods(bounded, METHODS)
  check_same('of digits', checked, 'classifier')
  found = lines(seeds.averaged(checked))
  if not found:
    rates = ', '.join(f'{rate:g}' for rate in RATES)
    print(
      f'*{FLAGS.results} has no multi-beta model with bounds near {rates} '
      'nats yet.*'
    )
    return
  print(HEAD)
  for one in found:
    print(one)


if __name__ == '__main__':
  cli.define_results()
  app.run(cli.one_line_errors(main))
