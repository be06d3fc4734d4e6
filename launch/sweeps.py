"""The sweeps, as data: which runs a figure is made of.

A run is the flags of one command and the name of its directory, which the
config of that command makes from the flags: so it is the name that the
command itself would choose, and it never changes for the same flags.

Imports no TensorFlow.
"""

import dataclasses
import itertools
from collections.abc import Mapping

from vae_info import baseline_config, config as configs

TRAIN = 'vae_info.train'
BASELINES = 'vae_info.baselines'
# What makes a directory's name from the flags of each command.
CONFIGS = {
  TRAIN: configs.Config,
  BASELINES: baseline_config.BaselineConfig,
}

ENCODERS = ('conv', 'iaf')
DECODERS = ('deconvolutional', 'autoregressive')
MARGINALS = ('gaussian', 'maf', 'vampprior')  # Those of the paper.
# About evenly spaced in log beta, as round numbers.
BETAS = (0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
ANNEALING_EPOCHS = (0.0, 50.0)  # Without and with.


@dataclasses.dataclass(frozen=True)
class Run:
  """One directory, and the command that fills it."""

  flags: Mapping[str, object]  # Attributes of the command's config.
  # Flags of the evaluation that follows a training.
  evaluation: Mapping[str, object] = dataclasses.field(default_factory=dict)
  module: str = TRAIN

  @property
  def config(self):
    """All attributes, those that have their defaults included."""
    return CONFIGS[self.module](**self.flags)

  @property
  def name(self) -> str:
    """Of the directory."""
    return self.config.run_name


def grid(evaluation: Mapping[str, object] = (), **axes) -> tuple[Run, ...]:
  """A training for each element of a product.

  Args:
    evaluation: Flags of the evaluation of each.
    **axes: The values of each flag: a tuple of them, or one for all. The last
      varies fastest.
  """
  values = [v if isinstance(v, tuple) else (v,) for v in axes.values()]
  return tuple(
    Run(dict(zip(axes, chosen, strict=True)), dict(evaluation))
    for chosen in itertools.product(*values)
  )


def baselines(dataset: str, *tasks: str) -> tuple[Run, ...]:
  """Every baseline of each task; those that are drawn anew, thrice."""
  return tuple(
    Run(
      {'dataset': dataset, 'task': task, 'baseline': baseline, 'seed': seed},
      module=BASELINES,
    )
    for task in tasks
    for baseline in baseline_config.OPTIONS
    for seed in ((0,) if baseline == 'pca' else SEEDS)
  )


def narrow_supervised(dataset: str, task: str, **more: int) -> tuple[Run, ...]:
  """The complex supervised network, a quarter as wide: minutes."""
  flags = {'dataset': dataset, 'task': task, 'baseline': 'supervised_complex'}
  flags |= {'depth': 16, **more}
  return tuple(Run({**flags, 'seed': seed}, module=BASELINES) for seed in SEEDS)


def curves(decoder: str, beta: str = '', **axes) -> tuple[Run, ...]:
  """Models of a range of betas, of one decoder."""
  return points(decoder, beta or RANGES[decoder], **axes)


def points(decoder: str, beta, **axes) -> tuple[Run, ...]:
  """Models of one beta, or of each of a tuple, trained as long as `curves`."""
  return grid(
    decoder=decoder,
    beta=beta,
    epochs=CURVE_EPOCHS[axes['dataset'], decoder],
    precision='bfloat16',
    **axes,
  )


DECONV, AUTO = DECODERS
SEEDS = (0, 1, 2)
# So that the rate goes from a few nats to forty. An autoregressive decoder
# does without its code above a beta of about 1.
RANGES = {DECONV: '0.6:10', AUTO: '0.3:2'}
CURVE_EPOCHS = {
  ('binarized_mnist', DECONV): 8,
  ('binarized_mnist', AUTO): 6,
  ('omniglot', DECONV): 16,
  ('omniglot', AUTO): 12,
}
# With an autoregressive decoder, a learned marginal makes less of its code when
# it is not annealed; a VampPrior, nothing at any beta of the range.
ANNEALED = {'kl_annealing_epochs': 1.0}
MNIST = {'dataset': 'binarized_mnist'}
OMNIGLOT = {'dataset': 'omniglot', 'binarization': 'dynamic'}
# A row of figure 1, each family by one training. The longest are first.
MNIST_ROW = (
  *curves(AUTO, marginal='vampprior', **ANNEALED, **MNIST),
  *curves(DECONV, marginal=MARGINALS[::-1], **MNIST),
  *curves(AUTO, marginal=MARGINALS[:2], **MNIST),
)

SWEEPS = {
  # Everything that can be combined, in minutes; the numbers mean nothing.
  'smoke': grid(
    {'num_samples': 1, 'classifier_epochs': 1, 'classifier_batch_size': 500},
    dataset='static_mnist',
    encoder=configs.ENCODERS,
    decoder=configs.DECODERS,
    marginal=configs.MARGINALS,
    latent_size=4,
    batch_size=20,
    steps=20,
  ),
  'mnist': grid(
    dataset='binarized_mnist',
    encoder=ENCODERS,
    decoder=DECODERS,
    marginal=MARGINALS,
    beta=BETAS,
    precision='bfloat16',
  ),
  # One model gives both tasks, alphabets and characters.
  'omniglot': grid(
    dataset='omniglot',
    binarization='dynamic',
    encoder=ENCODERS,
    decoder=DECODERS,
    marginal=MARGINALS,
    beta=BETAS,
    precision='bfloat16',
  ),
  'mnist_row': MNIST_ROW,
  # And beside it: other trainings of a range, and trainings at one beta.
  'curves': (
    *MNIST_ROW,
    *curves(AUTO, marginal='vampprior', **MNIST),
    *curves(AUTO, marginal='maf', **ANNEALED, **MNIST),
    *curves(AUTO, '0.3:1', **MNIST),  # Short of where the code is given up.
    *curves(DECONV, encoder='iaf', **MNIST),
    *curves(AUTO, encoder='iaf', **MNIST),
    *curves(DECONV, seed=SEEDS[1:], **MNIST),
    *curves(AUTO, seed=SEEDS[1:], **MNIST),
    *points(
      DECONV, (0.6, 1.0, 1.6, 2.5, 5.0, 10.0), marginal=MARGINALS, **MNIST
    ),
    *points(AUTO, (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0), **MNIST),
    *points(AUTO, 0.5, marginal=MARGINALS[1:], **MNIST),
  ),
  'omniglot_curves': (
    *curves(DECONV, marginal=MARGINALS, **OMNIGLOT),
    *curves(AUTO, marginal=MARGINALS, **OMNIGLOT),
    *curves(AUTO, marginal='vampprior', **ANNEALED, **OMNIGLOT),
    *points(DECONV, 1.0, **OMNIGLOT),
    *points(AUTO, 0.5, **OMNIGLOT),
  ),
  'baselines': (
    *baselines('binarized_mnist', 'digit'),
    *baselines('omniglot', 'alphabet', 'character'),
    *narrow_supervised('binarized_mnist', 'digit', epochs=4),
    # Without it their C is well above that of the simple network.
    *narrow_supervised('omniglot', 'alphabet', early_stopping=True),
    *narrow_supervised('omniglot', 'character', early_stopping=True),
  ),
  'paper': (
    *grid(
      dataset='binarized_mnist',
      architecture='paper',
      encoder=ENCODERS,
      decoder=DECODERS,
      marginal=MARGINALS,
      beta=BETAS,
      kl_annealing_epochs=ANNEALING_EPOCHS,
      lr_schedule='paper',
      precision='bfloat16',
    ),
    *grid(
      dataset='omniglot',
      binarization='dynamic',
      architecture='paper',
      encoder=ENCODERS,
      decoder=DECODERS,
      marginal=MARGINALS,
      beta=BETAS,
      kl_annealing_epochs=ANNEALING_EPOCHS,
      lr_schedule='paper',
      precision='bfloat16',
    ),
  ),
}
