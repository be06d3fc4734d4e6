"""Markdown tables of curves at some rates, for other modules.

A value is interpolated along the curve of each seed; see `curves`. Then the
seeds are averaged, as in `evidence`.
"""

import pathlib
import statistics
from collections.abc import Callable, Sequence

from plots import style, table
from plots.curves import interpolated
from plots.evidence import DATASETS
from plots.representatives import representatives
from plots.table import Row, column
from vae_info.errors import UserError

Curves = list[tuple[str, list[Row]]]  # Names, and the rows of all seeds.


def rows_of_task(path: str, task: str, classifier: str) -> list[Row]:
  """The rows of a table for one task of the paper, with C by one classifier.

  Args:
    path: The table's file.
    task: A key of `evidence.DATASETS`.
    classifier: Name of the classifier.

  Raises:
    UserError: The file is no table of results, or has no such rows.
    OSError: The file cannot be read.
  """
  of_task = [
    row
    for row in table.read(pathlib.Path(path))
    if (row.data, row.task) == (DATASETS[task], task)
  ]
  if not of_task:
    raise UserError(f'{path} has no row of {DATASETS[task]}, task {task}')
  chosen = [row for row in of_task if row.classifier == classifier]
  if not chosen:
    known = sorted({row.classifier for row in of_task})
    raise UserError(
      f'{path} has no C of the task {task} by {classifier!r}; it has C by '
      f'{", ".join(known) or "none"}; choose with --classifier'
    )
  return chosen


def head(title: str, rates: Sequence[float]) -> list[str]:
  """The first two lines of a table.

  Args:
    title: What the first cell says, such as `C at a rate of`.
    rates: Rates, nats.
  """
  names = ' | '.join(f'{rate:g} nat{"s" * (rate != 1)}' for rate in rates)
  return [f'| {title} | {names} |', f'|{"---|" * (1 + len(rates))}']


def line(name: str, values: Sequence[float | None], digits: int = 3) -> str:
  """One row of a table; a dash stands for a missing value."""
  cells = ['–' if value is None else f'{value:.{digits}f}' for value in values]
  return f'| {name} | {" | ".join(cells)} |'


def along(
  rows: Sequence[Row], name: str, rates: Sequence[float]
) -> list[float | None]:
  """A column of one curve at some rates, nats, averaged over seeds.

  It is None beyond the end of any seed's curve.

  Args:
    rows: The points of the curves of all seeds, in any order.
    name: The column.
    rates: Where to interpolate.

  Raises:
    UserError: The points are not of one curve.
  """
  first = rows[0]
  for row in rows:
    if row.configuration != first.configuration:
      raise UserError(
        f'{row} and {first} are not seeds of one run, and cannot be averaged: '
        'leave one out of the table'
      )
  runs: dict[str, list[Row]] = {}
  for row in rows:
    runs.setdefault(row.run, []).append(row)
  curves = [
    (column(points, 'rate'), column(points, name)) for points in runs.values()
  ]
  result = []
  for rate in rates:
    values = [interpolated(rate, *curve) for curve in curves]
    known = [value for value in values if value is not None]
    full = len(known) == len(values)
    result.append(statistics.fmean(known) if full else None)
  return result


def models(rows: Sequence[Row], wanted: Callable[[Row], bool]) -> Curves:
  """The multi-beta models with the `conv` encoder, one for each family.

  Args:
    rows: Rows of one task.
    wanted: Whether a row is of a model that is wanted.
  """
  groups: dict[str, list[Row]] = {}
  for row in representatives(rows):
    ranged = row.method == 'vae' and row.beta_trained and row.encoder == 'conv'
    if ranged and wanted(row):
      groups.setdefault(row.configuration, []).append(row)
  return [
    (model_name(groups[key]), groups[key])
    for key in sorted(groups, reverse=True)
  ]


def model_name(rows: Sequence[Row]) -> str:
  """Marginal, decoder, training and number of seeds, as text."""
  row = rows[0]
  parts = [
    f'β-VAE, {style.marginal_look(row.marginal).name} marginal',
    row.decoder.replace('_', ' '),
    row.training,
  ]
  if row.epochs:
    parts.append(f'{row.epochs:g} epochs')
  return ', '.join(parts + row.unusual) + seeds_text(rows)


def seeds_text(rows: Sequence[Row]) -> str:
  """The number of runs, such as `, 3 seeds`; '' for one."""
  count = len({row.run for row in rows})
  return f', {count} seeds' if count > 1 else ''
