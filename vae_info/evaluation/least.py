"""The least C: a mixture of classifiers of several kinds.

    c(y|z) = sum_k weights_k c_k(y|z)

Each c_k is fitted to codes of training images. Validation images choose when a
fit ends, each c_k's temperature, and the weights. So c(y|z) is a classifier
like any other, and H(Y) - C <= I(Z;Y) holds for it on test images. The kinds:

- the paper's classifier;
- larger networks, each fitted until C of validation images rises;
- Gaussians of each class, with a covariance for each, and with a common one;
- the posterior of the label as if the training images were all images: c(y|z)
  proportional to sum_j [y_j = y] p(z|x_j), at some bandwidths. It needs p(z|x),
  but no fit;
- the frequencies of the labels.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from scipy import linalg, optimize
from scipy.special import log_softmax

from vae_info.evaluation import classifiers, mixtures
from vae_info.evaluation.options import Settings

# Hidden layers of the larger networks.
SIZES = ((500, 500, 500), (300, 300, 300))
EPOCHS = 10  # At most; the rate is divided by 10 after each quarter.
PATIENCE = 2  # Epochs without a lower C after which a fit ends.
LEARNING_RATE = 1e-3
BATCH_SIZE = 250
SMOOTHING = 1e-6  # Added to the posterior of each label.
MOST_CLASSES = 100  # With more, classes get no covariance of their own.

# ln c(y|z) at validation codes and at test codes, `[V, C]` and `[n, C]`.
Pair = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Labelled:
  """Codes and labels of all splits.

  Attributes:
    draw: A function from an epoch's number to codes of training images,
      `[N, L]`.
    train: Labels of the training images, int32 `[N]`.
    validation: Codes `[V, L]` and labels `[V]`.
    test: Codes `[n, L]` and labels `[n]`.
    num_classes: Number of classes.
  """

  draw: Callable[[int], tf.Tensor]
  train: np.ndarray
  validation: tuple[np.ndarray, np.ndarray]
  test: tuple[np.ndarray, np.ndarray]
  num_classes: int


@dataclasses.dataclass(frozen=True)
class Least:
  """The mixture.

  Attributes:
    losses: Label distortion of each test code, nats, float64 `[n]`.
    validation: Its mean over the validation codes.
    weights: Of each component, by its name.
  """

  losses: np.ndarray
  validation: float
  weights: dict[str, float]


def fit(
  labelled: Labelled, known: Mapping[str, Pair], settings: Settings
) -> Least:
  """Fits the mixture.

  Args:
    labelled: Codes and labels.
    known: Components that are there already: ln c(y|z), by name.
    settings: Gives the seed, and an upper limit of each network's epochs.

  Raises:
    UserError: The loss of a classifier is not finite.
  """
  components = dict(known)
  for hidden in SIZES:
    chosen = Settings(
      hidden,
      LEARNING_RATE,
      min(EPOCHS, settings.epochs),
      min(BATCH_SIZE, len(labelled.train)),
      settings.seed,
    )
    name = chosen.family
    if name in known:  # The known one is of the same size.
      name = f'{name}, {chosen.epochs} epochs'
    components[name] = network(labelled, chosen)
  codes = np.asarray(labelled.draw(0))
  for common in (False, True):
    if common or labelled.num_classes <= MOST_CLASSES:
      name = 'common Gaussian' if common else 'Gaussian'
      components[name] = _gaussians(labelled, codes, common)
  return mix(components, labelled)


def mix(components: Mapping[str, Pair], labelled: Labelled) -> Least:
  """Chooses temperatures and weights by validation codes.

  Args:
    components: ln c(y|z), by name.
    labelled: Labels of all splits.
  """
  classes = np.bincount(labelled.train, minlength=labelled.num_classes)
  prior = np.log((classes + 1) / (classes + 1).sum())
  (_, seen), (_, asked) = labelled.validation, labelled.test
  known, new = [prior[seen]], [prior[asked]]
  for log_probs, test in components.values():
    power = _power(log_probs, seen)
    known.append(_own(power * log_probs, seen))
    new.append(_own(power * test, asked))
  logs = np.stack(known, axis=1)
  weights = mixtures.fit_weights(logs)
  names = ['frequencies', *components]
  return Least(
    -mixtures.log_mixture(np.stack(new, axis=1), weights),
    -float(mixtures.log_mixture(logs, weights).mean()),
    dict(zip(names, weights.tolist(), strict=True)),
  )


def _own(logits, labels):
  """ln c(y|z) of the labels, float64 `[n]`."""
  logs = log_softmax(logits.astype(np.float64), axis=1)
  return logs[np.arange(len(labels)), labels]


def _power(log_probs, labels):
  """1 / temperature: the power of c(y|z) at which the labels are likeliest."""
  found = optimize.minimize_scalar(
    lambda log_power: -_own(math.exp(log_power) * log_probs, labels).mean(),
    bounds=(-3.0, 1.5),
    method='bounded',
    options={'xatol': 0.02},
  )
  return math.exp(found.x)


def posterior(log_classes: np.ndarray) -> np.ndarray:
  """ln c(y|z) from ln p(z, y) of each class: `[n, C] -> [n, C]`, float32."""
  most = log_classes.max(axis=1, keepdims=True)
  probs = np.exp(log_classes - most)
  probs /= probs.sum(axis=1, keepdims=True)
  return np.log(probs + np.float32(SMOOTHING))


def log_probs(classifier, codes: np.ndarray, size: int = 2_000) -> np.ndarray:
  """ln c(y|z) of codes, `[n, L] -> [n, C]`, float32."""
  parts = [
    tf.nn.log_softmax(classifier.logits(tf.constant(part, tf.float32))).numpy()
    for part in np.split(codes, range(size, len(codes), size))
  ]
  return np.concatenate(parts)


def losses_and_hits(
  log_probs: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """C of each image in nats, and whether its label is predicted.

  Args:
    log_probs: ln c(y|z), `[N, classes]`.
    labels: int `[N]`.

  Returns:
    float64 `[N]` each.
  """
  losses = -log_probs[np.arange(len(labels)), labels].astype(np.float64)
  return losses, (log_probs.argmax(axis=1) == labels).astype(np.float64)


def of_network(classifier, labelled: Labelled) -> Pair:
  """A fitted network as a component."""
  return (
    log_probs(classifier, labelled.validation[0]),
    log_probs(classifier, labelled.test[0]),
  )


def network(
  labelled: Labelled, settings: Settings, patience: int = PATIENCE
) -> Pair:
  """Fits a network until C of validation codes rises, as a component.

  Args:
    labelled: Codes and labels.
    settings: How to fit it. The weights of its best epoch are kept.
    patience: Epochs without a lower C after which the fit ends.

  Raises:
    UserError: The loss is not finite.
  """
  codes, labels = labelled.validation
  examples = classifiers.Examples(
    labelled.draw, labelled.train, codes.shape[1], labelled.num_classes
  )
  fitted = classifiers.new(examples, settings)
  best, kept, waited = math.inf, [], 0

  def after_epoch(number):
    del number
    nonlocal best, kept, waited
    loss = -float(_own(log_probs(fitted, codes), labels).mean())
    if loss < best:
      best, waited = loss, 0
      kept = [variable.numpy() for variable in fitted.variables]
    else:
      waited += 1
    return waited >= patience

  classifiers.fit(fitted, examples, settings, settings.family, after_epoch)
  for variable, value in zip(fitted.variables, kept, strict=True):
    variable.assign(value)
  return of_network(fitted, labelled)


def _gaussians(labelled, codes, common) -> Pair:
  """Bayes' rule for Gaussians fitted to the codes of each class."""
  size, classes = codes.shape[1], labelled.num_classes
  z = codes.astype(np.float64)
  counts = np.bincount(labelled.train, minlength=classes)
  means = np.zeros([classes, size])
  np.add.at(means, labelled.train, z)
  means = (means + z.mean(axis=0)) / (counts + 1)[:, None]
  rest = z - means[labelled.train]
  pooled = rest.T @ rest / len(z) + 1e-6 * np.eye(size) * z.var()
  logs = [np.empty([len(part[0]), classes]) for part in _asked(labelled)]
  inverse, volume = _whitening(pooled)
  for number in range(classes):
    if not common:
      own = rest[labelled.train == number]
      # Shrunk towards the common covariance, as if by L codes of it.
      covariance = (own.T @ own + size * pooled) / (len(own) + size)
      inverse, volume = _whitening(covariance)
    for part, out in zip(_asked(labelled), logs, strict=True):
      white = (part[0] - means[number]) @ inverse.T
      out[:, number] = math.log(counts[number] + 1) - volume
      out[:, number] -= 0.5 * np.square(white).sum(axis=1)
  first, second = (log_softmax(one, axis=1) for one in logs)
  return first, second


def _whitening(covariance):
  """The matrix that whitens, and ln of the volume that it removes."""
  factor = linalg.cholesky(covariance, lower=True)
  inverse = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)
  return inverse, np.log(np.diag(factor)).sum()


def _asked(labelled):
  return labelled.validation, labelled.test
