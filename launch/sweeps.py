"""The sweeps, as data: which runs a figure is made of.

A run is the flags of one command and the name of its directory, which the
config of that command makes from the flags: so it is the name that the
command itself would choose, and it never changes for the same flags.

Imports no TensorFlow.
"""

import dataclasses
import itertools
from collections.abc import Mapping

from vae_info import config as configs

TRAIN = 'vae_info.train'
# What makes a directory's name from the flags of each command.
CONFIGS = {TRAIN: configs.Config}

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
