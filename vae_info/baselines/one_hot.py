"""Label distortion of codes that are the numbers of clusters.

Two classifiers c(y|k): the paper's, on one-hot codes; and the frequencies of
classes in each cluster among training images,

    c(y|k) = (n_ky + a p(y)) / (n_k + a),

where validation images choose a. C is by the first, the least C by a mixture of
both.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vae_info import randomness
from vae_info.baselines import codes
from vae_info.baselines.job import Job
from vae_info.datasets import Split
from vae_info.evaluation import classifiers, estimates
from vae_info.evaluation.classifiers import Examples, Mlp

SMOOTHINGS = tuple(np.geomspace(0.1, 300.0, 22))


class OneHotMlp(tf.Module):
  """The paper's classifier of one-hot codes that are given as numbers.

  A row of the first kernel is looked up. That is the product with a one-hot
  code, and costs a fraction of it.
  """

  def __init__(self, num_codes: int, mlp: Mlp):
    """Wraps `mlp`, of `num_codes` inputs, and of what is given beside them."""
    super().__init__()
    self.mlp = mlp
    self._num_codes = num_codes

  def logits(self, inputs: tf.Tensor) -> tf.Tensor:
    """`[B, 1 + G]`, a number and what is given, to `[B, num_classes]`."""
    first, *others = [*self.mlp.hidden, self.mlp.out]
    kernel = 1.0 * first.kernel  # So that its gradient is no sparse tensor.
    numbers = tf.cast(inputs[:, 0], tf.int32)
    x = tf.gather(kernel[: self._num_codes], numbers) + first.bias
    x += tf.matmul(inputs[:, 1:], kernel[self._num_codes :])
    for layer in others:
      x = layer(tf.nn.elu(x))
    return x


def fit(job: Job, numbers: np.ndarray, num_codes: int) -> OneHotMlp:
  """Fits the classifier to the numbers of training images, int32 `[N]`.

  Raises:
    Stopped: A signal was received; checked after each epoch.
  """
  settings = codes.settings(job.config)
  given = job.given(job.dataset.train)
  inputs = tf.constant(_inputs(numbers, given))
  rng = randomness.generator(settings.seed, 'classifier weights')
  size = num_codes + inputs.shape[1] - 1
  classifier = OneHotMlp(
    num_codes, Mlp(size, job.num_classes, settings.hidden, rng)
  )

  def after_epoch(number):
    del number
    job.signals.check()
    return False

  labels = job.labels(job.dataset.train)
  examples = Examples(lambda _: inputs, labels, size, job.num_classes)
  title = f'{num_codes} clusters'
  classifiers.fit(classifier, examples, settings, title, after_epoch)
  return classifier


def logits(
  job: Job, classifier: OneHotMlp, numbers: np.ndarray, split: Split
) -> np.ndarray:
  """The classifier's logits of a split's images, float32 `[N, classes]`."""
  return estimates.map_batches(
    tf.function(classifier.logits, autograph=False),
    500,
    _inputs(numbers, job.given(split)),
  )


def losses_and_hits(
  logits: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """C of each image in nats, and whether its label is predicted, `[N]` each."""
  hits = logits.argmax(axis=1) == labels
  losses = classifiers.cross_entropy(tf.constant(logits), tf.constant(labels))
  return losses.numpy().astype(np.float64), hits.astype(np.float64)


def _inputs(numbers: np.ndarray, given: Sequence[np.ndarray]) -> np.ndarray:
  """Numbers and what is given beside them, float32 `[N, 1 + G]`."""
  return np.concatenate(
    [numbers[:, None].astype(np.float32), *given], axis=1, dtype=np.float32
  )


def log_frequencies(
  train: tuple[np.ndarray, np.ndarray],
  validation: tuple[np.ndarray, np.ndarray],
  num_codes: int,
  num_classes: int,
) -> np.ndarray:
  """ln c(y|k) by frequencies of classes in clusters, float64 `[K, classes]`.

  Args:
    train: Numbers and labels of the images that are counted, `[N]` each.
    validation: The same of the images that choose the smoothing.
    num_codes: Number of clusters.
    num_classes: Number of classes.
  """
  counts = np.zeros([num_codes, num_classes])
  np.add.at(counts, train, 1.0)
  prior = counts.sum(axis=0) + 1.0
  prior /= prior.sum()

  def smoothed(smoothing):
    table = counts + smoothing * prior
    return np.log(table / table.sum(axis=1, keepdims=True))

  return max(
    map(smoothed, SMOOTHINGS), key=lambda logs: logs[validation].mean()
  )
