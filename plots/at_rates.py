"""Markdown tables of curves at some rates, for other modules.

A value is interpolated along its curve; see `curves`.
"""

from collections.abc import Callable, Sequence

from plots import seeds, style
from plots.curves import interpolated
from plots.table import Row, column

# The columns that a row of a multi-beta model must have.
MODEL = ('encoder', 'decoder', 'marginal', 'rate', 'label_distortion')


def head(title: str, rates: Sequence[float]) -> list[str]:
  """The first two lines of a table.

  Args:
    title: What the first cell says, such as `C at a rate of`.
    rates: Rates, nats.
  """
  names = ' | '.join(f'{rate:g} nats' for rate in rates)
  return [f'| {title} | {names} |', f'|{"---|" * (1 + len(rates))}']


def line(name: str, values: Sequence[float | None], digits: int = 3) -> str:
  """One row of a table; a dash stands for a missing value."""
  cells = ['–' if value is None else f'{value:.{digits}f}' for value in values]
  return f'| {name} | {" | ".join(cells)} |'


def along(
  rows: Sequence[Row], name: str, rates: Sequence[float]
) -> list[float | None]:
  """A column of one curve at some rates, nats; None beyond its ends.

  Args:
    rows: The points of the curve, in any order.
    name: The column.
    rates: Where to interpolate.
  """
  places, values = column(rows, 'rate'), column(rows, name)
  return [interpolated(rate, places, values) for rate in rates]


def models(
  rows: Sequence[Row], wanted: Callable[[Row], bool]
) -> dict[str, list[Row]]:
  """The points of multi-beta models by the model's name.

  Seeds are averaged. All have the `conv` encoder.

  Args:
    rows: Rows of one task.
    wanted: Whether a row is of a model that is wanted.
  """
  groups: dict[str, list[Row]] = {}
  for row in seeds.averaged(rows):
    if row.beta_trained and row.encoder == 'conv' and wanted(row):
      groups.setdefault(row.configuration, []).append(row)
  return {
    model_name(groups[key][0]): groups[key]
    for key in sorted(groups, reverse=True)
  }


def model_name(row: Row) -> str:
  """Marginal, decoder, range, epochs and number of seeds, as text."""
  parts = [
    f'β-VAE, {style.marginal_look(row.marginal).name} marginal',
    row.decoder.replace('_', ' '),
    row.training,
  ]
  if row.epochs:
    parts.append(f'{row.epochs:g} epochs')
  if row.seeds > 1:
    parts.append(f'{row.seeds} seeds')
  return ', '.join(parts)
