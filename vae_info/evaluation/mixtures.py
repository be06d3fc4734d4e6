"""Mixtures by expectation-maximisation: of Gaussians, and of known densities.

Each is fitted to codes or labels of some images and then evaluated on others.
So the log-likelihood of those is not biased by the fit. Imports no TensorFlow.

#### References

[1]: Arthur Dempster, Nan Laird and Donald Rubin. Maximum likelihood from
     incomplete data via the EM algorithm. _J. Royal Stat. Soc. B_, 1977.
"""

import dataclasses
import math

import numpy as np
from scipy.special import logsumexp

LEAST_WEIGHT = 0.003  # A component with less is dropped.


def fit_weights(log_probs: np.ndarray, steps: int = 300) -> np.ndarray:
  """The weights of a mixture that make data most likely.

  Args:
    log_probs: ln of each component at each point, `[n, K]`.
    steps: Steps of expectation-maximisation.

  Returns:
    Float64 `[K]`. They sum to 1; those below `LEAST_WEIGHT` are 0.
  """
  count = log_probs.shape[1]
  probs = np.exp(log_probs - log_probs.max(axis=1, keepdims=True))
  weights = np.full(count, 1 / count)
  for _ in range(steps):
    shares = probs * weights
    shares /= shares.sum(axis=1, keepdims=True)
    weights = shares.mean(axis=0)
  weights[weights < min(LEAST_WEIGHT, weights.max())] = 0.0
  return weights / weights.sum()


def log_mixture(log_probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
  """ln sum_k weights_k exp(log_probs_k): `[..., K] -> [...]`."""
  with np.errstate(divide='ignore'):
    return logsumexp(log_probs + np.log(weights), axis=-1)


def log_mean(logs: np.ndarray) -> float:
  """ln of the mean of exp(logs), `[n]`."""
  return float(logsumexp(logs) - math.log(len(logs)))


@dataclasses.dataclass(frozen=True)
class GaussianMixture:
  """A mixture of K diagonal Gaussians over codes of L dimensions.

  Attributes:
    weights: `[K]`.
    means: `[K, L]`.
    variances: `[K, L]`.
  """

  weights: np.ndarray
  means: np.ndarray
  variances: np.ndarray

  def log_joint(self, codes: np.ndarray) -> np.ndarray:
    """ln of each component's weight times density: `[n, L] -> [n, K]`."""
    z = codes.astype(np.float64)
    precisions = 1 / self.variances
    constant = np.log(self.weights) - 0.5 * (
      np.log(2 * math.pi * self.variances) + self.means**2 * precisions
    ).sum(axis=1)
    return (
      -0.5 * (z**2 @ precisions.T) + z @ (self.means * precisions).T + constant
    )

  def log_prob(self, codes: np.ndarray) -> np.ndarray:
    """ln m(z), nats: `[n, L] -> [n]`."""
    return logsumexp(self.log_joint(codes), axis=1)


def fit_gaussians(
  codes: np.ndarray,
  rng: np.random.Generator,
  count: int = 200,
  steps: int = 25,
  most: int = 20_000,
) -> GaussianMixture:
  """Fits a mixture of diagonal Gaussians to codes `[N, L]`.

  Args:
    codes: Codes of training images.
    rng: Chooses the first means among the codes.
    count: The most components; there are at least 50 codes for each.
    steps: Steps of expectation-maximisation.
    most: How many codes to use at most: the first ones.
  """
  centre = codes.mean(axis=0, dtype=np.float64)
  z = codes[:most].astype(np.float64) - centre
  overall = z.var(axis=0) + 1e-12
  count = max(1, min(count, len(z) // 50))
  mixture = GaussianMixture(
    np.full(count, 1 / count),
    z[rng.choice(len(z), count, replace=False)],
    np.tile(overall, [count, 1]),
  )
  single = z.astype(np.float32)
  squares = single**2
  for _ in range(steps):
    shares = mixture.log_joint(z).astype(np.float32)
    shares -= shares.max(axis=1, keepdims=True)
    np.exp(shares, out=shares)
    shares /= shares.sum(axis=1, keepdims=True)
    # As if each component had one more code of the overall variance.
    sizes = shares.sum(axis=0, dtype=np.float64) + 1e-9
    means = shares.T @ single / sizes[:, None]
    spread = shares.T @ squares - sizes[:, None] * means**2
    variances = (np.maximum(spread, 0.0) + overall) / (sizes[:, None] + 1)
    mixture = GaussianMixture(sizes / sizes.sum(), means, variances)
  return dataclasses.replace(mixture, means=mixture.means + centre)
