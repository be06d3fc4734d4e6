"""The sweeps, as data: the runs behind each figure and table.

Imports no TensorFlow.
"""

import dataclasses
from typing import Any

from launch.entries import (
  ANNEALED,
  AUTO,
  CONSTANT,
  DECONV,
  MARGINALS,
  MNIST,
  OMNIGLOT,
  SEEDS,
  Entry,
  baselines,
  clusters_of,
  few_nats,
  flows,
  grid,
  supervised,
  supervised_complex,
  supervised_search,
)
from launch.paper_figures import FIGURE_1_MNIST, FIGURES
from vae_info import config as configs

ENCODERS = ('conv', 'iaf')
DECODERS = (DECONV, AUTO)
# Round numbers, about evenly spaced in log beta.
BETAS = (0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
ANNEALING_EPOCHS = (0.0, 50.0)  # Without annealing of beta, and with it.


def curves(decoder: str, beta: str = '', **axes: Any) -> tuple[Entry, ...]:
  """Multi-beta models with one decoder.

  Args:
    decoder: The decoder.
    beta: The range, 'LOW:HIGH'; by default the decoder's in `SHORT_RANGES`.
    **axes: As for `grid`.
  """
  return points(decoder, beta or SHORT_RANGES[decoder], **axes)


def points(
  decoder: str, beta: float | str | tuple[float, ...], **axes: Any
) -> tuple[Entry, ...]:
  """Models of one decoder, trained for as many epochs as `curves`.

  Args:
    decoder: The decoder.
    beta: One beta, a range 'LOW:HIGH', or a tuple of betas: a model for each.
    **axes: As for `grid`; they must name the data set.
  """
  return grid(
    decoder=decoder,
    beta=beta,
    epochs=CURVE_EPOCHS[axes['dataset'], decoder],
    precision='bfloat16',
    **axes,
  )


INVARIANT = 'deconvolutional_invariant'
LOCAL = 'local_autoregressive'
# On MNIST the rate then ends at 22 to 25 nats with a deconvolutional decoder,
# at 28 to 36 with an autoregressive one. Trained at one beta, an
# autoregressive decoder ignores its code from a beta of about 0.7 on.
SHORT_RANGES = {DECONV: '0.6:10', AUTO: '0.3:2'}
# A nat of a sprite's code saves more of D. The rate is near 0 from 40 on.
SPRITES_RANGE = '0.5:30'
LOW_RANGE = '1:30'  # From about 13 nats down to a quarter of one.
SIX_BETAS = {
  SHORT_RANGES[DECONV]: '0.6,1,1.8,3.2,5.7,10',
  SHORT_RANGES[AUTO]: '0.3,0.44,0.64,0.93,1.4,2',
  SPRITES_RANGE: '0.5,1.2,2.7,6,13,30',
}
CURVE_EPOCHS = {
  ('binarized_mnist', DECONV): 8,
  ('binarized_mnist', AUTO): 6,
  ('omniglot', DECONV): 16,
  ('omniglot', AUTO): 12,
  ('omniglot_lake', DECONV): 16,
  ('omniglot_lake', AUTO): 12,
  ('sprites', DECONV): 12,
  ('sprites', AUTO): 12,
}
LAKE = {'dataset': 'omniglot_lake', 'binarization': 'dynamic'}
DIGITS = ('digit', 'area', 'length', 'thickness', 'slant', 'width', 'height')
LAKE_TASKS = ('alphabet', 'character', 'drawer')
SPRITES = {'dataset': 'sprites'}
FACTORS = ('shape', 'scale', 'orientation', 'x', 'y')
# A row of figure 1, one training for each family. The longest come first, so
# that none of them is left alone at the end.
MNIST_ROW = (
  *curves(AUTO, marginal='vampprior', **MNIST),
  *curves(DECONV, marginal=MARGINALS[::-1], **MNIST),
  *curves(AUTO, marginal=MARGINALS[:2], **MNIST),
)


def all_tasks(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
  """The same trainings, evaluated on all tasks of their data sets."""
  return tuple(
    dataclasses.replace(entry, evaluation={'task': 'all'}) for entry in entries
  )


def at_six_betas(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
  """Trainings for a range, evaluated on all tasks at six betas of it.

  They get no bounds, which are most of an evaluation's time.
  """
  return tuple(
    dataclasses.replace(
      entry,
      evaluation={
        'task': 'all',
        'betas': SIX_BETAS[entry.flags['beta']],
        'bounds': False,
      },
    )
    for entry in entries
  )


def both_decoders(beta: str = '', **data: Any) -> tuple[Entry, ...]:
  """Curves of both decoders with a Gaussian marginal and with a VampPrior.

  Args:
    beta: The range of the deconvolutional decoder; by default as in `curves`.
    **data: As for `grid`.
  """
  return (
    *curves(AUTO, marginal='vampprior', **data),
    *curves(DECONV, beta, marginal=('vampprior', 'gaussian'), **data),
    *curves(AUTO, marginal='gaussian', **data),
  )


def clustered(**axes: Any) -> tuple[Entry, ...]:
  """Trainings whose codes are clustered."""
  return grid(
    decoder=INVARIANT,
    marginal='vampprior',
    beta=1.0,
    epochs=10.0,
    precision='bfloat16',
    **axes,
  )


CLUSTERED = clustered(seed=SEEDS, **MNIST)
OMNIGLOT_CLUSTERED = clustered(**OMNIGLOT)


# The whole grid at the paper's size.
PAPER = {
  'architecture': 'paper',
  'encoder': ENCODERS,
  'decoder': DECODERS,
  'marginal': MARGINALS,
  'beta': BETAS,
  'kl_annealing_epochs': ANNEALING_EPOCHS,
  'lr_schedule': 'paper',
  'precision': 'bfloat16',
}


SWEEPS = {
  # Every combination of networks, in minutes; the numbers mean nothing.
  'smoke': tuple(
    entry
    for encoder, decoder, marginal in configs.families()
    for entry in grid(
      {'num_samples': 1, 'classifier_epochs': 1, 'classifier_batch_size': 500},
      dataset='static_mnist',
      encoder=encoder,
      decoder=decoder,
      marginal=marginal,
      latent_size=4,
      batch_size=20,
      steps=20,
    )
  ),
  # The trainings on the bundled digits in plots/README.md.
  'readme': (
    Entry({'dataset': 'static_mnist'}),
    Entry({'dataset': 'static_mnist', 'beta': 0.5, 'decoder': AUTO}),
    Entry(
      {'dataset': 'static_mnist', 'beta': 0.5, 'decoder': AUTO, 'epochs': 20.0}
    ),
  ),
  'mnist': grid(
    dataset='binarized_mnist',
    encoder=ENCODERS,
    decoder=DECODERS,
    marginal=MARGINALS,
    beta=BETAS,
    precision='bfloat16',
  ),
  # Each model is evaluated on both tasks, alphabets and characters.
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
  # The row, with more multi-beta models and with trainings at one beta.
  'curves': (
    *MNIST_ROW,
    *curves(AUTO, marginal=MARGINALS, **CONSTANT, **MNIST),
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
    *curves(AUTO, marginal=MARGINALS, **CONSTANT, **OMNIGLOT),
    *curves(AUTO, marginal='vampprior', **ANNEALED, **OMNIGLOT),
    *points(DECONV, 1.0, **OMNIGLOT),
    *points(AUTO, 0.5, **CONSTANT, **OMNIGLOT),
  ),
  'baselines': (
    *baselines('binarized_mnist', 'digit'),
    *baselines('omniglot', 'alphabet', 'character'),
    *supervised_complex('binarized_mnist', 'digit', depth=16, epochs=4),
    # Without early stopping their C is well above the simple network's.
    *supervised_complex('omniglot', 'alphabet', depth=16, early_stopping=True),
    *supervised_complex('omniglot', 'character', depth=16, early_stopping=True),
  ),
  # Which dropout the supervised network wants, at half its full width.
  'supervised_search': (
    *supervised_search('binarized_mnist', 'digit', depth=32),
    *supervised_search('omniglot', 'alphabet', depth=32, early_stopping=True),
    *supervised_search('omniglot', 'character', depth=32, early_stopping=True),
  ),
  'flows': (
    *flows('binarized_mnist', 'digit'),
    *flows('omniglot', 'alphabet', 'character'),
  ),
  # Rates below ten nats: what is simple, and decoders that marginalise small
  # transformations.
  'low_rate': (
    *CLUSTERED,
    *grid(
      decoder=LOCAL,
      marginal='vampprior',
      target_rate=8.5,
      epochs=8.0,
      precision='bfloat16',
      seed=SEEDS,
      **MNIST,
    ),
    *grid(
      {'bounds': False},
      decoder=INVARIANT,
      marginal='vampprior',
      beta=LOW_RANGE,
      precision='bfloat16',
      seed=SEEDS,
      **MNIST,
    ),
    *grid(
      decoder=INVARIANT,
      marginal='vampprior',
      target_rate=5.0,
      augmentation='affine',
      precision='bfloat16',
      **MNIST,
    ),
    *OMNIGLOT_CLUSTERED,
    *few_nats('binarized_mnist', 'digit'),
    *few_nats('omniglot', 'alphabet', 'character'),
  ),
  # To be run after `low_rate`.
  'low_rate_clusters': (
    *clusters_of(CLUSTERED, 'digit'),
    *clusters_of(OMNIGLOT_CLUSTERED, 'alphabet'),
    *clusters_of(OMNIGLOT_CLUSTERED, 'character'),
  ),
  # Trainings of `mnist_row`, and like ones of Lake's Omniglot and of sprites,
  # evaluated on all tasks. A run that another sweep evaluated counts as done.
  # `evaluate --task=all` adds the rows that it lacks.
  'attributes': (
    *all_tasks(both_decoders(**MNIST)),
    *at_six_betas(both_decoders(**LAKE)),
    *at_six_betas(both_decoders(SPRITES_RANGE, **SPRITES)),
    *supervised('binarized_mnist', *DIGITS, epochs=4),
    # Without early stopping their C is well above the simple network's.
    *supervised('omniglot_lake', *LAKE_TASKS, early_stopping=True),
    *supervised('sprites', *FACTORS, early_stopping=True, epochs=12),
  ),
  'figure1_mnist': FIGURE_1_MNIST,
  'figures': FIGURES,
  'paper': (
    *grid(dataset='binarized_mnist', **PAPER),
    *grid(dataset='omniglot', binarization='dynamic', **PAPER),
  ),
}
