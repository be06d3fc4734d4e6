"""Distributions of 8-bit images: values 0 to 255, in any number of channels."""

from typing import Protocol

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks import logistics

tfd = tfp.distributions


class PixelNetwork(Protocol):
  """A network that computes the mixture of each pixel from those before it."""

  def mixtures(
    self, images: tf.Tensor, context: tf.Tensor
  ) -> logistics.Mixtures:
    """Values 0 to 255, float32 `[N, H, W, C]` -> mixtures of `N H W` pixels.

    A decoder makes `context`, `[N, ...]`, from the codes.
    """


class _LevelImage(tfd.Distribution):
  """8-bit images; batch `[..., B]`, event `[H, W, C]`.

  A subclass says what its mixtures are, and how they are drawn from.
  """

  def __init__(self, context, batch_shape, image_shape, parameters):
    self._context = context
    self._codes_shape = batch_shape
    self._image_shape = image_shape
    super().__init__(
      dtype=tf.float32,
      reparameterization_type=tfd.NOT_REPARAMETERIZED,
      validate_args=False,
      allow_nan_stats=True,
      parameters=parameters,
      name=type(self).__name__,
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

  def _mixtures(self, images, context):
    raise NotImplementedError

  def _draw(self, context, seed):
    raise NotImplementedError

  def _log_prob(self, images):
    # 1. An image for each code, in one batch.
    batch, event = self._batch_shape_tensor(), self._event_shape_tensor()
    shape = tf.broadcast_dynamic_shape(tf.shape(images)[:-3], batch)
    images = tf.broadcast_to(images, tf.concat([shape, event], axis=0))
    images = tf.reshape(images, [-1, *self._image_shape])
    context = self._context
    if images.shape[0] is None or images.shape[0] != context.shape[0]:
      # There are S images for each code: repeat the batch of codes S times.
      context = _repeated(context, tf.shape(images)[0] // tf.shape(context)[0])
    # 2. The log-probability of each pixel, summed over an image.
    height, width, channels = self._image_shape
    pixels = logistics.log_prob(
      self._mixtures(images, context), tf.reshape(images, [-1, channels])
    )
    each = tf.reduce_sum(tf.reshape(pixels, [-1, height * width]), axis=-1)
    return tf.reshape(each, shape)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt=type(self).__name__)
    pixels = self._draw(_repeated(self._context, n), seed)
    return self._in_shape(pixels, n)

  def _in_shape(self, pixels, n):
    """Values of pixels -> `[n, ..., B, H, W, C]`."""
    shape = [[n], self._batch_shape_tensor(), self._event_shape_tensor()]
    return tf.reshape(pixels, tf.concat(shape, axis=0))


class LevelImage(_LevelImage):
  """Images of independent pixels."""

  def __init__(
    self,
    outputs: tf.Tensor,
    batch_shape: tf.Tensor | tuple[int, ...],
    image_shape: tuple[int, int, int],
  ):
    """Makes the distribution that a network's outputs give.

    Args:
      outputs: float32 `[N, H, W, P]`, where N is the product of `batch_shape`
        and P is `logistics.size_of(K, C)`.
      batch_shape: The shape of the codes without their last axis.
      image_shape: (H, W, C).
    """
    super().__init__(outputs, batch_shape, image_shape, dict(locals()))

  def _mixtures(self, images, context):
    del images
    return logistics.from_outputs(context, self._image_shape[-1])

  def _draw(self, context, seed):
    mixtures = self._mixtures(None, context)
    count = tf.shape(mixtures.logits)[0]
    uniforms = tf.random.stateless_uniform(
      [count, 1 + self._image_shape[-1]], seed
    )
    return logistics.sample(mixtures, uniforms)

  def _mean(self):
    if self._image_shape[-1] > 1:
      raise NotImplementedError('the mean of more than one channel')
    mixtures = self._mixtures(None, self._context)
    return self._in_shape(logistics.mean(mixtures), 1)[0]


class AutoregressiveLevelImage(_LevelImage):
  """Images whose pixels depend on those before them, row by row."""

  def __init__(
    self,
    network: PixelNetwork,
    context: tf.Tensor,
    batch_shape: tf.Tensor | tuple[int, ...],
    image_shape: tuple[int, int, int],
  ):
    """Makes the distribution of images that a network gives in a context.

    Args:
      network: Computes the mixtures.
      context: `[N, ...]`, where N is the product of `batch_shape`.
      batch_shape: The shape of the codes without their last axis.
      image_shape: (H, W, C).
    """
    parameters = dict(locals())
    self._network = network
    super().__init__(context, batch_shape, image_shape, parameters)

  def _mixtures(self, images, context):
    return self._network.mixtures(images, context)

  def _draw(self, context, seed):
    """Samples with one pass over the whole image for each pixel."""
    height, width, channels = self._image_shape
    size, count = height * width, tf.shape(context)[0]
    uniforms = tf.random.stateless_uniform([size, count, 1 + channels], seed)

    def step(position, images):
      whole = tf.reshape(images, [-1, height, width, channels])
      everywhere = self._network.mixtures(whole, context)
      here = tf.range(count) * size + position
      drawn = logistics.sample(everywhere.at(here), uniforms[position])
      place = tf.one_hot(position, size)[:, None]
      return position + 1, images + drawn[:, None] * place

    _, images = tf.while_loop(
      lambda position, _: position < size,
      step,
      (0, tf.zeros([count, size, channels])),
    )
    return images


def _repeated(values, times):
  """The whole of `[N, ...]` several times, one after the other."""
  if isinstance(times, int | np.integer) and times == 1:
    return values
  return tf.tile(values, [times] + [1] * (len(values.shape) - 1))
