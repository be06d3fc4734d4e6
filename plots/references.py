"""What a label distortion C is compared with: laws, not runs. All in nats."""

import numpy as np


def random_discard(rate, label_entropy: float, input_entropy: float):
  """C of an optimal lossless code of which all but `rate` is thrown away.

  H(Y) (1 - R / H(X)), at random and with no regard for the labels.
  """
  kept = np.clip(np.asarray(rate) / input_entropy, 0, 1)
  return label_entropy * (1 - kept)


def hard_floor(rate, label_entropy: float):
  """The least C at a rate: max(0, H(Y) - R)."""
  return np.maximum(0, label_entropy - np.asarray(rate))


def envelope(rates, values) -> np.ndarray:
  """Which points no other beats: int indices, from the lowest rate up.

  Args:
    rates: R, `[N]`.
    values: C, `[N]`.
  """
  found, least = [], np.inf
  for index in np.lexsort([values, rates]):
    if values[index] < least:
      found.append(index)
      least = values[index]
  return np.array(found, int)
