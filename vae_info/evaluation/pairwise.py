"""Densities of every code under every image's diagonal Gaussian.

    ln p(z_i|x_j) = q_ij - k_j,    q_ij = -1/2 sum_d (z_id - mu_jd)^2 / s_jd^2,
                                   k_j  = sum_d ln s_jd + 1/2 ln(2 pi)

The matrix of all q is a product of two, [z^2, z, 1] and [-1/2 s^-2, mu s^-2,
...]. Its terms cancel: with scales of 1e-3 they are a million times larger than
the result. So codes are centred, and products of large terms are in float64.
Later steps are in float32. Products are taken in blocks, and the matrix of all
pairs is never kept.

With a flow, codes are those before it. Imports no TensorFlow.
"""

import dataclasses
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures

import numpy as np

# Pairs in one product, enough to hide the cost of starting it; and pairs in one
# pass over memory, few enough for a core's cache.
PRODUCT = 6_000_000
PASS = 500_000
# The largest terms of q in float32. Their sum then has an error below 0.002.
LARGEST = 5e3


@dataclasses.dataclass(frozen=True)
class Gaussians:
  """p(z|x) of N images, each a diagonal Gaussian.

  Attributes:
    means: Float `[N, L]`.
    scales: Standard deviations, float `[N, L]`, above 0.
  """

  means: np.ndarray
  scales: np.ndarray

  def __len__(self):
    return len(self.means)

  def __getitem__(self, chosen: np.ndarray | slice) -> 'Gaussians':
    return Gaussians(self.means[chosen], self.scales[chosen])

  @property
  def log_normalizers(self) -> np.ndarray:
    """k_j, nats, float64 `[N]`."""
    size = self.means.shape[1]
    logs = np.log(self.scales.astype(np.float64)).sum(axis=1)
    return logs + 0.5 * size * math.log(2 * math.pi)

  def draw(self, rng: np.random.Generator) -> np.ndarray:
    """A code of each image, float64 `[N, L]`."""
    return self.means + self.scales * rng.standard_normal(self.means.shape)

  def log_prob(self, codes: np.ndarray) -> np.ndarray:
    """ln p(z_i|x_i) of each image's own code, `[N, L]` -> float64 `[N]`."""
    z = (codes.astype(np.float64) - self.means) / self.scales
    return -0.5 * np.square(z).sum(axis=1) - self.log_normalizers


@dataclasses.dataclass(frozen=True)
class Kernel:
  """exp(power q_ij - weight k_j + constant), a function of a pair.

  Two kinds are used: p(z|x)^alpha, and a density of larger scales.
  """

  power: float
  weight: float
  constant: float = 0.0

  @property
  def is_density(self) -> bool:
    """Whether it integrates to 1 over codes."""
    return self.weight == 1.0

  @classmethod
  def tempered(cls, alpha: float) -> 'Kernel':
    """p(z|x)^alpha."""
    return cls(alpha, alpha)

  @classmethod
  def bandwidth(cls, times: float, size: int) -> 'Kernel':
    """The Gaussian of `times` the variance, over `size` dimensions."""
    return cls(1 / times, 1.0, -0.5 * size * math.log(times))


def blocks(
  codes: np.ndarray, gaussians: Gaussians
) -> Iterator[tuple[slice, Callable[[], np.ndarray]]]:
  """Yields rows of codes, and a function that computes their q.

  The functions may be called by several threads. Each returns float32 or 64
  `[rows, N]`, at most 0, which the same thread's next call overwrites.
  """
  centre = gaussians.means.mean(axis=0, dtype=np.float64)
  z = codes.astype(np.float64) - centre
  means = gaussians.means.astype(np.float64) - centre
  precisions = 1.0 / np.square(gaussians.scales.astype(np.float64))
  left = np.concatenate([z**2, z, np.ones([len(z), 1])], axis=1)
  last = -0.5 * (means**2 * precisions).sum(axis=1, keepdims=True)
  right = np.concatenate([-0.5 * precisions, means * precisions, last], axis=1)
  if _largest_term(left, right) < LARGEST:
    left, right = left.astype(np.float32), right.astype(np.float32)
  step = min(max(1, PRODUCT // len(gaussians)), len(codes))
  own = threading.local()  # New memory costs more than a product.

  def product(rows):
    if not hasattr(own, 'memory'):
      own.memory = np.empty([step, len(gaussians)], left.dtype)
    values = own.memory[: rows.stop - rows.start]
    np.matmul(left[rows], right.T, out=values)
    return np.minimum(values, 0.0, out=values)

  for start in range(0, len(codes), step):
    rows = slice(start, min(start + step, len(codes)))
    yield rows, lambda rows=rows: product(rows)


def _largest_term(left, right, some=64):
  """The largest sum of absolute terms of a q, over some of the codes."""
  chosen = left[:: max(1, len(left) // some)]
  return float((np.abs(chosen) @ np.abs(right).T).max())


def in_threads(jobs: Sequence[Callable[[], tuple]]) -> list[tuple]:
  """Runs functions in as many threads as there are cores."""
  cores = len(os.sched_getaffinity(0))
  with futures.ThreadPoolExecutor(cores) as pool:
    return [one.result() for one in [pool.submit(job) for job in jobs]]


@dataclasses.dataclass(frozen=True)
class LogSums:
  """ln of weighted sums of K kernels over all images, float64.

  Attributes:
    total: Over all images, `[K, n]`.
    own: Over the images of each code's own class, `[K, n]`.
    classes: Of each class, of the kernels that were asked for, float32
      `[k, n, C]`; -inf where nothing contributes.
  """

  total: np.ndarray
  own: np.ndarray
  classes: np.ndarray


def log_sums(
  codes: np.ndarray,
  gaussians: Gaussians,
  kernels: Sequence[Kernel],
  weights: np.ndarray,
  labels: np.ndarray,
  keep: int = 0,
) -> LogSums:
  """ln sum_j weights_jc kernel(z_i, x_j), for each class c and summed over c.

  Args:
    codes: `[n, L]`.
    gaussians: p(z|x) of m images.
    kernels: K kernels.
    weights: p(x_j, y = c), not negative, `[m, C]`.
    labels: The class of each code, integers `[n]`.
    keep: The number of first kernels whose sums of every class are kept.
  """
  weights = weights.astype(np.float32)
  normalizers = gaussians.log_normalizers
  shifts = [
    (k.constant - k.weight * normalizers).astype(np.float32) for k in kernels
  ]
  total, own = np.empty([2, len(kernels), len(codes)])
  classes = np.empty([keep, len(codes), weights.shape[1]], np.float32)
  step = max(1, PASS // len(gaussians))

  def job(rows, product):
    part = product()
    for start in range(0, len(part), step):
      some = part[start : start + step].astype(np.float32)
      where = slice(rows.start + start, rows.start + start + len(some))
      for number, kernel in enumerate(kernels):
        values = some * np.float32(kernel.power)
        values += shifts[number]
        most = values.max(axis=1, keepdims=True)
        values -= most
        sums = np.exp(values, out=values) @ weights
        with np.errstate(divide='ignore'):
          logs = np.log(sums) + most
          total[number, where] = np.log(sums.sum(axis=1)) + most[:, 0]
        own[number, where] = logs[np.arange(len(some)), labels[where]]
        if number < keep:
          classes[number, where] = logs
    return ()

  _of_each_block(job, codes, gaussians)
  return LogSums(total, own, classes)


@dataclasses.dataclass(frozen=True)
class PairSums:
  """Sums over pairs of a code and another image.

  Attributes:
    rows: Of each code, over the other images, float64 `[R, n]`.
    columns: Of each image, over the other images' codes, float64 `[R, m]`.
    largest: The largest pair, float64 `[R]`.
  """

  rows: np.ndarray
  columns: np.ndarray
  largest: np.ndarray


def pair_sums(
  codes: np.ndarray,
  gaussians: Gaussians,
  kernel: Kernel,
  log_references: np.ndarray,
  first: int | None = 0,
) -> PairSums:
  """Sums of kernel(z_i, x_j) / reference(z_i) over pairs i != j.

  Args:
    codes: `[n, L]`.
    gaussians: p(z|x) of m images.
    kernel: The kernel.
    log_references: R references, nats, `[R, n]`.
    first: The image of the first code: that of code i is `first + i`. None
      leaves no pair out.
  """
  count, images = len(codes), len(gaussians)
  shift = kernel.constant - kernel.weight * gaussians.log_normalizers
  shift = shift.astype(np.float32)
  step = max(1, PASS // images)

  def job(rows, product):
    part = product()
    columns = np.zeros([len(log_references), images])
    sums, largest = [], []
    for start in range(0, len(part), step):
      where = np.arange(start, min(start + step, len(part)))
      values = part[where] * part.dtype.type(kernel.power) + shift
      if first is not None:
        own = rows.start + where + first
        values[np.arange(len(where)), own] = -np.inf
      most = values.max(axis=1)
      most[~np.isfinite(most)] = 0.0
      values = np.exp((values - most[:, None]).astype(np.float32))
      scales = np.exp(most - log_references[:, rows.start + where])
      sums.append(values.sum(axis=1, dtype=np.float64) * scales)
      columns += scales @ values
      largest.append((scales * values.max(axis=1)).max(axis=1))
    return np.concatenate(sums, axis=1), columns, np.max(largest, axis=0)

  parts = _of_each_block(job, codes, gaussians)
  assert sum(part[0].shape[1] for part in parts) == count
  return PairSums(
    np.concatenate([part[0] for part in parts], axis=1),
    np.sum([part[1] for part in parts], axis=0),
    np.max([part[2] for part in parts], axis=0),
  )


def _of_each_block(job, codes, gaussians):
  """Results of `job(rows, product)` for all blocks, in their order."""
  return in_threads(
    [
      lambda rows=rows, product=product: job(rows, product)
      for rows, product in blocks(codes, gaussians)
    ]
  )
