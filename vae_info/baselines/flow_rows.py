"""The columns of a flow's rows, from values of each image."""

import numpy as np

from vae_info.baselines import codes
from vae_info.baselines.job import Job
from vae_info.evaluation import bounds, estimates, least, sandwich
from vae_info.evaluation.bounds import Information
from vae_info.evaluation.classifiers import Examples, Mlp
from vae_info.evaluation.least import Labelled
from vae_info.evaluation.stored import Fitted


def label_losses(
  job: Job, classifier, known: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
  """C and hits of each image of a split, float64 `[N]` each.

  Args:
    job: The task.
    classifier: Has `logits`.
    known: What it sees of the code of each image, `[N, K]`.
    name: The split.
  """
  split = getattr(job.dataset, name)
  labels = job.labels(split)
  inputs = np.concatenate([known, *job.given(split)], axis=-1)
  return least.losses_and_hits(least.log_probs(classifier, inputs), labels)


def measured(
  job: Job,
  rates: np.ndarray,
  distortions: np.ndarray,
  losses: np.ndarray,
  hits: np.ndarray,
) -> dict:
  """The columns of R, D and C, from values of each test image, `[N]` each."""
  return {
    'classifier': codes.settings(job.config).name,
    **estimates.columns(
      rate=rates,
      distortion=distortions,
      rate_plus_distortion=rates + distortions,
      label_distortion=losses,
      label_accuracy=hits,
    ),
    **estimates.preference(job.entropies, losses, rates),
  }


def least_columns(
  job: Job,
  examples: Examples,
  classifier: Mlp,
  known: dict[str, np.ndarray],
  found: Information | None = None,
) -> dict:
  """The columns of the least C, and of the bounds if there are any.

  A task whose classifier is given more than the code has none of them.

  Args:
    job: The task.
    examples: What the classifier was fitted to.
    classifier: The paper's.
    known: What it sees of a code of each image, `[N, K]`, of each split but the
      training one.
    found: The bounds.
  """
  data = job.dataset
  if job.given(data.test):
    return {}
  rows = slice(0, bounds.ROWS)
  labelled = Labelled(
    examples.draw,
    examples.labels,
    (known['validation'][rows], job.labels(data.validation)[rows]),
    (known['test'], job.labels(data.test)),
    job.num_classes,
  )
  fitted = Fitted(classifier, codes.settings(job.config))
  smallest = sandwich.least_of(labelled, fitted, found)
  return sandwich.columns(job.labels(data.test), smallest, found, None)
