"""Entries of a sweep, and builders of many at once.

An entry holds the flags of one command. The command's config makes the name of
the run directory from these flags. So the same flags always give the same
directory, in a sweep or by hand.

Imports no TensorFlow.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from vae_info import config as configs
from vae_info.baselines import config as baseline_config

TRAIN = 'vae_info.train'
BASELINES = 'vae_info.baselines'
# The config of each command; it names the run directory.
CONFIGS = {
  TRAIN: configs.Config,
  BASELINES: baseline_config.BaselineConfig,
}
SEEDS = (0, 1, 2)
DROPOUTS = (0.0, 0.1, 0.3)  # The paper chose among these.
DECONV, AUTO = 'deconvolutional', 'autoregressive'
MARGINALS = ('gaussian', 'maf', 'vampprior')  # The paper's.
MNIST = {'dataset': 'binarized_mnist'}
OMNIGLOT = {'dataset': 'omniglot', 'binarization': 'dynamic'}
# An autoregressive decoder is annealed by default. At a constant beta it uses
# its code less; with a VampPrior it collapses over the whole range.
CONSTANT = {'kl_annealing_epochs': 0.0}
ANNEALED = {'kl_annealing_epochs': 1.0}
FEW_NATS = ('kmeans', 'kmeans_deskewed', 'pca_water_filled')


@dataclasses.dataclass(frozen=True)
class Entry:
  """One run directory, and the command that fills it.

  Attributes:
    flags: Attributes of the command's config.
    evaluation: Flags of the evaluation that follows a training.
    module: The command, a key of `CONFIGS`.
  """

  flags: Mapping[str, Any]
  evaluation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  module: str = TRAIN

  @property
  def config(self) -> configs.Config | baseline_config.BaselineConfig:
    """All attributes of the command's config, defaults included."""
    return CONFIGS[self.module](**self.flags)

  @property
  def name(self) -> str:
    """The name of the run directory."""
    return self.config.run_name


def grid(
  evaluation: Mapping[str, Any] | None = None, **axes: Any
) -> tuple[Entry, ...]:
  """A training for every combination of values.

  Args:
    evaluation: Flags of each training's evaluation.
    **axes: For each flag, a tuple of values, or one value for all. The last
      flag varies fastest.
  """
  values = [v if isinstance(v, tuple) else (v,) for v in axes.values()]
  return tuple(
    Entry(dict(zip(axes, chosen, strict=True)), evaluation or {})
    for chosen in itertools.product(*values)
  )


def baselines(dataset: str, *tasks: str) -> tuple[Entry, ...]:
  """The paper's baselines for each task: PCA once, others with three seeds."""
  return tuple(
    Entry(
      {'dataset': dataset, 'task': task, 'baseline': baseline, 'seed': seed},
      module=BASELINES,
    )
    for task in tasks
    for baseline in baseline_config.ALL
    if baseline not in FEW_NATS
    for seed in ((0,) if baseline == 'pca' else SEEDS)
  )


def few_nats(dataset: str, *tasks: str) -> tuple[Entry, ...]:
  """The baselines for low rates, for each task, with one seed."""
  return tuple(
    Entry(
      {'dataset': dataset, 'task': task, 'baseline': baseline, 'seed': 0},
      module=BASELINES,
    )
    for task in tasks
    for baseline in FEW_NATS
  )


def supervised(dataset: str, *tasks: str, **more: Any) -> tuple[Entry, ...]:
  """The simple and the narrow supervised network for each task, with one seed.

  Args:
    dataset: The data set.
    *tasks: Its labels.
    **more: Further flags of the narrow network.
  """
  flags = {'dataset': dataset, 'seed': 0}
  narrow = {'baseline': 'supervised_complex', 'depth': 16, **more}
  return tuple(
    Entry({**flags, 'task': task, **network}, module=BASELINES)
    for task in tasks
    for network in (narrow, {'baseline': 'supervised_simple'})
  )


def flows(dataset: str, *tasks: str) -> tuple[Entry, ...]:
  """A flow for each task, whose codes are evaluated at all rates."""
  flags = {'dataset': dataset, 'baseline': 'flow', 'seed': 0}
  return tuple(
    Entry({**flags, 'task': task}, module=BASELINES) for task in tasks
  )


def supervised_complex(
  dataset: str, task: str, seeds: Sequence[int] = SEEDS, **more: Any
) -> tuple[Entry, ...]:
  """The complex supervised network with some seeds.

  Args:
    dataset: The data set.
    task: Its labels.
    seeds: The seeds.
    **more: Further flags of the baseline. With `depth=16` it takes minutes.
  """
  flags = {'dataset': dataset, 'task': task, 'baseline': 'supervised_complex'}
  return tuple(
    Entry({**flags, **more, 'seed': seed}, module=BASELINES) for seed in seeds
  )


def supervised_search(
  dataset: str, task: str, **more: Any
) -> tuple[Entry, ...]:
  """The complex supervised network with each of `DROPOUTS`, and one seed.

  Args:
    dataset: The data set.
    task: Its labels.
    **more: Further flags of the baseline.
  """
  return tuple(
    entry
    for dropout in DROPOUTS
    for entry in supervised_complex(
      dataset, task, (0,), dropout=dropout, **more
    )
  )


def clusters_of(
  trainings: tuple[Entry, ...], task: str, **more: Any
) -> tuple[Entry, ...]:
  """Clusters of the codes of trainings, which must be finished before.

  Args:
    trainings: Their entries.
    task: The labels.
    **more: Further flags of the baseline.
  """
  return tuple(
    Entry(
      {
        'dataset': entry.config.dataset,
        'binarization': entry.config.binarization,
        'task': task,
        'baseline': 'clusters',
        'seed': entry.config.seed,
        'codes_of': entry.name,
        **more,
      },
      module=BASELINES,
    )
    for entry in trainings
  )
