"""Sums of kernels over all pairs of codes and images.

A kernel of a pair follows from g_ij = ln p(z_i|x_j):

    exp(power q_ij - weight k_j) = exp(power g_ij) exp((power - weight) k_j)

The first factor is the same for all kernels of one power, so it is computed
once. The second is of the image alone and becomes part of the weights. So a sum
over images is a product of two matrices. Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from vae_info.evaluation.pairwise import Gaussians, Kernel, of_each_block

# Pairs in one pass over memory, few enough for a core's cache.
PASS = 200_000
# Less than exp of this counts as it. So no slow, subnormal number appears.
LEAST = -80.0
# The largest range of (power - weight) k over images, nats. With more, the
# largest g of a code could be far from its largest kernel.
RANGE = 40.0


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
  weights: Sequence[np.ndarray],
  labels: Sequence[np.ndarray],
  keep: int = 0,
) -> list[LogSums]:
  """ln sum_j weights_jc kernel(z_i, x_j), for each class c and summed over c.

  Args:
    codes: `[n, L]`.
    gaussians: p(z|x) of m images.
    kernels: K kernels.
    weights: Of each task, p(x_j, y = c), not negative, `[m, C]`.
    labels: Of each task, the class of each code, integers `[n]`.
    keep: The number of first kernels whose sums of every class are kept.

  Returns:
    The sums of each task.
  """
  ends = np.cumsum([part.shape[1] for part in weights])
  joined = np.concatenate(weights, axis=1).astype(np.float32)
  bases = _bases(kernels, gaussians)

  def job(rows, product):
    logs = _logs(product(), bases, joined, len(kernels))
    return [
      _of_task(part, some[rows], keep)
      for part, some in zip(
        np.split(logs, ends[:-1], axis=2), labels, strict=True
      )
    ]

  found = of_each_block(job, codes, gaussians)
  return [
    LogSums(
      *(np.concatenate(parts, axis=1) for parts in zip(*same, strict=True))
    )
    for same in zip(*found, strict=True)
  ]


def _logs(values, bases, weights, count):
  """ln of the sums of each class, `[count, n, C]`, from `[n, m]`."""
  sums = np.zeros([count, len(values), weights.shape[1]], np.float32)
  added = np.zeros([count, len(values), 1])
  for base in bases:
    changed = base.change(values)
    most = changed.max(axis=1)
    for power, columns, exps in _passes(changed, most, base.powers):
      for part in base.powers[power]:
        sums[part.number] += part.apply(exps, columns) @ weights[columns]
    for power, parts in base.powers.items():
      for part in parts:
        added[part.number, :, 0] = power * most + part.constant
  with np.errstate(divide='ignore'):
    return np.log(sums) + added


def _of_task(logs, labels, keep):
  """The fields of `LogSums` from ln of the sums of each class, `[K, n, C]`."""
  most = logs.max(axis=2)
  most = np.where(np.isfinite(most), most, 0.0)
  with np.errstate(divide='ignore'):
    total = np.log(np.exp(logs - most[..., None]).sum(axis=2)) + most
  own = logs[:, np.arange(len(labels)), labels]
  return total, own, logs[:keep].astype(np.float32)


@dataclasses.dataclass(frozen=True)
class PairSums:
  """Sums of K kernels over pairs of a code and another image, float64.

  Attributes:
    rows: Of each code, over the other images, `[K, R, n]`.
    columns: Of each image, over the other images' codes, `[K, R, m]`.
    largest: The largest pair, `[K, R]`.
  """

  rows: np.ndarray
  columns: np.ndarray
  largest: np.ndarray


def pair_sums(
  codes: np.ndarray,
  gaussians: Gaussians,
  kernels: Sequence[Kernel],
  log_references: np.ndarray,
  log_caps: np.ndarray | None = None,
) -> PairSums:
  """Sums of w = kernel(z_i, x_j) / reference(z_i) over pairs i != j.

  Args:
    codes: Codes of the first n images, `[n, L]`.
    gaussians: p(z|x) of m images.
    kernels: K kernels.
    log_references: R references of each kernel, nats, `[K, R, n]`.
    log_caps: ln M of each, finite, `[K, R]`: then w / (1 + w / M) is summed.
  """
  shape, images = log_references.shape[:2], len(gaussians)
  caps = None if log_caps is None else np.exp(log_caps)
  bases = _bases(kernels, gaussians)

  def job(rows, product):
    values, found = product(), _empty(shape, rows, images)
    inside = np.arange(len(values))
    values[inside, rows.start + inside] = -np.inf
    for base in bases:
      _add_base(found, base, values, log_references[..., rows], caps)
    return found.rows, found.columns, found.largest

  parts = of_each_block(job, codes, gaussians)
  return PairSums(
    np.concatenate([part[0] for part in parts], axis=2),
    np.sum([part[1] for part in parts], axis=0),
    np.max([part[2] for part in parts], axis=0),
  )


def _empty(shape, rows, images):
  return PairSums(
    np.zeros([*shape, rows.stop - rows.start]),
    np.zeros([*shape, images]),
    np.zeros(shape),
  )


def _add_base(found, base, values, log_references, caps):
  """Adds the pairs of a block to the sums of all kernels of one base."""
  changed = base.change(values)
  most = changed.max(axis=1)
  most[~np.isfinite(most)] = 0.0
  scales = {
    part.number: np.exp(
      power * most + part.constant - log_references[part.number]
    )
    for power, parts in base.powers.items()
    for part in parts
  }
  for power, columns, exps in _passes(changed, most, base.powers):
    for part in base.powers[power]:
      limits = None if caps is None else caps[part.number]
      small, own = part.apply(exps, columns), scales[part.number]
      _add(found, part.number, columns, small, own, limits)


def _add(found, number, columns, exps, scales, caps):
  """Adds exps times scales, `[n, columns]` and `[R, n]`, for one kernel."""
  if caps is not None:
    _add_capped(found, number, columns, exps, scales / caps[:, None], caps)
    return
  # float32, at most 1: a product with float64 would copy all pairs.
  top = np.maximum(scales.max(axis=1), np.finfo(np.float64).tiny)[:, None]
  small = (scales / top).astype(np.float32)
  found.rows[number] += exps.sum(axis=1) * scales
  found.columns[number][:, columns] += (small @ exps) * top
  found.largest[number] = np.maximum(
    found.largest[number], (scales * exps.max(axis=1)).max(axis=1)
  )


def _add_capped(found, number, columns, exps, ratios, caps):
  """The same of w / (1 + w / M); `ratios` are scales / M, and `caps` M."""
  for one, (ratio, cap) in enumerate(zip(ratios, caps, strict=True)):
    w = exps * np.minimum(ratio, 1e30).astype(np.float32)[:, None]
    w /= 1 + w
    found.rows[number, one] += cap * w.sum(axis=1)
    found.columns[number, one, columns] += cap * w.sum(axis=0)
    found.largest[number, one] = max(found.largest[number, one], cap * w.max())


def softmax_sums(
  codes: np.ndarray, gaussians: Gaussians
) -> tuple[np.ndarray, np.ndarray]:
  """What InfoNCE needs: the sums of p_ij = p(z_i|x_j) / sum_k p(z_i|x_k).

  Args:
    codes: A code of each image, `[n, L]`.
    gaussians: p(z|x) of the images.

  Returns:
    ln p_ii, and sum_i p_ij; float64 `[n]` each.
  """
  log_probs = gaussians.log_prob(codes)

  def job(rows, product):
    values = product()
    inside = np.arange(len(values))
    # Relative to each code's own image, no sum under- or overflows.
    own = log_probs[rows]
    values[inside, rows.start + inside] = own
    most = values.max(axis=1)
    values -= most[:, None]
    exps = np.maximum(values, LEAST, dtype=np.float32, casting='same_kind')
    np.exp(exps, out=exps)
    sums = exps.sum(axis=1, dtype=np.float64)
    columns = (1 / sums).astype(np.float32) @ exps
    return own - most - np.log(sums), columns.astype(np.float64)

  parts = of_each_block(job, codes, gaussians)
  return np.concatenate([p[0] for p in parts]), np.sum([p[1] for p in parts], 0)


@dataclasses.dataclass(frozen=True)
class _Part:
  """One kernel as a power of g, up to a constant and factors of images.

  Attributes:
    number: Of the kernel.
    factors: Of each image, at most 1, float32 `[m]`; None if all are 1.
    constant: Nats.
  """

  number: int
  factors: np.ndarray | None
  constant: float

  def apply(self, exps: np.ndarray, columns: slice) -> np.ndarray:
    """Multiplies exp(power g) of some images by their factors."""
    return exps if self.factors is None else exps * self.factors[columns]


@dataclasses.dataclass(frozen=True)
class _Base:
  """A function h of pairs, and the kernels that are powers of exp(h).

  Attributes:
    powers: The kernels of each power.
    slope: h is slope g + shifts.
    shifts: Of each image, nats `[m]`; None if h is g.
  """

  powers: dict[float, list[_Part]]
  slope: float = 1.0
  shifts: np.ndarray | None = None

  def change(self, values: np.ndarray) -> np.ndarray:
    """From g to h."""
    if self.shifts is None:
      return values
    return values * values.dtype.type(self.slope) + self.shifts.astype(
      values.dtype
    )


def _bases(kernels, gaussians) -> list[_Base]:
  """All kernels: most on one base, which is g itself."""
  normalizers, near, far = gaussians.log_normalizers, {}, []
  for number, kernel in enumerate(kernels):
    rest = (kernel.power - kernel.weight) * normalizers
    if np.ptp(rest) > RANGE:
      alone = _Part(number, None, kernel.constant)
      far.append(_Base({1.0: [alone]}, kernel.power, rest))
      continue
    top, factors = rest.max(), None
    if kernel.power != kernel.weight:
      factors = np.exp(rest - top).astype(np.float32)
    part = _Part(number, factors, kernel.constant + top)
    near.setdefault(kernel.power, []).append(part)
  return [_Base(near), *far] if near else far


def _passes(
  values: np.ndarray, most: np.ndarray, powers: dict[float, list[_Part]]
) -> Iterator[tuple[float, slice, np.ndarray]]:
  """Yields exp(power (values - most)) by columns, for each power.

  Each array, float32 `[n, columns]`, is overwritten by the next.
  """
  width = max(1, PASS // len(values))
  low, high = np.empty([2, len(values), width], np.float32)
  for start in range(0, values.shape[1], width):
    columns = slice(start, min(start + width, values.shape[1]))
    size = columns.stop - columns.start
    below, exps = low[:, :size], high[:, :size]
    np.subtract(
      values[:, columns], most[:, None], out=below, casting='same_kind'
    )
    for power in powers:
      np.multiply(below, np.float32(power), out=exps)
      np.maximum(exps, LEAST, out=exps)
      yield power, columns, np.exp(exps, out=exps)
