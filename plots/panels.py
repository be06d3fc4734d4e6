"""Panels: rows of the table of results that may share axes.

A panel never mixes two data sets, nor C by two classifiers. It shows only the
best configuration of each baseline.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

from plots.table import Row, column, rows_of_methods
from vae_info.errors import UserError

LARGEST = 60.0  # Nats: larger rates are shown only if all are larger.
PANELS = (
  ('MNIST', 'digit'),
  ('Omniglot', 'alphabet'),
  ('Omniglot', 'character'),
)


@dataclasses.dataclass(frozen=True)
class Panel:
  """Rows that may share axes.

  Attributes:
    title: The data, and the task if there is one.
    rows: The rows that are drawn.
    input_entropy: H(X), nats, or None if it is not known.
    beaten: Rows of baselines that do better with other flags; not in `rows`.
  """

  title: str
  rows: Sequence[Row]
  input_entropy: float | None
  beaten: Sequence[Row] = ()

  @property
  def label_entropy(self) -> float:
    """H(Y), nats; the panel must be of one task."""
    return column(self.rows, 'label_entropy')[0]

  @property
  def largest_rate(self) -> float:
    """The largest rate of a β-VAE that is shown, nats; may be infinite."""
    usual = any(rate <= LARGEST for rate in column(self.of('vae'), 'rate'))
    return LARGEST if usual else math.inf

  def of(self, method: str) -> list[Row]:
    """The rows of one method, such as 'vae' or 'pca'."""
    return [row for row in self.rows if row.method == method]


def places(rows: Sequence[Row]) -> list[tuple[str, str]]:
  """The data and the task of each panel: `PANELS`, then those of other data.

  Args:
    rows: Rows of any data set and task; those of other data have a panel for
      each task of a β-VAE.
  """
  known = {subject for subject, _ in PANELS}
  others = dict.fromkeys(
    (row.subject, row.task)
    for row in rows
    if row.method == 'vae' and row.subject not in known
  )
  return [*PANELS, *others]


def task_panels(
  rows: Sequence[Row], methods: Mapping[str, Sequence[str]]
) -> list[Panel]:
  """The panels of `places` for which the table has β-VAEs.

  Args:
    rows: Rows of any data set, task and method.
    methods: From each method that is drawn to the columns that its rows must
      have.

  Raises:
    UserError: There is no panel, a row of a panel is damaged, or a panel would
      mix results that cannot be compared.
  """
  panels = []
  for subject, task in places(rows):
    drawn = rows_of_methods(
      [row for row in rows if (row.subject, row.task) == (subject, task)],
      methods,
    )
    if any(row.method == 'vae' for row in drawn):
      panels.append(task_panel(f'{subject} {task}', drawn))
  if not panels:
    raise UserError(
      'the table has no β-VAE of a data set and task that the figures show. Of '
      'MNIST and Omniglot they show '
      f'{", ".join(" ".join(names) for names in PANELS)}'
    )
  return panels


def task_panel(title: str, rows: Sequence[Row]) -> Panel:
  """A panel of these rows, with only the best configuration of each baseline.

  Raises:
    UserError: The rows are of two data sets or tasks, or C is by two
      classifiers.
  """
  panel = data_panel(title, rows)
  fitted = [row for row in rows if not row.method.startswith('supervised')]
  check_same(title, fitted, 'classifier', '--classifier')
  check_same(title, rows, 'label_entropy')
  best = best_configurations(rows)
  kept = set(best)
  beaten = [row for row in rows if row not in kept]
  return dataclasses.replace(panel, rows=best, beaten=beaten)


def data_panel(title: str, rows: Sequence[Row]) -> Panel:
  """A panel of all these rows, which may be of several tasks.

  Raises:
    UserError: The rows are of two data sets.
  """
  check_same(title, rows, 'dataset', '--datasets')
  check_same(title, rows, 'input_entropy')
  entropies = [row.input_entropy for row in rows]
  known = [entropy for entropy in entropies if entropy is not None]
  return Panel(title, rows, known[0] if known else None)


def best_configurations(rows: Sequence[Row]) -> list[Row]:
  """Drops all but the best configuration of each baseline without a rate.

  Runs that differ only in their seed are one configuration, and its C is their
  mean. The best has the least C of those with the most seeds: one lucky seed is
  not the best. Rows with a rate all stay.
  """
  losses: dict[str, dict[str, list]] = {}  # Method -> configuration -> C.
  for row in rows:
    if row.rate is None:
      configurations = losses.setdefault(row.method, {})
      configurations.setdefault(row.configuration, []).append(
        row.label_distortion
      )
  best = {
    method: min(
      means, key=lambda name: (-len(means[name]), statistics.mean(means[name]))
    )
    for method, means in losses.items()
  }
  return [
    row
    for row in rows
    if row.rate is not None or row.configuration == best[row.method]
  ]


def check_same(title, rows, name, flag=''):
  """Raises `UserError` if rows have different values of an attribute.

  Rows where it is empty do not count. `flag` names the flag that chooses one.
  """
  known = [row for row in rows if getattr(row, name) not in (None, '')]
  for row in known[1:]:
    expected, value = getattr(known[0], name), getattr(row, name)
    same = value == expected
    if not isinstance(value, str):
      same = math.isclose(value, expected, rel_tol=1e-4)
    if not same:
      remedy = f'; choose one with {flag}' if flag else ''
      raise UserError(
        f'{row}: {name} is {value}, but {expected} in line {known[0].line}, '
        f'and both would be in the panel {title}{remedy}'
      )


def left_out(panels: Sequence[Panel], rows: Sequence[Row]) -> list[str]:
  """Names missing panels, and counts rows not drawn, a line for each case.

  Args:
    panels: The panels of figure 1.
    rows: The rows of which they were made. Data without a row are not missed.
  """
  titles = [panel.title for panel in panels]
  there = {row.subject for row in rows}
  lines = [
    f'no panel {subject} {task}: the table has no β-VAE of it'
    for subject, task in PANELS
    if subject in there and f'{subject} {task}' not in titles
  ]
  for panel in panels:
    if panel.beaten:
      lines.append(
        f'not drawn in the panel {panel.title}: {len(panel.beaten)} rows of '
        f'baselines that do better with other flags, the first '
        f'{min(panel.beaten, key=lambda row: row.line)}'
      )
  return lines
