"""C with few labels: of the paper's network, fitted to n training images.

The images are the first n of one shuffle, so a larger budget has all images of
a smaller one. They are repeated, with new codes each time, until an epoch has
at least `ROUND` codes. The learning rate is ten times the paper's, since a fit
has a tenth of the steps: 4,290 at most, and 53,675 with all labels of MNIST.

Few labels are soon learned by heart. So validation images choose the epoch, the
temperature, and a share of the frequencies of the n labels. These validation
images have labels too, which are not counted among the n. C is therefore that
of n labels and a well-chosen fit. It measures how easily the label is read from
the code, and not how much of it is there. Its error is over test images: which
images have labels is not in it.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from vae_info import randomness
from vae_info.errors import UserError
from vae_info.evaluation import estimates, least
from vae_info.evaluation.least import Labelled
from vae_info.evaluation.options import Settings

ROUND = 5_000  # The fewest codes in an epoch.
EPOCHS = 40  # At most; the rate is divided by 10 after each quarter.
PATIENCE = 5
LEARNING_RATE = 1e-3


def check_count(count: int, budgets: Sequence[int]) -> None:
  """Raises `UserError` if a budget is above `count`, the training images."""
  if budgets and max(budgets) > count:
    raise UserError(
      f'label_budgets must be at most the {count} training images, got '
      f'{max(budgets)}'
    )


def chosen(count: int, budget: int, seed: int) -> np.ndarray:
  """Indices of the images that have labels, int `[budget]`, out of `count`.

  Raises:
    UserError: There are too few images.
  """
  check_count(count, [budget])
  order = randomness.generator(seed, 'images with labels').permutation(count)
  return order[:budget]


def columns(
  labelled: Callable[[np.ndarray], Labelled],
  count: int,
  budgets: Sequence[int],
  settings: Settings,
) -> dict[str, float]:
  """The columns `label_distortion_N` and their errors, for each budget N.

  Args:
    labelled: From indices of training images, with repetitions, to their codes
      and labels, and those of the other splits.
    count: Training images.
    budgets: Numbers of labels.
    settings: The paper's classifier, of which layers, batch and seed are used.
      Its epochs are an upper limit too, beside `EPOCHS`.

  Raises:
    UserError: There are too few images, or a loss is not finite.
  """
  values = {}
  for budget in budgets:
    some = chosen(count, budget, settings.seed)
    values[f'label_distortion_{budget}'] = losses(labelled, some, settings)
  return estimates.columns(**values)


def losses(
  labelled: Callable[[np.ndarray], Labelled],
  some: np.ndarray,
  settings: Settings,
) -> np.ndarray:
  """C of each test image, nats, float64 `[N]`, with the labels of `some`."""
  repeated = labelled(np.tile(some, -(-ROUND // len(some))))
  few = dataclasses.replace(
    settings,
    learning_rate=LEARNING_RATE,
    epochs=min(EPOCHS, settings.epochs),
    batch_size=min(settings.batch_size, len(repeated.train)),
  )
  network = least.network(repeated, few, PATIENCE)
  once = dataclasses.replace(repeated, train=repeated.train[: len(some)])
  return least.mix({few.family: network}, once).losses
