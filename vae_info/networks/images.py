"""What distributions of images have in common."""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def count_of(x: tf.Tensor) -> int | tf.Tensor:
  """The size of the first axis; a tensor if a graph learns it only later."""
  return tf.shape(x)[0] if x.shape[0] is None else x.shape[0]


class ImageDistribution(tfd.Distribution):
  """A distribution of images; batch `[..., B]`, event `[H, W, C]`."""

  def __init__(
    self,
    batch_shape: tf.Tensor | tuple[int, ...],
    image_shape: tuple[int, int, int],
    parameters: dict,
  ):
    """Makes the distribution.

    Args:
      batch_shape: The shape of the codes without their last axis.
      image_shape: (H, W, C).
      parameters: The arguments of the subclass, by name.
    """
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

  def _batch_shape(self):
    return tf.TensorShape(tf.get_static_value(self._codes_shape))

  def _batch_shape_tensor(self):
    return tf.convert_to_tensor(self._codes_shape, tf.int32)

  def _event_shape(self):
    return tf.TensorShape(self._image_shape)

  def _event_shape_tensor(self):
    return tf.constant(self._image_shape, tf.int32)

  @property
  def _pixels(self):
    return math.prod(self._image_shape)

  def _for_each_code(self, values):
    """`[..., H, W, C]` -> `[N, H, W, C]` with one for each code, and `[...]`.

    The shape `[...]` is that of the values' batch with that of the codes.
    """
    shape = tf.broadcast_dynamic_shape(
      tf.shape(values)[:-3], self._batch_shape_tensor()
    )
    whole = tf.concat([shape, self._event_shape_tensor()], axis=0)
    values = tf.broadcast_to(values, whole)
    return tf.reshape(values, [-1, *self._image_shape]), shape

  def _in_shape(self, pixels, n):
    """Values of pixels -> `[n, ..., B, H, W, C]`."""
    shape = [[n], self._batch_shape_tensor(), self._event_shape_tensor()]
    return tf.reshape(pixels, tf.concat(shape, axis=0))


class ImageInContext(ImageDistribution):
  """Images given a context, `[N, ...]`, that a decoder made from the codes.

  N is the product of the batch shape.
  """

  def __init__(self, context, batch_shape, image_shape, parameters):
    self._context = context
    super().__init__(batch_shape, image_shape, parameters)

  def _context_of(self, images, shape):
    """The context of each image `[M, H, W, C]`.

    `shape` is that of the images' batch, to which that of the codes broadcasts.
    """
    context = self._context
    if images.shape[0] is not None and images.shape[0] == context.shape[0]:
      return context
    rest = context.shape[1:]
    each = tf.reshape(
      context, tf.concat([self._batch_shape_tensor(), rest], axis=0)
    )
    each = tf.broadcast_to(each, tf.concat([shape, rest], axis=0))
    return tf.reshape(each, [-1, *rest])

  def _repeated(self, times):
    """The whole context several times, one after the other."""
    if isinstance(times, int | np.integer) and times == 1:
      return self._context
    rest = [1] * (len(self._context.shape) - 1)
    return tf.tile(self._context, [times, *rest])
