"""The options of an evaluation. Imports no TensorFlow."""

import dataclasses
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vae_info import datasets
from vae_info.errors import UserError
from vae_info.runs import Run
from vae_info.runs.rows import LABEL_BUDGETS

SPLITS = ('test', 'validation')  # What an evaluation may be of.


@dataclasses.dataclass(frozen=True)
class Settings:
  """How a classifier c(y|z) is made and fitted.

  Attributes:
    hidden: Units of each hidden layer.
    learning_rate: Adam's first learning rate. It is divided by 10 after each
      quarter of the epochs; `classifiers` says how, with its larger batches.
    epochs: Passes over the training images, with new codes for each.
    batch_size: Codes in one step of the first quarter.
    seed: Determines the first weights, the codes and their order.

  Raises:
    UserError: An attribute is out of bounds.
  """

  hidden: tuple[int, ...] = (200, 200)
  learning_rate: float = 1e-4
  epochs: int = 100
  batch_size: int = 32
  seed: int = 0

  def __post_init__(self):
    for name in ('learning_rate', 'epochs', 'batch_size'):
      if not getattr(self, name) > 0:
        raise UserError(
          f'classifier_{name} must be above 0, got {getattr(self, name)}'
        )
    if any(units < 1 for units in self.hidden):
      raise UserError(
        f'classifier_hidden must be numbers above 0, got {self.hidden}'
      )

  @property
  def family(self) -> str:
    """The kind of network, such as 'linear' or 'mlp 200-200'."""
    if not self.hidden:
      return 'linear'
    return f'mlp {"-".join(map(str, self.hidden))}'

  @property
  def changed(self) -> list[str]:
    """How it is fitted, where that is not the default: 'epochs 5'."""
    return [
      f'{field.name} {getattr(self, field.name):g}'
      for field in dataclasses.fields(self)
      if field.name in ('learning_rate', 'epochs', 'batch_size')
      and getattr(self, field.name) != field.default
    ]

  @property
  def name(self) -> str:
    """The name in the table of results, such as 'mlp 200-200 (epochs 5)'.

    It has all on which C depends, besides the seed.
    """
    changed = ', '.join(self.changed)
    return f'{self.family} ({changed})' if changed else self.family

  def agrees(self, name: str, settings: Collection[str]) -> bool:
    """Whether a classifier of the table of results has some of the settings.

    Args:
      name: Its `name`; ' shared' may follow.
      settings: Those that it must have as given here, by name.
    """
    family, _, rest = name.removesuffix(' shared').partition(' (')
    theirs = rest.rstrip(')').split(', ')
    return all(
      family == self.family
      if each == 'hidden'
      else _of(each, theirs) == _of(each, self.changed)
      for each in settings
    )


def _of(setting, changed):
  """What `Settings.changed` says of one setting."""
  return [text for text in changed if text.startswith(f'{setting} ')]


def check_budgets(budgets: Sequence[int]) -> None:
  """Raises `UserError` for a number of labels that has no column."""
  for budget in budgets:
    if budget not in LABEL_BUDGETS:
      raise UserError(
        f'label_budgets must be of {", ".join(map(str, LABEL_BUDGETS))}, got '
        f'{budget}'
      )


@dataclasses.dataclass(frozen=True)
class Options:
  """What to evaluate of a run, and how.

  Attributes:
    task: The labels to evaluate; None for the default tasks of the data set,
      `datasets.ALL` for all of them.
    betas: Where to evaluate a multi-beta model; None for 12 betas, evenly
      spaced in log beta.
    num_samples: Codes of each image. Its R, D and C are averaged over them.
    batch_size: Images at once. It affects memory and speed alone.
    split: The images to evaluate, 'test' or 'validation'. Rows of the latter
      are returned, but not written into the run directory.
    one_trunk: Whether the classifiers of all tasks are heads of one trunk. By
      default those tasks share it that the data set names.
    bounds: Whether to bound I(X;Z) and I(Z;Y), and to fit the least C. Both are
      of test images alone.
    refit_decoder: Whether to fit a decoder with independent pixels to the
      codes, which tells what they know of each pixel; see `pixels`. This too is
      of test images alone.
    critics: Whether learned critics bound I(X;Z) too. Their bounds are beside
      the others, in `evaluation.json`.
    label_budgets: Numbers of labels with which C is measured too. This is of
      test images alone.
    entropy_estimate: H(X) in nats; None for the data set's published estimate.
    data_dir: As in `datasets.load`.
    cache_dir: As in `datasets.load`.
    classifier: Attributes of `Settings`, by name, without the seed, which is
      the run's. A new classifier has defaults for those that are left out. A
      stored classifier may have any value for them.

  Raises:
    UserError: The split or a budget is unknown, an attribute of `classifier` is
      out of bounds, or critics are wanted without bounds.
  """

  task: str | None = None
  betas: Sequence[float] | None = None
  num_samples: int = 4
  batch_size: int = 500
  split: str = 'test'
  one_trunk: bool = False
  bounds: bool = True
  refit_decoder: bool = False
  critics: bool = False
  label_budgets: Sequence[int] = ()
  entropy_estimate: float | None = None
  data_dir: str | None = None
  cache_dir: str | None = None
  classifier: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if self.split not in SPLITS:
      raise UserError(
        f'unknown split {self.split!r}; expected one of {", ".join(SPLITS)}'
      )
    check_budgets(self.label_budgets)
    if self.critics and not self.bounds:
      raise UserError(
        'critics are written beside the bounds: give no --nobounds'
      )
    self.settings(seed=0)  # Raises early, before anything slow.

  def settings(self, seed: int) -> Settings:
    """The settings of a new classifier.

    Raises:
      UserError: One of them is out of bounds.
    """
    return Settings(**self.classifier, seed=seed)

  def satisfied_by(self, run: Run) -> bool:
    """Whether the run has rows for the task and betas that are named here.

    They must be of the classifier and the H(X) that are named, and have what a
    refitted decoder knows, the label budgets and the critics, if these are
    asked for. The number of codes and one trunk do not matter, and betas do
    for a multi-beta model alone. A run never has the rows of an evaluation on
    validation images.
    """
    rows = run.rows
    if self.split != 'test' or not rows:
      return False
    tasks = {row['task'] for row in rows}
    wanted = {self.task} if self.task else set(tasks)
    if self.task == datasets.ALL:
      if not run.tasks:  # An earlier version did not keep them.
        return False
      wanted = set(run.tasks)
    if rows[0]['beta_trained'] and self.betas:
      present = {(row['task'], row['beta']) for row in rows}
      if not present.issuperset(itertools.product(wanted, self.betas)):
        return False
      rows = [row for row in rows if row['beta'] in self.betas]
    rows = [row for row in rows if row['task'] in wanted]
    if self.critics:
      measured = {d['beta'] for d in run.details if 'critics' in d}
      if not measured.issuperset(row['beta'] for row in rows):
        return False
    return wanted <= tasks and all(map(self._content_with, rows))

  def _content_with(self, row: Mapping[str, Any]) -> bool:
    """Whether a row of a task that is wanted has all that is asked for."""
    filled = [f'label_distortion_{budget}' for budget in self.label_budgets]
    if self.refit_decoder:
      filled.append('pixel_information')
    if self.entropy_estimate not in (None, row['input_entropy']):
      return False
    return all(row[name] is not None for name in filled) and self.settings(
      seed=0
    ).agrees(row['classifier'] or '', self.classifier)
