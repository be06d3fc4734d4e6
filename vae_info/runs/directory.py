"""A run directory, and the class `Run` that reads and writes it.

<run>/config.json      the config; written first, never changed
<run>/run.lock         held while a process trains or evaluates the run
<run>/checkpoints/     the two newest checkpoints
<run>/summaries/       for TensorBoard: curves, pictures, rates of dimensions
<run>/progress.json    training progress
<run>/finished.json    written last: only a finished training has it
<run>/classifiers/     c(y|z) of each task; of a multi-beta model, at each beta
<run>/trained.json     supervised baseline or flow: written when it is trained
<run>/pixels.npz       what its codes know of each pixel, if that was asked for
<run>/parts/           PCA, k-means, flow: rows for each size or variant
<run>/evaluation.json  rows of the table of results
<run>/launch/          what a sweep wrote while it ran this run

Only `Run.model` imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_info import config as configs
from vae_info.config import BetaRange, Config
from vae_info.errors import UserError
from vae_info.runs import locks, rows
from vae_info.runs.paths import Path, is_remote, write_atomically

if TYPE_CHECKING:
  from vae_info.networks.model import Model

CONFIG = 'config.json'
FINISHED = 'finished.json'
PROGRESS = 'progress.json'
UNFINISHED = 'evaluation.unfinished.json'
LAUNCH = 'launch'
_BEFORE_CONFIG = (locks.LOCK, LAUNCH)  # These may precede the config.


class Run:
  """One run directory, which need not exist yet.

  Attributes:
    path: The directory.
  """

  def __init__(self, path: Path):
    self.path = path

  def __str__(self):
    return str(self.path)

  @property
  def name(self) -> str:
    """The directory's own name, also of a path such as '.'."""
    if is_remote(self.path):
      return self.path.name
    return pathlib.Path(os.path.abspath(self.path)).name

  # The config.

  def open(self, config) -> None:
    """Makes the directory, or checks that its run has this config.

    Raises:
      UserError: The run has another config, or the directory has files but no
        config.
    """
    self.path.mkdir(parents=True, exist_ok=True)
    if not (self.path / CONFIG).exists():
      names = {
        file.name
        for file in self.path.iterdir()
        # Another process may be writing the config, or was killed then.
        if file.name not in _BEFORE_CONFIG and not file.name.startswith(CONFIG)
      }
      if names:
        raise UserError(
          f'{self} is neither empty nor a run directory: it has '
          f'{min(names)} but no {CONFIG}'
        )
      write_atomically(self.path / CONFIG, configs.to_json(config))
    self.check(config)

  def check(self, config) -> None:
    """Raises `UserError` unless the run has this config."""
    stored = self.read_config(type(config))
    names = (field.name for field in dataclasses.fields(config))
    self.check_fields(stored, {name: getattr(config, name) for name in names})

  def check_fields(self, stored, wanted: Mapping[str, Any]) -> None:
    """Raises `UserError` unless the config has these attributes.

    Args:
      stored: The run's config, by `read_config`.
      wanted: Names and values of attributes.
    """
    differences = configs.differences(stored, wanted)
    if differences:
      raise UserError(
        f'{self} holds a run with another config ({"; ".join(differences)}); '
        'name another directory, or give the same flags'
      )

  @property
  def exists(self) -> bool:
    """Whether the directory has a config."""
    return (self.path / CONFIG).is_file()

  @property
  def kind(self) -> str | None:
    """The config's kind, 'training' or 'baseline'.

    It is None if the config is missing or damaged.
    """
    return read_json(self.path / CONFIG).get('kind')

  @property
  def config(self) -> Config:
    """The config of a training.

    Raises:
      UserError: This is not the run directory of a training.
    """
    return self.read_config(Config)

  def read_config(self, kind: type) -> Any:
    """Reads the config as an instance of the class `kind`.

    Raises:
      UserError: The config is missing, damaged, or of another class.
    """
    path = self.path / CONFIG
    if not path.is_file():
      raise UserError(f'{self} is not a run directory: no {path}')
    if self.kind not in (None, kind.KIND):
      raise UserError(f'{self} is of a {self.kind}, not of a {kind.KIND}')
    try:
      return configs.from_json(kind, path.read_text())
    except UserError as error:
      raise UserError(
        f'{path} is not a config: {error}; mend it, or delete {self} to start '
        'the run again'
      ) from error

  # The lock, and the state of the training.

  def lock(self) -> contextlib.AbstractContextManager[None]:
    """Returns a context that keeps other processes out; see `locks.lock`."""
    return locks.lock(self.path)

  @property
  def locked(self) -> bool:
    """Whether a process trains or evaluates the run."""
    return locks.is_held(self.path)

  @property
  def progress(self) -> dict:
    """`step`, `total` and `seconds_left` of a training; {} if unknown."""
    return read_json(self.path / PROGRESS)

  def report(self, progress: dict) -> None:
    """Writes the file that `progress` reads."""
    write_atomically(self.path / PROGRESS, json.dumps(progress) + '\n')

  @property
  def finished(self) -> bool:
    """Whether the training is finished."""
    return (self.path / FINISHED).is_file()

  def check_finished(self) -> None:
    """Raises `UserError` unless this is a finished training."""
    self.read_config(Config)
    if not self.finished:
      raise UserError(
        f'{self} is not finished; python -m vae_info.train --run={self} '
        'resumes it'
      )

  def finish(self, facts: dict) -> None:
    """Marks the training as finished; `facts` describe how it was made."""
    write_atomically(self.path / FINISHED, json.dumps(facts, indent=2) + '\n')

  @property
  def facts(self) -> dict:
    """The facts that `finish` stored.

    Raises:
      UserError: The file is damaged.
    """
    path = self.path / FINISHED
    try:
      facts = json.loads(path.read_text())
      int(facts['step'])
      np.broadcast_to(0, facts['train_images'])
    except (ValueError, LookupError, TypeError) as error:
      raise UserError(
        f'{path} is damaged ({error}); delete it and run the same training '
        'command again: it resumes from the last good checkpoint'
      ) from error
    return facts

  @property
  def beta(self) -> float | BetaRange:
    """The beta or the range that a finished model was trained for.

    With a target rate, it is the beta that gave this rate in the end.

    Raises:
      UserError: The file is damaged.
    """
    return configs.parse_beta(self.facts.get('beta', self.config.beta))

  # The results.

  @property
  def checkpoints(self) -> Path:
    return self.path / 'checkpoints'

  @property
  def summaries(self) -> Path:
    return self.path / 'summaries'

  @property
  def launch(self) -> Path:
    return self.path / LAUNCH

  def model(self) -> Model:
    """Builds the trained encoder, decoder and marginal.

    They compute in float32, even if the training used bfloat16. A multi-beta
    model is used as `model().at(beta)`.

    Raises:
      UserError: The training is not finished, or its last checkpoint cannot be
        read.
    """
    from vae_info.networks import model as models
    from vae_info.runs import checkpoints

    self.check_finished()
    facts = self.facts
    # The checkpoint replaces all weights, so only the images' shape matters.
    images = np.broadcast_to(np.uint8(0), facts['train_images'])
    config = dataclasses.replace(
      self.config, precision='float32', beta=self.beta
    )
    model = models.build(config, images)
    checkpoints.restore_step(model, self.checkpoints, facts['step'])
    return model

  @property
  def classifiers(self) -> Path:
    return self.path / 'classifiers'

  def classifier(self, task: str, beta: float) -> Path:
    """The folder of c(y|z) for a task at a beta; it need not exist."""
    folder = self.classifiers / task
    return folder / f'beta{beta:.12g}' if self.config.beta_range else folder

  @property
  def pixels(self) -> Path:
    """The maps of `evaluation.pixels`; the file need not exist."""
    return self.path / 'pixels.npz'

  @property
  def unfinished(self) -> Path:
    """The file of `evaluation.unfinished`; it need not exist."""
    return self.path / UNFINISHED

  @property
  def rows(self) -> list[dict]:
    """The run's rows of the table of results.

    There are none if the evaluation is missing or damaged. The same holds if
    another version wrote it, or if it is of another training than the last.
    """
    try:
      return self.read_rows()
    except UserError:
      return []

  def read_rows(self) -> list[dict]:
    """The run's rows, as `rows`.

    Raises:
      UserError: The evaluation is damaged, or another version wrote it.
    """
    evaluation = self.path / rows.EVALUATION
    if not evaluation.is_file():
      return []
    found = rows.read(evaluation)
    if self.kind == 'training' and not self.finished:
      return []  # It is trained again.
    trained = read_json(self.path / FINISHED)
    names = trained.keys() & {'step', 'train_seconds'}
    same = all(row[name] == trained[name] for row in found for name in names)
    return found if same else []

  @property
  def bounded(self) -> bool:
    """Whether any of its rows has bounds, or the least C."""
    return any(row['label_distortion_least'] is not None for row in self.rows)

  @property
  def details(self) -> list[dict]:
    """What an evaluation keeps beside the rows, for each beta and task."""
    found = read_json(self.path / rows.EVALUATION).get('details')
    return found if isinstance(found, list) else []

  @property
  def tasks(self) -> list[str]:
    """All tasks that could be evaluated; none without a known evaluation."""
    found = read_json(self.path / rows.EVALUATION).get('tasks')
    return found if isinstance(found, list) else []

  def write_rows(
    self,
    new: list[dict],
    details: Sequence[dict] = (),
    tasks: Sequence[str] = (),
  ) -> None:
    """Replaces the rows; a column that a row lacks becomes None.

    Args:
      new: The rows.
      details: What else to keep with them; each has a `beta` and a `task`.
      tasks: All tasks that could be evaluated.
    """
    whole = [{name: row.get(name) for name in rows.COLUMNS} for row in new]
    content: dict = {'rows': whole}
    if details:
      content['details'] = list(details)
    if tasks:
      content['tasks'] = list(tasks)
    write_atomically(
      self.path / rows.EVALUATION, json.dumps(content, indent=2) + '\n'
    )

  @property
  def evaluated(self) -> bool:
    """Whether the run has everything that the table of results needs."""
    # A baseline has no finished.json: its rows come last.
    return (self.finished or self.kind == 'baseline') and bool(self.rows)


def finished_runs(runs_dir: Path) -> list[Run]:
  """Returns the finished trainings in a folder, sorted by name.

  Raises:
    UserError: The folder has none.
  """
  paths = sorted(path.parent for path in runs_dir.glob(f'*/{FINISHED}'))
  if not paths:
    raise UserError(
      f'no finished run in {runs_dir}; first python -m vae_info.train '
      f'--runs_dir={runs_dir}'
    )
  return [Run(path) for path in paths]


def unevaluated(runs_dir: Path) -> int:
  """How many finished trainings in a folder have no evaluation of them."""
  return sum(
    not Run(path.parent).rows for path in runs_dir.glob(f'*/{FINISHED}')
  )


def gather(runs_dir: Path) -> list[dict]:
  """Reads all rows under a folder, sorted by the runs' names.

  Raises:
    UserError: The folder has no evaluation of a last training, or one is
      damaged.
  """
  paths = sorted(runs_dir.glob(f'*/{rows.EVALUATION}'))
  found = [row for path in paths for row in Run(path.parent).read_rows()]
  if not found:
    old = ' of the last training' if paths else ''
    raise UserError(
      f'no {rows.EVALUATION}{old} in the folders of {runs_dir}; first '
      f'python -m vae_info.evaluate --runs_dir={runs_dir}'
    )
  return found


def read_json(path: Path) -> dict:
  """Reads a JSON object; {} if the file is missing or damaged."""
  try:
    content = json.loads(path.read_text())
  except (FileNotFoundError, NotADirectoryError, ValueError):
    return {}
  return content if isinstance(content, dict) else {}
