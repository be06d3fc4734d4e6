"""ln d(x|k) of images for every class k of a code, `[B, K]`.

If a code is one of K classes, sums over the classes replace draws of codes.
Each class is decoded once. Three kinds of likelihood d(x|k):

- independent Bernoulli pixels: the logits of all classes and the images make
  one product of matrices;
- one that has a method `log_prob_of_each(images)`, for a batch of K classes;
- any other: each class is decoded again for each image. That is slow, so no
  more than `MOST` pairs are allowed.
"""

import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.errors import UserError
from vae_info.networks import conditioning
from vae_info.networks.protocols import Decoder

tfd = tfp.distributions

MOST = 20_000  # Pairs of a class and an image, of likelihoods of any kind.


def log_probs(
  decoder: Decoder,
  images: tf.Tensor,
  num_classes: int,
  likelihoods: Sequence[tfd.Distribution] | None = None,
) -> tf.Tensor:
  """ln d(x|k), nats, `[B, K]`.

  Args:
    decoder: d(x|z); in a multi-beta model, bound to the images' betas. Then
      the classes are decoded once for each beta.
    images: `[B, H, W, C]` in {0, 1}.
    num_classes: K.
    likelihoods: From `decode`, if there is one beta and they are already made.

  Raises:
    UserError: The likelihood is of another kind, with too many pairs.
  """

  def of_block(network, block):
    made = likelihoods or decode(network, num_classes)
    return _of_likelihoods(network, made, block, num_classes)

  return conditioning.for_each_block(decoder, images, of_block)


def decode(
  decoder: Decoder, num_classes: int, parts: int = 1
) -> list[tfd.Distribution]:
  """The likelihoods of all classes; for one beta.

  They are in `parts` batches, so that cores decode them in parallel.
  """
  codes = tf.eye(num_classes)
  size = -(-num_classes // parts)
  return [
    decoder(codes[first : first + size])
    for first in range(0, num_classes, size)
  ]


def _of_likelihoods(decoder, likelihoods, images, num_classes):
  """`log_probs` at one beta, given what `decode` made."""
  if hasattr(likelihoods[0], 'log_prob_of_each'):
    return tf.concat([d.log_prob_of_each(images) for d in likelihoods], axis=1)
  if _is_bernoulli(likelihoods[0]):
    logits = [d.distribution.logits_parameter() for d in likelihoods]
    return _bernoulli(tf.concat(logits, axis=0), images)
  count = images.shape[0]
  pairs = num_classes * count
  if pairs > MOST:
    raise UserError(
      f'{num_classes} classes of {count} images are {pairs} images to '
      f'decode at a time, and {type(decoder).__name__} allows {MOST} at most; '
      'a smaller --latent_size or --batch_size helps'
    )
  codes = tf.repeat(tf.eye(num_classes)[:, None], count, axis=1)
  return tf.transpose(decoder(codes).log_prob(images))


def _is_bernoulli(likelihood):
  return isinstance(likelihood, tfd.Independent) and isinstance(
    likelihood.distribution, tfd.Bernoulli
  )


def _bernoulli(logits, images):
  """Independent pixels: logits `[K, H, W, C]`, images `[B, H, W, C]`."""
  size = math.prod(logits.shape[1:])
  logits, pixels = (tf.reshape(x, [-1, size]) for x in (logits, images))
  constants = tf.reduce_sum(tf.math.softplus(logits), axis=1)
  return tf.matmul(pixels, logits, transpose_b=True) - constants
