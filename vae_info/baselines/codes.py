"""Fits and evaluates the classifiers of the beta-VAEs on a baseline's codes.

Pixels, outputs of an untrained network or principal components replace the
parameters of the encoder's distribution.
"""

import types
from collections.abc import Sequence

import numpy as np

from vae_info.baselines.config import BaselineConfig
from vae_info.baselines.job import Job
from vae_info.datasets import Split
from vae_info.evaluation import classifiers, estimates
from vae_info.evaluation.classifiers import Examples, Mlp, Settings


def as_model(encoder) -> types.SimpleNamespace:
  """Wraps an encoder as the model that `evaluation` expects."""
  return types.SimpleNamespace(encoder=encoder)


def encode(encoder, images: np.ndarray) -> np.ndarray:
  """Encodes uint8 `[N, H, W, 1]` to the parameters, float32 `[N, P]`."""
  return estimates.encode(as_model(encoder), images)


def settings(config: BaselineConfig) -> Settings:
  """Returns the settings of the classifiers of a config."""
  return Settings(
    config.classifier_hidden,
    config.classifier_learning_rate,
    config.classifier_epochs,
    config.classifier_batch_size,
    config.seed,
  )


def examples(job: Job, encoder, parameters: np.ndarray, size: int) -> Examples:
  """Returns codes of the training images, drawn again for each epoch.

  Args:
    job: Job whose task is learned.
    encoder: Has `distribution(parameters)`.
    parameters: The result of `encode` for the training images, `[N, P]`.
    size: Dimensions of a code.
  """
  given = job.given(job.dataset.train)
  draw = estimates.make_draw(
    as_model(encoder), parameters, job.config.seed, 'classifier codes', given
  )
  labels = job.labels(job.dataset.train)
  size += sum(x.shape[-1] for x in given)
  return Examples(draw, labels, size, job.num_classes)


def fit_together(job: Job, each: Sequence[Examples], title: str) -> list[Mlp]:
  """Fits a new classifier to each set of examples.

  Raises:
    Stopped: A signal was received; checked after each epoch.
  """

  def after_epoch(number):
    del number
    job.signals.check()
    return False

  return classifiers.fit_together(
    each, settings(job.config), title, after_epoch
  )


def label_distortions_and_hits(
  job: Job, encoder, classifier: Mlp, split: Split
) -> tuple[np.ndarray, np.ndarray]:
  """Evaluates a classifier on each image of a split.

  Returns:
    Label distortion in nats, `[N]`, and the share of codes whose label is
    predicted correctly, `[N]`.
  """
  drawn = estimates.Codes.of(
    as_model(encoder),
    split.images,
    num_samples=job.config.num_samples or 1,
    seed=job.config.seed,
  )
  return estimates.label_distortions_and_hits(
    drawn, classifier, job.labels(split), job.given(split)
  )


def label_columns(
  job: Job, encoder, classifier: Mlp, rate: float | None = None
) -> dict[str, float | None]:
  """Returns the columns about C on test images.

  Args:
    job: Job whose task is evaluated.
    encoder: Has `parameters(images)` and `distribution(parameters)`.
    classifier: Fitted to codes of this encoder.
    rate: R in nats, or None if it is unknown.
  """
  losses, hits = label_distortions_and_hits(
    job, encoder, classifier, job.dataset.test
  )
  return {
    **estimates.columns(label_distortion=losses, label_accuracy=hits),
    **estimates.preference(job.entropies, losses, rate),
  }
