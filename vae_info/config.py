"""The config of a training: a frozen dataclass, stored as `config.json`.

This module does not import TensorFlow, so a mistyped flag is reported at once.
"""

import dataclasses
import hashlib
import json
import math
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from vae_info.errors import UserError

DATASETS = (
  'static_mnist',
  'binarized_mnist',
  'omniglot',
  'omniglot_lake',
  'sprites',
)
BINARY_DATASETS = ('static_mnist', 'binarized_mnist', 'sprites')
BINARIZATIONS = ('static', 'dynamic', 'threshold', 'none')
# A test compares these with the dicts that hold the classes.
ENCODERS = ('conv', 'iaf', 'categorical')
DECODERS = (
  'deconvolutional',
  'deconvolutional_invariant',
  'autoregressive',
  'local_autoregressive',
)
BINARY_DECODERS = ('deconvolutional_invariant', 'local_autoregressive')
MARGINALS = ('gaussian', 'mixture', 'maf', 'vampprior', 'categorical')
CATEGORICAL = 'categorical'  # The encoder and the marginal of one-hot codes.
ARCHITECTURES = ('compact', 'paper')
AUGMENTATIONS = ('affine',)
PRECISIONS = ('float32', 'bfloat16')
LR_SCHEDULES = ('cosine', 'paper')
# Families of c(y|z), by the units of their hidden layers.
CLASSIFIERS = {'linear': (), 'mlp': (200, 200), 'mlp_large': (500, 500, 500)}

# Default epochs by (architecture, decoder), or else by architecture alone.
# Compact trainings finish within minutes on two CPU cores.
DEFAULT_EPOCHS = {
  ('compact', 'autoregressive'): 10,
  'compact': 12,
  'paper': 200,
}
DEFAULT_LEARNING_RATES = {'compact': 6e-3, 'paper': 3e-4}
DEFAULT_WEIGHT_DECAYS = {'compact': 0.2, 'paper': 0.0}


class BetaRange(typing.NamedTuple):
  """The range of betas of a multi-beta model; as text, LOW:HIGH."""

  low: float
  high: float

  def __str__(self):
    return f'{self.low:.12g}:{self.high:.12g}'


class Bounds(typing.NamedTuple):
  """Bounds of a number; None sets no bound.

  Attributes:
    least: The number must be at least this.
    above: The number must be above this.
    below: The number must be below this.
  """

  least: float | None = None
  above: float | None = None
  below: float | None = None

  def check(self, name: str, value: float) -> None:
    """Raises `UserError` if `value` is out of bounds, or is not finite."""
    if self.least is not None and not value >= self.least:
      raise UserError(f'{name} must be at least {self.least}, got {value}')
    if self.above is not None and not value > self.above:
      raise UserError(f'{name} must be above {self.above}, got {value}')
    if self.below is not None and not value < self.below:
      raise UserError(f'{name} must be below {self.below}, got {value}')
    if isinstance(value, float) and math.isinf(value):
      raise UserError(f'{name} must be finite, got {value}')


ANY = Bounds()
NOT_NEGATIVE = Bounds(least=0)
AT_LEAST_ONE = Bounds(least=1)
POSITIVE = Bounds(above=0)
SEEDS = Bounds(least=0, below=2**31)  # Those of TensorFlow's stateless draws.


def option(
  default,
  text: str,
  choices: tuple[str, ...] = (),
  bounds: Bounds = ANY,
):
  """Returns a field that is also a flag with the help text `text`."""
  metadata = {'help': text, 'choices': choices, 'bounds': bounds}
  return dataclasses.field(default=default, metadata=metadata)


def _network(default: str, what: str, names: tuple[str, ...]):
  """Returns a field that names a built-in network or a class of the user."""
  text = (
    f'{what}: {", ".join(names)}, or package.module:ClassName for a class of '
    'your own.'
  )
  if not default:
    text += ' The default is gaussian, and categorical for that encoder.'
  return option(default, text)


@dataclasses.dataclass(frozen=True)
class Config:
  """Everything that a training's result depends on, and nothing else.

  The help text of each field describes it.

  Raises:
    UserError: A field is out of bounds, or fields contradict each other.
  """

  KIND: ClassVar[str] = 'training'

  dataset: str = option(
    'static_mnist',
    f'Data set to train on: {", ".join(DATASETS)}, or tfds:NAME for an image '
    'classification data set of TensorFlow Datasets.',
  )
  binarization: str = option(
    'static',
    'How intensities become pixels 0 and 1: "static" draws each pixel '
    'once; "dynamic" draws training images again for each step; "threshold" '
    'gives 1 above 0.5; "none" models the values 0 to 255 themselves, in all '
    'channels. static_mnist, binarized_mnist and sprites are already binary '
    'and take only "static".',
    BINARIZATIONS,
  )
  encoder: str = _network('conv', 'Encoder p(z|x)', ENCODERS)
  decoder: str = _network('deconvolutional', 'Decoder d(x|z)', DECODERS)
  # The default is filled in.
  marginal: str = _network('', 'Marginal m(z)', MARGINALS)
  architecture: str = option(
    'compact',
    'Size of the networks: "compact" suits a CPU; "paper" follows Alemi et '
    'al. (2018).',
    ARCHITECTURES,
  )
  latent_size: int = option(
    64,
    'Dimensions of the code; of a categorical encoder, its classes.',
    bounds=AT_LEAST_ONE,
  )
  beta: float | BetaRange = option(
    1.0,
    'Weight of the rate: the loss is D + beta R, in nats. LOW:HIGH trains one '
    'multi-beta model for all betas in this range.',
  )
  kl_annealing_epochs: float | None = option(
    None,
    'Epochs in which beta grows linearly from 0 to its value; 0 keeps beta '
    'constant. The default is half of --epochs for the compact autoregressive '
    'decoder, which would hardly use its code otherwise. For others it is 0, '
    'and with --steps or --target_rate.',
    bounds=NOT_NEGATIVE,
  )
  free_nats: float = option(
    0.0,
    'The loss does not penalise a rate below this, in nats per image.',
    bounds=NOT_NEGATIVE,
  )
  target_rate: float | None = option(
    None,
    'Adapts beta until the rate is this, in nats per image; --beta is then '
    'where it starts.',
    bounds=POSITIVE,
  )
  learning_rate: float | None = option(
    None,
    "Adam's largest learning rate. The default is "
    f'{DEFAULT_LEARNING_RATES["compact"]} for the compact architecture, '
    f'{DEFAULT_LEARNING_RATES["paper"]} for the paper one.',
    bounds=POSITIVE,
  )
  weight_decay: float | None = option(
    None,
    'Each step shrinks the kernels of layers by this times the learning rate '
    '(AdamW). Those of Keras layers stay, as in the autoregressive decoder of '
    'grey images and colours. The default is '
    f'{DEFAULT_WEIGHT_DECAYS["compact"]} for the compact architecture, '
    f'{DEFAULT_WEIGHT_DECAYS["paper"]:.0f} for the paper one.',
    bounds=NOT_NEGATIVE,
  )
  lr_schedule: str = option(
    'cosine',
    'How the learning rate falls: "cosine" falls to 0 after a short '
    'warm-up; "paper" stays constant for the first half, then falls linearly '
    'to 0.',
    LR_SCHEDULES,
  )
  augmentation: str | None = option(
    None,
    'What the encoder sees of a training image; the decoder explains the image '
    'as it is. "affine": turned, sheared, scaled and shifted at random. The '
    'default is the image as it is.',
    AUGMENTATIONS,
  )
  batch_size: int = option(
    100, 'Images in one step, over all devices together.', bounds=AT_LEAST_ONE
  )
  epochs: float | None = option(
    None,
    'Passes over the training images. The default is '
    f'{DEFAULT_EPOCHS["compact"]} for the compact architecture '
    f'({DEFAULT_EPOCHS["compact", "autoregressive"]} with the autoregressive '
    f'decoder) and {DEFAULT_EPOCHS["paper"]} for the paper one.',
    bounds=POSITIVE,
  )
  steps: int | None = option(
    None,
    'Training steps, instead of --epochs.',
    bounds=POSITIVE,
  )
  early_stopping: int = option(
    0,
    'Epochs without a lower D + beta R on validation images after which a '
    'training ends; the best weights are kept. Epochs of annealing do not '
    'count. 0 trains to the end.',
    bounds=NOT_NEGATIVE,
  )
  seed: int = option(0, 'Seed of all random draws.', bounds=SEEDS)
  precision: str = option(
    'float32',
    'Number format in which the networks compute. Weights, log-probabilities '
    'and evaluation always use float32.',
    PRECISIONS,
  )

  def __post_init__(self):
    object.__setattr__(self, 'beta', parse_beta(self.beta))
    check_fields(self)
    check_data(self.dataset, self.binarization)
    if not self.marginal:
      marginal = CATEGORICAL if self.encoder == CATEGORICAL else MARGINALS[0]
      object.__setattr__(self, 'marginal', marginal)
    for part, names in (
      ('encoder', ENCODERS),
      ('decoder', DECODERS),
      ('marginal', MARGINALS),
    ):
      value = getattr(self, part)
      if ':' not in value:
        _check_choice(part, value, (*names, 'package.module:ClassName'))
    if not go_together(self.encoder, self.marginal):
      raise UserError(
        'the categorical encoder and the categorical marginal need each other, '
        f'got encoder {self.encoder} and marginal {self.marginal}; leave out '
        '--marginal'
      )
    if self.augmentation:
      check_binary(f'augmentation {self.augmentation}', self.binarization)
    if self.encoder == CATEGORICAL:
      check_binary('the categorical encoder', self.binarization)
    if self.decoder in BINARY_DECODERS:
      check_binary(f'the decoder {self.decoder}', self.binarization)
    if self.beta_range and self.free_nats:
      raise UserError('free_nats needs one beta instead of a range')
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
    if self.weight_decay is None:
      decay = DEFAULT_WEIGHT_DECAYS[self.architecture]
      object.__setattr__(self, 'weight_decay', decay)
    if self.kl_annealing_epochs is None:
      object.__setattr__(self, 'kl_annealing_epochs', self._annealing())
    self._check_annealing()
    if self.target_rate is not None:
      self._check_target_rate()

  def _annealing(self) -> float:
    """The default of `kl_annealing_epochs`."""
    if (self.architecture, self.decoder) != ('compact', 'autoregressive'):
      return 0.0
    if self.target_rate is not None or self.epochs is None:
      return 0.0
    return self.epochs / 2

  def _check_annealing(self):
    """Raises `UserError` if beta does not reach its value by the last epoch."""
    annealing = self.kl_annealing_epochs or 0.0
    if self.epochs is not None and annealing > self.epochs:
      raise UserError(
        f'kl_annealing_epochs must be at most the {self.epochs:g} epochs, got '
        f'{annealing:g}: beta would not reach its value'
      )

  def _check_target_rate(self):
    """Raises `UserError` if another field decides on beta too."""
    if self.beta_range:
      raise UserError('target_rate needs one first beta instead of a range')
    for name in ('free_nats', 'kl_annealing_epochs', 'early_stopping'):
      if getattr(self, name):
        raise UserError(f'target_rate adapts beta; leave {name} out')
    if not self.beta:
      raise UserError('target_rate needs a first beta above 0')

  @property
  def beta_range(self) -> BetaRange | None:
    """The range of a multi-beta model; None for a single beta."""
    return self.beta if isinstance(self.beta, BetaRange) else None

  @property
  def levels(self) -> int:
    """The number of values of a pixel: 2, or 256."""
    return levels(self.binarization)

  @property
  def run_name(self) -> str:
    """The name of the run directory: readable, unique, and always the same.

    It starts with the attributes in `FAMILY`. Every other attribute follows if
    it differs from its default.
    """
    beta = self.beta if self.beta_range else f'{self.beta:.12g}'
    parts = [self.dataset, self.encoder, self.decoder, self.marginal]
    parts += [self.architecture, f'beta{beta}', f'seed{self.seed}']
    default = Config(architecture=self.architecture, decoder=self.decoder)
    for field in dataclasses.fields(self):
      value, usual = getattr(self, field.name), getattr(default, field.name)
      if field.name == 'kl_annealing_epochs':
        usual = self._annealing()  # It depends on the epochs.
      if field.name in FAMILY or value == usual:
        continue
      if field.name == 'epochs' and self.steps is not None:
        continue  # The steps determine it.
      if isinstance(value, float):
        value = f'{value:.12g}'  # 8 and 8.0 give the same name.
      parts.append(f'{field.name}={value}')
    return directory_name(parts)


SEED = re.compile(r'_seed\d+')  # In the name of a run.
# A run's name always starts with these.
FAMILY = (
  'dataset',
  'encoder',
  'decoder',
  'marginal',
  'architecture',
  'beta',
  'seed',
)


def go_together(encoder: str, marginal: str) -> bool:
  """Whether an encoder and a marginal have the same kind of codes.

  Of a class of the user's own this is not known, and counts as true.
  """
  own = ':' in encoder or ':' in marginal
  return own or (encoder == CATEGORICAL) == (marginal == CATEGORICAL)


def families() -> list[tuple[str, str, str]]:
  """Every (encoder, decoder, marginal) of built-in networks."""
  return [
    (encoder, decoder, marginal)
    for encoder in ENCODERS
    for decoder in DECODERS
    for marginal in MARGINALS
    if go_together(encoder, marginal)
  ]


def directory_name(parts: Sequence[str]) -> str:
  """Joins parts into a name that any file system accepts.

  Without their seeds, the names of runs that differ in nothing else are equal.
  """
  name = '_'.join(parts).replace(':', '-').replace('/', '-')
  if len(name) > 200:  # File names end at 255 bytes on most systems.
    seeds = ''.join(SEED.findall(name))
    bare = SEED.sub('', name)
    digest = hashlib.sha256(bare.encode()).hexdigest()[:12]
    name = f'{bare[:170]}_{digest}{seeds}'
  return name


def check_fields(config) -> None:
  """Raises `UserError` if an attribute violates its choices or bounds."""
  for field in dataclasses.fields(config):
    value = getattr(config, field.name)
    if value is None or not field.metadata:
      continue
    if field.metadata['choices']:
      _check_choice(field.name, value, field.metadata['choices'])
    numbers = value if isinstance(value, tuple) else (value,)
    for number in numbers:
      if not isinstance(number, str):
        field.metadata['bounds'].check(field.name, number)


def to_json(config) -> str:
  """Converts a config of either kind to the text of `config.json`."""
  values = {
    name: str(value) if isinstance(value, BetaRange) else value
    for name, value in dataclasses.asdict(config).items()
  }
  return json.dumps({'kind': config.KIND, **values}, indent=2) + '\n'


def from_json(kind: type, text: str) -> Any:
  """Converts the text of `config.json` to a config of the class `kind`.

  Raises:
    UserError: The text is not a config of this class.
  """
  try:
    values = json.loads(text)
    found = values.pop('kind', None)
    if found is None:
      raise UserError('an earlier version of vae_info wrote it')
    if found != kind.KIND:
      raise UserError(f'its kind is {found!r}, and should be {kind.KIND!r}')
    return kind(**values)
  except (TypeError, ValueError, AttributeError) as error:
    raise UserError(str(error)) from error


def differences(found, wanted: Mapping[str, Any]) -> list[str]:
  """Describes each attribute of a config that is not as wanted."""
  return [
    f'{name}: {getattr(found, name)}, not {value}'
    for name, value in wanted.items()
    if getattr(found, name) != value
  ]


def instead(given: Mapping[str, Any]) -> dict[str, Any]:
  """Adds that `steps` take the place of `epochs`, and epochs that of steps.

  Args:
    given: Attributes that are to replace those of a config.
  """
  others = {'steps': 'epochs', 'epochs': 'steps'}
  return {others[name]: None for name in others if name in given} | {**given}


def check_binary(what: str, binarization: str) -> None:
  """Raises `UserError` if the images are not binary, which `what` needs."""
  if levels(binarization) > 2:
    raise UserError(
      f'{what} is for binary images alone; leave it out, or choose another '
      f'binarization than {binarization}'
    )


def levels(binarization: str) -> int:
  """The number of values of a pixel in a channel: 256 for 'none', else 2."""
  return 256 if binarization == 'none' else 2


def check_data(dataset: str, binarization: str) -> None:
  """Raises `UserError` unless the data set has such a binarization."""
  if not dataset.startswith('tfds:') or dataset == 'tfds:':
    _check_choice('dataset', dataset, (*DATASETS, 'tfds:NAME'))
  _check_choice('binarization', binarization, BINARIZATIONS)
  if dataset in BINARY_DATASETS and binarization != 'static':
    raise UserError(
      f'{dataset} has only binary images, so its binarization must be static, '
      f'got {binarization}; tfds:mnist has intensities'
    )


def parse_beta(text: float | str | BetaRange) -> float | BetaRange:
  """Parses a number, or a range LOW:HIGH.

  Raises:
    UserError: The text is neither, or a beta is out of bounds.
  """
  try:
    betas = [float(part) for part in str(text).split(':')]
  except ValueError:
    betas = []
  if len(betas) == 1:
    NOT_NEGATIVE.check('beta', betas[0])
    return betas[0]
  if len(betas) != 2:
    raise UserError(
      f"beta must be a number or a range of two, such as '0.3:10', got {text!r}"
    )
  low, high = betas
  if not 0 < low < high < math.inf:
    raise UserError(
      f'a range of betas LOW:HIGH needs 0 < LOW < HIGH, got {text!r}'
    )
  return BetaRange(low, high)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
  if value not in choices:
    raise UserError(
      f'unknown {name} {value!r}; expected one of {", ".join(choices)}'
    )
