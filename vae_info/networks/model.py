"""A whole beta-VAE: `build(config, images)` makes its three networks."""

import functools
import importlib
import inspect
import math
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from vae_info import randomness
from vae_info.config import BetaRange, Config
from vae_info.errors import UserError
from vae_info.networks import (
  categorical,
  conditioning,
  encoders,
  grey,
  layers,
  marginals,
  protocols,
)
from vae_info.networks.conditioning import Condition
from vae_info.networks.decoders import DECODERS

ENCODERS = encoders.ENCODERS | {'categorical': categorical.CategoricalEncoder}
MARGINALS = marginals.MARGINALS | {
  'categorical': categorical.CategoricalMarginal
}


class Model(tf.Module):
  """The three networks of a beta-VAE, in one module for one checkpoint.

  A model of one beta is used as it is. A multi-beta model is used through `at`,
  which returns a model at one of its betas.

  Attributes:
    encoder: `encoder(images)` is p(z|x); see `protocols.py`.
    decoder: `decoder(codes)` is d(x|z).
    marginal: `marginal()` is m(z).
  """

  def __init__(
    self,
    encoder: protocols.Encoder,
    decoder: protocols.Decoder,
    marginal: protocols.Marginal,
    beta: float | BetaRange = 1.0,
  ):
    super().__init__()
    self.encoder = encoder
    self.decoder = decoder
    self.marginal = marginal
    # A function, since a module would track a tuple.
    self._beta = lambda: beta

  def at(self, beta: float) -> 'Model':
    """The model at a beta that it was trained for.

    Raises:
      UserError: It was not trained for this beta.
    """
    return self.at_each([beta])[0]

  def at_each(self, betas: Sequence[float]) -> list['Model']:
    """The model at several betas, once training is over.

    The encoders share the layers that no beta reaches. If they are called on
    the same tensor, these layers are computed once. So the weights must not
    change any more.

    Raises:
      UserError: It was not trained for one of the betas.
    """
    trained = self._beta()
    if not isinstance(trained, BetaRange):
      if any(beta != trained for beta in betas):
        raise UserError(
          f'the model was trained for beta {trained:g} alone, not for '
          f'{", ".join(f"{beta:g}" for beta in betas)}'
        )
      return [self] * len(betas)
    for beta in betas:
      if not trained.low <= beta <= trained.high:
        raise UserError(
          f'the model was trained for betas {trained.low:g} to '
          f'{trained.high:g}, not for {beta:g}'
        )
    return layers.bind_each(
      self,
      [self._condition(tf.constant(math.log(beta))) for beta in betas],
    )

  def for_batch(self, log_betas: tf.Tensor, distinct: int) -> 'Model':
    """The model with a beta for each example of a batch.

    Args:
      log_betas: float32 `[B]`.
      distinct: The largest number of different ones. The batch is as many
        blocks of equal size, each of one beta.
    """
    return conditioning.bind(self, self._condition(log_betas, distinct))

  def _condition(self, log_betas: tf.Tensor, distinct: int = 1) -> Condition:
    beta_range = self._beta()
    assert isinstance(beta_range, BetaRange)
    return Condition(conditioning.features(beta_range, log_betas), distinct)

  @functools.cached_property
  def betas_in_a_batch(self) -> int | None:
    """How many different betas a batch may have; None for any number.

    A marginal that is made from the encoder calls it once for each beta, and
    all classes of a categorical encoder are decoded once for each beta. So such
    a model has only two betas in a batch.
    """
    if isinstance(self.encoder, categorical.CategoricalEncoder):
      return 2
    parts = self.marginal.submodules
    return 2 if any(part is self.encoder for part in parts) else None


def build(config: Config, images: np.ndarray) -> Model:
  """Makes a model. Its first weights follow from the config's seed.

  Args:
    config: Names the three networks, and gives sizes, beta and seed.
    images: Training images, uint8 `[N, H, W, C]`. The networks are made for
      their shape, and variables may start at some of them. If a checkpoint
      replaces all variables, they may be zeros.

  Raises:
    UserError: A network cannot be imported, cannot be made for such images, or
      lacks what `protocols.py` asks of it.
  """

  def make(part):
    rng = randomness.generator(config.seed, f'{part} weights')
    return layers.Make(rng, modulated=config.beta_range is not None)

  shape = images.shape[1:]
  encoder = _construct(
    config.encoder, ENCODERS, (config, shape, make('encoder'))
  )
  for half in ('parameters', 'distribution'):
    if not callable(getattr(encoder, half, None)):
      raise UserError(
        f'encoder {config.encoder} has no method {half!r}; it needs '
        'parameters(images) and distribution(parameters)'
      )
  if hasattr(encoder, 'start_at'):
    encoder.start_at(images)
  known = DECODERS if config.levels == 2 else grey.DECODERS
  decoder = _construct(config.decoder, known, (config, shape, make('decoder')))
  marginal = _construct(
    config.marginal, MARGINALS, (config, images, make('marginal'), encoder)
  )
  if config.beta_range:
    _check_modulated(config.encoder, encoder)
    _check_modulated(config.decoder, decoder)
    _check_modulated(config.marginal, marginal)
  model = Model(encoder, decoder, marginal, config.beta)
  if any(
    ':' in name for name in (config.encoder, config.decoder, config.marginal)
  ):
    check_shapes(config, model, images)
  return model


def check_shapes(config: Config, model: Model, images: np.ndarray) -> None:
  """Raises `UserError` unless all distributions have the shapes they should.

  Otherwise log-probabilities of the wrong shape might be broadcast unseen.

  Args:
    config: Has the networks' names.
    model: The model.
    images: Training images, uint8 `[N, H, W, C]`.
  """
  beta_range = config.beta_range
  networks = model.at(beta_range.low) if beta_range else model
  some = tf.cast(images[:2], 'float32')
  batch, event = some.shape[:1], tf.TensorShape([config.latent_size])

  def check(kind, found, *wanted):
    shapes = found.batch_shape, found.event_shape
    if shapes != wanted:
      has, should = (
        f'batch {one.as_list()}, event {other.as_list()}'
        for one, other in (shapes, wanted)
      )
      raise UserError(
        f'{kind} {getattr(config, kind)} gives {has} for {len(some)} images; '
        f'expected {should}. tfd.Independent turns dimensions of a batch into '
        'those of an event'
      )

  encoding = networks.encoder(some)
  check('encoder', encoding, batch, event)
  check('marginal', networks.marginal(), tf.TensorShape([]), event)
  decoding = networks.decoder(encoding.sample(seed=(0, 0)))
  check('decoder', decoding, batch, some.shape[1:])


def _check_modulated(name: str, network: tf.Module) -> None:
  """Raises `UserError` if a network learns, but has no modulated layer."""
  if network.trainable_variables and not any(
    isinstance(part, conditioning.Modulation) for part in network.submodules
  ):
    raise UserError(
      f'no layer of {name} is given beta, so it cannot be trained for a range '
      'of betas. Make its layers with the `make` that its constructor is given'
    )


def _construct(name: str, known: Mapping[str, type], arguments: tuple):
  """Makes the network that `name` stands for.

  Raises:
    UserError: As for `find`, or the class takes other arguments.
  """
  kind = find(name, known)
  try:
    inspect.signature(kind).bind(*arguments)
  except TypeError as error:
    raise UserError(
      f'{name} cannot be made with {len(arguments)} arguments, as networks '
      f'here are: {error}; see vae_info/networks/protocols.py'
    ) from error
  return kind(*arguments)


def find(name: str, known: Mapping[str, type]) -> type:
  """The class that `name` stands for.

  Args:
    name: A key of `known`, or `package.module:ClassName`.
    known: The built-in classes.

  Raises:
    UserError: The class cannot be imported.
  """
  if ':' not in name:
    if name not in known:
      raise UserError(
        f'{name} is for binary images alone; with --binarization=none, choose '
        f'one of {", ".join(known)}'
      )
    return known[name]
  module_name, _, class_name = name.partition(':')
  try:
    return getattr(importlib.import_module(module_name), class_name)
  except (ImportError, AttributeError) as error:
    raise UserError(
      f'cannot import {name!r} (package.module:ClassName): {error}'
    ) from error
