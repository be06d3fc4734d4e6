"""Reads a table of results, and says in one line what is wrong with it.

A table is what `python -m vae_info.results` writes. What figures draw must be
there and be a finite number; what they do not draw is not looked at.
"""

import csv
import dataclasses
import math
import pathlib
import re
import statistics
from collections.abc import Iterable, Sequence

from vae_info.config import UserError

SUBJECTS = {
  'static_mnist': 'MNIST',
  'binarized_mnist': 'MNIST',
  'omniglot': 'Omniglot',
  'omniglot_lake': 'Omniglot',
}
PANELS = (
  ('MNIST', 'digit'),
  ('Omniglot', 'alphabet'),
  ('Omniglot', 'character'),
)

_C = ('label_distortion', 'label_distortion_stderr', 'label_entropy')
# The numbers that a row of each method must have.
METHODS = {
  'vae': (
    'beta',
    'rate',
    'rate_stderr',
    'distortion',
    'distortion_stderr',
    'rate_plus_distortion',
    'rate_plus_distortion_stderr',
    *_C,
  ),
  'pca': ('latent_size', 'noise', 'rate', *_C),
  'random_dense': _C,
  'random_conv': _C,
  'supervised_simple': _C,
  'supervised_complex': _C,
}
UNBOUNDED = tuple(name for name, numbers in METHODS.items() if numbers == _C)
_WORDS = {'vae': ('encoder', 'decoder', 'marginal')}
# Two rows that agree in all of these are one result told twice.
_IDENTITY = (
  'run',
  'dataset',
  'task',
  'method',
  'latent_size',
  'beta',
  'beta_trained',
  'seed',
  'noise',
  'classifier',
)


@dataclasses.dataclass(frozen=True)
class Row:
  """One line of the table: nats per image; None where the field is empty.

  Attributes:
    line: Its line in the file, from 1.
    beta_trained: 'LOW:HIGH' if the run was trained over a range of betas, and
      evaluated at `beta`; otherwise empty.
    label_preference: (H(Y) - C) / (H(Y) R / H(X)).
    noise: Standard deviation sigma of the noise on PCA's codes.
  """

  line: int
  run: str
  dataset: str
  task: str
  method: str
  encoder: str
  decoder: str
  marginal: str
  architecture: str
  classifier: str
  beta_trained: str
  latent_size: float | None
  epochs: float | None
  kl_annealing_epochs: float | None
  beta: float | None
  seed: float | None
  noise: float | None
  rate: float | None
  rate_stderr: float | None
  distortion: float | None
  distortion_stderr: float | None
  rate_plus_distortion: float | None
  rate_plus_distortion_stderr: float | None
  label_distortion: float | None
  label_distortion_stderr: float | None
  label_accuracy: float | None
  label_preference: float | None
  label_preference_stderr: float | None
  label_entropy: float | None
  input_entropy: float | None

  @property
  def subject(self) -> str:
    """What the data are called in a figure."""
    return SUBJECTS.get(self.dataset, self.dataset)

  @property
  def family(self) -> tuple[str, str, str]:
    return self.encoder, self.decoder, self.marginal

  @property
  def training(self) -> str:
    """Over which betas, and whether these were annealed."""
    return self.beta_trained + (
      ', annealed' if self.kl_annealing_epochs else ''
    )

  def __str__(self):
    return f'line {self.line} (run {self.run})'


_FIELDS = [field for field in dataclasses.fields(Row) if field.name != 'line']


@dataclasses.dataclass(frozen=True)
class Panel:
  """Rows that may share axes.

  Attributes:
    title: Of the data, and of the task.
    label_entropy: H(Y), nats.
    input_entropy: H(X), nats, or None where nobody knows it.
  """

  title: str
  rows: Sequence[Row]
  label_entropy: float
  input_entropy: float | None

  def of(self, method: str) -> list[Row]:
    return [row for row in self.rows if row.method == method]


def read(path: pathlib.Path) -> list[Row]:
  """The rows of a CSV file.

  Raises:
    UserError: It is not such a table: a column or a number is missing, or one
      result is there twice.
  """
  rows, seen = [], {}
  try:
    with open(path, newline='', encoding='utf-8') as file:
      lines = csv.reader(file, strict=True)
      names = next(lines, [])
      _check_columns(path, names)
      for values in lines:
        if not values:
          continue
        rows.append(_row(path, lines.line_num, names, values))
        key = tuple(getattr(rows[-1], name) for name in _IDENTITY)
        first = seen.setdefault(key, rows[-1])
        if first is not rows[-1]:
          raise UserError(f'{path}: {rows[-1]} repeats line {first.line}')
  except (csv.Error, UnicodeDecodeError) as error:
    raise UserError(f'{path} is not a CSV file: {error}') from error
  if not rows:
    raise UserError(f'{path} has no rows')
  return rows


def _check_columns(path, names):
  for field in _FIELDS:
    if names.count(field.name) != 1:
      what = 'twice a' if field.name in names else 'no'
      raise UserError(
        f'{path}, line 1, has {what} column {field.name!r}; '
        'python -m vae_info.results writes such a table'
      )


def _row(path, line, names, values) -> Row:
  """One line as a `Row`, checked on its own."""
  where = f'{path}, line {line}'
  if len(values) != len(names):
    raise UserError(f'{where}: {len(values)} fields, not {len(names)}')
  texts = dict(zip(names, values, strict=True))
  where += f' (run {texts["run"]})'
  for name in ('run', 'dataset', 'task', *_WORDS.get(texts['method'], ())):
    if not texts[name]:
      raise UserError(f'{where}: {name} is empty')
  if texts['method'] not in METHODS:
    raise UserError(
      f'{where}: unknown method {texts["method"]!r}; expected one of '
      f'{", ".join(METHODS)}'
    )
  fields = {
    field.name: texts[field.name]
    if field.type is str
    else _number(where, field.name, texts[field.name])
    for field in _FIELDS
  }
  for name in METHODS[texts['method']]:
    if fields[name] is None:
      raise UserError(f'{where}: {name} is empty, and must be a number')
  return Row(line=line, **fields)


def _number(where: str, name: str, text: str) -> float | None:
  if not text:
    return None
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not math.isfinite(value):
    raise UserError(f'{where}: {name} is {text!r}, and must be a number')
  if value < 0 and name.endswith('_stderr'):
    raise UserError(f'{where}: {name} is negative: {text}')
  return value


def choose(
  rows: Iterable[Row],
  datasets: Sequence[str] = (),
  classifier: str | None = None,
) -> list[Row]:
  """Rows of some data sets, and with C by one classifier.

  Supervised networks are their own classifiers, so they stay.
  """
  return [
    row
    for row in rows
    if (not datasets or row.dataset in datasets)
    and (
      classifier is None
      or row.classifier == classifier
      or row.method.startswith('supervised')
    )
  ]


def panels(rows: Sequence[Row]) -> list[Panel]:
  """The panels of `PANELS` that there are β-VAEs for.

  Raises:
    UserError: There is none; or a panel would mix what cannot be compared.
  """
  found = []
  for subject, task in PANELS:
    of_panel = [r for r in rows if (r.subject, r.task) == (subject, task)]
    if any(row.method == 'vae' for row in of_panel):
      found.append(panel(f'{subject} {task}', of_panel))
  if not found:
    raise UserError(
      'the table has no β-VAE of a data set and task that the figures show: '
      f'{", ".join(" ".join(panel) for panel in PANELS)}'
    )
  return found


def panel(title: str, rows: Sequence[Row]) -> Panel:
  """One panel of these rows, with each baseline's best configuration alone.

  Raises:
    UserError: They are of two data sets, or C is by two classifiers.
  """
  fitted = [row for row in rows if not row.method.startswith('supervised')]
  _check_same(title, rows, 'dataset', '--datasets')
  _check_same(title, fitted, 'classifier', '--classifier')
  for name in ('label_entropy', 'input_entropy'):
    _check_same(title, rows, name, None)
  known = [row.input_entropy for row in rows if row.input_entropy is not None]
  rows = best_configurations(rows)
  return Panel(title, rows, rows[0].label_entropy, known[0] if known else None)


def best_configurations(rows: Sequence[Row]) -> list[Row]:
  """Of each baseline without a rate, the one configuration of least C.

  Runs that differ by their seed alone are one configuration, whose C is their
  mean. All other rows stay.
  """
  losses = {}  # Method -> configuration -> C of its runs.
  for row in rows:
    if row.method in UNBOUNDED:
      of_method = losses.setdefault(row.method, {})
      of_method.setdefault(_configuration(row), []).append(row.label_distortion)
  best = {
    method: min(found, key=lambda name: statistics.mean(found[name]))
    for method, found in losses.items()
  }
  return [
    row
    for row in rows
    if row.method not in best or _configuration(row) == best[row.method]
  ]


def _configuration(row):
  """The run's name without its seed."""
  return re.sub(r'_seed\d+', '', row.run)


def _check_same(title, rows, name, flag):
  """Raises `UserError` unless an attribute is one wherever it is told."""
  told = [row for row in rows if getattr(row, name) not in (None, '')]
  for row in told[1:]:
    expected, value = getattr(told[0], name), getattr(row, name)
    same = value == expected
    if not isinstance(value, str):
      same = math.isclose(value, expected, rel_tol=1e-4)
    if not same:
      remedy = f'; choose one with {flag}' if flag else ''
      raise UserError(
        f'{row}: {name} is {value}, but {expected} in line {told[0].line}, and '
        f'both would be in the panel {title}{remedy}'
      )


def notes(rows: Sequence[Row]) -> list[str]:
  """What figures leave out, a line each."""
  lines = []
  for subject, task in PANELS:
    if not any(
      (row.subject, row.task, row.method) == (subject, task, 'vae')
      for row in rows
    ):
      lines.append(f'no panel {subject} {task}: the table has no β-VAE of it')
  others = [row for row in rows if (row.subject, row.task) not in PANELS]
  if others:
    lines.append(
      f'not drawn: {len(others)} rows of other data sets or tasks, the first '
      f'of them {others[0].dataset} {others[0].task} in {others[0]}'
    )
  for subject, task in PANELS:
    of_panel = [r for r in rows if (r.subject, r.task) == (subject, task)]
    beaten = set(of_panel) - set(best_configurations(of_panel))
    if beaten:
      lines.append(
        f'not drawn in the panel {subject} {task}: {len(beaten)} rows of '
        'baselines that do better with other flags, the first '
        f'{min(beaten, key=lambda row: row.line)}'
      )
  return lines
