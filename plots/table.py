"""Reads a table of results, and chooses the rows that a figure draws.

`python -m vae_info.results` writes the table. It may hold rows of any data set,
task and method. Each figure states which methods it draws, and which columns
their rows must have. Other rows need only have names.
"""

import csv
import dataclasses
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from vae_info.config import SEED, Config
from vae_info.errors import UserError

DATASETS = ('binarized_mnist', 'omniglot')  # The paper's.
SUBJECTS = {
  'static_mnist': 'MNIST',
  'binarized_mnist': 'MNIST',
  'omniglot': 'Omniglot',
  'omniglot_lake': 'Omniglot',
}

# Decoders that marginalise small transformations.
INVARIANT = ('deconvolutional_invariant', 'local_autoregressive')
# The columns that name a β-VAE.
MODEL = ('encoder', 'decoder', 'marginal', 'beta')
_NAMES = ('run', 'dataset', 'task', 'method')
# Two rows that agree in all of these are the same result.
_IDENTITY = (
  *_NAMES,
  'latent_size',
  'beta',
  'beta_trained',
  'seed',
  'noise',
  'classifier',
  'variant',
)


def data(dataset: str, binarization: str) -> str:
  """The name of a data set with images of one kind, which have one H(X)."""
  kind = {'none': ', 8 bits', 'threshold': ', threshold'}.get(binarization, '')
  return f'{dataset}{kind}'


@dataclasses.dataclass(frozen=True)
class Row:
  """One row of the table.

  Numbers are in nats per image where they have a unit. An empty number is None.

  Attributes:
    line: The row's line in the file, from 1.
    beta_trained: 'LOW:HIGH', the range of a multi-beta model, which was
      evaluated at `beta`; empty for all other rows.
    label_preference: (H(Y) - C) / (H(Y) R / H(X)).
    information_lower: Lower bound on I(X;Z). All columns of bounds are None in
      tables of earlier versions, which lack them.
    pixel_information: Sum over pixels of H(X_i) - D_i, by a refitted decoder.
    step: Steps of training.
    seeds: Over how many seeds the row is a mean; see `seeds`. Not a column.
    noise: Standard deviation sigma of the noise on PCA's codes.
    damage: What is wrong with one of the row's numbers, which is then None;
      empty if all are good.
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
  label_accuracy_stderr: float | None
  label_preference: float | None
  label_preference_stderr: float | None
  label_entropy: float | None
  input_entropy: float | None
  train_seconds: float | None
  information_lower: float | None = None
  information_lower_stderr: float | None = None
  information_upper: float | None = None
  information_upper_stderr: float | None = None
  label_distortion_least: float | None = None
  label_distortion_least_stderr: float | None = None
  label_information_lower: float | None = None
  label_information_lower_stderr: float | None = None
  label_information_upper: float | None = None
  label_information_upper_stderr: float | None = None
  pixel_information: float | None = None
  pixel_information_stderr: float | None = None
  rate_variational: float | None = None
  split: str = 'test'
  target_rate: float | None = None
  step: float | None = None
  augmentation: str = ''
  binarization: str = ''
  variant: str = ''
  seeds: int = 1
  damage: str = ''

  @property
  def data(self) -> str:
    """The data set; images of another H(X) are other data."""
    return data(self.dataset, self.binarization)

  @property
  def subject(self) -> str:
    """The name of the data in a figure."""
    return SUBJECTS.get(self.data, self.data)

  @property
  def family(self) -> tuple[str, str, str]:
    """Encoder, decoder and marginal."""
    return self.encoder, self.decoder, self.marginal

  @property
  def configuration(self) -> str:
    """The name of the run, without its seed."""
    return SEED.sub('', self.run)

  @property
  def unusual(self) -> list[str]:
    """What is not as usual in a training, besides its family, as texts."""
    texts = []
    if self.architecture not in ('', Config.architecture):
      texts.append(f'{self.architecture} size')
    if self.latent_size not in (None, Config.latent_size):
      texts.append(f'{self.latent_size:g} dimensions')
    if self.augmentation:
      texts.append(f'{self.augmentation} augmentation')
    return texts

  def number(self, name: str) -> float:
    """A column that is a number; `rows_of_methods` must have checked it."""
    return getattr(self, name)

  @property
  def training(self) -> str:
    """The range of betas, and how beta was annealed, as text."""
    return ', '.join(filter(None, (self.beta_trained, self.annealing)))

  @property
  def annealing(self) -> str:
    """How long beta grew, as text: '' if it did not.

    The default of autoregressive decoders is 'annealed', for half the epochs.
    """
    if not self.kl_annealing_epochs:
      return ''
    if self.epochs is None or 2 * self.kl_annealing_epochs == self.epochs:
      return 'annealed'
    plural = '' if self.kl_annealing_epochs == 1 else 's'
    return f'annealed for {self.kl_annealing_epochs:g} epoch{plural}'

  def __str__(self):
    return f'line {self.line} (run {self.run})'


_COLUMNS = {
  field.name: field.type
  for field in dataclasses.fields(Row)
  if field.name not in ('line', 'damage', 'seeds')
}
# Tables of earlier versions lack these columns.
_LATER = {
  field.name
  for field in dataclasses.fields(Row)
  if field.name in _COLUMNS and field.default is not dataclasses.MISSING
}


def read(path: pathlib.Path) -> list[Row]:
  """The rows of a CSV file.

  Raises:
    UserError: The file is not a table of results, or a row lacks a name.
      `rows_of_methods` reports damaged numbers.
    OSError: The file cannot be read.
  """
  try:
    with open(path, newline='', encoding='utf-8-sig') as file:
      lines = csv.reader(file, strict=True)
      names = next(lines, [])
      _check_columns(path, names)
      rows = [
        _row(f'{path}, line {lines.line_num}', lines.line_num, names, values)
        for values in lines
        if values
      ]
  except (csv.Error, UnicodeDecodeError) as error:
    raise UserError(f'{path} is not a CSV file: {error}') from error
  if not rows:
    raise UserError(f'{path} has no rows')
  return rows


def _check_columns(path, names):
  for name in _COLUMNS:
    if names.count(name) != 1 and not (name in _LATER and name not in names):
      what = 'twice a' if name in names else 'no'
      raise UserError(
        f'{path}, line 1, has {what} column {name!r}; '
        'python -m vae_info.results writes such a table'
      )


def _row(where, line, names, values) -> Row:
  """Parses one line; `where` names it in errors."""
  if len(values) != len(names):
    raise UserError(f'{where}: {len(values)} fields, not {len(names)}')
  texts = dict(zip(names, values, strict=True))
  for name in _NAMES:
    if not texts[name]:
      raise UserError(f'{where} (run {texts["run"]}): {name} is empty')
  fields = {name: texts[name] for name in _COLUMNS if name in texts}
  damages = []
  for name in fields:
    kind = _COLUMNS[name]
    if kind is not str:
      fields[name], damage = _number(name, texts[name])
      damages.append(damage)
  return Row(line=line, damage=next(filter(None, damages), ''), **fields)


def _number(name: str, text: str) -> tuple[float | None, str]:
  """A field's number, or None; and what is wrong with it, or ''."""
  if not text:
    return None, ''
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not math.isfinite(value):
    return None, f'{name} is {text!r}, and must be a number'
  if value < 0 and name.endswith('_stderr'):
    return None, f'{name} is negative: {text}'
  return value, ''


def default_datasets(rows: Iterable[Row]) -> list[str]:
  """The paper's data sets that the table has; if it has none, all it has."""
  there = {row.dataset for row in rows}
  return [name for name in DATASETS if name in there] or sorted(there)


def choose(
  rows: Sequence[Row],
  datasets: Sequence[str] | None = None,
  classifier: str | None = None,
) -> list[Row]:
  """The rows of some data sets, with C by one classifier.

  Supervised networks are their own classifiers, so their rows always stay.

  Args:
    rows: The table.
    datasets: Names of data sets; None for `default_datasets`.
    classifier: Name of the classifier; None stands for any.

  Raises:
    UserError: The table has no row of one of these data sets, or no C by this
      classifier.
  """
  if datasets is None:
    datasets = default_datasets(rows)
  there = sorted({row.dataset for row in rows})
  unknown = [name for name in datasets if name not in there]
  if unknown or not datasets:
    raise UserError(
      f'the table has no row of {" or ".join(unknown) or "no data set"}, but '
      f'of {", ".join(there)}; choose with --datasets'
    )
  of_datasets = [row for row in rows if row.dataset in datasets]
  fitted = [
    row for row in of_datasets if not row.method.startswith('supervised')
  ]
  known = sorted({row.classifier for row in fitted} - {''})
  names = ', '.join(known) or 'none'
  if classifier is not None and classifier not in known:
    raise UserError(
      f'the table has no C by {classifier!r}, but by {names}; choose with '
      '--classifier'
    )
  return [
    row
    for row in of_datasets
    if classifier is None
    or row.classifier == classifier
    or row.method.startswith('supervised')
  ]


def rows_of_methods(
  rows: Iterable[Row], methods: Mapping[str, Sequence[str]]
) -> list[Row]:
  """Chooses the rows of some methods, and checks them.

  Args:
    rows: Rows of any method. Those of other methods are not checked.
    methods: From each method to the columns that its rows must have.

  Raises:
    UserError: A chosen row lacks such a column, has a damaged number, or
      repeats another row.
  """
  chosen: dict[tuple, Row] = {}
  for row in rows:
    if row.method not in methods:
      continue
    if row.damage:
      raise UserError(f'{row}: {row.damage}')
    for name in methods[row.method]:
      if getattr(row, name) == '':
        raise UserError(f'{row}: {name} is empty')
      if getattr(row, name) is None:
        raise UserError(f'{row}: {name} is empty, and must be a number')
    identity = tuple(getattr(row, name) for name in _IDENTITY)
    first = chosen.setdefault(identity, row)
    if first is not row:
      raise UserError(f'{row} repeats line {first.line}')
  return list(chosen.values())


def with_errors(*names: str) -> tuple[str, ...]:
  """The names of some columns and of their standard errors."""
  return (*names, *(f'{name}_stderr' for name in names))


def column(rows: Iterable[Row], name: str) -> list[float]:
  """A column of numbers; `rows_of_methods` must have checked the rows."""
  return [row.number(name) for row in rows]
