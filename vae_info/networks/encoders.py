"""Encoders p(z|x): images in, a distribution over codes out.

`conv` is a diagonal Gaussian, z = mu(x) + sigma(x) * epsilon. `iaf` pushes its
sample through four steps of mean-only inverse autoregressive flow [2]:

    z'_i = z_i - shift_i(z_1, ..., z_{i-1}).

A step preserves volume. Between steps the order of the dimensions is reversed.
The `paper` networks are those of [1], appendix F, where these encoders are
called - and +. Not reproduced: [1] does not give the order between steps.

Both are a `protocols.Encoder`, with its two halves.

#### References

[1]: Alexander Alemi et al. Fixing a Broken ELBO. _ICML_, 2018.
[2]: Diederik Kingma et al. Improving Variational Inference with Inverse
     Autoregressive Flow. _NeurIPS_, 2016.
"""

import types
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import compact, layers

tfb = tfp.bijectors
tfd = tfp.distributions

# Added to every scale, so that the precision of a code stays finite.
MIN_SCALE = 1e-4


def _paper(
  make: layers.Make, image_shape: tuple[int, int, int], size: int
) -> list[layers.Part]:
  """Five gated convolutions and a linear layer, [1] appendix F.

  `[B, H, W, C] -> [B, 2 size]`.
  """
  height, width, channels = image_shape
  gain = layers.GATED_GAIN
  parts = []
  for depth, stride in ((32, 1), (32, 2), (64, 1), (64, 2)):
    conv = make.conv(channels, 2 * depth, 5, stride=stride, gain=gain)
    parts += [conv, layers.gated]
    channels = depth
  whole = (height // 4, width // 4)
  return [
    *parts,
    make.conv(channels, 2 * 256, whole, padding='VALID', gain=gain),
    layers.gated,
    layers.flatten,
    make.dense(256, 2 * size, gain=0.1, codes=size),
  ]


class ConvEncoder(tf.Module):
  """A diagonal Gaussian. A convolutional network gives its mean and scale."""

  NETWORKS = {'compact': compact.encoder, 'paper': _paper}

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
    size: int | None = None,
  ):
    """Makes a network for `size` dimensions, by default the config's."""
    super().__init__()
    if image_shape[0] % 4 or image_shape[1] % 4:
      raise UserError(
        'the encoder needs images whose height and width are multiples of 4, '
        f'found {image_shape[0]} x {image_shape[1]}'
      )
    self._dtype = config.precision
    self._largest = config.levels - 1
    # A small gain at the end: the first codes are near the standard normal.
    self.network = layers.Chain(
      self._centred,
      *self.NETWORKS[config.architecture](
        make, image_shape, size or config.latent_size
      ),
    )

  def _centred(self, images):
    """{0, ..., largest} -> [-1, 1]."""
    return tf.cast((2.0 / self._largest) * images - 1.0, self._dtype)

  def parameters(self, images: tf.Tensor) -> tf.Tensor:
    """Means and unconstrained scales: `[B, H, W, C] -> [B, 2 L]`."""
    return tf.cast(self.network(images), 'float32')

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Batch `[B]`, event `[L]`."""
    mean, scale = tf.split(parameters, 2, axis=-1)
    # Used instead of MultivariateNormalDiag, which orders its draws otherwise.
    # Here n draws for B images are the same numbers as one for n B images.
    return tfd.Independent(
      tfd.Normal(mean, tf.nn.softplus(scale) + MIN_SCALE), 1
    )

  def __call__(self, images: tf.Tensor) -> tfd.Distribution:
    return self.distribution(self.parameters(images))


class IafEncoder(tf.Module):
  """`ConvEncoder`, followed by an inverse autoregressive flow.

  Attributes:
    base: The `ConvEncoder`; p(z|x) is `base(x)` pushed through `flow()`.
  """

  HIDDEN = {'compact': (128, 128), 'paper': (640, 640, 640)}

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    self.base = ConvEncoder(config, image_shape, make)
    # Kept as an attribute: a bijector does not track the networks inside it.
    self.mades = make_mades(config.latent_size, self.HIDDEN, config, make)
    # Holds the flow that was made last. Not a tuple: a module would track it.
    self._newest = types.SimpleNamespace(owner=None, flow=None)

  def flow(self) -> tfb.Bijector:
    """The bijector, the same for every image; event `[L]`.

    Each call returns the same object. Its cache then has the inverse of each
    code that was drawn through it.
    """
    newest = self._newest
    if newest.owner is not self:  # Another copy made this flow.
      with tf.init_scope():  # More than one tf.function may use it.
        newest.flow = tfb.Invert(autoregressive_flow(self.mades))
      newest.owner = self
    return newest.flow

  def parameters(self, images: tf.Tensor) -> tf.Tensor:
    """Those of the base: `[B, H, W, C] -> [B, 2 L]`."""
    return self.base.parameters(images)

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Batch `[B]`, event `[L]`.

    `log_prob` of its own sample takes one pass, of any other tensor L passes.
    """
    return tfd.TransformedDistribution(
      self.base.distribution(parameters), self.flow()
    )

  def __call__(self, images: tf.Tensor) -> tfd.Distribution:
    return self.distribution(self.parameters(images))


def make_mades(
  size: int,
  hidden: Mapping[str, tuple[int, ...]],
  config: Config,
  make: layers.Make,
) -> list[layers.Made]:
  """The networks of four steps of flow over codes of `size` dimensions.

  `hidden` has the units of their hidden layers for each architecture.
  """
  units = hidden[config.architecture]
  return [layers.Made(size, units, make) for _ in range(4)]


def autoregressive_flow(mades: list[layers.Made]) -> tfb.Bijector:
  """Mean-only masked autoregressive flow, with one step for each of `mades`.

  Event `[L]`. It preserves volume. Between steps the order of the dimensions is
  reversed. `inverse` takes one pass, `forward` L passes.
  """
  steps = []
  for made in mades:
    if steps:
      size = made.layers[0].kernel.shape[0]
      steps.append(tfb.Permute(np.arange(size)[::-1].astype(np.int32)))
    steps.append(
      tfb.MaskedAutoregressiveFlow(
        lambda y, made=made: (made(y), None),
        is_constant_jacobian=True,
      )
    )
  return tfb.Chain(steps)


ENCODERS = {'conv': ConvEncoder, 'iaf': IafEncoder}
