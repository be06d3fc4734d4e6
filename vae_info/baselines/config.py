"""The config of a baseline: a frozen dataclass, stored as `config.json`.

This module does not import TensorFlow, so a mistyped flag is reported at once.
"""

import dataclasses
import math
from typing import Any, ClassVar

from vae_info.config import (
  ARCHITECTURES,
  CLASSIFIERS,
  NOT_NEGATIVE,
  POSITIVE,
  PRECISIONS,
  SEEDS,
  Bounds,
  check_binary,
  check_data,
  check_fields,
  directory_name,
  levels,
  option,
)
from vae_info.errors import UserError

_CLASSIFIER = (
  'classifier_hidden',
  'classifier_learning_rate',
  'classifier_epochs',
  'classifier_batch_size',
)
_KMEANS = ('kmeans_clusters', 'kmeans_components')
# Baseline -> its options. The quick baselines come first.
OPTIONS = {
  'random_dense': (*_CLASSIFIER, 'latent_size'),
  'random_conv': (*_CLASSIFIER, 'latent_size', 'architecture'),
  'supervised_simple': (*_CLASSIFIER, 'early_stopping'),
  'pca': (*_CLASSIFIER, 'pca_sizes', 'pca_rates', 'num_samples'),
  'pca_water_filled': (*_CLASSIFIER, 'pca_rates', 'num_samples'),
  'kmeans': (*_CLASSIFIER, *_KMEANS),
  'kmeans_deskewed': (*_CLASSIFIER, *_KMEANS),
  'clusters': (*_CLASSIFIER, 'codes_of', 'clusters_by', 'clusters'),
  'supervised_complex': (
    'classifier_hidden',
    'depth',
    'dropout',
    'epochs',
    'learning_rate',
    'batch_size',
    'precision',
    'early_stopping',
  ),
  'flow': (
    *_CLASSIFIER,
    'epochs',
    'learning_rate',
    'batch_size',
    'precision',
    'coupling',
    'flow_rates',
    'num_samples',
  ),
}
# What 'all' stands for. A flow is trained for much longer than the others, and
# clusters need a finished training.
ALL = tuple(name for name in OPTIONS if name not in ('flow', 'clusters'))
# Their D is that of pixels 0 and 1.
BINARY = ('kmeans', 'kmeans_deskewed', 'clusters', 'flow')
# 15 ln 2 is the rate of 30 dimensions whose noise has the variance of the data.
PCA_SIZES = (5, 10, 20, 30, 42, 60, 90, 120)
PCA_RATES = (0.5, 1.0, 2.0, 4.0, 7.0, 15 * math.log(2), 16.0, 28.0, 50.0, 100.0)
# About evenly spaced in the logarithm.
CLUSTERS = (2, 4, 7, 13, 25, 46, 87, 162, 304, 570, 1068, 2000)
CODE_CLUSTERS = (10, 12, 50, 148, 200)
CLUSTERS_BY = ('graph', 'kmeans')
# For a task with many classes, whose classifiers take four times as long.
FEW_PCA_SIZES = (10, 20, 42, 90)
FEW_PCA_RATES = (0.5, 2.0, 7.0, 16.0, 40.0, 100.0)
# Of a flow's codes, in nats.
FLOW_RATES = (1.0, 2.0, 4.0, 6.0, 8.0, 10.4, 13.0, 16.0, 20.0, 28.0, 40.0, 60.0)
COUPLINGS = ('mixture', 'affine')
# Baseline -> epochs, of other data sets and of Omniglot.
EPOCHS = {'supervised_complex': (6, 20), 'flow': (8, 16)}


def _option(
  default: Any,
  text: str = '',
  choices: tuple[str, ...] = (),
  bounds: Bounds = POSITIVE,
) -> Any:
  """Returns a field for an option that only some baselines have.

  It is None for baselines without the option, so the field's type is right only
  for the others.

  Args:
    default: Default for baselines with the option: a value, or a function of
      the config.
    text: Help text of the option's flag; empty if no flag is to be defined.
    choices: The values allowed; empty if there are bounds instead.
    bounds: Bounds of the number, or of each number.
  """
  metadata = {'help': text, 'choices': choices, 'bounds': bounds}
  return dataclasses.field(
    default=None, metadata={**metadata, 'default': default}
  )


@dataclasses.dataclass(frozen=True)
class BaselineConfig:
  """Everything that a baseline's result depends on, and nothing else.

  `OPTIONS` lists the options that the baseline has. All others are None.

  Raises:
    UserError: An option is out of bounds, or the baseline does not have it.
  """

  KIND: ClassVar[str] = 'baseline'

  dataset: str
  task: str
  baseline: str
  binarization: str = 'static'
  seed: int = option(0, '', bounds=SEEDS)
  classifier_hidden: tuple[int, ...] = _option(CLASSIFIERS['mlp'])
  classifier_learning_rate: float = _option(1e-4)
  classifier_epochs: int = _option(100)
  classifier_batch_size: int = _option(32)
  latent_size: int = _option(
    lambda config: 200 if config.baseline == 'random_dense' else 64,
    'Outputs of a random encoder. The default is 200 for the dense one and 64 '
    'for the convolutional one.',
  )
  architecture: str = _option(
    'compact',
    'Architecture of the random convolutional encoder. The default is compact.',
    ARCHITECTURES,
  )
  pca_sizes: tuple[int, ...] = _option(
    lambda config: FEW_PCA_SIZES if config.task == 'character' else PCA_SIZES,
    'Dimensions k of stochastic PCA, separated by commas. The default is '
    f'{",".join(map(str, PCA_SIZES))}, and fewer for the task "character".',
  )
  pca_rates: tuple[float, ...] = _option(
    lambda config: FEW_PCA_RATES if config.task == 'character' else PCA_RATES,
    'Rates of stochastic PCA in nats, separated by commas. The noise follows '
    'from k and the rate. The default is '
    f'{",".join(f"{rate:.4g}" for rate in PCA_RATES)}, and fewer for the task '
    '"character".',
  )
  kmeans_clusters: tuple[int, ...] = _option(
    CLUSTERS,
    'Numbers of clusters of k-means, separated by commas; each gives a row. '
    f'The default is {",".join(map(str, CLUSTERS))}.',
  )
  kmeans_components: int = _option(
    40,
    'Principal components in which k-means measures distances. The default is '
    '40.',
  )
  codes_of: str = _option(
    '',
    'The finished training whose codes are clustered: the name of its run '
    'directory, beside that of the baseline. Required.',
  )
  clusters_by: str = _option(
    'graph',
    'How codes are clustered: "graph" joins each to its nearest neighbours '
    '(spectral clustering), "kmeans" does not. The default is graph.',
    CLUSTERS_BY,
  )
  clusters: tuple[int, ...] = _option(
    CODE_CLUSTERS,
    'Numbers of clusters of codes, separated by commas; each gives a row. '
    f'The default is {",".join(map(str, CODE_CLUSTERS))}.',
  )
  num_samples: int = _option(
    4,
    'Codes of stochastic PCA or of a flow for each test image; C is an average '
    'over them. The default is 4.',
  )
  coupling: str = _option(
    'mixture',
    "Elementwise map of a flow's couplings. The default is mixture.",
    COUPLINGS,
  )
  flow_rates: tuple[float, ...] = _option(
    FLOW_RATES,
    "Rates of a flow's codes in nats, separated by commas, if they were "
    'Gaussian. The default is '
    f'{",".join(f"{rate:g}" for rate in FLOW_RATES)}.',
  )
  depth: int = _option(
    64,
    'Channels of each convolution of the complex network. The default is 64; '
    'the paper has 256 for the alphabets of Omniglot, 16 times the work.',
  )
  dropout: float = _option(
    lambda config: {'alphabet': 0.0, 'character': 0.1}.get(config.task, 0.3),
    'Share of units that the complex network drops after its third and fifth '
    "convolution. The default is the paper's: 0 for alphabets, 0.1 for "
    'characters, otherwise 0.3.',
    bounds=NOT_NEGATIVE,
  )
  epochs: int = _option(
    lambda config: EPOCHS[config.baseline][
      config.dataset.startswith('omniglot')
    ],
    'Passes of the complex network or of a flow over the training images. The '
    'default is 20 for Omniglot, otherwise 6; for a flow 16 and 8.',
  )
  learning_rate: float = _option(
    2e-3,
    "Adam's largest learning rate for the complex network or a flow; it falls "
    'to 0 as a cosine. The default is 0.002.',
  )
  batch_size: int = _option(
    100,
    'Images in one step of the complex network or a flow. The default is 100.',
  )
  precision: str = _option(
    lambda config: 'float32' if config.baseline == 'flow' else 'bfloat16',
    'Number format in which the complex network or a flow is trained. The '
    'default is bfloat16, for a flow float32. Evaluation always uses float32.',
    PRECISIONS,
  )
  early_stopping: bool = _option(
    False,
    'For the supervised networks: keep the weights of the epoch with the least '
    'C on validation images, and stop after 3 epochs without a lower one.',
    bounds=NOT_NEGATIVE,
  )

  def __post_init__(self):
    if self.baseline not in OPTIONS:
      raise UserError(
        f'unknown baseline {self.baseline!r}; expected one of '
        f'{", ".join(OPTIONS)}'
      )
    check_data(self.dataset, self.binarization)
    if self.baseline in BINARY:
      check_binary(f'the baseline {self.baseline}', self.binarization)
    for field in _option_fields():
      value = getattr(self, field.name)
      if field.name not in OPTIONS[self.baseline]:
        if value is not None:
          raise UserError(f'{self.baseline} has no option {field.name}')
        continue
      if value is None:
        value = self._default(field)
      if isinstance(value, list):
        value = tuple(value)  # JSON has no tuples.
      object.__setattr__(self, field.name, value)
    check_fields(self)
    if self.baseline == 'clusters' and not self.codes_of:
      raise UserError('--codes_of is needed: the name of a finished training')
    if self.dropout is not None and not self.dropout < 1:
      raise UserError(f'dropout must be below 1, got {self.dropout}')

  def _default(self, field: dataclasses.Field) -> Any:
    default = field.metadata['default']
    return default(self) if callable(default) else default

  @property
  def levels(self) -> int:
    """The number of values of a pixel: 2, or 256."""
    return levels(self.binarization)

  @property
  def run_name(self) -> str:
    """The name of the run directory: readable, unique, and always the same."""
    parts = [self.dataset, self.baseline, self.task, f'seed{self.seed}']
    if self.binarization != 'static':
      parts.append(f'binarization={self.binarization}')
    for field in _option_fields():
      value = getattr(self, field.name)
      if value is not None and value != self._default(field):
        if isinstance(value, tuple):
          value = '-'.join(f'{number:.12g}' for number in value) or 'none'
        parts.append(f'{field.name}={value}')
    return directory_name(parts)


def _option_fields() -> list[dataclasses.Field]:
  """The fields that not every baseline has."""
  fields = dataclasses.fields(BaselineConfig)
  return [field for field in fields if 'default' in field.metadata]
