"""Decoders d(x|z) of 8-bit images: values 0 to 255, in any number of channels.

`decoder(codes)`: float32 `[..., B, L]` -> tfd.Distribution, batch `[..., B]`,
event `[H, W, C]`. They replace those of `decoders.py` if the binarization of
the config is none.

- `deconvolutional`: each pixel is a mixture of discretised logistics, given
  the code alone. Its channels depend on each other; see `logistics.py`.
- `autoregressive`: the same mixture, given the code and the pixels before it,
  by the network of `tfd.PixelCNN` [1]. The code joins each of its layers.

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
from vae_info.networks import (
  compact,
  decoders,
  layers,
  level_images,
  logistics,
)

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
  'compact': Shape(5, 256, filters=8, resnets=1, hierarchies=1),
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
    return level_images.LevelImage(
      tf.cast(outputs, tf.float32), tf.shape(codes)[:-1], self._image_shape
    )


class PixelCnn(tf.Module):
  """The network of `tfd.PixelCNN`, given a vector.

  It is a `level_images.PixelNetwork`.
  """

  def __init__(
    self,
    shape: Shape,
    image_shape: tuple[int, int, int],
    rng: np.random.Generator,
  ):
    super().__init__()
    self.pixels = tfd.PixelCNN(
      image_shape,
      conditional_shape=(shape.hidden,),
      num_resnet=shape.resnets,
      num_hierarchies=shape.hierarchies,
      num_filters=shape.filters,
      num_logistic_mix=shape.components,
      dropout_p=0.0,
      use_weight_norm=False,
      use_data_init=False,
    )
    _draw_weights(self.pixels.network, rng)
    _set_first_mixtures(self.pixels.network, shape.components, image_shape[-1])

  def mixtures(
    self, images: tf.Tensor, context: tf.Tensor
  ) -> logistics.Mixtures:
    """Values `[N, H, W, C]`, context `[N, hidden]` -> mixtures of `N H W`."""
    images = logistics.to_unit(images)
    # No call of its `log_prob`: that of `logistics` is the same, but exact
    # where a value is very improbable, and faster.
    logits, *parts = self.pixels.network([images, context], training=False)
    components = logits.shape[-1]
    lists = [
      tf.unstack(tf.reshape(part, [-1, components, part.shape[-1]]), axis=-1)
      for part in parts
    ]
    return logistics.Mixtures(tf.reshape(logits, [-1, components]), *lists)


def _draw_weights(network, rng):
  """Draws the weights of a Keras network as `layers.weights` does.

  Masks apply at once. Keras applies them only after each step.
  """
  for variable in network.trainable_weights:
    if 'kernel' not in variable.name:
      variable.assign(tf.zeros_like(variable))
      continue
    *window, inputs, outputs = variable.shape
    mask = np.ones([*window, 1, 1], np.float32)
    if variable.constraint is not None:
      mask = variable.constraint(mask)
    if 'transpose' in variable.name:
      # Its kernel is [height, width, outputs, inputs], and its stride is 2.
      inputs = outputs / 4
    stddev = 1.0 / np.sqrt(mask.sum() * inputs)
    values = rng.standard_normal(variable.shape, dtype=np.float32)
    variable.assign((stddev * mask * values).astype(np.float32))


def _set_first_mixtures(network, components, channels):
  """Starts near mixtures that are spread over all values."""
  kernel, bias = network.trainable_weights[-2:]
  kernel.assign(0.1 * kernel)
  first = np.zeros([components, bias.shape[0] // components], np.float32)
  first[:, 1 : 1 + channels] = logistics.first_locations(components)[:, None]
  first[:, 1 + channels : 1 + 2 * channels] = logistics.FIRST_SCALE
  bias.assign(first.reshape(-1))


class AutoregressiveDecoder(tf.Module):
  """Each pixel given the code and the pixels before it."""

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    check_image_shape(image_shape)
    shape, size = SHAPES[config.architecture], config.latent_size
    self.context = layers.Chain(
      make.channels(size, codes=True),
      make.dense(size, shape.hidden, gain=layers.RELU_GAIN),
      tf.nn.silu,
    )
    self.pixels = PixelCnn(shape, image_shape, make.rng)
    self._image_shape = image_shape

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    flat = tf.reshape(codes, [-1, codes.shape[-1]])
    return level_images.AutoregressiveLevelImage(
      self.pixels, self.context(flat), tf.shape(codes)[:-1], self._image_shape
    )


DECODERS = {
  'deconvolutional': DeconvolutionalDecoder,
  'autoregressive': AutoregressiveDecoder,
}
