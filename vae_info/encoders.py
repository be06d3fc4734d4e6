"""Encoders p(z|x): images in, a distribution over codes out.

An encoder has two halves, because the first is dear and the second is cheap:

    parameters(images)        [B, H, W, 1] in {0, 1} -> float32 [B, P]
    distribution(parameters)  [B, P] -> tfd.Distribution, batch [B], event [L]

and `encoder(images)` is the one after the other; for a range of betas, each is
also given a condition (see `conditioning.py`). Codes can then be drawn again
and again, as the classifiers need, from parameters that were computed once.
Encoders here have the first half in halves, `stem` and `parameters_of_stem`, so
that an evaluation at many betas computes what they share once; others need not.

`conv` is a diagonal Gaussian, z = mu(x) + sigma(x) * epsilon. `iaf` pushes its
sample through steps of mean-only inverse autoregressive flow [2],

    z'_i = z_i - shift_i(z_1, ..., z_{i-1}),

which preserves volume, and reverses the order of the dimensions in between.
The `paper` networks are those of [1], appendix F (there: encoders - and +).
Not reproduced: the order between flow steps, which [1] does not give.

#### References

[1]: Alexander Alemi et al. Fixing a Broken ELBO. _ICML_, 2018.
[2]: Diederik Kingma et al. Improving Variational Inference with Inverse
     Autoregressive Flow. _NeurIPS_, 2016.
"""

import functools
import math
import types

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import conditioning, layers
from vae_info.config import Config, UserError

tfb = tfp.bijectors
tfd = tfp.distributions

# Added to every scale: a code of finite precision.
MIN_SCALE = 1e-4


class _CompactTrunk(tf.Module):
  """Residual 3x3 convolutions over 2x2, then 4x4 blocks of pixels.

  `stem`, then the call: `[B, H, W, 1] -> [B, outputs]`, H and W multiples of 4.
  About as fast as the arithmetic of a CPU allows: few channels at 28x28 would
  starve it.
  """

  WIDTH = 64

  def __init__(self, image_shape, outputs, rng, gain, conditions, gates):
    super().__init__()
    height, width, channels = image_shape
    c = self.WIDTH
    # The first two see strokes, which are the same at every beta.
    self.fine_in = layers.Conv(4 * channels, c, 3, rng, gain=math.sqrt(2.0))
    self.fine = layers.Conv(c, c, 3, rng, gain=0.7)
    conv = functools.partial(layers.Conv, rng=rng, conditions=conditions)
    self.coarse_in = conv(4 * c, c, 1, gain=math.sqrt(2.0))
    self.coarse = [conv(c, c, 3, gain=0.7) for _ in range(2)]
    self.out = layers.Dense(
      height * width // 16 * c,
      outputs,
      rng,
      gain,
      conditions=conditions,
      gates=gates,
    )

  def stem(self, x):
    x = tf.nn.leaky_relu(self.fine_in(tf.nn.space_to_depth(x, 2)))
    return x + tf.nn.leaky_relu(self.fine(x))

  def __call__(self, x, condition):
    x = tf.nn.leaky_relu(self.coarse_in(tf.nn.space_to_depth(x, 2), condition))
    for layer in self.coarse:
      x += tf.nn.leaky_relu(layer(x, condition))
    x = tf.reshape(x, [-1, math.prod(x.shape[1:])])
    return self.out(x, condition)


class _PaperTrunk(tf.Module):
  """Five gated convolutions and a linear layer, [1] appendix F.

  `stem`, then the call: `[B, H, W, 1] -> [B, outputs]`, H and W multiples of 4.
  """

  def __init__(self, image_shape, outputs, rng, gain, conditions, gates):
    super().__init__()
    height, width, channels = image_shape
    conv = functools.partial(
      layers.Conv, rng=rng, gain=layers.GATED_GAIN, conditions=conditions
    )
    self.hidden = []
    for depth, stride in ((32, 1), (32, 2), (64, 1), (64, 2)):
      self.hidden.append(conv(channels, 2 * depth, 5, stride=stride))
      channels = depth
    whole = (height // 4, width // 4)
    self.hidden.append(conv(channels, 2 * 256, whole, padding='VALID'))
    self.out = layers.Dense(
      256, outputs, rng, gain, conditions=conditions, gates=gates
    )

  def stem(self, x):
    return x  # Each layer has its condition.

  def __call__(self, x, condition):
    for layer in self.hidden:
      x = layers.gated(layer(x, condition))
    return self.out(tf.reshape(x, [-1, 256]), condition)


class ConvEncoder(tf.Module):
  """A diagonal Gaussian whose mean and scale a convolutional network gives."""

  TRUNKS = {'compact': _CompactTrunk, 'paper': _PaperTrunk}

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    rng: np.random.Generator,
  ):
    super().__init__()
    if image_shape[0] % 4 or image_shape[1] % 4:
      raise UserError(
        'the encoder needs images whose height and width are multiples of 4, '
        f'found {image_shape[0]} x {image_shape[1]}'
      )
    gates = conditioning.nested_gates(config)
    if gates is not None:
      gates = np.tile(gates, 2)  # Of mean and scale.
    # A small gain: the first codes are near the standard normal.
    self.trunk = self.TRUNKS[config.architecture](
      image_shape, 2 * config.latent_size, rng, 0.1, config.conditions, gates
    )
    self._dtype = config.precision

  def parameters(
    self, images: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    """Means and unconstrained scales: `[B, H, W, 1] -> [B, 2 L]`."""
    return self.parameters_of_stem(self.stem(images), condition)

  def stem(self, images: tf.Tensor) -> tf.Tensor:
    """The first layers, which no condition reaches: `[B, H, W, 1] -> [B, ...]`.

    So they serve for all betas at once.
    """
    # The input is scaled to [-1, 1].
    return self.trunk.stem(tf.cast(2.0 * images - 1.0, self._dtype))

  def parameters_of_stem(
    self, stem: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    """What remains of `parameters`: `[B, ...] -> [B, 2 L]`."""
    return tf.cast(self.trunk(stem, condition), 'float32')

  def distribution(
    self, parameters: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tfd.Distribution:
    """Batch `[B]`, event `[L]`."""
    del condition  # The parameters have it in them.
    mean, scale = tf.split(parameters, 2, axis=-1)
    # Not MultivariateNormalDiag, which orders its draws otherwise: here n
    # draws for B images are, number for number, one draw for n B images.
    return tfd.Independent(
      tfd.Normal(mean, tf.nn.softplus(scale) + MIN_SCALE), 1
    )

  def __call__(
    self, images: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tfd.Distribution:
    return self.distribution(self.parameters(images, condition), condition)


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
    rng: np.random.Generator,
  ):
    super().__init__()
    self.base = ConvEncoder(config, image_shape, rng)
    # Kept as an attribute: a bijector does not track the networks inside it.
    self.mades = [
      layers.Made(
        config.latent_size,
        self.HIDDEN[config.architecture],
        rng,
        config.conditions,
      )
      for _ in range(4)
    ]
    # Not a tuple, which a module would track.
    self._newest = types.SimpleNamespace(condition=None, flow=None)

  def flow(self, condition: tf.Tensor | None = None) -> tfb.Bijector:
    """The bijector, the same for every image of one beta.

    Called again with the same tensor it gives the same object, whose cache
    then has the inverse of each code that was drawn through it.
    """
    newest = self._newest
    if newest.flow is None or newest.condition is not condition:
      with tf.init_scope():  # It may serve in more than one tf.function.
        newest.flow = tfb.Invert(autoregressive_flow(self.mades, condition))
      newest.condition = condition
    return newest.flow

  def parameters(
    self, images: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    """As of `ConvEncoder`."""
    return self.base.parameters(images, condition)

  def stem(self, images: tf.Tensor) -> tf.Tensor:
    """As of `ConvEncoder`."""
    return self.base.stem(images)

  def parameters_of_stem(
    self, stem: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tf.Tensor:
    """As of `ConvEncoder`."""
    return self.base.parameters_of_stem(stem, condition)

  def distribution(
    self, parameters: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tfd.Distribution:
    """Batch `[B]`, event `[L]`.

    `log_prob` of its own sample is one pass; of any other tensor, L passes.
    """
    return tfd.TransformedDistribution(
      self.base.distribution(parameters), self.flow(condition)
    )

  def __call__(
    self, images: tf.Tensor, condition: tf.Tensor | None = None
  ) -> tfd.Distribution:
    return self.distribution(self.parameters(images, condition), condition)


def autoregressive_flow(
  mades: list[layers.Made], condition: tf.Tensor | None = None
) -> tfb.Bijector:
  """Mean-only masked autoregressive flow, one step for each of `mades`.

  Event `[L]`; the order of dimensions is reversed between steps. `inverse` is
  one pass, `forward` takes L. It preserves volume.
  """
  steps = []
  for made in mades:
    if steps:
      size = made.layers[0].kernel.shape[0]
      steps.append(tfb.Permute(np.arange(size)[::-1].astype(np.int32)))
    steps.append(
      tfb.MaskedAutoregressiveFlow(
        lambda y, made=made: (made(y, condition), None),
        is_constant_jacobian=True,
      )
    )
  return tfb.Chain(steps)


ENCODERS = {'conv': ConvEncoder, 'iaf': IafEncoder}
