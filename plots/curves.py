"""Interpolates a curve between the points that were evaluated.

It uses cubics that are monotone where the points are (PCHIP). Straight lines
would be biased: C is convex in R, so they lie above the curve.
"""

from collections.abc import Sequence

import numpy as np
from scipy import interpolate


def interpolated(
  place: float, places: Sequence[float], values: Sequence[float]
) -> float | None:
  """The curve's value at `place`, or None outside the points.

  Args:
    place: Abscissa, for instance a rate.
    places: Abscissas of the points, in any order. If two are equal, the first
      counts.
    values: Ordinates of the points, in the same order.
  """
  # The margin allows for rounding at the ends of the curve.
  if not min(places) - 1e-3 <= place <= max(places) + 1e-3:
    return None
  distinct, first = np.unique(places, return_index=True)
  if len(distinct) == 1:
    return float(values[first[0]])
  curve = interpolate.PchipInterpolator(distinct, np.array(values)[first])
  return float(curve(np.clip(place, distinct[0], distinct[-1])))


def crossing(
  value: float, places: Sequence[float], values: Sequence[float]
) -> float:
  """The first place where the curve has this value; infinite if nowhere.

  Args:
    value: An ordinate.
    places: As in `interpolated`.
    values: As in `interpolated`.
  """
  distinct, first = np.unique(places, return_index=True)
  if len(distinct) == 1:
    return float(distinct[0]) if values[first[0]] == value else np.inf
  curve = interpolate.PchipInterpolator(distinct, np.array(values)[first])
  return float(min(curve.solve(value, extrapolate=False), default=np.inf))
