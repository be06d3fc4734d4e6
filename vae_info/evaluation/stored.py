"""The classifiers c(y|z) that a run keeps, and the fitting of those it lacks.

Each has a folder, with `weights.*` and `classifier.json`. The latter is written
last. It has the classifier's settings and tasks, and the step of the model
whose codes it was fitted to.
"""

import dataclasses
import functools
import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from vae_info import randomness
from vae_info.datasets import Dataset
from vae_info.errors import UserError
from vae_info.evaluation import (
  classifiers,
  curve,
  estimates,
  heads,
  unfinished,
)
from vae_info.evaluation.classifiers import Mlp, Settings
from vae_info.evaluation.curve import Point
from vae_info.evaluation.heads import Head
from vae_info.runs import Run
from vae_info.runs.paths import Path, write_atomically


@dataclasses.dataclass(frozen=True)
class Fitted:
  """A fitted classifier, and how it was fitted."""

  classifier: Mlp | Head
  settings: Settings

  @property
  def family(self) -> str:
    """The name in the table of results: it says that a trunk is shared."""
    shared = isinstance(self.classifier, Head)
    return self.settings.name + (f' {heads.SHARED}' if shared else '')


class Store:
  """The classifiers of a run at some betas.

  Attributes:
    run: A finished run.
    points: The run's points at these betas.
    dataset: Classifiers are fitted to its training split.
    settings: How to fit a new classifier.
  """

  def __init__(
    self,
    run: Run,
    points: Sequence[Point],
    dataset: Dataset,
    settings: Settings,
  ):
    self.run = run
    self.points = points
    self.dataset = dataset
    self.settings = settings
    self._step = run.facts['step']

  def load_or_fit_all(
    self, tasks: Sequence[str], fixed: Collection[str]
  ) -> dict[str, dict[float, Fitted]]:
    """The classifiers of several tasks, some of which may share a trunk.

    Args:
      tasks: The labels.
      fixed: As in `load_or_fit`.

    Returns:
      Task -> its classifier at each beta.
    """
    result: dict[str, dict[float, Fitted]] = {task: {} for task in tasks}
    for name in heads.networks(self.dataset, tasks):
      for beta, fitted in self.load_or_fit(name, fixed).items():
        if name != heads.SHARED:
          result[name][beta] = fitted
          continue
        for task, head in heads.split(self.dataset, fitted.classifier).items():
          result[task][beta] = Fitted(head, fitted.settings)
    return result

  def load_or_fit(
    self, task: str, fixed: Collection[str]
  ) -> dict[float, Fitted]:
    """The classifier of a task at each beta.

    One is fitted if there is none, if the model was trained further since, or
    if a setting in `fixed` differs.

    Args:
      task: The labels, or `heads.SHARED` for all that share a trunk.
      fixed: Names of settings that a stored classifier must have as given.
    """
    kept = {point.beta: self._load(task, point.beta) for point in self.points}
    good = {
      beta: fitted
      for beta, fitted in kept.items()
      if fitted
      and all(
        getattr(fitted.settings, name) == getattr(self.settings, name)
        for name in fixed
      )
    }
    for note in dict.fromkeys(self._unlike(task, f) for f in good.values()):
      if note:
        print(note, file=sys.stderr, flush=True)
    lacking = [point for point in self.points if point.beta not in good]
    return good | self.fit(task, lacking)

  def _unlike(self, task: str, fitted: Fitted) -> str:
    """Says how a kept classifier differs from a new one; '' if it does not."""
    kept = dataclasses.asdict(fitted.settings)
    new = dataclasses.asdict(self.settings)
    differing = [name for name in kept if kept[name] != new[name]]
    if not differing:
      return ''
    has = ', '.join(f'{name} {_flag(kept[name])}' for name in differing)
    anew = ' '.join(
      f'--classifier_{name}={_flag(new[name])}' for name in differing
    )
    return f'note: the kept classifier of {task} has {has}; {anew} fits it anew'

  def fit(self, task: str, points: Sequence[Point]) -> dict[float, Fitted]:
    """Fits a task's classifiers at some points together, and stores them.

    Returns:
      The classifier at each beta.
    """
    if not points:
      return {}
    started = time.monotonic()
    fitted = classifiers.fit_together(
      [self._examples(task, point) for point in points],
      self.settings,
      f'classifier of {task}',
    )
    facts = {
      'step': self._step,
      'tasks': heads.tasks_of(self.dataset, task),
      'seconds': round(time.monotonic() - started, 1),
      'fitted_together': len(points),
    }
    unfinished.remove(self.run)  # Its parts are of the classifiers before.
    result = {}
    for point, classifier in zip(points, fitted, strict=True):
      result[point.beta] = Fitted(classifier, self.settings)
      save(self.run.classifier(task, point.beta), result[point.beta], facts)
    return result

  def _load(self, task, beta):
    tasks = heads.tasks_of(self.dataset, task)
    return load(
      self.run.classifier(task, beta),
      self._inputs(task),
      {name: self.dataset.num_classes[name] for name in tasks},
      self._step,
    )

  def _inputs(self, task):
    """Dimensions of the code and of what is given beside it."""
    given = self.dataset.train.given.get(task, ())
    return self.run.config.latent_size + sum(x.shape[-1] for x in given)

  def _examples(self, task, point):
    draw = estimates.make_draw(
      point.model,
      self.parameters[point.beta],
      self.settings.seed,
      'classifier codes',
      self.dataset.train.given.get(task, ()),
    )
    target = heads.target(self.dataset, task)
    return classifiers.Examples(
      draw,
      target.labels,
      self._inputs(task),
      target.num_classes,
      target.losses,
    )

  @functools.cached_property
  def parameters(self) -> dict[float, np.ndarray]:
    """The encoder's parameters by beta, `[N, P]` each, shared by all tasks."""
    return curve.encode(self.points, self.dataset.train.images)


def _flag(value):
  """A setting as on the command line."""
  if isinstance(value, tuple):
    return ','.join(map(str, value)) or 'none'
  return value


def save(folder: Path, fitted: Fitted, facts: Mapping[str, Any]) -> None:
  """Writes the weights, then `classifier.json`, which marks them complete.

  Args:
    folder: The folder of this classifier alone.
    fitted: What to store.
    facts: The model's `step`, the `tasks`, and other facts for
      `classifier.json`.

  Raises:
    UserError: The weights cannot be written.
  """
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'classifier.json').unlink(missing_ok=True)
  try:
    tf.train.Checkpoint(classifier=fitted.classifier).write(
      str(folder / 'weights')
    )
  except tf.errors.OpError as error:
    raise UserError(
      f'cannot write the classifier to {folder}: {error.message}'
    ) from error
  content = {'settings': dataclasses.asdict(fitted.settings), **facts}
  write_atomically(
    folder / 'classifier.json', json.dumps(content, indent=2) + '\n'
  )


def load(
  folder: Path, inputs: int, num_classes: Mapping[str, int], step: int
) -> Fitted | None:
  """Loads the classifier in `folder`; None if there is none for this step.

  One of other tasks, or a damaged one, counts as none. So it is fitted again.

  Args:
    folder: The folder of this classifier alone.
    inputs: Size of a code, and of what the classifier is given beside it.
    num_classes: Task -> number of classes, in the order of the outputs.
    step: The step of the model.
  """
  try:
    content = json.loads((folder / 'classifier.json').read_text())
    hidden = tuple(content['settings'].pop('hidden'))
    settings = Settings(hidden, **content['settings'])
    tasks = [*num_classes]
    # An earlier version kept no tasks.
    if content['step'] != step or content.get('tasks', tasks) != tasks:
      return None
    rng = randomness.generator(settings.seed, 'classifier weights')
    outputs = sum(num_classes.values())
    classifier = Mlp(inputs, outputs, settings.hidden, rng)
    status = tf.train.Checkpoint(classifier=classifier).read(
      str(folder / 'weights')
    )
    status.assert_consumed()
  except FileNotFoundError:
    return None
  except (
    AssertionError,
    LookupError,
    TypeError,
    ValueError,
    tf.errors.OpError,
  ) as error:
    logging.warning('the classifier in %s is damaged: %s', folder, error)
    return None
  return Fitted(classifier, settings)
