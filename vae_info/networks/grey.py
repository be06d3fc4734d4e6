"""Decoders d(x|z) of 8-bit images: values 0 to 255, in any number of channels.

`decoder(codes)`: float32 `[..., B, L]` -> tfd.Distribution, batch `[..., B]`,
event `[H, W, C]`. They are used instead of those of `decoders.py` if the config's
binarization is none.

- `deconvolutional`: each pixel is a mixture of discretised logistics, given the
  code alone. Its channels depend on each other; see `logistics.py`.
- `autoregressive`: the same mixture, given the code and the pixels before it, by
  the network of `tfd.PixelCNN` [1]. The code joins each of its layers.

`tfd.PixelCNN` is made without dropout, weight normalisation and a start from
data: their randomness has a state. Its weights are drawn as those of all
networks here, and it computes in float32.

#### References

[1]: Tim Salimans et al. PixelCNN++. _ICLR_, 2017.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import compact, decoders, layers, logistics

tfd = tfp.distributions

MAX_CHANNELS = 4


@dataclasses.dataclass(frozen=True)
class Shape:
  """Sizes of the networks of one architecture.

  Attributes:
    components: Of the mixture of a pixel.
    hidden: Units between the code and `tfd.PixelCNN`.
    filters: Of `tfd.PixelCNN`, as `resnets` and `hierarchies`.
  """

  components: int
  hidden: int
  filters: int
  resnets: int
  hierarchies: int


SHAPES = {
  'compact': Shape(5, 256, filters=16, resnets=1, hierarchies=2),
  'paper': Shape(10, 256, filters=64, resnets=2, hierarchies=3),
}


def check_image_shape(image_shape: tuple[int, int, int]) -> None:
  """Raises `UserError` if no decoder can make images of this shape."""
  height, width, channels = image_shape
  if height % 4 or width % 4:
    raise UserError(
      'the decoder needs images whose height and width are multiples of 4, '
      f'found {height} x {width}'
    )
  if channels > MAX_CHANNELS:
    raise UserError(
      f'the decoder needs images of 1 to {MAX_CHANNELS} channels, found '
      f'{channels}'
    )


class LevelImage(tfd.Distribution):
  """8-bit images; batch `[..., B]`, event `[H, W, C]`."""

  def __init__(
    self,
    outputs: tf.Tensor,
    batch_shape: tf.Tensor | tuple[int, ...],
    image_shape: tuple[int, int, int],
    validate_args: bool = False,
    allow_nan_stats: bool = True,
    name: str = 'LevelImage',
  ):
    """Makes the distribution of independent pixels that a network gives.

    Args:
      outputs: float32 `[N, H, W, P]`, where N is the product of `batch_shape`
        and P is `logistics.size_of(K, C)`.
      batch_shape: The shape of the codes without their last axis.
      image_shape: (H, W, C).
      validate_args: As in any `tfd.Distribution`.
      allow_nan_stats: As in any `tfd.Distribution`.
      name: As in any `tfd.Distribution`.
    """
    parameters = dict(locals())
    self._outputs = outputs
    self._codes_shape = batch_shape
    self._image_shape = image_shape
    super().__init__(
      dtype=tf.float32,
      reparameterization_type=tfd.NOT_REPARAMETERIZED,
      validate_args=validate_args,
      allow_nan_stats=allow_nan_stats,
      parameters=parameters,
      name=name,
    )

  @classmethod
  def _parameter_properties(cls, dtype, num_classes=None):
    return {}

  def _batch_shape(self):
    return tf.TensorShape(tf.get_static_value(self._codes_shape))

  def _batch_shape_tensor(self):
    return tf.convert_to_tensor(self._codes_shape, tf.int32)

  def _event_shape(self):
    return tf.TensorShape(self._image_shape)

  def _event_shape_tensor(self):
    return tf.constant(self._image_shape, tf.int32)

  def _mixtures(self, outputs):
    return logistics.from_outputs(outputs, self._image_shape[-1])

  def _log_prob(self, images):
    images, shape, times = _of_codes(self, images)
    outputs = _repeated(self._outputs, times)
    values = tf.reshape(images, [-1, self._image_shape[-1]])
    pixels = logistics.log_prob(self._mixtures(outputs), values)
    height, width, _ = self._image_shape
    each = tf.reduce_sum(tf.reshape(pixels, [-1, height * width]), axis=-1)
    return tf.reshape(each, shape)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt='LevelImage')
    mixtures = self._mixtures(_repeated(self._outputs, n))
    uniforms = tf.random.stateless_uniform(
      [tf.shape(mixtures.logits)[0], 1 + self._image_shape[-1]], seed
    )
    return _as_samples(self, logistics.sample(mixtures, uniforms), n)

  def _mean(self):
    if self._image_shape[-1] > 1:
      raise NotImplementedError('the mean of more than one channel')
    mean = logistics.mean(self._mixtures(self._outputs))
    return _as_samples(self, mean, 1)[0]


def _of_codes(likelihood, images):
  """Images with an image for each code, `[N, H, W, C]`.

  Returns:
    The images, the shape of their batch, and how many images a code has.
  """
  batch = likelihood.batch_shape_tensor()
  event = likelihood.event_shape_tensor()
  shape = tf.broadcast_dynamic_shape(tf.shape(images)[:-3], batch)
  images = tf.broadcast_to(images, tf.concat([shape, event], axis=0))
  times = tf.reduce_prod(shape) // tf.reduce_prod(batch)
  known = tf.get_static_value(times)
  flat = tf.reshape(images, tf.concat([[-1], event], axis=0))
  return flat, shape, times if known is None else known


def _repeated(values, times):
  """The whole of `[N, ...]` several times, one after the other."""
  if isinstance(times, int | np.integer) and times == 1:
    return values
  return tf.tile(values, [times] + [1] * (len(values.shape) - 1))


def _as_samples(likelihood, pixels, n):
  """Pixels in any shape -> `[n, ..., B, H, W, C]`."""
  shape = [
    [n],
    likelihood.batch_shape_tensor(),
    likelihood.event_shape_tensor(),
  ]
  return tf.reshape(pixels, tf.concat(shape, axis=0))


class DeconvolutionalDecoder(tf.Module):
  """Independent pixels, given the code."""

  NETWORKS = {
    # A pixel has many outputs: a last kernel of 3x3 would cost most of a step.
    'compact': functools.partial(compact.deconvolution, kernel=1),
    'paper': decoders.DeconvolutionalDecoder.NETWORKS['paper'],
  }

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    check_image_shape(image_shape)
    height, width, channels = image_shape
    components = SHAPES[config.architecture].components
    outputs = (height, width, logistics.size_of(components, channels))
    network = self.NETWORKS[config.architecture]
    self.network = layers.Chain(*network(make, outputs, config.latent_size))
    self._image_shape = image_shape
    self._dtype = config.precision

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    flat = tf.reshape(codes, [-1, codes.shape[-1]])
    outputs = self.network(tf.cast(flat, self._dtype))
    return LevelImage(
      tf.cast(outputs, tf.float32), tf.shape(codes)[:-1], self._image_shape
    )


DECODERS = {'deconvolutional': DeconvolutionalDecoder}
