"""What a baseline's run is: one frozen dataclass, to and from `config.json`.

Imports no TensorFlow, so that a mistyped flag is answered at once.
"""

import dataclasses
import hashlib
import math

from vae_info.config import (
  ARCHITECTURES,
  CLASSIFIERS,
  PRECISIONS,
  Config,
  UserError,
)

_CLASSIFIER = (
  'classifier_hidden',
  'classifier_learning_rate',
  'classifier_epochs',
  'classifier_batch_size',
)
# Which options a baseline has; the quick ones come first.
OPTIONS = {
  'random_dense': (*_CLASSIFIER, 'latent_size'),
  'random_conv': (*_CLASSIFIER, 'latent_size', 'architecture'),
  'supervised_simple': (*_CLASSIFIER, 'early_stopping'),
  'pca': (*_CLASSIFIER, 'pca_sizes', 'pca_rates', 'num_samples'),
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
}
# 15 ln 2 is the rate of 30 dimensions with noise as large as the data.
PCA_SIZES = (5, 10, 20, 30, 42, 60, 90, 120)
PCA_RATES = (0.5, 1.0, 2.0, 4.0, 7.0, 15 * math.log(2), 16.0, 28.0, 50.0, 100.0)
# For a task of many classes, whose classifiers are four times as slow.
FEW_PCA_SIZES = (10, 20, 42, 90)
FEW_PCA_RATES = (0.5, 2.0, 7.0, 16.0, 40.0, 100.0)


def _option(text: str, choices: tuple[str, ...] = ()):
  """A field that is also a flag; unset, its default depends on the baseline."""
  metadata = {'help': text, 'choices': choices}
  return dataclasses.field(default=None, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class BaselineConfig:
  """Everything that a baseline's result depends on, and nothing else.

  Options that the baseline does not have are None; `OPTIONS` has the others.
  """

  dataset: str
  task: str
  baseline: str
  binarization: str = 'static'
  seed: int = 0
  classifier_hidden: tuple[int, ...] | None = None
  classifier_learning_rate: float | None = None
  classifier_epochs: int | None = None
  classifier_batch_size: int | None = None
  latent_size: int | None = _option(
    'Outputs of a random encoder; by default 200 of the dense one, 64 of the '
    'convolutional one.'
  )
  architecture: str | None = _option(
    "Which encoder's architecture the random convolutional network has; by "
    'default compact.',
    ARCHITECTURES,
  )
  pca_sizes: tuple[int, ...] | None = _option(
    'Dimensions k of stochastic PCA, separated by commas; by default '
    f'{",".join(map(str, PCA_SIZES))}, and fewer for the task "character".'
  )
  pca_rates: tuple[float, ...] | None = _option(
    'Rates of stochastic PCA in nats, separated by commas; the noise follows '
    'from k and the rate. By default '
    f'{",".join(f"{rate:.4g}" for rate in PCA_RATES)}, and fewer for the task '
    '"character".'
  )
  num_samples: int | None = _option(
    'Codes of stochastic PCA for each test image, over which its C is '
    'averaged; by default 4.'
  )
  depth: int | None = _option(
    'Channels of each convolution of the complex network; by default 64. The '
    'paper has 256 for the alphabets of Omniglot, 16 times the work.'
  )
  dropout: float | None = _option(
    'Share that the complex network drops after its third and fifth '
    "convolution; by default the paper's: 0 for alphabets, 0.1 for "
    'characters, otherwise 0.3.'
  )
  epochs: int | None = _option(
    'Passes of the complex network over the training images; by default 20 '
    'for Omniglot, otherwise 6.'
  )
  learning_rate: float | None = _option(
    "Adam's largest learning rate for the complex network, which falls to 0 "
    'as a cosine; by default 0.002.'
  )
  batch_size: int | None = _option(
    'Images in one step of the complex network; by default 100.'
  )
  precision: str | None = _option(
    'Number format in which the complex network is trained; by default '
    'bfloat16. It is evaluated in float32.',
    PRECISIONS,
  )
  early_stopping: bool | None = _option(
    'Of the supervised networks: keep the weights of the epoch with the least '
    'C on validation images, and end after 3 epochs without a better one.'
  )

  def __post_init__(self):
    if self.baseline not in OPTIONS:
      raise UserError(
        f'unknown baseline {self.baseline!r}; expected one of '
        f'{", ".join(OPTIONS)}'
      )
    Config(dataset=self.dataset, binarization=self.binarization)  # Checks them.
    for name, default in self._defaults().items():
      value = getattr(self, name)
      if name not in OPTIONS[self.baseline]:
        if value is not None:
          raise UserError(f'{self.baseline} has no option {name}')
        continue
      if value is None:
        value = default
      if isinstance(default, tuple):
        value = tuple(value)  # In JSON it is a list.
      object.__setattr__(self, name, value)
      for number in value if isinstance(value, tuple) else (value,):
        least = 0 if name in ('dropout', 'early_stopping') else None
        if not isinstance(number, str) and not (
          number > 0 if least is None else number >= least
        ):
          bound = 'above 0' if least is None else f'at least {least}'
          raise UserError(f'{name} must be {bound}, got {number}')
    if self.seed < 0:
      raise UserError(f'seed must be at least 0, got {self.seed}')
    if self.dropout is not None and not self.dropout < 1:
      raise UserError(f'dropout must be below 1, got {self.dropout}')

  def _defaults(self) -> dict:
    """Of every option, whether this baseline has it or not."""
    many = self.task == 'character'
    dropouts = {'alphabet': 0.0, 'character': 0.1}
    return {
      'classifier_hidden': CLASSIFIERS['mlp'],
      'classifier_learning_rate': 1e-4,
      'classifier_epochs': 100,
      'classifier_batch_size': 32,
      'latent_size': 200 if self.baseline == 'random_dense' else 64,
      'architecture': 'compact',
      'pca_sizes': FEW_PCA_SIZES if many else PCA_SIZES,
      'pca_rates': FEW_PCA_RATES if many else PCA_RATES,
      'num_samples': 4,
      'depth': 64,
      'dropout': dropouts.get(self.task, 0.3),
      'epochs': 20 if self.dataset.startswith('omniglot') else 6,
      'learning_rate': 2e-3,
      'batch_size': 100,
      'precision': 'bfloat16',
      'early_stopping': False,
    }

  @property
  def run_name(self) -> str:
    """A readable name that no other config has; it never changes."""
    parts = [self.dataset, self.baseline, self.task, f'seed{self.seed}']
    if self.binarization != 'static':
      parts.append(f'binarization={self.binarization}')
    for name, default in self._defaults().items():
      value = getattr(self, name)
      if name in OPTIONS[self.baseline] and value != default:
        if isinstance(value, tuple):
          value = '-'.join(f'{number:.12g}' for number in value) or 'none'
        parts.append(f'{name}={value}')
    name = '_'.join(parts).replace(':', '-').replace('/', '-')
    if len(name) > 200:  # File names end at 255 bytes on most systems.
      digest = hashlib.sha256(name.encode()).hexdigest()[:12]
      name = f'{name[:180]}_{digest}'
    return name

  # They are the same for any dataclass.
  to_json = Config.to_json
  read = classmethod(Config.read.__func__)
  check_run = Config.check_run
