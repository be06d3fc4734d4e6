"""The protocols of encoders, decoders, marginals and classifiers.

Each is a `tf.Module`, so that a checkpoint finds its variables. A user's class
is constructed in the same way as a built-in one:

    Encoder(config, image_shape, make)
    Decoder(config, image_shape, make)
    Marginal(config, images, make, encoder)

where `make` is a `layers.Make`, `image_shape` is (H, W, C), and `images` are
the training images, uint8 `[N, H, W, C]`. When a finished run is read, they are
zeros: a `tf.Variable` must hold what is computed from them.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions


class Network(Protocol):
  """What all networks have because they are a `tf.Module`."""

  @property
  def submodules(self) -> Sequence[tf.Module]:
    """All modules that it is made of."""

  @property
  def trainable_variables(self) -> Sequence[tf.Variable]:
    """All variables that training moves."""


class Encoder(Network, Protocol):
  """p(z|x), in two halves: the first is slow, the second is cheap.

  A classifier needs new codes for each epoch. They are drawn from parameters
  that were computed once.
  """

  def parameters(self, images: tf.Tensor) -> tf.Tensor:
    """`[B, H, W, C]`, 0 to `levels` - 1 -> float32 `[B, P]`."""

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """`[B, P]` -> batch `[B]`, event `[L]`."""

  def __call__(self, images: tf.Tensor) -> tfd.Distribution:
    """Both halves: `[B, H, W, C]` -> batch `[B]`, event `[L]`."""


@runtime_checkable
class FlowEncoder(Encoder, Protocol):
  """An encoder whose draws go through one flow, the same for every image.

  Attributes:
    base: p(z|x) is `base(x)` pushed through `flow()`.
  """

  base: Encoder

  def flow(self) -> tfb.Bijector:
    """Event `[L]`. Each call returns the same object, for its cache."""


def before_flow(encoder: Encoder) -> tuple[Encoder, tfb.Bijector | None]:
  """The encoder without its flow, and the flow; None if it has none."""
  if isinstance(encoder, FlowEncoder):
    return encoder.base, encoder.flow()
  return encoder, None


class Decoder(Network, Protocol):
  """d(x|z)."""

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    """`[..., B, L]` -> batch `[..., B]`, event `[H, W, C]`."""


class Marginal(Network, Protocol):
  """m(z). It is a call because it may depend on the current encoder."""

  def __call__(self) -> tfd.Distribution:
    """Batch `[]`, event `[L]`."""


class Classifier(Network, Protocol):
  """c(y|z)."""

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    """`[..., B, L]` -> batch `[..., B]`, event `[]`: an integer."""


class Networks(Protocol):
  """A beta-VAE at one beta, or at a beta of each image. It is ready for use.

  Attributes:
    encoder: p(z|x).
    decoder: d(x|z).
    marginal: m(z).
  """

  encoder: Encoder
  decoder: Decoder
  marginal: Marginal
