"""Codes that are one of K classes: `categorical` encoder and marginal.

    p(k|x) = softmax_k(w_k . x + b_k + network_k(x))        K = latent_size

A code is a one-hot vector, event `[K]`. With pixels that are independent given
the class, ln d(x|k) is affine in x. So the best p(k|x) for a decoder and a
marginal, proportional to m(k) d(x|k)^(1 / beta) [1], has the form of the first
two terms alone. The network serves decoders of other kinds.

All classes would start alike, and most would never be used. So `start_at` puts
w and b where clusters of training images are d(x|k) (k-means), and every class
begins with images of its own.

#### References

[1]: Toby Berger. Rate Distortion Theory. _Prentice-Hall_, 1971.
"""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import clusters, randomness
from vae_info.config import Config
from vae_info.networks import conditioning, layers
from vae_info.networks.encoders import ConvEncoder
from vae_info.networks.protocols import Encoder

tfd = tfp.distributions

STARTED = 10_000  # Training images that are clustered.
COMPONENTS = 40  # Principal components that measure their distances.
SMOOTHING = 2.0  # Images of average brightness that each cluster is given.


class CategoricalEncoder(tf.Module):
  """p(k|x) from an affine function of the pixels and a convolutional network.

  Attributes:
    prototypes: w, float32 `[H W C, K]`.
    bias: b, float32 `[K]`.
  """

  def __init__(
    self,
    config: Config,
    image_shape: tuple[int, int, int],
    make: layers.Make,
  ):
    super().__init__()
    size = config.latent_size
    base = ConvEncoder(config, image_shape, make, size=1)
    *parts, last = base.network.parts
    assert isinstance(last, layers.Dense)
    # A small gain at the end: at first the prototypes decide.
    self.network = layers.Chain(
      *parts, make.dense(last.kernel.shape[0], size, gain=0.1)
    )
    self.prototypes = tf.Variable(
      tf.zeros([math.prod(image_shape), size]), name='prototypes'
    )
    self.bias = tf.Variable(tf.zeros([size]))
    self.channels = make.channels(size)
    self._start = (config.seed, max(1.0, conditioning.middle(config)))

  def start_at(self, images: np.ndarray) -> None:
    """Puts the prototypes at clusters of images, uint8 `[N, H, W, C]`.

    If there are fewer different images than classes, the last classes stay as
    they are. Images that are all 0 change nothing: a checkpoint follows.
    """
    seed, beta = self._start
    if not images.any():
      return
    rng = randomness.generator(seed, 'first prototypes')
    chosen = rng.permutation(len(images))[:STARTED]
    pixels = images[chosen].reshape([len(chosen), -1]).astype(np.float32)
    count = min(self.bias.shape[0], len(np.unique(pixels, axis=0)))
    points = clusters.Components.of(pixels, COMPONENTS)(pixels)
    centres = clusters.centres(points, count, seed, iterations=20)
    numbers = clusters.nearest(points, centres)
    members = np.eye(count, dtype=np.float32)[numbers]
    sizes = members.sum(axis=0)
    mean = (pixels.sum(axis=0) + 0.5) / (len(pixels) + 1.0)
    p = (members.T @ pixels + SMOOTHING * mean) / (sizes[:, None] + SMOOTHING)
    prototypes, bias = self.prototypes.numpy(), self.bias.numpy()
    prototypes[:, :count] = (np.log(p) - np.log1p(-p)).T / beta
    bias[:count] = np.log1p(-p).sum(axis=1) / beta + np.log(sizes + 0.5)
    bias[:count] -= bias[:count].max()
    self.prototypes.assign(prototypes)
    self.bias.assign(bias)

  def parameters(self, images: tf.Tensor) -> tf.Tensor:
    """ln p(k|x), up to a constant: `[B, H, W, C] -> [B, K]`."""
    affine = tf.matmul(layers.flatten(images), self.prototypes) + self.bias
    return self.channels(affine) + tf.cast(self.network(images), 'float32')

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Batch `[B]`, event `[K]`."""
    return tfd.OneHotCategorical(logits=parameters, dtype=tf.float32)

  def __call__(self, images: tf.Tensor) -> tfd.Distribution:
    return self.distribution(self.parameters(images))


class CategoricalMarginal(tf.Module):
  """Learned probabilities of the classes."""

  def __init__(
    self,
    config: Config,
    images: np.ndarray,
    make: layers.Make,
    encoder: Encoder,
  ):
    super().__init__()
    del images, encoder
    self.logits = make.free(tf.zeros([config.latent_size]))

  def __call__(self) -> tfd.Distribution:
    return tfd.OneHotCategorical(logits=self.logits(), dtype=tf.float32)
