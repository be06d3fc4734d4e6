"""Binary images whose pixels see few pixels before them, and a moved map.

    d(x|z) = sum_t w_t prod_p d(x_p | x_near(p), m_t(z)_p)

The code is decoded to one map of logits m. A transformation t moves it, as in
`invariant.py`, and every pixel p then depends on its own value of the moved map
and on the pixels near(p): those before p in the 5x5 pixels around it,

    logit of x_p = (1 + h(x_near(p))) m_t(z)_p + g(x_near(p)).

So the texture of strokes is the decoder's, while their arrangement beyond five
pixels can come from the code alone. [1] limits a decoder in this way, so that
the code holds what is global. The pixels keep their order whatever t is. So
each d_t is a likelihood, and so is d.

A small convolutional network computes g and h. They are the same for all t.

#### References

[1]: Xi Chen et al. Variational Lossy Autoencoder. _ICLR_, 2017.
"""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks import layers
from vae_info.networks.images import count_of
from vae_info.networks.invariant import MovedImage

silu = tf.nn.silu

REACH = 2  # Pixels that a window reaches up, left and right.
WIDTH = 16  # Channels of the network on windows.


class Windows(tf.Module):
  """h and g of every pixel: images `[N, H, W, 1]` -> float32 `[N, H, W, 2]`.

  Attributes:
    taps: int `[n, 2]`, the pixels that it sees, as (row, column) relative to
      its own.
  """

  PADS = ((0, 0), (REACH, 0), (REACH, REACH), (0, 0))

  def __init__(self, dtype: str, make: layers.Make):
    super().__init__()
    mask = np.ones((1 + REACH, 1 + 2 * REACH, 1, 1), np.float32)
    mask[-1, REACH:] = 0
    self._seen = np.flatnonzero(mask)
    self.taps = np.argwhere(mask[..., 0, 0]) - (REACH, REACH)
    shared, gain = make.shared, layers.RELU_GAIN
    self.near = shared.conv(
      1, WIDTH, mask.shape[:2], padding='VALID', gain=gain, mask=mask
    )
    self.hidden = shared.dense(WIDTH, WIDTH, gain=gain)
    self.out = shared.dense(WIDTH, 2, gain=0.1)
    self.channels = make.channels(2)
    self._dtype = dtype

  def __call__(self, images: tf.Tensor) -> tf.Tensor:
    pixels = tf.cast(2.0 * images - 1.0, self._dtype)
    # Pixels outside are 0, neither dark nor bright.
    return self._rest(self.near(tf.pad(pixels, self.PADS)))

  def _rest(self, x):
    """From the first layer's outputs `[N, H, W, WIDTH]` to h and g."""
    shape = tf.concat([tf.shape(x)[:-1], [2]], axis=0)
    x = self.hidden(silu(tf.reshape(x, [-1, WIDTH])))
    x = tf.cast(self.out(silu(x)), tf.float32)
    return self.channels(tf.reshape(x, shape))

  def sample(self, moved: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Draws images pixel by pixel; each looks at its own window alone.

    Args:
      moved: Values of a moved map, `[N, H, W]`.
      uniforms: `[N, H, W]` in [0, 1), all that is random here.

    Returns:
      float32 `[N, H, W, 1]` in {0, 1}.
    """
    count = count_of(moved)
    height, width = moved.shape[1:]
    stride = width + 2 * REACH  # From a row of the padded image to the next.
    kernel = tf.reshape(self.near.kernel, [-1, WIDTH])
    kernel = tf.gather(kernel, self._seen)
    offsets = self.taps @ (stride, 1)
    moved, uniforms = (
      tf.transpose(tf.reshape(x, [count, height * width]))
      for x in (moved, uniforms)
    )

    def step(position, seen):
      place = (position // width + REACH) * stride + position % width + REACH
      near = tf.transpose(tf.gather(seen, place + offsets))
      x = tf.matmul(near, kernel) + self.near.bias
      h, g = tf.unstack(self._rest(tf.cast(x, self._dtype)), axis=-1)
      logits = (1.0 + h) * moved[position] + g
      drawn = tf.where(uniforms[position] < tf.sigmoid(logits), 1.0, -1.0)
      return position + 1, tf.tensor_scatter_nd_update(
        seen, [[place]], drawn[None]
      )

    _, seen = tf.while_loop(
      lambda position, _: position < height * width,
      step,
      (0, tf.zeros([(height + REACH) * stride, count])),
    )
    seen = tf.reshape(seen, [height + REACH, stride, count])
    pixels = seen[REACH:, REACH:-REACH] > 0
    return tf.cast(tf.transpose(pixels, [2, 0, 1])[..., None], tf.float32)


class LocalImage(MovedImage):
  """A mixture of moved maps whose pixels see windows; event `[H, W, 1]`."""

  def __init__(
    self,
    logits: tf.Tensor,
    windows: Windows,
    sources: np.ndarray,
    weights: tf.Tensor,
    background: tf.Tensor,
  ):
    """Makes the mixture.

    Args:
      logits: As in `MovedImage`.
      windows: Computes h and g.
      sources: As in `MovedImage`.
      weights: As in `MovedImage`.
      background: As in `MovedImage`.
    """
    parameters = dict(locals())
    self._windows = windows
    super().__init__(logits, sources, weights, background, parameters)

  def _joint(self, images):
    images, shape = self._for_each_code(images)
    images = tf.ensure_shape(images, [None, *self._image_shape])
    near = self._windows(images)
    whole = tf.concat([shape, self._event_shape_tensor()], axis=0)
    # Pixels first, so that a gather moves whole rows.
    x, h, g, logits = (
      tf.transpose(tf.reshape(part, [-1, self._pixels]))
      for part in (
        images,
        near[..., 0],
        near[..., 1],
        tf.broadcast_to(self._logits, whole),
      )
    )
    background = tf.broadcast_to(self._background[..., 0], shape)
    padded = tf.concat([logits, tf.reshape(background, [1, -1])], axis=0)
    moved = tf.gather(padded, self._sources)  # [T, P, N]
    moved = (1.0 + h) * moved + g
    each = tf.reduce_sum(x * moved - tf.nn.softplus(moved), axis=1)
    return self._weighted(each, shape)

  def _sample_n(self, n, seed=None):
    seeds = tfp.random.split_seed(seed, salt='LocalImage')
    # 1. The map of each image, moved.
    height, width, _ = self._image_shape
    moved = self._draw_versions(n, seeds[0])
    moved = tf.reshape(moved, [-1, height, width])
    # 2. Its pixels, one after the other.
    uniforms = tf.random.stateless_uniform(tf.shape(moved), seeds[1])
    return self._in_shape(self._windows.sample(moved, uniforms), n)
