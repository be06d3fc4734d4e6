"""Codes without learning: outputs of untrained networks, and the pixels.

These codes are deterministic, so their rate has no bound. The paper does not
give the sizes of its random networks. Here they are

    random_dense   two fully connected layers with ELU, like the classifier's;
                   the code is the output of the second layer
    random_conv    the network of an encoder before its training; the code is
                   the mean of p(z|x)

Each number of the code is shifted and scaled to mean 0 and variance 1 on the
training images. Outputs of an untrained network are small, which would slow
down the training of a classifier. The map is invertible, so it loses no
information. Whitened codes gave a higher C.
"""

import time

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import objectives, randomness
from vae_info.baselines import bounded, codes
from vae_info.baselines.config import BaselineConfig
from vae_info.baselines.job import Job
from vae_info.config import Config
from vae_info.early_stopping import Best
from vae_info.evaluation import classifiers
from vae_info.networks import encoders, layers

tfd = tfp.distributions


class Deterministic(tf.Module):
  """Wraps a function of images as an encoder whose codes have no noise."""

  def __init__(self, function):
    super().__init__()
    self.parameters = function

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Returns p(z|x): batch `[B]`, event `[L]`; all its mass is at the code."""
    return tfd.Independent(tfd.Deterministic(parameters), 1)


def pixels(levels: int = 2):
  """A function: `[B, H, W, C]`, 0 to levels - 1 -> `[B, H W C]`, -1 to 1."""
  factor = 2.0 / (levels - 1)
  return lambda images: tf.reshape(
    factor * images - 1.0, [-1, np.prod(images.shape[1:])]
  )


def random_network(config: BaselineConfig, image_shape: tuple[int, int, int]):
  """Returns the untrained network: `[B, H, W, 1] -> [B, latent_size]`."""
  make = layers.Make(randomness.generator(config.seed, config.baseline))
  units = config.latent_size
  if config.baseline == 'random_conv':
    encoder_config = Config(
      dataset=config.dataset,
      binarization=config.binarization,
      architecture=config.architecture,
      latent_size=units,
    )
    encoder = encoders.ConvEncoder(encoder_config, image_shape, make)
    return lambda images: tf.split(encoder.parameters(images), 2, axis=-1)[0]
  return layers.Chain(
    pixels(config.levels),
    make.dense(int(np.prod(image_shape)), units),
    tf.nn.elu,
    make.dense(units, units),
    tf.nn.elu,
  )


def random_encoder(
  config: BaselineConfig, images: np.ndarray
) -> tuple[Deterministic, np.ndarray]:
  """Returns an untrained network with standardised outputs.

  Args:
    config: Config of `random_dense` or `random_conv`.
    images: Training images, uint8 `[N, H, W, 1]`.

  Returns:
    The encoder, and the codes of the training images, `[N, latent_size]`.
  """
  network = random_network(config, images.shape[1:])
  outputs = codes.encode(Deterministic(network), images)
  # The small number keeps constant outputs from dividing by 0.
  mean, scale = outputs.mean(0), outputs.std(0) + 1e-6
  encoder = Deterministic(lambda images: (network(images) - mean) / scale)
  return encoder, (outputs - mean) / scale


def fit(job: Job) -> list[dict]:
  """Returns the row of a classifier on codes without noise.

  Raises:
    Stopped: A signal was received.
  """
  started = time.monotonic()
  images = job.dataset.train.images
  if job.config.baseline == 'supervised_simple':
    encoder = Deterministic(pixels(job.config.levels))
    train = codes.encode(encoder, images)
  else:
    encoder, train = random_encoder(job.config, images)
  classifier = _fit_classifier(job, encoder, train)
  return [
    {
      'latent_size': train.shape[1],
      'classifier': codes.settings(job.config).name,
      'train_seconds': round(time.monotonic() - started, 1),
      **codes.label_columns(job, encoder, classifier),
      **bounded.columns(job, encoder, classifier),
    }
  ]


def _fit_classifier(job, encoder, train):
  """Fits a classifier to `train`, the codes of training images, `[N, L]`."""
  config, validation = job.config, job.dataset.validation
  examples = codes.examples(job, encoder, train, train.shape[1])
  if not config.early_stopping:
    return codes.fit_together(job, [examples], config.baseline)[0]
  classifier = classifiers.new(examples, codes.settings(config))
  best = Best(classifier)
  encoded = codes.encode(encoder, validation.images)
  inputs = np.concatenate([encoded, *job.given(validation)], axis=-1)
  labels = job.labels(validation)

  def after_epoch(number):
    del number
    job.signals.check()
    losses = objectives.label_distortion(labels, classifier(inputs))
    return best.update(classifier, losses.numpy().mean())

  classifiers.fit(
    classifier, examples, codes.settings(config), config.baseline, after_epoch
  )
  best.restore(classifier)
  return classifier
