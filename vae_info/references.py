"""References for label distortion: curves and numbers in closed form.

An optimal lossless code of an image has H(X) nats. If nats are discarded at
random until R are left, the code keeps the same share of the label's H(Y) nats:

    C(R) = H(Y) (1 - R / H(X)),        the dashed line of the paper's figure 1.

A code of R nats has at most R nats about the label. So no code can do better
than

    C(R) = max(0, H(Y) - R).

Everything is in nats. Imports no TensorFlow.
"""

import numpy as np
from scipy import stats

# H(X|grey) of MNIST's binary images, nats: the noise of the binarisation. It is
# the sum of the pixels' Bernoulli entropies, averaged over 4,000 images.
MNIST_NOISE = 45.8


def random_discard(
  rate: np.ndarray | float, label_entropy: float, input_entropy: float
) -> np.ndarray:
  """C of random discarding at rate R: H(Y) (1 - R / H(X)), nats.

  Args:
    rate: R, any shape. C is 0 where R is above `input_entropy`.
    label_entropy: H(Y).
    input_entropy: H(X).
  """
  kept = np.clip(np.asarray(rate, np.float64) / input_entropy, 0.0, 1.0)
  return label_entropy * (1.0 - kept)


def hard_floor(rate: np.ndarray | float, label_entropy: float) -> np.ndarray:
  """The least C that a code of rate R can have: max(0, H(Y) - R), nats."""
  return np.maximum(0.0, label_entropy - np.asarray(rate, np.float64))


def envelope(rates: np.ndarray, values: np.ndarray) -> np.ndarray:
  """Indices of the points that no other point beats, int `[M]`.

  A point beats another if neither its R nor its C is higher. Of equal points
  the first is kept.

  Args:
    rates: R of each point, `[N]`.
    values: C of each point, `[N]`.

  Returns:
    The indices, from the lowest rate up.
  """
  found, least = [], np.inf
  for index in np.lexsort([values, rates]):
    if values[index] < least:
      found.append(index)
      least = values[index]
  return np.array(found, int)


def label_preference(
  label_distortions: np.ndarray,
  rates: np.ndarray | float,
  label_entropy: float,
  input_entropy: float,
) -> tuple[float | None, float | None]:
  """Label information, divided by what random discarding keeps at that rate.

      P = (H(Y) - C) / (H(Y) R / H(X))

  P is 1 on the line of `random_discard`, and at most H(X) / H(Y).

  Args:
    label_distortions: Per image, nats, float `[N]`. Their mean is C.
    rates: Per image, nats, `[N]`, with mean R; or R itself, taken as exact.
    label_entropy: H(Y), nats, taken as exact.
    input_entropy: H(X), nats, taken as exact.

  Returns:
    P and its standard error, or (None, None) unless R and H(Y) are above 0. The
    error is by the delta method: image i moves P by dP/dC (C_i - C) +
    dP/dR (R_i - R). So it accounts for the covariance of C and R.
  """
  losses = np.asarray(label_distortions, np.float64)
  rates = np.broadcast_to(np.asarray(rates, np.float64), losses.shape)
  loss, rate = losses.mean(), rates.mean()
  if not (rate > 0.0 and label_entropy > 0.0):
    return None, None
  scale = input_entropy / (label_entropy * rate)
  value = scale * (label_entropy - loss)
  moves = -scale * (losses - loss) - value / rate * (rates - rate)
  stderr = moves.std(ddof=1) / np.sqrt(len(moves))
  return float(value), float(stderr)


def chance_of_all(special: int, total: int, draws: int) -> float:
  """The chance that balls drawn at random from an urn include all special ones.

  Args:
    special: Number of special balls in the urn.
    total: Number of all balls in the urn.
    draws: Number of balls drawn, without replacement.
  """
  return float(stats.hypergeom.pmf(special, total, special, draws))
