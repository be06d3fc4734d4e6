"""The argument of each baseline's function."""

import dataclasses

from vae_info import datasets, loop
from vae_info.baselines.config import BaselineConfig
from vae_info.datasets import Dataset, Split
from vae_info.runs import Run
from vae_info.runs.interruption import Signals


@dataclasses.dataclass(frozen=True)
class Job:
  """One baseline of one task.

  Attributes:
    config: The baseline and its options.
    dataset: Data set to fit to and to evaluate on.
    run: Run directory, which keeps slow intermediate results. Its lock is held.
    signals: Signals received; long work checks them often.
  """

  config: BaselineConfig
  dataset: Dataset
  run: Run
  signals: Signals

  def labels(self, split: Split):
    """Labels of the task, int32 `[N]`."""
    return split.labels[self.config.task]

  def given(self, split: Split):
    """What is given beside a code or an image, float32 `[N, G]` each."""
    return split.given.get(self.config.task, ())

  @property
  def schedule(self) -> loop.Schedule:
    """The schedule of a baseline that is trained."""
    config = self.config
    return loop.Schedule(
      num_examples=len(self.dataset.train.images),
      batch_size=config.batch_size,
      epochs=config.epochs,
      steps=None,
      seed=config.seed,
      learning_rate=config.learning_rate,
    )

  @property
  def num_classes(self) -> int:
    return self.dataset.num_classes[self.config.task]

  @property
  def entropies(self) -> dict[str, float | None]:
    """The columns `label_entropy` and `input_entropy`, in nats."""
    return {
      'label_entropy': datasets.label_entropy(self.labels(self.dataset.test)),
      'input_entropy': self.dataset.entropy_estimate,
    }
