"""Multi-beta models: layers that are given log beta.

A *multi-beta model* is one trained for a range of betas, `--beta=LOW:HIGH`.
Each example of a step has a beta of its own. Layers scale and shift their
channels by functions of

    s = (log beta - middle) / standard deviation,    |s| <= sqrt(3).

So one training gives the whole curve of rate, distortion and label distortion,
as in [1]. There, s gates activations. Here, as in [2], each channel has a gate
and a shift, which are affine in a few features of s.

Networks do not know of beta. `layers.Make` puts a `Modulation` into layers.
`bind` copies a network and gives the modulations of the copy a condition. The
copy shares all variables. A model of one beta has no modulations.

Some layers of the compact networks are the same at every beta, so that a step
costs less. They are the first convolution of the encoder, the last of a
decoder, and those of the causal stack. At its end, the stack is scaled and
shifted once.

#### References

[1]: Juhan Bae et al. Multi-Rate VAE: Train Once, Get the Full Rate-Distortion
     Curve. _ICLR_, 2023.
[2]: Ethan Perez et al. FiLM: Visual Reasoning with a General Conditioning
     Layer. _AAAI_, 2018.
"""

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from vae_info.config import BetaRange, Config

FEATURES = 5
# Each example's loss is divided by (1 + beta) to this power. With 0 the large
# betas drown the small ones. With 1 the small ones drown the large ones.
WEIGHT_POWER = 0.7


class Condition(NamedTuple):
  """What layers are given about beta.

  Attributes:
    features: Made by `features`: `[F]` for one beta, or `[B, F]` for a beta of
      each example.
    distinct: The largest number of different rows of `[B, F]`. The batch is as
      many blocks of equal size, each of equal rows.
  """

  features: tf.Tensor
  distinct: int = 1


class Modulation(tf.Module):
  """x -> 2 sigmoid(gate) x + shift, for each channel.

  Gate and shift are linear in the features of beta. Their weights start at
  zero, where x stays as it is. If `gates` are given, `[F, channels]`, they are
  the first weights of the gates.

  A gate can shut a dimension of the code that is not worth its rate at a large
  beta. Even a little rate left there costs much, since beta multiplies it.

  Attributes:
    condition: None, except in copies that `bind` makes.
  """

  def __init__(self, channels: int, gates: np.ndarray | None = None):
    super().__init__()
    kernel = np.zeros([2, FEATURES, channels], np.float32)
    if gates is not None:
      kernel[0] = gates
    self.kernel = tf.Variable(np.concatenate(kernel, axis=-1))
    self.condition = None

  def terms(self, bias: tf.Tensor | float = 0.0) -> tuple[tf.Tensor, tf.Tensor]:
    """(scale, shift) with the bias folded in: `[channels]` or `[B, channels]`.

    Raises:
      ValueError: The network has no condition.
    """
    if self.condition is None:
      raise ValueError(
        'a network of a multi-beta model was called without a beta; '
        'model.at(beta) returns a model that can be called'
      )
    both = tf.tensordot(self.condition.features, self.kernel, 1)
    gate, shift = tf.split(both, 2, axis=-1)
    scale = 2.0 * tf.sigmoid(gate)
    return scale, shift + scale * bias

  def __call__(
    self,
    x: tf.Tensor,
    bias: tf.Tensor | float = 0.0,
    inner: int | None = None,
  ) -> tf.Tensor:
    """Scales and shifts `x + bias`.

    Args:
      x: `[..., B, channels]` or `[B, H, W, channels]`. If it is `[S B, ...]`,
        it is S samples of the batch, one after the other.
      bias: `[channels]`.
      inner: If given, x has no batch, and `inner` axes before the channels. If
        each example has a beta, the result has a batch as its first axis.

    Raises:
      ValueError: The network has no condition.
    """
    scale, shift = self.terms(bias)
    if inner is None:
      inner = 2 if len(x.shape) == 4 else 0
      batch = scale.shape[0]
      if len(scale.shape) == 2 and len(x.shape) != 3 and batch != x.shape[0]:
        samples = [tf.shape(x)[0] // batch, 1]
        scale, shift = tf.tile(scale, samples), tf.tile(shift, samples)
    for _ in range(inner):
      scale, shift = scale[..., None, :], shift[..., None, :]
    return x * tf.cast(scale, x.dtype) + tf.cast(shift, x.dtype)


@tf.autograph.experimental.do_not_convert  # AutoGraph warns about `:=`.
def bind(
  part: Any, condition: Condition, copies: dict[int, Any] | None = None
) -> Any:
  """A copy of a network, with a condition for all its modulations.

  The copy shares all variables. A part without modulations is not copied. A
  part that occurs twice is copied once.

  Args:
    part: A network, or a list, tuple or dict of networks. Anything else is
      returned as it is.
    condition: For all modulations of the copy.
    copies: Results of earlier calls, by the `id` of their part.
  """
  copies = {} if copies is None else copies
  if id(part) in copies:
    return copies[id(part)]
  bound = part
  if isinstance(part, Modulation):
    bound = copy.copy(part)
    bound.__dict__['condition'] = condition  # setattr would track it.
  elif isinstance(part, list | tuple | dict):
    parts = tf.nest.flatten(part)
    new = [bind(each, condition, copies) for each in parts]
    if any(one is not other for one, other in zip(parts, new, strict=True)):
      bound = tf.nest.pack_sequence_as(part, new)
  elif isinstance(part, tf.Module):
    changed = {
      name: new
      for name, old in vars(part).items()
      if not name.startswith('_self_')  # TensorFlow's own bookkeeping.
      and (new := bind(old, condition, copies)) is not old
    }
    if changed:
      bound = copy.copy(part)
      vars(bound).update(changed)
  copies[id(part)] = bound
  return bound


def for_each_beta(
  network: tf.Module, function: Callable[[tf.Module], tf.Tensor]
) -> tf.Tensor:
  """Calls a function of a network once for each different beta.

  Returns:
    The function's result, `[...]`. If the network is bound to a beta of each
    example, `[B, ...]`: the result at each example's beta.
  """
  networks, block = _at_each_block(network)
  if networks is None:
    return function(network)
  return tf.repeat(tf.stack([*map(function, networks)]), block, axis=0)


def for_each_block(
  network: tf.Module,
  values: tf.Tensor,
  function: Callable[[tf.Module, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
  """Calls a function of a network and of the examples of each different beta.

  Args:
    network: For one beta, or bound to a beta of each example.
    values: One for each example, `[B, ...]`.
    function: Maps a network at one beta, and the values of its block, `[b,
      ...]`, to `[b, ...]`.

  Returns:
    The function's results, joined, `[B, ...]`.
  """
  networks, block = _at_each_block(network)
  if networks is None:
    return function(network, values)
  results = [
    function(each, values[number * block : (number + 1) * block])
    for number, each in enumerate(networks)
  ]
  return tf.concat(results, axis=0)


def _at_each_block(network):
  """A network at the beta of each block, and the size of a block.

  (None, 0) if the network is not bound to a beta of each example.
  """
  condition = next(
    (
      part.condition
      for part in network.submodules
      if isinstance(part, Modulation)
    ),
    None,
  )
  if condition is None or len(condition.features.shape) == 1:
    return None, 0
  size = condition.features.shape[0]
  block = size // condition.distinct
  networks = [
    bind(network, Condition(condition.features[first]))
    for first in range(0, size, block)
  ]
  return networks, block


def features(beta_range: BetaRange, log_betas: tf.Tensor) -> tf.Tensor:
  """Log betas `[...]` -> the features that layers are given, `[..., F]`."""
  low, high = np.log(beta_range)
  s = (log_betas - (low + high) / 2) * math.sqrt(12.0) / (high - low)
  ones = tf.ones_like(s)
  return tf.stack([ones, s, s**2, tf.sin(2.0 * s), tf.cos(2.0 * s)], axis=-1)


def nested_gates(size: int) -> np.ndarray:
  """First weights of the gates of a code's dimensions, `[F, size]`.

  All gates are open at the lowest beta. As beta rises, they shut one after the
  other. If all began open, large betas would empty most dimensions for good,
  before the gates had learned to tell betas apart.
  """
  gates = np.zeros([FEATURES, size])
  steepness, end = 3.0, math.sqrt(3.0)
  gates[0] = steepness * np.linspace(end, -end, size)
  gates[1] = -steepness
  return gates


def draw_log_betas(
  beta_range: BetaRange, batch_size: int, seed: tf.Tensor, distinct: int
) -> tf.Tensor:
  """Draws the log betas of one batch, float32 `[batch_size]`.

  They follow the arcsine law. It is densest at the ends of the range, where a
  beta has neighbours on one side alone. Draws are stratified: each of
  `distinct` parts of equal probability has one draw. Each draw is the log beta
  of a block of consecutive examples; all blocks have one size.
  """
  low, high = np.log(beta_range)
  parts = tf.range(distinct, dtype=tf.float32)
  uniforms = (parts + tf.random.stateless_uniform([distinct], seed)) / distinct
  places = 0.5 - 0.5 * tf.cos(np.pi * uniforms)
  log_betas = low + (high - low) * places
  return tf.repeat(log_betas, batch_size // distinct)


def weights(betas: tf.Tensor) -> tf.Tensor:
  """What each example's D + beta R is multiplied by in the loss, `[B]`."""
  return 1.0 / (1.0 + betas) ** WEIGHT_POWER


def evenly(beta_range: BetaRange, count: int) -> list[float]:
  """`count` betas, evenly spaced in log beta, rounded to four digits."""
  low, high = beta_range
  rounded = [float(f'{beta:.4g}') for beta in np.geomspace(low, high, count)]
  return [min(max(beta, low), high) for beta in rounded]


def middle(config: Config) -> float:
  """The beta of a config; of a range, the middle in log beta."""
  if isinstance(config.beta, BetaRange):
    return math.sqrt(math.prod(config.beta))
  return config.beta
