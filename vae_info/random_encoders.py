"""Codes that nothing was learned for: untrained networks, and the pixels.

They are deterministic, so that their rate has no bound. Not reproduced: the
paper gives no sizes. Here

    random_dense   two fully connected layers with ELU, as the classifier's own;
                   the code is what the second one puts out
    random_conv    the network of an encoder, as it is before training; the code
                   is the mean of p(z|x)

and each number of the code is shifted and scaled to mean 0 and variance 1 on
the training images, since outputs of an untrained network are small, which
would slow a classifier's training down. (Whitened codes gave a higher C.) An
invertible map takes no information away.
"""

import types

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import encoders, evaluation, layers, randomness
from vae_info.baseline_config import BaselineConfig
from vae_info.config import Config

tfd = tfp.distributions


class Deterministic(tf.Module):
  """A function of images as an encoder whose codes have no noise."""

  def __init__(self, function):
    super().__init__()
    self.parameters = function

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Batch `[B]`, event `[L]`; all its mass is at the code."""
    return tfd.Independent(tfd.Deterministic(parameters), 1)


def pixels(images: tf.Tensor) -> tf.Tensor:
  """`[B, H, W, 1]` of 0 and 1 to `[B, H W]` of -1 and 1."""
  return tf.reshape(2.0 * images - 1.0, [-1, np.prod(images.shape[1:])])


def random_network(config: BaselineConfig, image_shape: tuple[int, int, int]):
  """The untrained network: `[B, H, W, 1] -> [B, latent_size]`."""
  rng = randomness.generator(config.seed, config.baseline)
  if config.baseline == 'random_conv':
    encoder = encoders.ConvEncoder(
      Config(architecture=config.architecture, latent_size=config.latent_size),
      image_shape,
      rng,
    )
    return lambda images: tf.split(encoder.parameters(images), 2, axis=-1)[0]
  units = config.latent_size
  first = layers.Dense(int(np.prod(image_shape)), units, rng)
  second = layers.Dense(units, units, rng)
  return lambda images: tf.nn.elu(second(tf.nn.elu(first(pixels(images)))))


def random_encoder(
  config: BaselineConfig, images: np.ndarray
) -> tuple[Deterministic, np.ndarray]:
  """An untrained network with standardised outputs.

  Args:
    config: Of `random_dense` or `random_conv`.
    images: Training images, uint8 `[N, H, W, 1]`.

  Returns:
    The encoder, and the codes of the training images, `[N, latent_size]`.
  """
  network = random_network(config, images.shape[1:])
  outputs = evaluation.encode(as_model(Deterministic(network)), images)
  mean, scale = outputs.mean(0), outputs.std(0) + 1e-6
  encoder = Deterministic(lambda images: (network(images) - mean) / scale)
  return encoder, (outputs - mean) / scale


def as_model(encoder) -> types.SimpleNamespace:
  """What `evaluation` takes, where there is nothing but an encoder."""
  return types.SimpleNamespace(encoder=encoder)
