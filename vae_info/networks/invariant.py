"""Binary images up to small transformations of the image plane.

    d(x|z) = sum_t w_t d_t(x|z)

One map of logits is drawn in T transformed versions: sheared, turned, scaled or
shifted. Each version is an image of independent pixels, so d is a mixture of T
components with one code ([1]; here the code is continuous). The weights w are
learned. What a transformation explains need not be in the code.

A transformation moves whole pixels: pixel p of version t has the logit of pixel
s_t(p) of the map, or a learned background if s_t(p) is outside. So

    log d_t(x|z) = sum_q l(q) y_t(q) - sum_q n_t(q) softplus(l(q)),

where y_t(q) sums x over the pixels whose source is q, and n_t(q) counts them.
The first term moves the image, which needs no gradient, instead of the map. The
second is one small matrix product. All T components together cost little.

#### References

[1]: Brendan Frey and Nebojsa Jojic. Transformation-invariant clustering using
     the EM algorithm. _IEEE PAMI_, 2003.
"""

import dataclasses
import itertools
import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.networks.images import ImageDistribution

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class Grid:
  """Transformations: each combination of one value of every kind.

  Attributes:
    shears: Columns that a row moves to the right for each row upwards.
    turns: Angles in degrees.
    heights: Factors of the height.
    widths: Factors of the width.
    rows: Shifts downwards, in pixels.
    columns: Shifts to the right, in pixels.
  """

  shears: tuple[float, ...] = (0.0,)
  turns: tuple[float, ...] = (0.0,)
  heights: tuple[float, ...] = (1.0,)
  widths: tuple[float, ...] = (1.0,)
  rows: tuple[int, ...] = (0,)
  columns: tuple[int, ...] = (0,)

  def sources(self, height: int, width: int) -> np.ndarray:
    """Where each pixel of each version comes from: int32 `[T, height width]`.

    The number of the pixel in the map, or `height * width` if it is outside.
    """
    kinds = (getattr(self, field.name) for field in dataclasses.fields(self))
    return np.stack(
      [_source(height, width, one) for one in itertools.product(*kinds)]
    )


def _source(height, width, transformation):
  """The source of each pixel under one transformation, int32 `[P]`."""
  shear, turn, tall, wide, down, right = transformation
  rows, columns = np.indices((height, width)).reshape(2, -1)
  # Relative to the middle of the image, as the transformation is.
  y = rows - (height - 1) / 2 - down
  x = columns - (width - 1) / 2 - right
  cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
  y, x = cos * y + sin * x, cos * x - sin * y
  y, x = y / tall, (x + shear * y) / wide
  # Halves are rounded down, whatever the errors of rounding are.
  row = np.floor(y + (height - 1) / 2 + 0.5 - 1e-6).astype(np.int32)
  column = np.floor(x + (width - 1) / 2 + 0.5 - 1e-6).astype(np.int32)
  inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
  return np.where(inside, row * width + column, height * width).astype(np.int32)


class Moves:
  """How T transformations move an image of P pixels.

  Attributes:
    sources: int32 `[T, P]`, as `Grid.sources` gives them.
    counts: n_t(q), float32 `[P, T]`: pixels of version t whose source is q.
    targets: int32 `[k, T P]`. The entries at (t, q) are the pixels of version
      t whose source is q, filled up with P.
  """

  def __init__(self, sources: np.ndarray):
    total, pixels = sources.shape
    flat = np.arange(total)[:, None] * (pixels + 1) + sources
    order = np.argsort(flat, axis=None, kind='stable')
    sources_in_order = flat.reshape(-1)[order]
    counts = np.bincount(sources_in_order, minlength=total * (pixels + 1))
    # The place of each pixel among those that share its source.
    first = np.cumsum(counts) - counts
    place = np.arange(len(order)) - first[sources_in_order]
    counts = counts.reshape(total, pixels + 1)[:, :-1]
    targets = np.full([counts.max(), total, pixels + 1], pixels, np.int32)
    inside = sources.reshape(-1)[order] < pixels
    targets.reshape(len(targets), -1)[
      place[inside], sources_in_order[inside]
    ] = order[inside] % pixels
    self.sources = sources
    self.counts = np.ascontiguousarray(counts.T, np.float32)
    self.targets = targets[:, :, :-1].reshape(len(targets), -1)

  def gather(self, images: tf.Tensor) -> tf.Tensor:
    """y of images `[P, N]`: `[T, P, N]`."""
    padded = tf.pad(images, [[0, 1], [0, 0]])
    moved = tf.add_n([tf.gather(padded, target) for target in self.targets])
    return tf.reshape(moved, [*self.sources.shape, -1])


class MovedImage(ImageDistribution):
  """A mixture of moved versions of one map of logits; event `[H, W, 1]`.

  A subclass says how likely an image is under each version.
  """

  def __init__(
    self,
    logits: tf.Tensor,
    sources: np.ndarray,
    weights: tf.Tensor,
    background: tf.Tensor,
    parameters: dict,
  ):
    """Makes the mixture.

    Args:
      logits: The map, `[..., H, W, 1]`; the batch is `[...]`.
      sources: Where the pixels of T versions come from, int32 `[T, H W]`; see
        `Grid`.
      weights: Logits of w, `[T]`, or `[..., T]` with other weights for each
        member of the batch.
      background: The logit of pixels from outside, `[1]`, or `[..., 1]`.
      parameters: The arguments of the subclass, by name.
    """
    self._logits = logits
    self._sources = sources
    self._weights = weights
    self._background = background
    batch, image = tf.shape(logits)[:-3], tuple(logits.shape[-3:])
    super().__init__(batch, image, parameters)

  def _batch_shape(self):
    return self._logits.shape[:-3]

  def transformation(self, images: tf.Tensor) -> tfd.Distribution:
    """Which transformation each image took, given the image and its code.

    Args:
      images: As for `log_prob`.

    Returns:
      A `tfd.Categorical` over the T transformations, in the order of `Grid`.
    """
    return tfd.Categorical(logits=self._joint(images))

  def _joint(self, images):
    """log w_t d_t(x|z), `[..., T]`."""
    raise NotImplementedError

  def _log_prob(self, images):
    return tf.reduce_logsumexp(self._joint(images), axis=-1)

  def _weighted(self, each, shape):
    """log d_t(x|z), `[T, N]` -> log w_t d_t(x|z), `[..., T]`."""
    each = tf.reshape(tf.transpose(each), tf.concat([shape, [-1]], axis=0))
    return each + tf.nn.log_softmax(self._weights)

  def _padded(self):
    """The logits and, at the end, the background: `[..., P + 1]`."""
    batch = self._batch_shape_tensor()
    logits = tf.reshape(self._logits, tf.concat([batch, [self._pixels]], 0))
    background = tf.broadcast_to(self._background, tf.concat([batch, [1]], 0))
    return tf.concat([logits, background], axis=-1)

  def _draw_versions(self, n, seed):
    """Draws a version for each image: its logits, `[n ..., P]`."""
    batch = self._batch_shape_tensor()
    weights = tf.broadcast_to(
      self._weights, tf.concat([batch, [len(self._sources)]], axis=0)
    )
    drawn = tfd.Categorical(logits=weights).sample(n, seed=seed)
    whole = tf.concat([[n], batch, [self._pixels + 1]], axis=0)
    padded = tf.broadcast_to(self._padded(), whole)
    return tf.gather(
      tf.reshape(padded, [-1, self._pixels + 1]),
      tf.gather(self._sources, tf.reshape(drawn, [-1])),
      batch_dims=1,
    )


class TransformedImage(MovedImage):
  """A mixture of transformed Bernoulli images; event `[H, W, 1]`."""

  def __init__(
    self,
    logits: tf.Tensor,
    moves: Moves,
    weights: tf.Tensor,
    background: tf.Tensor,
  ):
    """Makes the mixture.

    Args:
      logits: As in `MovedImage`.
      moves: T transformations of H W pixels.
      weights: As in `MovedImage`.
      background: As in `MovedImage`.
    """
    parameters = dict(locals())
    self._moves = moves
    super().__init__(logits, moves.sources, weights, background, parameters)

  def _joint(self, images):
    shape = tf.broadcast_dynamic_shape(
      tf.shape(images)[:-3], self._batch_shape_tensor()
    )
    whole = tf.concat([shape, self._event_shape_tensor()], axis=0)
    # 1. Pixels first, so that a gather moves whole rows.
    images, logits = (
      tf.transpose(tf.reshape(tf.broadcast_to(x, whole), [-1, self._pixels]))
      for x in (images, self._logits)
    )
    background = tf.broadcast_to(self._background[..., 0], shape)
    background = tf.reshape(background, [-1])
    # 2. Sums over the pixels that have a source in the map.
    relative = logits - background
    ones = tf.reduce_sum(self._moves.gather(images) * relative, axis=1)
    relative = tf.nn.softplus(logits) - tf.nn.softplus(background)
    norms = tf.matmul(self._moves.counts, relative, transpose_a=True)
    # 3. The background explains all other pixels.
    ones += background * tf.reduce_sum(images, axis=0)
    norms += self._pixels * tf.nn.softplus(background)
    return self._weighted(ones - norms, shape)

  def _sample_n(self, n, seed=None):
    seeds = tfp.random.split_seed(seed, salt='TransformedImage')
    logits = self._draw_versions(n, seeds[0])
    pixels = tfd.Bernoulli(logits=logits, dtype=tf.float32).sample(
      seed=seeds[1]
    )
    return self._in_shape(pixels, n)

  def _mean(self):
    weights = tf.nn.softmax(self._weights)
    versions = tf.gather(tf.sigmoid(self._padded()), self._sources, axis=-1)
    mean = tf.reduce_sum(weights[..., None] * versions, axis=-2)
    return tf.reshape(mean, tf.shape(self._logits))
