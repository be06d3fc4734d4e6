"""Densities of every code under every image's diagonal Gaussian.

    ln p(z_i|x_j) = q_ij - k_j,    q_ij = -1/2 sum_d (z_id - mu_jd)^2 / s_jd^2,
                                   k_j  = sum_d ln s_jd + 1/2 ln(2 pi)

The matrix of all of them is a product of two, [z^2, z, 1] and [-1/2 s^-2,
mu s^-2, ...]. Its terms cancel: with scales of 1e-3 they are a million times
larger than the result. So codes are centred, and products of large terms are in
float64. Later steps are in float32. Products are taken in blocks, and the
matrix of all pairs is never kept. `sums` has what is summed over pairs.

With a flow, codes are those before it. Imports no TensorFlow.
"""

import dataclasses
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import TypeVar

import numpy as np
import threadpoolctl

from vae_info import machine

T = TypeVar('T')

# Pairs in one product, enough to hide the cost of starting it.
PRODUCT = 6_000_000
# The largest terms in float32. Their sum then has an error below 0.002.
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

  def log_value(
    self, log_probs: np.ndarray, gaussians: Gaussians
  ) -> np.ndarray:
    """ln of the kernel of codes and images with these ln p(z|x), `[n]` each."""
    rest = self.power - self.weight
    return (
      self.power * log_probs
      + rest * gaussians.log_normalizers
      + (self.constant)
    )

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
  """Yields rows of codes, and a function that computes their ln p(z_i|x_j).

  The functions may be called by several threads. Each returns float32 or 64
  `[rows, N]`, which the same thread's next call overwrites.
  """
  centre = gaussians.means.mean(axis=0, dtype=np.float64)
  z = codes.astype(np.float64) - centre
  means = gaussians.means.astype(np.float64) - centre
  precisions = 1.0 / np.square(gaussians.scales.astype(np.float64))
  left = np.concatenate([z**2, z, np.ones([len(z), 1])], axis=1)
  last = -0.5 * (means**2 * precisions).sum(axis=1) - gaussians.log_normalizers
  right = np.concatenate(
    [-0.5 * precisions, means * precisions, last[:, None]], axis=1
  )
  if _largest_term(left, right) < LARGEST:
    left, right = left.astype(np.float32), right.astype(np.float32)
  step = min(max(1, PRODUCT // len(gaussians)), len(codes))
  own = threading.local()  # New memory costs more than a product.

  def product(rows):
    if not hasattr(own, 'memory'):
      own.memory = np.empty([step, len(gaussians)], left.dtype)
    values = own.memory[: rows.stop - rows.start]
    return np.matmul(left[rows], right.T, out=values)

  for start in range(0, len(codes), step):
    rows = slice(start, min(start + step, len(codes)))
    yield rows, lambda rows=rows: product(rows)


def _largest_term(left, right, some=64):
  """The largest sum of absolute terms, over some of the codes."""
  chosen = left[:: max(1, len(left) // some)]
  return float((np.abs(chosen) @ np.abs(right).T).max())


_inside = threading.local()


def in_threads(jobs: Sequence[Callable[[], T]]) -> list[T]:
  """Runs functions in as many threads as there are cores.

  Within such a function, further ones run in its own thread. Products too: many
  threads in each product would wait for each other.
  """
  if getattr(_inside, 'a_job', False) or len(jobs) == 1:
    return [job() for job in jobs]
  cores = machine.cores()

  def mark():
    _inside.a_job = True

  with (
    threadpoolctl.threadpool_limits(1, 'blas'),
    futures.ThreadPoolExecutor(cores, initializer=mark) as pool,
  ):
    return [one.result() for one in [pool.submit(job) for job in jobs]]


def of_each_block(
  job: Callable[[slice, Callable[[], np.ndarray]], T],
  codes: np.ndarray,
  gaussians: Gaussians,
) -> list[T]:
  """Results of `job(rows, product)` for all `blocks`, in their order."""
  return in_threads(
    [
      lambda rows=rows, product=product: job(rows, product)
      for rows, product in blocks(codes, gaussians)
    ]
  )
