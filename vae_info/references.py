"""What label information is compared with: lines and numbers in closed form.

An optimal lossless code of an image has H(X) nats. Thrown away at random until
R are left, it keeps the label's H(Y) nats in proportion:

    C(R) = H(Y) (1 - R / H(X)),        the dashed line of the paper's figure 1.

No code of R nats can do better than C(R) = max(0, H(Y) - R), where all that is
kept is about the label. Everything is in nats. Imports no TensorFlow.
"""

import numpy as np
from scipy import stats


def random_discard(
  rate: np.ndarray | float, label_entropy: float, input_entropy: float
) -> np.ndarray:
  """C of random discarding, H(Y) (1 - R / H(X)); H(Y) - C = 0 at R = 0.

  Args:
    rate: R, any shape, from 0 to `input_entropy`; C is 0 above.
    label_entropy: H(Y).
    input_entropy: H(X).
  """
  kept = np.clip(np.asarray(rate, np.float64) / input_entropy, 0.0, 1.0)
  return label_entropy * (1.0 - kept)


def hard_floor(rate: np.ndarray | float, label_entropy: float) -> np.ndarray:
  """The least C that a code of rate R can have, max(0, H(Y) - R)."""
  return np.maximum(0.0, label_entropy - np.asarray(rate, np.float64))


def envelope(rates: np.ndarray, values: np.ndarray) -> np.ndarray:
  """Which points no other beats: int indices, from the lowest rate up.

  Args:
    rates: R of each point, `[N]`.
    values: C of each point, `[N]`. A point is beaten by one of no higher R and
      no higher C, unless it is the same.
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
  """Label information over what random discarding keeps at the same rate.

      P = (H(Y) - C) / (H(Y) R / H(X))

  It is 1 on the line of `random_discard`, and H(X) / H(Y) at most.

  Args:
    label_distortions: Per image, float `[N]`; C is their mean.
    rates: Of the same images, `[N]`; or one number, which is taken as exact.
    label_entropy: H(Y), taken as exact.
    input_entropy: H(X), taken as exact.

  Returns:
    P and its standard error, by the delta method: an image moves P by
    dP/dC (C_i - C) + dP/dR (R_i - R), so that what C and R have in common is
    accounted for. (None, None) where R is not above 0.
  """
  losses = np.asarray(label_distortions, np.float64)
  rates = np.broadcast_to(np.asarray(rates, np.float64), losses.shape)
  loss, rate = losses.mean(), rates.mean()
  if not rate > 0.0:
    return None, None
  scale = input_entropy / (label_entropy * rate)
  value = scale * (label_entropy - loss)
  moves = -scale * (losses - loss) - value / rate * (rates - rate)
  stderr = moves.std(ddof=1) / np.sqrt(len(moves))
  return float(value), float(stderr)


def chance_of_all(special: int, total: int, draws: int) -> float:
  """The chance of drawing all of the special balls from an urn, blindly.

  Args:
    special: Balls that are special.
    total: Balls in the urn.
    draws: Balls drawn, without putting any back.
  """
  return float(stats.hypergeom.pmf(special, total, special, draws))
