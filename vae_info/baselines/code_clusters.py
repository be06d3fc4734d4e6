"""Clusters of the codes of a beta-VAE: the new code is the number of a cluster.

The means of p(z|x) are clustered, without labels, by k-means or by the graph of
their nearest neighbours (`neighbours.py`). R, D and C are those of `kmeans.py`.
A cluster keeps what many images share, so a code of many nats becomes one of
few.

The training is one that is finished, in a directory beside the baseline's. A
row has its family, beta and invariances. The column `variant` says how its
codes were clustered.
"""

import json

from vae_info import neighbours
from vae_info.baselines import kmeans, parts
from vae_info.baselines.job import Job
from vae_info.errors import UserError
from vae_info.evaluation import estimates
from vae_info.networks.protocols import before_flow
from vae_info.runs import Run, directory
from vae_info.runs.paths import write_atomically

NEIGHBOURS = 10  # Of each code, in the graph.
EIGENVECTORS = 14  # Of the graph.
# Columns of a training that a row has too.
FAMILY = (
  'encoder',
  'decoder',
  'marginal',
  'architecture',
  'beta',
  'epochs',
  'kl_annealing_epochs',
  'augmentation',
  'target_rate',
  'precision',
)


def fit(job: Job) -> list[dict]:
  """Returns a row for each number of clusters, and stores it when it is done.

  Raises:
    UserError: There is no such finished training of the same data, or it was
      replaced since the first row was made.
    Stopped: A signal was received; the rows that are done are stored.
  """
  run = _training(job)
  most, wanted = len(job.dataset.train.images), max(job.config.clusters)
  if wanted > most:
    raise UserError(
      f'--clusters must be at most the {most} training images, found {wanted}'
    )
  _check_same(job, run)
  means = _means(job, run)
  points = _points(job, means)
  known = {name: getattr(run.config, name) for name in FAMILY}
  known['beta'] = run.beta  # With a target rate, the one that gave it.
  rows = []
  for size in job.config.clusters:
    job.signals.check()
    rows += parts.kept_or_made(
      job,
      str(size),
      f'{size} clusters',
      lambda size=size: [
        kmeans.row(job, kmeans.numbers_of(job, points, size), size)
      ],
    )
  for row in rows:
    row |= {**known, 'variant': job.config.clusters_by}
  print(kmeans.summary(rows), flush=True)
  return rows


def _training(job):
  """The training whose codes are clustered."""
  config = job.config
  run = Run(job.run.path.parent / config.codes_of)
  run.check_finished()
  for name in ('dataset', 'binarization'):
    found, wanted = getattr(run.config, name), getattr(config, name)
    if found != wanted:
      raise UserError(f'{run} has {name} {found}, not {wanted}')
  if run.config.beta_range:
    raise UserError(f'{run} has a range of betas; codes need one beta')
  return run


def _check_same(job, run):
  """Raises `UserError` if the training is not that of the rows so far."""
  path = job.run.path / 'codes_of.json'
  facts = {'config': run.config.run_name, 'finished': run.facts}
  if (directory.read_json(path) or facts) != facts:
    raise UserError(
      f'{run} was trained anew since {job.run} was begun; delete {job.run}'
    )
  write_atomically(path, json.dumps(facts, indent=2) + '\n')


def _means(job, run):
  """Split -> the means of p(z|x) before any flow, float32 `[N, L]`."""
  model = run.model()
  encoder, _ = before_flow(model.encoder)
  means = {}
  for name in kmeans.SPLITS:
    parameters = estimates.encode(model, getattr(job.dataset, name).images)
    means[name] = encoder.distribution(parameters).mean().numpy()
  return means


def _points(job, means):
  """Split -> the points that k-means clusters, float32 `[N, k]`."""
  if job.config.clusters_by == 'kmeans':
    return means
  train = means['train']
  count = min(NEIGHBOURS, len(train) - 1)
  near = {
    name: neighbours.nearest(points, train, count)
    for name, points in means.items()
  }
  size = min(EIGENVECTORS, len(train) // 3)
  rows = neighbours.embedding(near['train'], size)
  return {name: neighbours.average(rows, found) for name, found in near.items()}
