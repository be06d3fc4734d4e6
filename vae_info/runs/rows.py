"""Rows of the table of results: one for each run, task and beta, in nats."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping

from vae_info.errors import UserError
from vae_info.runs.paths import Path, write_atomically

EVALUATION = 'evaluation.json'

# Numbers of labelled images, of the columns for C with few labels.
LABEL_BUDGETS = (100, 1_000, 10_000)

COLUMNS = (
  'run',  # Name of the run directory.
  'dataset',
  'binarization',
  'split',  # The images that were evaluated: `test`.
  'task',  # Which labels: `digit` for MNIST.
  'method',  # `vae`, or a baseline's name.
  'encoder',
  'decoder',
  'marginal',
  'architecture',
  'latent_size',
  # Standard deviation. PCA; water-filled, of a pixel's error; of a flow, the
  # least over dimensions.
  'noise',
  'beta',
  'beta_trained',  # 'LOW:HIGH' for a multi-beta model.
  'seed',
  'epochs',
  'kl_annealing_epochs',
  'step',  # Of the checkpoint that was evaluated.
  'augmentation',  # Of training images; empty for none.
  'target_rate',  # R that beta was adapted to; empty if beta was given.
  'variant',  # Of the method; empty for the paper's.
  'precision',  # Of training; evaluation uses float32.
  'rate',
  'rate_stderr',
  'rate_variational',  # PCA only: against a standard normal.
  'rate_variational_stderr',
  'distortion',
  'distortion_stderr',
  'rate_plus_distortion',
  'rate_plus_distortion_stderr',
  'information_lower',  # Bounds on I(X;Z).
  'information_lower_stderr',
  'information_lower_by',  # The estimator.
  'information_upper',
  'information_upper_stderr',
  'pixel_information',  # sum_i (H(X_i) - D_i), by a refitted decoder.
  'pixel_information_stderr',
  'classifier',  # Family of c(y|z), and how it was fitted if not by defaults.
  'label_distortion',
  'label_distortion_stderr',
  'label_distortion_least',  # C of a mixture of classifiers.
  'label_distortion_least_stderr',
  *(
    f'label_distortion_{labels}{end}'  # C with this number of labels.
    for labels in LABEL_BUDGETS
    for end in ('', '_stderr')
  ),
  'label_information_lower',  # Bounds on I(Z;Y).
  'label_information_lower_stderr',
  'label_information_upper',
  'label_information_upper_stderr',
  'label_accuracy',
  'label_accuracy_stderr',
  'label_entropy',  # H(Y) of the test labels.
  'input_entropy',  # H(X), published or given; empty if unknown.
  'label_preference',  # (H(Y) - C) / (H(Y) R / H(X)); see references.py.
  'label_preference_stderr',
  'num_samples',  # Codes for each test image.
  'train_seconds',
  'device',
  'version',  # Of the training.
)

# Columns that earlier versions lacked, and what their rows have.
LATER: dict[str, str | None] = {
  'split': 'test',
  'augmentation': None,
  'target_rate': None,
  'variant': None,
  **{
    name: None
    for name in COLUMNS
    if name.startswith(('information_', 'label_information_', 'pixel_'))
    or (
      name.startswith('label_distortion_') and name != 'label_distortion_stderr'
    )
  },
}


def read(path: Path) -> list[dict]:
  """Reads the rows of one `evaluation.json`.

  Rows of earlier versions get the columns `LATER`.

  Raises:
    UserError: The file is damaged, or another version wrote it.
  """
  try:
    rows = json.loads(path.read_text())['rows']
    for row in rows:
      for name, value in LATER.items():
        row.setdefault(name, value)
      missing = set(COLUMNS) - set(row)
      if missing:
        raise KeyError(f'no {sorted(missing)[0]}')
      unknown = set(row) - set(COLUMNS)
      if unknown:
        raise KeyError(f'{sorted(unknown)[0]} is of another version')
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise UserError(
      f'{path} is damaged ({error}); make it again with '
      f'python -m vae_info.evaluate --run={path.parent}, or for a baseline '
      'with the command that made it'
    ) from error
  return rows


def write(rows: Iterable[Mapping], path: Path) -> None:
  """Writes a CSV with the columns `COLUMNS`; None becomes an empty field."""
  file = io.StringIO()
  table = csv.DictWriter(file, COLUMNS, lineterminator='\n')
  table.writeheader()
  table.writerows(rows)
  write_atomically(path, file.getvalue())


def table(rows: list[dict]) -> str:
  """Formats the rows as a table for a terminal, in nats."""
  columns = {
    'R': 'rate',
    'D': 'distortion',
    'D+R': 'rate_plus_distortion',
    'C': 'label_distortion',
  }
  lines = [['run', 'beta', 'task', *columns, 'accuracy']]
  for row in rows:
    accuracy = (
      f'{100 * row["label_accuracy"]:.2f} '
      f'± {100 * row["label_accuracy_stderr"]:.2f} %'
    )
    cells = [_cell(row, name) for name in columns.values()]
    lines.append([*_which(row), *cells, accuracy])
  return _aligned(lines)


def bounds_table(rows: list[dict], details: Iterable[Mapping] = ()) -> str:
  """Formats the bounds as a table for a terminal, in nats.

  Args:
    rows: Rows of one evaluation.
    details: Each may have the `truth` about the row with its run, beta and
      task. It becomes a line below that row.

  Returns:
    The table; '' if no row has a bound.
  """
  columns = {
    'I(X;Z) ≥': 'information_lower',
    'I(X;Z) ≤': 'information_upper',
    'I(Z;Y) ≥': 'label_information_lower',
    'I(Z;Y) ≤': 'label_information_upper',
    'least C': 'label_distortion_least',
  }
  truths = {
    (d.get('run'), d['beta'], d['task']): d['truth']
    for d in details
    if 'truth' in d
  }
  lines = [['run', 'beta', 'task', *columns, 'any C ≥', 'lower bound by']]
  for row in rows:
    if row.get('label_distortion_least') is None:
      continue
    upper = row['label_information_upper']
    floor = ''
    if upper is not None:
      floor = f'{max(0.0, row["label_entropy"] - upper):.3f}'
    cells = [_cell(row, name) for name in columns.values()]
    by = row['information_lower_by'] or ''
    lines.append([*_which(row), *cells, floor, by])
    truth = truths.get((row['run'], row['beta'], row['task']))
    if truth:
      whole, label, loss = (
        f'{truth[name]:.3f}'
        for name in ('information', 'label_information', 'label_distortion')
      )
      lines.append(['the truth', '', '', whole, '', label, '', loss, '', ''])
  return _aligned(lines) if len(lines) > 1 else ''


def pixels_table(rows: list[dict]) -> str:
  """Formats what codes know of pixels as a table for a terminal, in nats.

  Returns:
    The table; '' if no decoder was refitted.
  """
  lines = [['run', 'beta', 'R', 'sum of H(X_i) - D_i']]
  for row in rows:
    if row.get('pixel_information') is not None:
      cells = [_cell(row, name) for name in ('rate', 'pixel_information')]
      line = [*_which(row)[:2], *cells]
      if line != lines[-1]:  # Rows of several tasks count once.
        lines.append(line)
  return _aligned(lines) if len(lines) > 1 else ''


def critics_table(details: Iterable[Mapping]) -> str:
  """Formats the bounds of learned critics for a terminal, in nats.

  Args:
    details: Each may have `critics`, which are the same for all tasks.

  Returns:
    The table, and a line of what each bounds; '' if there is no critic.
  """
  each = {
    (d.get('run', ''), d.get('beta')): d['critics']
    for d in details
    if 'critics' in d
  }
  if not each:
    return ''
  some = next(iter(each.values()))
  lines = [['run', 'beta', *(one['estimator'] for one in some)]]
  for (run, beta), found in each.items():
    cells = [
      f'{one["nats"]:.3f} ± {one["stderr"]:.3f}'
      + ('' if one['holds'] else ' (does not hold)')
      for one in found
    ]
    lines.append([run, '' if beta is None else f'{beta:.4g}', *cells])
  notes = [f'{one["estimator"]}: {one["bounds"]}' for one in some]
  return '\n'.join([_aligned(lines), *notes])


def budgets_table(rows: list[dict]) -> str:
  """Formats C with few labels as a table for a terminal, in nats.

  Returns:
    The table; '' if no row has such a C.
  """
  names = {n: f'label_distortion_{n}' for n in LABEL_BUDGETS}
  lines = [['run', 'beta', 'task', *(f'{n:,} labels' for n in names)]]
  for row in rows:
    cells = [_cell(row, name) for name in names.values()]
    if any(cells):
      lines.append([*_which(row), *cells])
  return _aligned(lines) if len(lines) > 1 else ''


def bits_table(rows: list[dict], sizes: Mapping[str, int]) -> str:
  """Formats D and D + R of 8-bit images as a table, in bits per dimension.

  Args:
    rows: Rows of one evaluation.
    sizes: The dimensions H W C of the images, by the name of the run.

  Returns:
    The table; '' if all images are binary.
  """
  lines = [['run', 'beta', 'D', 'D+R']]
  for row in rows:
    if row.get('binarization') == 'none' and row['run'] in sizes:
      bits = math.log(2.0) * sizes[row['run']]
      cells = [
        f'{row[name] / bits:.4f} ± {row[f"{name}_stderr"] / bits:.4f}'
        for name in ('distortion', 'rate_plus_distortion')
      ]
      line = [*_which(row)[:2], *cells]
      if line != lines[-1]:  # Rows of several tasks count once.
        lines.append(line)
  return _aligned(lines) if len(lines) > 1 else ''


def _which(row):
  """The cells that name a row."""
  beta = '' if row['beta'] is None else f'{row["beta"]:.4g}'
  return [row['run'], beta, row['task']]


def _cell(row, name):
  """A number and its error; '' if there is none, as of a baseline's rate."""
  if row[name] is None:
    return ''
  return f'{row[name]:.3f} ± {row[f"{name}_stderr"] or 0:.3f}'


def _aligned(lines):
  """Joins cells to columns of text."""
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return '\n'.join(
    '  '.join(
      cell.ljust(width) for cell, width in zip(line, widths, strict=True)
    )
    for line in lines
  )


def doubtful(rows: list[dict], details: Iterable[Mapping] = ()) -> list[str]:
  """A line for each bound that a row violates; see `doubts`.

  Args:
    rows: Rows of one evaluation, or of several.
    details: Each may have the `critics` of the row with its run, beta and task.
  """
  critics = {
    (d.get('run'), d.get('beta'), d.get('task')): d.get('critics', ())
    for d in details
  }
  lines = []
  for row in rows:
    where = ', '.join(text for text in _which(row) if text)
    key = (row['run'], row['beta'], row['task'])
    for doubt in doubts(row, critics.get(key, ())):
      lines.append(f'doubtful: {where}: {doubt}')
  return lines


def doubts(row: dict, critics: Iterable[Mapping] = ()) -> list[str]:
  """Describes each bound that a row violates by over three standard errors.

  A violation points to an error in the evaluation, or in the estimate of H(X).
  Numbers that are not finite are named too.

  Args:
    row: A row that has R, D and C; it may have bounds on information.
    critics: Further lower bounds on I(X;Z), of which those that hold count.
  """
  unknown = [
    f'{name} is {row[name]}'
    for name in COLUMNS
    if isinstance(row.get(name), float) and not math.isfinite(row[name])
  ]
  return unknown + [
    text.format(low)
    for (low, error), (high, other), text in _checks(row, critics)
    if low is not None
    and high is not None
    and low > high + 3 * math.hypot(error, other) + 1e-6  # For rounding.
  ]


def _checks(row, critics):
  """What `doubts` checks: a value and error, those above it, and a text."""
  entropy, known = row['label_entropy'], row['input_entropy']

  def number(name):
    """A value and its error; (None, 0) if there is none."""
    return row.get(name), row.get(f'{name}_stderr') or 0.0

  def rest(name):
    """H(Y) less a value: the least C that it allows."""
    value, error = number(name)
    return None if value is None else entropy - value, error

  losses = number('label_distortion'), number('label_distortion_least')
  floor = rest('label_information_upper')
  return [
    (rest('rate'), losses[0], 'C is below H(Y) - R = {:.3f}'),
    (
      (known, 0.0),
      number('rate_plus_distortion'),
      f'D + R is below {known}, the best known estimate of H(X)',
    ),
    (floor, losses[0], 'C is below its floor, {:.3f}'),
    (floor, losses[1], 'the least C is below its floor, {:.3f}'),
    (
      number('information_lower'),
      number('information_upper'),
      'the lower bound on I(X;Z), {:.3f}, is above the upper one',
    ),
    (
      number('information_lower'),
      number('rate'),
      'the lower bound on I(X;Z), {:.3f}, is above R',
    ),
    *(
      (
        (one['nats'], one['stderr']),
        number('information_upper'),
        f'the {one["estimator"]} critic, {{:.3f}}, is above I(X;Z)',
      )
      for one in critics
      if one['holds']
    ),
  ]
