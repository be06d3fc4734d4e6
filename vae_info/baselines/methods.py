"""The function of each baseline, by the baseline's name."""

import dataclasses

from vae_info.baselines import (
  code_clusters,
  flow,
  kmeans,
  pca,
  random_encoders,
  supervised,
  water_filling,
)
from vae_info.baselines.job import Job
from vae_info.runs import provenance

# Each maps a job to rows, to which `rows_of` adds `_known_columns`.
METHODS = {
  'random_dense': random_encoders.fit,
  'random_conv': random_encoders.fit,
  'supervised_simple': random_encoders.fit,
  'pca': pca.fit,
  'pca_water_filled': water_filling.fit,
  'kmeans': kmeans.fit,
  'kmeans_deskewed': kmeans.fit,
  'clusters': code_clusters.fit,
  'supervised_complex': supervised.fit,
  'flow': flow.fit,
}


def rows_of(job: Job) -> list[dict]:
  """Fits a baseline and evaluates it on test images.

  Raises:
    UserError: The config does not fit the data.
    Stopped: A signal was received.
  """
  # Before the fit: a new commit during it would change the version.
  known = _known_columns(job)
  return [known | row for row in METHODS[job.config.baseline](job)]


def _known_columns(job: Job) -> dict:
  """The columns that do not depend on the fit."""
  return {
    **dataclasses.asdict(job.config),
    'run': job.run.name,
    'method': job.config.baseline,
    'split': 'test',
    **job.entropies,
    'num_samples': job.config.num_samples or 1,
    'device': provenance.device(),
    'version': provenance.version(),
  }
