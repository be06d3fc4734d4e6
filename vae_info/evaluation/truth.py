"""True information of an encoder in a finite world, where p(x, y) is known.

Sums over images are exact. Integrals over codes are means over a few draws for
each image, weighted with p(x). So only the draws cause an error.

    q(z) = sum_x p(x) p(z|x)                 I(X;Z) = E ln p(z|x) / q(z)
    p(y|z) = sum_x p(x, y) p(z|x) / q(z)     I(Z;Y) = E ln p(y|z) / p(y)

The Bayes C is -E ln p(y|z): no classifier has a lower one. Imports no
TensorFlow.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from vae_info.evaluation.pairwise import Gaussians, Kernel
from vae_info.evaluation.sums import log_sums

DRAWS = 4  # Codes of each image.


@dataclasses.dataclass(frozen=True)
class Exact:
  """A number whose only error is that of the draws of codes, nats."""

  mean: float
  stderr: float


def measure(
  gaussians: Gaussians,
  probabilities: np.ndarray,
  joint: Mapping[str, np.ndarray],
  rng: np.random.Generator,
  log_marginal: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, Exact]:
  """The truth about an encoder.

  Args:
    gaussians: p(z|x) of all M images, before any flow.
    probabilities: p(x), `[M]`.
    joint: p(x, y) of each task, `[M, C]`.
    rng: Draws the codes.
    log_marginal: ln of the density of codes that m(z) gives, if there is a
      marginal: from a code of each image, `[M, L]`, to `[M]`.

  Returns:
    `information`, I(X;Z), and `divergence`, KL(q||m), if there is a marginal.
    Of each task `information TASK`, I(Z;Y), and `label_distortion TASK`, C.
  """
  tasks = [*joint]
  weights = [joint[task] for task in tasks]
  nothing = [np.zeros(len(gaussians), int)] * len(tasks)
  drawn: dict[str, list[np.ndarray]] = {}

  def add(name, values):
    drawn.setdefault(name, []).append(values)

  for _ in range(DRAWS):
    codes = gaussians.draw(rng)
    kernel = Kernel.tempered(1.0)
    sums = log_sums(codes, gaussians, [kernel], weights, nothing, keep=1)
    log_q = sums[0].total[0]
    add('information', gaussians.log_prob(codes) - log_q)
    if log_marginal is not None:
      add('divergence', log_q - log_marginal(codes))
    for task, of_task in zip(tasks, sums, strict=True):
      log_joint = of_task.classes[0]
      given = joint[task] / probabilities[:, None]  # p(y|x)
      # Where p(y|x) is 0, p(y|z) may be too.
      logs = np.where(given > 0, log_joint - log_q[:, None], 0.0)
      losses = -(given * logs).sum(axis=1)
      add(f'label_distortion {task}', losses)
      add(f'information {task}', _entropy(joint[task].sum(axis=0)) - losses)
  return {
    name: _weighted(np.stack(values), probabilities)
    for name, values in drawn.items()
  }


def _entropy(probabilities):
  return -float(np.sum(probabilities * np.log(probabilities)))


def _weighted(values, probabilities):
  """The mean over images of `[S, M]` draws; only draws vary."""
  variances = values.var(axis=0, ddof=1) / len(values)
  return Exact(
    float(values.mean(axis=0) @ probabilities),
    float(np.sqrt(variances @ probabilities**2)),
  )
