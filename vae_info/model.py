"""A whole beta-VAE: `build(config, ...)` gives encoder, decoder, marginal."""

import importlib
import inspect
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from vae_info import randomness
from vae_info.config import Config, UserError
from vae_info.decoders import DECODERS
from vae_info.encoders import ENCODERS
from vae_info.marginals import MARGINALS


class Model(tf.Module):
  """The three networks as attributes, so that one checkpoint has them all.

  Attributes:
    encoder: `encoder(images)` is p(z|x); see `encoders.py` for its halves.
    decoder: `decoder(codes)` is d(x|z).
    marginal: `marginal()` is m(z).
  """

  def __init__(self, encoder, decoder, marginal):
    super().__init__()
    self.encoder = encoder
    self.decoder = decoder
    self.marginal = marginal


def build(config: Config, images: np.ndarray) -> Model:
  """Makes the model with its first weights, which follow from the seed.

  Args:
    config: Names the parts.
    images: Training images uint8 `[N, H, W, 1]`: their shape is the networks',
      and a marginal may start at some of them.

  Raises:
    UserError: A part is unknown, cannot be imported, or lacks what
      `encoders.py`, `decoders.py` or `marginals.py` asks of it.
  """

  def rng(part):
    return randomness.generator(config.seed, f'{part} weights')

  shape = images.shape[1:]
  make_encoder = find(config.encoder, ENCODERS)
  encoder = make_encoder(config, shape, rng('encoder'))
  for half in ('parameters', 'distribution'):
    if not callable(getattr(encoder, half, None)):
      raise UserError(
        f'encoder {config.encoder} has no method {half!r}; it needs '
        'parameters(images) and distribution(parameters)'
      )
  decoder = find(config.decoder, DECODERS)(config, shape, rng('decoder'))
  make_marginal = find(config.marginal, MARGINALS)
  marginal = make_marginal(config, images, rng('marginal'), encoder)
  if config.beta_range:
    _check_condition(config.encoder, encoder.parameters)
    _check_condition(config.encoder, encoder.distribution)
    _check_condition(config.decoder, decoder)
    _check_condition(config.marginal, marginal)
  return Model(encoder, decoder, marginal)


def _check_condition(name, function):
  """Raises `UserError` unless `function` can be told of beta."""
  if 'condition' not in inspect.signature(function).parameters:
    raise UserError(
      f'{name} takes no condition, so it can be trained at one beta but not '
      f'for a range of them: {getattr(function, "__name__", "__call__")}() '
      'needs an argument condition'
    )


def find(name: str, known: Mapping[str, type]) -> type:
  """The class called `name` in `known`, or at `package.module:ClassName`.

  Raises:
    UserError: There is none.
  """
  if ':' not in name:
    return known[name]
  module_name, _, class_name = name.partition(':')
  try:
    return getattr(importlib.import_module(module_name), class_name)
  except (ImportError, AttributeError) as error:
    raise UserError(
      f'cannot import {name!r} (package.module:ClassName): {error}'
    ) from error
