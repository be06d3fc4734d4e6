"""k-means: the code of an image is the number k of its cluster.

    p(k) = (n_k + 1/2) / (N + K/2)           R = -E ln p(k)
    d(x|k): each pixel is 1 with probability (n_k mean_k + a mean) / (n_k + a)

Clusters are of the first principal components. Training images give n_k and the
means, validation images choose a. R, D and C are of test images. A code has no
noise, so R is the cross-entropy of k, and its code length.

`kmeans_deskewed` clusters images without slant and position; see `deskew.py`.
The means are of the images as they are, so D is comparable.

The normalised mutual information of clusters and labels is that of the counts
of test images. With many clusters it is biased upward.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from vae_info import clusters
from vae_info.baselines import codes, deskew, one_hot, parts
from vae_info.baselines.job import Job
from vae_info.errors import UserError
from vae_info.evaluation import estimates, least
from vae_info.evaluation.estimates import Estimate

SPLITS = ('train', 'validation', 'test')
SMOOTHINGS = tuple(np.geomspace(0.1, 100.0, 16))


@dataclasses.dataclass(frozen=True)
class Prototypes:
  """Clusters of training images, in pixels.

  Attributes:
    sums: Sums of each cluster's images, `[K, L]`.
    counts: Images of each cluster, `[K]`.
  """

  sums: np.ndarray
  counts: np.ndarray

  @classmethod
  def of(cls, numbers: np.ndarray, pixels: np.ndarray, count: int):
    """From the cluster of each image, int `[N]`, and pixels `[N, L]`."""
    ones = np.ones(len(numbers), np.float32)
    places = (numbers, np.arange(len(numbers)))
    members = sparse.csr_matrix((ones, places), (count, len(numbers)))
    return cls(
      members @ pixels.astype(np.float32), np.bincount(numbers, minlength=count)
    )

  def rates(self, numbers: np.ndarray) -> np.ndarray:
    """-ln p(k), nats, float64 `[N]`."""
    smoothed = self.counts + 0.5
    return -np.log(smoothed / smoothed.sum())[numbers]

  def distortions(
    self, numbers: np.ndarray, pixels: np.ndarray, smoothing: float
  ) -> np.ndarray:
    """-ln d(x|k), nats, float64 `[N]`, of pixels `[N, L]`."""
    mean = (self.sums.sum(axis=0) + 0.5) / (self.counts.sum() + 1.0)
    weights = self.counts[:, None] + smoothing
    p = ((self.sums + smoothing * mean) / weights).astype(np.float64)
    constants = np.log1p(-p).sum(axis=1)
    logits = (np.log(p) - np.log1p(-p)).astype(np.float32)
    parts = [
      np.einsum('nl,nl->n', pixels[where], logits[numbers[where]])
      for where in np.array_split(
        np.arange(len(pixels)), 1 + len(pixels) // 999
      )
    ]
    return -np.concatenate(parts).astype(np.float64) - constants[numbers]


def normalised_information(first: np.ndarray, second: np.ndarray) -> Estimate:
  """Normalised mutual information 2 I(A;B) / (H(A) + H(B)) of counts.

  Args:
    first: Numbers of one grouping, int `[N]`.
    second: Numbers of another, int `[N]`.

  Returns:
    The value, and its error by the delta method: an image moves an entropy by
    -ln p less the entropy.
  """
  joint = np.zeros([first.max() + 1, second.max() + 1])
  np.add.at(joint, (first, second), 1.0 / len(first))
  a = -np.log(joint.sum(axis=1)[first])
  b = -np.log(joint.sum(axis=0)[second])
  information = a + b + np.log(joint[first, second])
  whole = np.mean(a + b)
  if whole == 0.0:
    return Estimate(1.0, 0.0)  # One group each: they agree.
  value = 2.0 * information.mean() / whole
  moves = 2.0 * information / whole - value * (a + b) / whole
  return Estimate(float(value), Estimate.of(moves).stderr)


def fit(job: Job) -> list[dict]:
  """Returns a row for each number of clusters, and stores it when it is done.

  Raises:
    UserError: There are too few different images.
    Stopped: A signal was received; the rows that are done are stored.
  """
  sizes = job.config.kmeans_clusters
  images = {name: getattr(job.dataset, name).images for name in SPLITS}
  different = len(np.unique(_flat(images['train']), axis=0))
  if max(sizes) > different:
    raise UserError(
      f'--kmeans_clusters must be at most the {different} different training '
      f'images, found {max(sizes)}'
    )
  if job.config.baseline == 'kmeans_deskewed':
    shown = {name: _flat(deskew.deskew(x)) for name, x in images.items()}
  else:
    shown = {name: _flat(x) for name, x in images.items()}
  components = clusters.Components.of(
    shown['train'], job.config.kmeans_components
  )
  points = {name: components(vectors) for name, vectors in shown.items()}
  rows = []
  for number, size in enumerate(sizes, 1):
    job.signals.check()
    rows += parts.kept_or_made(
      job,
      str(size),
      f'{size} clusters ({number} of {len(sizes)})',
      lambda size=size: [row(job, numbers_of(job, points, size), size)],
    )
  print(summary(rows), flush=True)
  return rows


def _flat(images):
  return images.reshape([len(images), -1])


def numbers_of(
  job: Job, points: Mapping[str, np.ndarray], size: int
) -> dict[str, np.ndarray]:
  """Split -> the cluster of each point, of `size` clusters by k-means."""
  middles = clusters.centres(points['train'], size, job.config.seed)
  return {name: clusters.nearest(x, middles) for name, x in points.items()}


def row(job: Job, numbers: Mapping[str, np.ndarray], size: int) -> dict:
  """Evaluates codes that are the numbers of clusters.

  Args:
    job: The data and the classifier's settings.
    numbers: Split -> the cluster of each image, int32 `[N]`.
    size: Number of clusters.
  """
  pixels = {name: _flat(getattr(job.dataset, name).images) for name in SPLITS}
  found = Prototypes.of(numbers['train'], pixels['train'], size)
  smoothing = min(
    SMOOTHINGS,
    key=lambda a: found.distortions(
      numbers['validation'], pixels['validation'], a
    ).mean(),
  )
  rates = found.rates(numbers['test'])
  distortions = found.distortions(numbers['test'], pixels['test'], smoothing)
  labels = job.labels(job.dataset.test)
  agreement = normalised_information(numbers['test'], labels)
  return {
    'latent_size': size,
    'normalised_information': agreement.mean,
    'normalised_information_stderr': agreement.stderr,
    **estimates.columns(
      rate=rates,
      distortion=distortions,
      rate_plus_distortion=rates + distortions,
      information_upper=rates,
    ),
    **_label_columns(job, numbers, size, rates),
  }


def _label_columns(job, numbers, size, rates):
  """The columns about the labels of test images."""
  classifier = one_hot.fit(job, numbers['train'], size)
  logits = {
    name: one_hot.logits(
      job, classifier, numbers[name], getattr(job.dataset, name)
    )
    for name in ('validation', 'test')
  }
  losses, hits = one_hot.losses_and_hits(
    logits['test'], job.labels(job.dataset.test)
  )
  result = {
    'classifier': codes.settings(job.config).name,
    **estimates.columns(label_distortion=losses, label_accuracy=hits),
    **estimates.preference(job.entropies, losses, rates),
  }
  if job.given(job.dataset.test):
    return result  # The frequencies would lack what is given.
  mixed = _least_losses(job, numbers, size, logits)
  known = job.entropies['label_entropy'] - mixed
  return result | estimates.columns(
    label_distortion_least=mixed, label_information_lower=known
  )


def _least_losses(job, numbers, size, logits):
  """C of a mixture of both classifiers, nats, float64 `[N]`."""
  train, validation, test = (
    (numbers[name], job.labels(getattr(job.dataset, name))) for name in SPLITS
  )
  frequencies = one_hot.log_frequencies(
    train, validation, size, job.num_classes
  )
  components = {
    'network': (logits['validation'], logits['test']),
    'clusters': (frequencies[validation[0]], frequencies[test[0]]),
  }
  labelled = least.Labelled(
    lambda _: train[0], train[1], validation, test, job.num_classes
  )
  return least.mix(components, labelled).losses


def summary(rows: list[dict]) -> str:
  """Lists the clusterings: R, D, C and agreement with the labels."""
  lines = ['normalised mutual information of clusters and labels:']
  for row in rows:
    lines.append(
      f'  K {row["latent_size"]:4}  R {row["rate"]:.3f}  '
      f'D {row["distortion"]:.2f}  C {row["label_distortion"]:.3f} '
      f'± {row["label_distortion_stderr"]:.3f}  '
      f'{row["normalised_information"]:.3f} '
      f'± {row["normalised_information_stderr"]:.3f}'
    )
  return '\n'.join(lines)
