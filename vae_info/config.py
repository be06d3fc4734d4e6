"""What a training run is: one frozen dataclass, to and from `config.json`.

Imports no TensorFlow, so that a mistyped flag is answered at once.
"""

import dataclasses
import hashlib
import json
import math
import pathlib

DATASETS = ('static_mnist', 'binarized_mnist', 'omniglot', 'omniglot_lake')
BINARY_DATASETS = ('static_mnist', 'binarized_mnist')
BINARIZATIONS = ('static', 'dynamic', 'threshold')
# A test compares these with the dicts that hold the classes.
ENCODERS = ('conv', 'iaf')
DECODERS = ('deconvolutional', 'autoregressive')
MARGINALS = ('gaussian', 'mixture', 'maf', 'vampprior')
ARCHITECTURES = ('compact', 'paper')
PRECISIONS = ('float32', 'bfloat16')
LR_SCHEDULES = ('cosine', 'paper')
# Families of c(y|z), by the units of their hidden layers.
CLASSIFIERS = {'linear': (), 'mlp': (200, 200), 'mlp_large': (500, 500, 500)}

# Epochs by default: (architecture, decoder), else architecture alone. The
# compact ones end within ten minutes on two CPU cores.
DEFAULT_EPOCHS = {
  ('compact', 'autoregressive'): 10,
  'compact': 16,
  'paper': 200,
}
DEFAULT_LEARNING_RATES = {'compact': 6e-3, 'paper': 3e-4}


class UserError(ValueError):
  """A mistake of the user's: shown as one line, without a traceback."""

  status = 1  # Of the process that it ends.


def _option(default, text: str, choices: tuple[str, ...] = ()):
  """A field that is also a flag: `text` is its `--help`."""
  metadata = {'help': text, 'choices': choices}
  return dataclasses.field(default=default, metadata=metadata)


def _network(default: str, what: str, names: tuple[str, ...]):
  """A field that names a network: one of ours, or a class of the user's."""
  text = (
    f'{what}: {", ".join(names)}, or package.module:ClassName for a class of '
    'your own.'
  )
  return _option(default, text)


@dataclasses.dataclass(frozen=True)
class Config:
  """Everything that a training's result depends on, and nothing else."""

  dataset: str = _option(
    'static_mnist',
    f'Data set to train on: {", ".join(DATASETS)}, or tfds:NAME for a set of '
    'images and labels of TensorFlow Datasets.',
  )
  binarization: str = _option(
    'static',
    'How intensities become pixels 0 and 1: "static" draws them once, '
    '"dynamic" draws those of training images afresh for each step, '
    '"threshold" takes 1 above 0.5. MNIST of the first two is binary already.',
    BINARIZATIONS,
  )
  encoder: str = _network('conv', 'Encoder p(z|x)', ENCODERS)
  decoder: str = _network('deconvolutional', 'Decoder d(x|z)', DECODERS)
  marginal: str = _network('gaussian', 'Marginal m(z)', MARGINALS)
  architecture: str = _option(
    'compact',
    'Size of the networks: "compact" is made for a CPU, "paper" is that of '
    'Alemi et al. (2018).',
    ARCHITECTURES,
  )
  latent_size: int = _option(64, 'Dimensions of the code.')
  beta: float | str = _option(
    1.0,
    'Weight of the rate: the loss is D + beta R, in nats. LOW:HIGH trains one '
    'model for all betas in between.',
  )
  kl_annealing_epochs: float = _option(
    0.0, 'Epochs in which beta grows linearly from 0; 0 starts with beta.'
  )
  free_nats: float = _option(
    0.0, 'Rate, in nats per image, below which nothing pushes the rate down.'
  )
  learning_rate: float | None = _option(
    None,
    "Adam's largest learning rate. The default is "
    f'{DEFAULT_LEARNING_RATES["compact"]} for the compact architecture, '
    f'{DEFAULT_LEARNING_RATES["paper"]} for the paper one.',
  )
  lr_schedule: str = _option(
    'cosine',
    'How the learning rate falls: "cosine" to 0 after a short warm-up; "paper" '
    'is constant for the first half, then linear to 0.',
    LR_SCHEDULES,
  )
  batch_size: int = _option(100, 'Images in one step, over all devices.')
  epochs: float | None = _option(
    None,
    'Passes over the training images. The default is '
    f'{DEFAULT_EPOCHS["compact"]} for the compact architecture '
    f'({DEFAULT_EPOCHS["compact", "autoregressive"]} with the autoregressive '
    f'decoder) and {DEFAULT_EPOCHS["paper"]} for the paper one.',
  )
  steps: int | None = _option(
    None, 'Training steps, in place of --epochs; by default unset.'
  )
  seed: int = _option(0, 'What every random draw follows from.')
  precision: str = _option(
    'float32',
    'Number format of the networks; weights, log-probabilities and evaluation '
    'are float32 in any case.',
    PRECISIONS,
  )

  def __post_init__(self):
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if field.metadata['choices']:
        _check_choice(field.name, value, field.metadata['choices'])
      if isinstance(value, float) and math.isinf(value):
        raise UserError(f'{field.name} must be finite, got {value}')
    check_data(self.dataset, self.binarization)
    object.__setattr__(self, 'beta', _parse_beta(self.beta))
    if self.beta_range and self.free_nats:
      raise UserError('free_nats needs one beta, not a range of them')
    for part, names in (
      ('encoder', ENCODERS),
      ('decoder', DECODERS),
      ('marginal', MARGINALS),
    ):
      value = getattr(self, part)
      if ':' not in value:
        _check_choice(part, value, (*names, 'package.module:ClassName'))
    for name, least in (
      ('kl_annealing_epochs', 0),
      ('free_nats', 0),
      ('seed', 0),
      ('latent_size', 1),
      ('batch_size', 1),
    ):
      if not getattr(self, name) >= least:
        raise UserError(
          f'{name} must be at least {least}, got {getattr(self, name)}'
        )
    for name in ('learning_rate', 'epochs', 'steps'):
      value = getattr(self, name)
      if value is not None and not value > 0:
        raise UserError(f'{name} must be above 0, got {value}')
    if self.epochs is not None and self.steps is not None:
      raise UserError('give epochs or steps, not both')
    if self.epochs is None and self.steps is None:
      epochs = DEFAULT_EPOCHS.get(
        (self.architecture, self.decoder), DEFAULT_EPOCHS[self.architecture]
      )
      object.__setattr__(self, 'epochs', epochs)
    if self.learning_rate is None:
      rate = DEFAULT_LEARNING_RATES[self.architecture]
      object.__setattr__(self, 'learning_rate', rate)

  def total_steps(self, num_examples: int) -> int:
    """The number of training steps on a split of `num_examples`."""
    if self.steps is not None:
      return self.steps
    return max(1, round(self.epochs * self.steps_per_epoch(num_examples)))

  def steps_per_epoch(self, num_examples: int) -> int:
    """Whole batches in one pass.

    Raises:
      UserError: A batch is larger than the split.
    """
    if self.batch_size > num_examples:
      raise UserError(
        f'batch_size {self.batch_size} is larger than the {num_examples} '
        f'training images of {self.dataset}'
      )
    return num_examples // self.batch_size

  @property
  def beta_range(self) -> tuple[float, float] | None:
    """The betas trained for, lowest and highest; None if it is one."""
    if isinstance(self.beta, float):
      return None
    low, high = self.beta.split(':')
    return float(low), float(high)

  @property
  def conditions(self) -> int:
    """What each layer is told of beta, `conditioning.features`: how many."""
    return 5 if self.beta_range else 0

  @property
  def run_name(self) -> str:
    """A readable name that no other config has; it never changes.

    Parts that set a family come first, then every attribute that is not the
    default.
    """
    parts = [self.dataset, self.encoder, self.decoder, self.marginal]
    beta = self.beta if self.beta_range else f'{self.beta:.12g}'
    parts += [self.architecture, f'beta{beta}', f'seed{self.seed}']
    told = {'dataset', 'encoder', 'decoder', 'marginal', 'architecture'}
    told |= {'beta', 'seed'}
    default = Config(architecture=self.architecture, decoder=self.decoder)
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if field.name not in told and value != getattr(default, field.name):
        if self.steps is not None and field.name == 'epochs':
          continue  # Steps say it.
        if isinstance(value, float):
          value = f'{value:.12g}'  # 8 epochs, whether given as 8 or as 8.0.
        parts.append(f'{field.name}={value}')
    name = '_'.join(parts).replace(':', '-').replace('/', '-')
    if len(name) > 200:  # File names end at 255 bytes on most systems.
      digest = hashlib.sha256(name.encode()).hexdigest()[:12]
      name = f'{name[:180]}_{digest}'
    return name

  def to_json(self) -> str:
    return json.dumps(dataclasses.asdict(self), indent=2) + '\n'

  @classmethod
  def read(cls, path: pathlib.Path) -> 'Config':
    """Reads a file of `to_json`'s text.

    Raises:
      UserError: There is no such file, or it is not such a text.
    """
    if not path.is_file():
      raise UserError(f'{path.parent} is not a run directory: no {path}')
    try:
      return cls(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
      raise UserError(f'{path} is not a config: {error}') from error

  def check_run(self, run: pathlib.Path) -> None:
    """Raises `UserError` unless a run directory is of this very config."""
    found = type(self).read(run / 'config.json')
    differences = [
      f'{field.name}: {getattr(found, field.name)}, '
      f'not {getattr(self, field.name)}'
      for field in dataclasses.fields(self)
      if getattr(found, field.name) != getattr(self, field.name)
    ]
    if differences:
      raise UserError(
        f'{run} holds a run with another config ({"; ".join(differences)}); '
        'name another directory, or give the same flags'
      )


def check_data(dataset: str, binarization: str) -> None:
  """Raises `UserError` unless there can be such a data set."""
  if not dataset.startswith('tfds:') or dataset == 'tfds:':
    _check_choice('dataset', dataset, (*DATASETS, 'tfds:NAME'))
  _check_choice('binarization', binarization, BINARIZATIONS)
  if dataset in BINARY_DATASETS and binarization != 'static':
    raise UserError(
      f'{dataset} has only binary images, so its binarization is static, not '
      f'{binarization}; tfds:mnist has intensities'
    )


def _parse_beta(text: float | str) -> float | str:
  """A number, or a range in its one form: '0.1:10'."""
  try:
    betas = [float(part) for part in str(text).split(':')]
  except ValueError:
    betas = []
  if len(betas) == 1:
    beta = betas[0]
    if math.isinf(beta):
      raise UserError(f'beta must be finite, got {beta}')
    if not beta >= 0:
      raise UserError(f'beta must be at least 0, got {text}')
    return beta
  if len(betas) != 2:
    raise UserError(
      f'beta must be a number or a range LOW:HIGH of two, got {text!r}'
    )
  low, high = betas
  if not 0 < low < high < math.inf:
    raise UserError(
      f'a range of betas LOW:HIGH needs 0 < LOW < HIGH, got {text!r}'
    )
  return f'{low:.12g}:{high:.12g}'


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
  if value not in choices:
    raise UserError(
      f'unknown {name} {value!r}; expected one of {", ".join(choices)}'
    )
