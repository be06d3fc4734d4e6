"""Bounds on I(X;Z) from densities, each with a standard error, in nats.

Every function returns a `Bound`: one value for each image, whose mean is the
bound and whose spread gives its standard error. For each image,
one code is drawn from p(z|x), which is known. Images are independent.

From above, for any density m that does not depend on these images:

    I(X;Z) <= E ln p(z|x) / m(z).                                (`upper`)

From below, with K images [1]; at most ln K:

    I(X;Z) >= E ln p(z_i|x_i) / mean_j p(z_i|x_j).               (`infonce`)

From below, beyond ln K, for any b that does not depend on these images. Here
f(z, x) = alpha ln p(z|x) - ln b(z) and w_ij = exp f(z_i, x_j):

    I(X;Z) >= E f(z_i, x_i) - ln W,    W = mean of w over i != j (`tempered`)

This is the bound of Donsker and Varadhan [2] for the critic f. For a density a
one could take b = a^alpha. It is better if b(z) is close to the mean of
p(z|x)^alpha. Then W is close to 1, and the bound differs little from its
unbiased form [3], E f + 1 - W. The term -ln W is biased upward by about half
its variance.

Codes may have near twins among the images, whose few pairs then make most of W.
So w may be capped: w / (1 + w / M) takes its place for all pairs i, j, and f is
its logarithm. This too is the bound of [2], and f is at most ln M.

Within strata of the label, the same bounds I(X;Z|Y). All strata share one W. If
Y depends on Z through X alone,

    I(X;Z) = I(Z;Y) + I(X;Z|Y) >= H(Y) - C + I(X;Z|Y),
    I(Z;Y) = I(X;Z) - I(X;Z|Y).

Standard errors are of pairs. Let u_i be the mean of w over the other images
with code i, and v_i the mean over the other codes with image i. Then image i
moves the bound by f_i - (u_i + v_i) / W. Intervals from these errors are
asymptotic: no sample rules out rare pairs of much weight. So a bound counts
only if it `holds`.

#### References

[1]: Aaron van den Oord, Yazhe Li and Oriol Vinyals. Representation learning
     with contrastive predictive coding. _arXiv 1807.03748_, 2018.
[2]: Monroe Donsker and S. R. Srinivasa Varadhan. Asymptotic evaluation of
     certain Markov process expectations. _Comm. Pure Appl. Math._, 1983.
[3]: Ben Poole et al. On variational bounds of mutual information. _ICML_, 2019.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from vae_info.evaluation.pairwise import Gaussians, Kernel, in_threads
from vae_info.evaluation.sums import pair_sums, softmax_sums

MOST_STDERR = 0.1  # Nats.
MOST_SHARE = 0.05  # The most of the sum of all pairs that one pair may have.


@dataclasses.dataclass(frozen=True)
class Bound:
  """A bound in nats. It is the mean of `values`.

  Attributes:
    name: The estimator.
    values: What each image contributes, float64 `[N]`.
    share: The part of a sum over pairs that the largest pair has.
  """

  name: str
  values: np.ndarray
  share: float = 0.0

  @property
  def mean(self) -> float:
    return float(self.values.mean())

  @property
  def stderr(self) -> float:
    """The standard error; 0 for one image."""
    if len(self.values) < 2:
      return 0.0
    return float(self.values.std(ddof=1) / np.sqrt(len(self.values)))

  @property
  def holds(self) -> bool:
    """Whether the error is small, and no pair alone makes the bound."""
    return bool(
      np.isfinite(self.mean)
      and self.stderr <= MOST_STDERR
      and self.share <= MOST_SHARE
    )

  def __str__(self):
    return f'{self.mean:.3f} ± {self.stderr:.3f} ({self.name})'


def upper(
  log_probs: np.ndarray, log_densities: np.ndarray, name: str = 'rate'
) -> Bound:
  """An upper bound: E ln p(z|x) / m(z).

  Args:
    log_probs: ln p(z_i|x_i), `[N]`.
    log_densities: ln m(z_i), `[N]`.
    name: The name of the density m.
  """
  return Bound(name, log_probs - log_densities)


def strata(labels: np.ndarray | None, count: int) -> list[np.ndarray]:
  """Indices of the images of each class, for classes of at least two.

  Without labels all `count` images are one stratum.
  """
  if labels is None:
    return [np.arange(count)]
  order = np.argsort(labels, kind='stable')
  ends = np.flatnonzero(np.diff(labels[order])) + 1
  return [part for part in np.split(order, ends) if len(part) > 1]


def infonce(
  codes: np.ndarray, gaussians: Gaussians, labels: np.ndarray | None = None
) -> Bound:
  """InfoNCE with p(z|x) known, a lower bound of at most ln N.

  Args:
    codes: A code of each image, `[N, L]`.
    gaussians: p(z|x) of the images.
    labels: If given, the bound is on I(X;Z|Y): in each class, of at most ln of
      its number of images.
  """
  values = np.zeros(len(codes))

  def fill(part):
    log_own, columns = softmax_sums(codes[part], gaussians[part])
    values[part] = infonce_values(log_own, columns)

  in_threads([lambda p=p: fill(p) for p in strata(labels, len(codes))])
  return Bound('InfoNCE', values)


def infonce_values(log_own: np.ndarray, columns: np.ndarray) -> np.ndarray:
  """What each image adds to InfoNCE, nats, float64 `[n]`.

  An image counts as the origin of its code, and as an alternative for the codes
  of others. So the spread of these values gives the error of their mean.

  Args:
    log_own: ln of each image's share of its own code, `[n]`.
    columns: The sum of its shares of all codes, `[n]`.
  """
  others = columns - np.exp(log_own)
  return np.log(len(log_own)) + log_own - (others - others.mean())


@dataclasses.dataclass(frozen=True)
class Pairs:
  """What `tempered` needs of all pairs, for R references at once.

  Attributes:
    diagonal: f(z_i, x_i), `[R, n]`; 0 for codes without a stratum.
    rows: u_i, `[R, n]`.
    columns: v_j, `[R, m]`.
    strata: The mean of w in the stratum of each code, `[R, n]`.
    used: Whether a code is in a stratum, bool `[n]`.
    share: The largest pair's part of the sum, `[R]`.
  """

  diagonal: np.ndarray
  rows: np.ndarray
  columns: np.ndarray
  strata: np.ndarray
  used: np.ndarray
  share: np.ndarray


def pairs(
  codes: np.ndarray,
  gaussians: Gaussians,
  kernels: Sequence[Kernel],
  log_references: np.ndarray,
  labels: np.ndarray | None = None,
  log_caps: np.ndarray | None = None,
) -> list[Pairs]:
  """Sums w over pairs of a code and another image of its stratum.

  Args:
    codes: Codes of the first n images, `[n, L]`.
    gaussians: p(z|x) of m >= n images.
    kernels: K kernels, each in place of p(z|x)^alpha.
    log_references: ln b(z_i), nats, `[K, R, n]`.
    labels: Classes of the m images, which are the strata; None for one stratum.
    log_caps: ln M of each, nats, `[K, R]`; None for no cap.

  Returns:
    The sums of each kernel.
  """
  count, images = len(codes), len(gaussians)
  shape = log_references.shape[:2]
  rows, means = np.zeros([2, *shape, count])
  columns = np.zeros([*shape, images])
  used = np.zeros(count, bool)

  def fill(part):
    mine = part[part < count]  # They come first, since `part` is sorted.
    if not len(mine):
      return np.zeros(shape)
    references = log_references[..., mine]
    sums = pair_sums(
      codes[mine], gaussians[part], kernels, references, log_caps
    )
    others = len(part) - 1
    rows[..., mine] = sums.rows / others
    means[..., mine] = (sums.rows.mean(axis=-1) / others)[..., None]
    columns[..., part] = sums.columns / max(1, len(mine) - 1)
    used[mine] = True
    return sums.largest / others

  each = in_threads([lambda p=p: fill(p) for p in strata(labels, images)])
  largest = np.max([np.zeros(shape), *each], axis=0)
  with np.errstate(invalid='ignore', divide='ignore'):
    share = largest / rows.sum(axis=-1)
  diagonal = _diagonal(codes, gaussians, kernels, log_references, log_caps)
  diagonal = np.where(used, diagonal, 0.0)
  each = zip(diagonal, rows, columns, means, share, strict=True)
  return [Pairs(f, u, v, mean, used, part) for f, u, v, mean, part in each]


def _diagonal(codes, gaussians, kernels, log_references, log_caps):
  """f of the codes and their own images, `[K, R, n]`."""
  own = gaussians[: len(codes)]
  logs = own.log_prob(codes)
  values = np.stack([k.log_value(logs, own) for k in kernels])[:, None]
  values = values - log_references
  if log_caps is None:
    return values
  return -np.logaddexp(-values, -log_caps[..., None])


def tempered(
  codes: np.ndarray,
  gaussians: Gaussians,
  kernel: Kernel,
  log_references: np.ndarray,
  labels: np.ndarray | None = None,
  log_cap: float | None = None,
) -> Bound:
  """The tempered bound, from below; beyond the logarithm of N images.

  Args:
    codes: A code of each image, `[N, L]`.
    gaussians: p(z|x) of the images.
    kernel: p(z|x)^alpha, or another kernel in its place.
    log_references: ln b(z_i), nats, `[N]`.
    labels: If given, the bound is on I(X;Z|Y).
    log_cap: ln M, nats; None for no cap.
  """
  caps = None if log_cap is None else np.array([[log_cap]])
  [sums] = pairs(
    codes, gaussians, [kernel], log_references[None, None], labels, caps
  )
  values = np.zeros(len(codes))
  used = sums.used
  if not used.any():  # No two images have the same label.
    return Bound('tempered', values)
  moved = sums.rows[0] + sums.columns[0] - sums.strata[0]
  whole = moved[used].mean()
  if not whole > 0.0:  # No pair has any weight, so nothing is known of W.
    return Bound('tempered', values, share=1.0)
  # The mean of the last two terms is 0, whatever W is.
  values[used] = (
    sums.diagonal[0, used] - np.log(whole) + 1.0 - moved[used] / whole
  )
  return Bound('tempered', values, float(sums.share[0]))


def expected(sums: Pairs, count: int) -> tuple[np.ndarray, np.ndarray]:
  """The bound of each reference, and its error if there were `count` images.

  It is for choosing a reference. The codes may be of some of the images.

  Returns:
    (bounds, standard errors), `[R]` each.
  """
  used = sums.used
  whole = sums.rows[:, used].mean(axis=1)
  diagonal = sums.diagonal[:, used]
  with np.errstate(divide='ignore', invalid='ignore'):
    ratio = (sums.rows - sums.strata)[:, used] / whole[:, None]
    values = used.mean() * (diagonal.mean(axis=1) - np.log(whole))
    spread = (diagonal - ratio).var(axis=1)
    spread += (sums.columns / whole[:, None]).var(axis=1)
  return values, np.sqrt(spread / count)


def together(name: str, *bounds: Bound | np.ndarray) -> Bound:
  """Adds bounds, from the same images, on the parts of one quantity."""
  parts = [b if isinstance(b, Bound) else Bound('', b) for b in bounds]
  return Bound(
    name,
    np.sum([part.values for part in parts], axis=0),
    max(part.share for part in parts),
  )


def choose(
  candidates: Sequence[tuple[float, float]], most: float = MOST_STDERR
) -> int | None:
  """The number of the candidate (bound, error) with the greatest lower end.

  The lower end is the bound less two errors. Candidates whose error is above
  `most` do not count. None if no candidate counts.
  """
  best, found = -np.inf, None
  for number, (value, stderr) in enumerate(candidates):
    if stderr <= most and value - 2 * stderr > best:
      best, found = value - 2 * stderr, number
  return found
