"""The points of the curve that a run gives: one, or one for each beta.

A run of one beta is a point; a run of a range of betas is as many as are asked
for. All that is evaluated, is evaluated of a point.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from vae_info import classifiers, conditioning, evaluation
from vae_info.config import Config, UserError
from vae_info.datasets import Dataset
from vae_info.paths import Path

COUNT = 12  # Betas of a run of a range, where none are named.


@dataclasses.dataclass(frozen=True)
class Point:
  """A run at one beta.

  Attributes:
    beta: Of the point.
    model: Encoder, decoder and marginal at this beta.
    folder: Holds the run's classifiers of all tasks.
    name: Of this point in a folder of points; empty where it is the only one.
  """

  beta: float
  model: object
  folder: Path
  name: str = ''

  def classifier_folder(self, task: str) -> Path:
    return self.folder / task / self.name


def load(
  run: Path,
  config: Config,
  images: np.ndarray,
  betas: Sequence[float] | None = None,
) -> list[Point]:
  """The points of a finished run, with its weights.

  Args:
    run: Directory with checkpoints.
    config: Of the run.
    images: Training images, as `model.build` takes them.
    betas: Of the points, if the run has a range; by default `COUNT`, evenly
      spaced in log beta.

  Raises:
    UserError: A beta is out of the run's range, or the checkpoint is not
      readable.
  """
  folder = run / 'classifiers'
  if not config.beta_range:
    model = evaluation.load_model(run, config, images)
    return [Point(config.beta, model, folder)]
  if betas is None:
    betas = conditioning.betas(config, COUNT)
  low, high = config.beta_range
  for beta in betas:
    if not low <= beta <= high:
      raise UserError(
        f'{run} was trained for betas {low:g} to {high:g}, not for {beta:g}'
      )
  model = evaluation.load_model(run, config, images)
  return [
    Point(
      beta,
      conditioning.at_beta(config, model, beta),
      folder,
      f'beta{beta:.12g}',
    )
    for beta in betas
  ]


def fit_classifiers(
  points: Sequence[Point],
  dataset: Dataset,
  task: str,
  settings: classifiers.Settings,
  step: int,
  encode,
) -> list[classifiers.Mlp]:
  """Fits c(y|z) of one task for all points together, and keeps them.

  Args:
    points: Of one run.
    dataset: Its training split is fitted to.
    task: Name of the labels.
    settings: Of the classifiers.
    step: Of the run's checkpoint.
    encode: As `make_encode` makes it.
  """
  return classifiers.fit_and_save(
    [point.classifier_folder(task) for point in points],
    [point.model for point in points],
    [encode(point) for point in points],
    dataset.train.labels[task],
    dataset.num_classes[task],
    task,
    settings,
    step,
  )


def make_encode(points: Sequence[Point], images: np.ndarray):
  """A function from a point to the images' parameters, `[N, P]`.

  Those of all points are computed when the first is asked for, and once for all
  tasks.
  """

  @functools.cache
  def at_each():
    models = [point.model for point in points]
    if len(models) == 1:
      return {points[0]: evaluation.encode(models[0], images)}
    found = evaluation.encode_at_each(models, images)
    return dict(zip(points, found, strict=True))

  return lambda point: at_each()[point]


def stored_or_fitted(
  points: Sequence[Point],
  config: Config,
  dataset: Dataset,
  task: str,
  wanted: classifiers.Settings,
  given: Sequence[str],
  step: int,
  encode,
) -> list[tuple[classifiers.Mlp, classifiers.Settings]]:
  """Each point's classifier of one task and its settings.

  They are fitted where there is none, where the model has been trained further,
  and where a setting that was `given` by name differs from the stored one.
  """
  found = {}
  for point in points:
    stored = classifiers.load(
      point.classifier_folder(task),
      config.latent_size,
      dataset.num_classes[task],
      step,
    )
    if stored and all(
      getattr(wanted, name) == getattr(stored[1], name) for name in given
    ):
      found[point] = stored
  missing = [point for point in points if point not in found]
  if missing:
    fitted = fit_classifiers(missing, dataset, task, wanted, step, encode)
    found |= {
      point: (classifier, wanted)
      for point, classifier in zip(missing, fitted, strict=True)
    }
  return [found[point] for point in points]
