"""Two views of an image: the encoder sees one, the decoder explains the other.

With `--augmentation=affine` the encoder of a training step sees each image
turned, sheared, scaled and shifted at random. The decoder explains the image as
it is. So the code pays nothing for what the transformation hides. Evaluation
sees images as they are, and its definitions stay the same.

These invariances are given to the training. A result has them in its column
`augmentation`.
"""

import math

import numpy as np
import tensorflow as tf

# The largest change in either direction; draws are uniform.
TURN = math.radians(15.0)
SHEAR = 0.3  # Columns for each row.
LOG_SCALE = math.log(1.2)  # Of height and width, each by itself.
SHIFT = 0.1  # As a share of the size.


def affine(
  images: tf.Tensor, seed: tf.Tensor, share: tf.Tensor | int, shares: int
) -> tf.Tensor:
  """Transforms each image of a share of a batch at random.

  Args:
    images: float32 `[B / shares, H, W, C]` in {0, 1}.
    seed: Of the whole batch, int32 `[2]`.
    share: Number of the share. It takes its part of the batch's draws.
    shares: Number of shares.

  Returns:
    Images in {0, 1} of the same shape. Pixels from outside are 0.
  """
  draws = tf.random.stateless_uniform(
    [shares, images.shape[0], 6], seed, -1.0, 1.0
  )[share]
  return transform(images, *_coordinates(images.shape, draws))


def _coordinates(shape, draws):
  """Where each pixel comes from, (rows, columns), `[B, H W]` each.

  `draws` are in (-1, 1): turn, shear, two scales and two shifts, `[B, 6]`.
  """
  _, height, width, _ = shape
  rows, columns = np.indices((height, width)).reshape([2, -1])
  y = tf.constant(rows - (height - 1) / 2, tf.float32)
  x = tf.constant(columns - (width - 1) / 2, tf.float32)
  turn, shear, tall, wide, down, right = tf.split(draws, 6, axis=1)
  y, x = y - SHIFT * height * down, x - SHIFT * width * right
  cos, sin = tf.cos(TURN * turn), tf.sin(TURN * turn)
  y, x = cos * y + sin * x, cos * x - sin * y
  x = x + SHEAR * shear * y
  y, x = y * tf.exp(LOG_SCALE * tall), x * tf.exp(LOG_SCALE * wide)
  return y + (height - 1) / 2, x + (width - 1) / 2


def transform(
  images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor
) -> tf.Tensor:
  """Takes each pixel from elsewhere; between pixels, bilinearly, then rounds.

  Args:
    images: float32 `[B, H, W, C]` in {0, 1}.
    rows: Where each pixel comes from, `[B, H W]`.
    columns: The same.

  Returns:
    `[B, H, W, C]` in {0, 1}: 1 where the interpolated value is at least 0.5.
  """
  _, height, width, channels = images.shape
  # A frame of zeros, for what is outside.
  padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]])
  flat = tf.reshape(padded, [-1, (height + 2) * (width + 2), channels])
  rows = tf.clip_by_value(rows + 1.0, 0.0, height + 0.999)
  columns = tf.clip_by_value(columns + 1.0, 0.0, width + 0.999)
  top, left = tf.floor(rows), tf.floor(columns)
  down, right = (rows - top)[..., None], (columns - left)[..., None]
  place = tf.cast(top, tf.int32) * (width + 2) + tf.cast(left, tf.int32)

  def pixels(offset):
    return tf.gather(flat, place + offset, batch_dims=1)

  above = (1.0 - right) * pixels(0) + right * pixels(1)
  below = (1.0 - right) * pixels(width + 2) + right * pixels(width + 3)
  values = (1.0 - down) * above + down * below
  return tf.reshape(
    tf.cast(values >= 0.5, tf.float32), [-1, height, width, channels]
  )
