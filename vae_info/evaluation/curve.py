"""The points of the curve that a run gives: one, or one for each beta.

A run of one beta is one point. A multi-beta model is a point at each beta that
is asked for. Every evaluation is of a point.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from vae_info.config import BetaRange
from vae_info.evaluation import estimates
from vae_info.networks import conditioning
from vae_info.networks.model import Model
from vae_info.runs import Run

COUNT = 12  # Points of a multi-beta model, if no betas are named.


@dataclasses.dataclass(frozen=True)
class Point:
  """A run at one beta.

  Attributes:
    beta: The beta.
    model: Encoder, decoder and marginal at this beta.
  """

  beta: float
  model: Model


def load(run: Run, betas: Sequence[float] | None = None) -> list[Point]:
  """Loads the points of a finished run.

  Args:
    run: Has a checkpoint.
    betas: Betas of the points. By default the run's beta, or `COUNT` betas of
      its range, evenly spaced in log beta.

  Raises:
    UserError: The run was not trained for one of the betas, or the checkpoint
      is not readable.
  """
  trained = run.beta
  if betas is None:
    betas = (
      conditioning.evenly(trained, COUNT)
      if isinstance(trained, BetaRange)
      else [trained]
    )
  betas = list(dict.fromkeys(betas))  # Rounding may make some the same.
  models = run.model().at_each(betas)
  return [Point(beta, model) for beta, model in zip(betas, models, strict=True)]


def encode(
  points: Sequence[Point], images: np.ndarray
) -> dict[float, np.ndarray]:
  """Encodes images at every point.

  Args:
    points: Points of one run.
    images: uint8 `[N, H, W, C]`.

  Returns:
    The encoder's parameters by beta, float32 `[N, P]` each.
  """
  models = [point.model for point in points]
  parameters = estimates.encode_at_each(models, images)
  betas = [point.beta for point in points]
  return dict(zip(betas, parameters, strict=True))
