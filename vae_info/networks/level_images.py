"""Distributions of 8-bit images: values 0 to 255, in any number of channels."""

from typing import Protocol

import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks import logistics
from vae_info.networks.images import ImageInContext


class PixelNetwork(Protocol):
  """A network that computes the mixture of each pixel from those before it."""

  def mixtures(
    self, images: tf.Tensor, context: tf.Tensor
  ) -> logistics.Mixtures:
    """Values 0 to 255, float32 `[N, H, W, C]` -> mixtures of `N H W` pixels.

    A decoder makes `context`, `[N, ...]`, from the codes.
    """


class _LevelImage(ImageInContext):
  """8-bit images; batch `[..., B]`, event `[H, W, C]`.

  A subclass says what its mixtures are, and how they are drawn from.
  """

  def _mixtures(self, images, context):
    raise NotImplementedError

  def _draw(self, context, seed):
    raise NotImplementedError

  def _log_prob(self, images):
    # 1. An image for each code, in one batch.
    images, shape = self._for_each_code(images)
    # 2. The log-probability of each pixel, summed over an image.
    height, width, channels = self._image_shape
    pixels = logistics.log_prob(
      self._mixtures(images, self._context_of(images, shape)),
      tf.reshape(images, [-1, channels]),
    )
    each = tf.reduce_sum(tf.reshape(pixels, [-1, height * width]), axis=-1)
    return tf.reshape(each, shape)

  def _sample_n(self, n, seed=None):
    seed = tfp.random.sanitize_seed(seed, salt=type(self).__name__)
    return self._in_shape(self._draw(self._repeated(n), seed), n)


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
