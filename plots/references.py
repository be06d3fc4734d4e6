"""What a label distortion C is compared with: laws, not runs. All in nats."""

import numpy as np


def random_discard(rate, label_entropy: float, input_entropy: float):
  """C of an optimal lossless code of which all but `rate` is thrown away.

  H(Y) (1 - R / H(X)), at random and with no regard for the labels.
  """
  kept = np.clip(np.asarray(rate) / input_entropy, 0, 1)
  return label_entropy * (1 - kept)


def floor(rate, label_entropy: float):
  """The least C at a rate: max(0, H(Y) - R)."""
  return np.maximum(0, label_entropy - np.asarray(rate))


def envelope(rates, values) -> tuple[np.ndarray, np.ndarray]:
  """The points `[M]` that none of lower rate undercuts, by rising rate.

  Args:
    rates: `[N]`.
    values: C, `[N]`.
  """
  order = np.lexsort((values, rates))
  rates, values = np.asarray(rates)[order], np.asarray(values)[order]
  least = np.minimum.accumulate(values)
  kept = np.r_[True, values[1:] < least[:-1]]
  return rates[kept], values[kept]
