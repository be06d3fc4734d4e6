"""Decoders of a flow's noisy codes, and noise that is learned with one.

A flow's own decoder has no distortion to report: its D_v counts the noise of v
as rate. So a deconvolutional decoder d(x|z) is fitted to the frozen codes, and
R + D >= H(X) as for any code. One decoder serves all levels of noise: it is
given the level beside the code.

The learned variant has a code without noise in v, so p(z|x) is a Gaussian:

    mu(x) = the standardised basis^T f(2 x - 1),    p(z|x) = Normal(mu(x), s^2).

The noise s, a diagonal Gaussian marginal m(z) and the decoder minimise
D + beta R, at all betas together. The flow stays as it is.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import loop, objectives, randomness
from vae_info.baselines import flow_codes
from vae_info.baselines.job import Job
from vae_info.evaluation.refit import Decoder, Fit
from vae_info.networks import conditioning

tfd = tfp.distributions

EPOCHS = 4


class LearnedNoise(tf.Module):
  """p(z|x), m(z) and a decoder at each of some betas.

  Args:
    noises: The first s of each level, `[levels, K]`.
    image_shape: Of the images.
    seed: Determines the first weights.
  """

  def __init__(
    self, noises: np.ndarray, image_shape: tuple[int, int, int], seed: int
  ):
    super().__init__()
    levels, size = noises.shape
    first = tf.constant(np.log(noises), tf.float32)
    self.log_scales = tf.Variable(first)
    self.means = tf.Variable(tf.zeros([levels, size]))
    # The codes have variance 1 + s^2.
    self.log_widths = tf.Variable(0.5 * tf.math.log1p(tf.exp(2.0 * first)))
    self.decoder = Decoder(size, levels, image_shape, seed)

  def encoding(self, means: tf.Tensor, levels: tf.Tensor) -> tfd.Distribution:
    """p(z|x): means `[B, K]` and levels, integers `[B]` -> batch `[B]`."""
    scales = tf.exp(tf.gather(self.log_scales, levels))
    return tfd.Independent(tfd.Normal(means, scales), 1)

  def marginal(self, levels: tf.Tensor) -> tfd.Distribution:
    """m(z) at each level."""
    widths = tf.exp(tf.gather(self.log_widths, levels))
    return tfd.Independent(tfd.Normal(tf.gather(self.means, levels), widths), 1)

  def seen(self, codes: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    """The mean of mu given z, if m(z) is right: dropped dimensions are 0."""
    scales = tf.exp(tf.gather(self.log_scales, levels))
    return codes / (1.0 + scales**2)

  def rates_and_distortions(
    self, means: tf.Tensor, images: tf.Tensor, levels: tf.Tensor, seed
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Of one code of each image, nats, `[B]` each."""
    encoding = self.encoding(means, levels)
    codes = encoding.sample(seed=seed)
    likelihood = self.decoder(self.seen(codes, levels), levels)
    return (
      objectives.rate(codes, encoding, self.marginal(levels)),
      objectives.distortion(images, likelihood),
    )


def fit_decoder(
  job: Job, codes: np.ndarray, noises: Sequence[np.ndarray]
) -> Decoder:
  """Fits a decoder to the codes of training images.

  Args:
    job: The data set and the seed.
    codes: z for S draws of v, `[S, N, K]`.
    noises: s of each level, `[K]` each.

  Raises:
    Stopped: A signal was received.
  """
  table = tf.constant(np.stack(noises), tf.float32)
  execution = loop.Execution()
  with execution.strategy.scope():
    decoder = Decoder(
      codes.shape[-1], len(noises), job.dataset.image_shape, job.config.seed
    )
  several = tf.convert_to_tensor(codes)

  def losses(number, indices, images, levels):
    key = randomness.stateless_seed(job.config.seed, 'decoder codes', number)
    one = tf.gather(several[number % len(codes)], indices)
    known = flow_codes.seen(one, tf.gather(table, levels), key)
    return objectives.distortion(images, decoder(known, levels))

  _fit(job, decoder, losses, len(noises), execution)
  return decoder


def fit_noise(
  job: Job, means: np.ndarray, noises: np.ndarray, betas: np.ndarray
) -> LearnedNoise:
  """Fits noise, marginal and decoder by D + beta R, at each beta.

  Args:
    job: The data set and the seed.
    means: mu of the training images, `[N, K]`.
    noises: The first s, `[levels, K]`.
    betas: `[levels]`.

  Raises:
    Stopped: A signal was received.
  """
  execution = loop.Execution()
  with execution.strategy.scope():
    model = LearnedNoise(noises, job.dataset.image_shape, job.config.seed)
  held = tf.constant(means)
  logs = tf.constant(np.log(betas), tf.float32)

  def losses(number, indices, images, levels):
    key = randomness.stateless_seed(job.config.seed, 'decoder codes', number)
    rates, distortions = model.rates_and_distortions(
      tf.gather(held, indices), images, levels, key
    )
    each = tf.exp(tf.gather(logs, levels))
    return conditioning.weights(each) * (distortions + each * rates)

  _fit(job, model, losses, len(betas), execution)
  return model


def _fit(job, module, losses, levels, execution):
  """Fits a module to the training images, at all levels of noise."""
  Fit(
    module,
    losses,
    job.dataset.train.images,
    levels,
    EPOCHS,
    job.config.seed,
    job.config.batch_size,
    execution,
  ).run(check=job.signals.check)
