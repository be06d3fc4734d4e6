"""Lower bounds on I(X;Z) by learned critics, which know no density.

A critic f(z, x) is a function of a code and an image. The better it tells pairs
(z_i, x_i) from others, the higher is the bound [1]:

    InfoNCE    E f(z_i, x_i) - E ln mean_j exp f(z_i, x_j)
    NWJ        E f(z_i, x_i) - mean of exp(f(z_i, x_j) - 1) over i != j
    DV         E f(z_i, x_i) - ln mean of exp f(z_i, x_j) over i != j

Each is at most I(X;Z) for any f. Here f = g(x) . h(z) + a(x) + b(z), with two
networks. x enters through the parameters of p(z|x): Z depends on X through them
alone, so nothing is lost. Each objective has a critic of its own, fitted to
codes of training images. Validation images choose its epoch. The bound is of
all pairs of test images, and its error is of pairs as in `information`.

InfoNCE is at most ln N, for N test images. The variance of NWJ and DV grows as
exp I(X;Z). So beyond ln N a critic's bound can be far off by chance, and does
not hold in the sense of `Bound.holds`. Known densities give tighter bounds: see
`information`.

#### References

[1]: Ben Poole et al. On variational bounds of mutual information. _ICML_, 2019.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import randomness
from vae_info.errors import UserError
from vae_info.evaluation import classifiers
from vae_info.evaluation.information import Bound, infonce_values
from vae_info.evaluation.options import Settings

tfmi = tfp.vi.mutual_information

HIDDEN = (256, 256)
EMBEDDING = 64
SETTINGS = Settings(HIDDEN, learning_rate=1e-3, epochs=40, batch_size=500)
PATIENCE = 8  # Epochs without a higher bound after which a fit ends.
ROWS = 2_500  # Validation images that choose the epoch.
BLOCK = 500  # Codes in one product.

# What each bounds, as `evaluation.json` says it.
STATEMENTS = {
  'InfoNCE': 'at most I(X;Z), and at most ln of the number of images',
  'NWJ': 'at most I(X;Z) in expectation; rare pairs of much weight may be '
  'missing',
  'DV': 'at most I(X;Z), but for an upward bias of half its variance; rare '
  'pairs of much weight may be missing',
}


@dataclasses.dataclass(frozen=True)
class Views:
  """What critics see: a description of each image, and codes.

  Attributes:
    draw: A function from an epoch's number to codes of training images,
      float32 `[N, L]`.
    train: Descriptions of training images, `[N, P]`.
    validation: Descriptions `[V, P]` and codes `[V, L]`.
    test: Descriptions `[n, P]` and codes `[n, L]`.
    seed: Determines the first weights and the order of images.
  """

  draw: Callable[[int], tf.Tensor]
  train: np.ndarray
  validation: tuple[np.ndarray, np.ndarray]
  test: tuple[np.ndarray, np.ndarray]
  seed: int = 0

  def standardised(self) -> 'Views':
    """The same, with numbers of mean 0 and variance 1 on training images."""
    of_images = _standard(self.train)
    of_codes = _standard(np.asarray(self.draw(0)))
    return Views(
      lambda epoch: tf.cast(of_codes(self.draw(epoch)), tf.float32),
      of_images(self.train),
      (of_images(self.validation[0]), of_codes(self.validation[1])),
      (of_images(self.test[0]), of_codes(self.test[1])),
      self.seed,
    )


def _standard(values):
  """A function that shifts and scales numbers as `values` need it."""
  mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
  scale = (values.std(axis=0, dtype=np.float64) + 1e-6).astype(np.float32)
  return lambda others: (others - mean) / scale


class Critic(tf.Module):
  """f(z, x) of all pairs of a batch. It starts as 1, where each bound is 0."""

  def __init__(self, of_codes: int, of_images: int, rng: np.random.Generator):
    """Makes networks for codes and descriptions of these sizes."""
    super().__init__()
    self._size = of_codes
    self.codes = classifiers.Mlp(of_codes, EMBEDDING + 1, HIDDEN, rng)
    self.images = classifiers.Mlp(of_images, EMBEDDING + 1, HIDDEN, rng)
    kernel = self.codes.out.kernel
    kernel.assign(tf.zeros_like(kernel))
    self.codes.out.bias.assign(tf.one_hot(EMBEDDING, EMBEDDING + 1))
    kernel, bias = self.images.out.kernel, self.images.out.bias
    some = 1.0 - tf.one_hot(EMBEDDING, EMBEDDING + 1)
    kernel.assign(kernel * some)
    bias.assign(bias * some)

  def factors(
    self, codes: tf.Tensor, images: tf.Tensor
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Matrices of which f is the product: `[n, E + 2]` and `[m, E + 2]`."""
    h, g = self.codes.logits(codes), self.images.logits(images)
    h, b = h[:, :-1] / math.sqrt(EMBEDDING), h[:, -1:]
    g, a = g[:, :-1], g[:, -1:]
    left = tf.concat([h, b, tf.ones_like(b)], axis=1)
    return left, tf.concat([g, tf.ones_like(a), a], axis=1)

  def logits(self, pairs: tf.Tensor) -> tf.Tensor:
    """f(z_i, x_j), `[B, B]`, of codes and images side by side, `[B, L + P]`."""
    codes, images = pairs[:, : self._size], pairs[:, self._size :]
    left, right = self.factors(codes, images)
    return tf.matmul(left, right, transpose_b=True)


def donsker_varadhan(scores: tf.Tensor) -> tf.Tensor:
  """The bound of Donsker and Varadhan, nats, of scores f(z_i, x_j), `[B, B]`.

  TensorFlow Probability has the other two.
  """
  size = scores.shape[0]
  others = tf.where(tf.eye(size, dtype=tf.bool), -math.inf, scores)
  log_mean = tf.reduce_logsumexp(others) - math.log(size * (size - 1))
  return tf.reduce_mean(tf.linalg.diag_part(scores)) - log_mean


OBJECTIVES = {
  'InfoNCE': tfmi.lower_bound_info_nce,
  'NWJ': tfmi.lower_bound_nguyen_wainwright_jordan,
  'DV': donsker_varadhan,
}


def measure(views: Views, settings: Settings = SETTINGS) -> list[Bound]:
  """Fits a critic by each objective, and returns its bound on test images.

  Args:
    views: Images and codes of all splits.
    settings: How to fit; the seed is that of the views.
  """
  views = views.standardised()
  settings = dataclasses.replace(
    settings,
    batch_size=min(settings.batch_size, len(views.train)),
    seed=views.seed,
  )
  return [_measure(name, views, settings) for name in OBJECTIVES]


def described(bound: Bound) -> dict:
  """A critic's bound as `evaluation.json` keeps it."""
  return {
    'estimator': bound.name,
    'nats': bound.mean,
    'stderr': bound.stderr,
    'largest_share_of_a_pair': bound.share,
    'holds': bound.holds,
    'bounds': STATEMENTS[bound.name],
  }


def _measure(name, views, settings) -> Bound:
  """Fits a critic by one objective: its bound on test images."""
  images = tf.constant(views.train)
  critic = Critic(
    views.test[1].shape[1],
    images.shape[1],
    randomness.generator(settings.seed, f'{name} critic'),
  )
  examples = classifiers.Examples(
    lambda epoch: tf.concat([views.draw(epoch), images], axis=1),
    np.zeros(len(views.train), np.int32),  # There are no labels.
    views.test[1].shape[1] + images.shape[1],
    1,
    lambda scores, labels: -OBJECTIVES[name](scores)[None],
  )
  seen = tuple(part[:ROWS] for part in views.validation)
  best, kept, waited = -math.inf, [v.numpy() for v in critic.variables], 0

  def after_epoch(number):
    del number
    nonlocal best, kept, waited
    found = bound(critic, name, *seen)
    if found.mean - 2 * found.stderr > best:
      best, waited = found.mean - 2 * found.stderr, 0
      kept = [variable.numpy() for variable in critic.variables]
    else:
      waited += 1
    return waited >= PATIENCE

  after_epoch(-1)
  # If the loss is not finite, the epochs before it count.
  with contextlib.suppress(UserError):
    classifiers.fit(critic, examples, settings, f'{name} critic', after_epoch)
  for variable, value in zip(critic.variables, kept, strict=True):
    variable.assign(value)
  return bound(critic, name, *views.test)


def bound(
  critic: Critic, name: str, images: np.ndarray, codes: np.ndarray
) -> Bound:
  """The bound that a critic gives, from all pairs of codes and images.

  Args:
    critic: The critic.
    name: The objective.
    images: Descriptions, `[n, P]`.
    codes: A code of each image, `[n, L]`.
  """
  left, right = critic.factors(tf.constant(codes), tf.constant(images))
  return bound_of_factors(name, left.numpy(), right.numpy())


def bound_of_factors(name: str, left: np.ndarray, right: np.ndarray) -> Bound:
  """The bound for f = left right^T, `[n, E]` each; see `information`."""
  sums = _Sums.of(left, right)
  if name == 'InfoNCE':
    return Bound(name, infonce_values(sums.log_own, sums.columns_of_shares))
  others = len(left) - 1
  with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
    whole = sums.rows.mean() / others
    moved = (sums.rows + sums.columns) / others - whole
    if name == 'NWJ':
      values = sums.own - moved / math.e
    else:
      values = sums.own - np.log(whole) + 1.0 - moved / whole
    return Bound(name, values, float(sums.largest / sums.rows.sum()))


@dataclasses.dataclass(frozen=True)
class _Sums:
  """Sums over pairs of exp f, float64.

  Attributes:
    own: f(z_i, x_i), `[n]`.
    log_own: ln of exp f(z_i, x_i) over the sum for code i, `[n]`.
    columns_of_shares: Of each image, the sum of such shares, `[n]`.
    rows: Of each code, over the other images, `[n]`.
    columns: Of each image, over the other images' codes, `[n]`.
    largest: The largest pair i != j.
  """

  own: np.ndarray
  log_own: np.ndarray
  columns_of_shares: np.ndarray
  rows: np.ndarray
  columns: np.ndarray
  largest: float

  @classmethod
  def of(cls, left: np.ndarray, right: np.ndarray) -> '_Sums':
    count = len(left)
    own, log_own, rows = np.zeros([3, count])
    shares, columns = np.zeros([2, count])
    largest = 0.0
    for start in range(0, count, BLOCK):
      part = slice(start, start + BLOCK)
      scores = left[part] @ right.T
      inside = np.arange(len(scores)), start + np.arange(len(scores))
      most = scores.max(axis=1).astype(np.float64)
      own[part] = scores[inside]
      exps = np.exp(scores - most[:, None].astype(np.float32))
      sums = exps.sum(axis=1, dtype=np.float64)
      log_own[part] = own[part] - most - np.log(sums)
      shares += (1 / sums) @ exps
      exps[inside] = 0.0
      with np.errstate(over='ignore', invalid='ignore'):
        tops = np.exp(most)
        rows[part] = tops * exps.sum(axis=1, dtype=np.float64)
        columns += tops @ exps
        largest = max(largest, float((tops * exps.max(axis=1)).max()))
    return cls(own, log_own, shares, rows, columns, largest)
