"""Stochastic PCA whose noise follows reverse water-filling [1].

The paper's PCA has the same noise on each whitened component. Here component i,
of variance lambda_i, gets as much rate as a Gaussian source would need for the
squared error theta:

    R_i = max(0, 1/2 ln(lambda_i / theta)) nats,        R = sum_i R_i.

With g_i = 1 - theta / lambda_i, the code of a whitened component w_i is

    z_i = g_i w_i + sqrt(g_i (1 - g_i)) epsilon_i,

whose capacity 1/2 ln(1 + g_i / (1 - g_i)) is R_i. Components below the water,
lambda_i <= theta, are left out. So k follows from R.

R equals I(X;Z) if the images are Gaussian, and is above it otherwise.

#### References

[1]: Thomas Cover and Joy Thomas. Elements of Information Theory, section 10.3.
     _Wiley_, 2006.
"""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.baselines import bounded, codes, parts
from vae_info.baselines.job import Job
from vae_info.baselines.pca import Whitening
from vae_info.errors import UserError

tfd = tfp.distributions


def level(variances: np.ndarray, rate: float) -> float:
  """Returns theta, at which these variances need this rate in nats.

  Args:
    variances: `[k]`, above 0.
    rate: Above 0.
  """
  logs = np.sort(np.log(np.asarray(variances, np.float64)))[::-1]
  # With the first m above water, ln theta is their mean less 2 R / m.
  for count in range(1, len(logs) + 1):
    water = logs[:count].mean() - 2.0 * rate / count
    if count == len(logs) or water >= logs[count]:
      break
  return float(np.exp(water))


def rate(variances: np.ndarray, theta: float) -> float:
  """Returns R in nats of variances `[k]` at the level theta."""
  return 0.5 * float(np.sum(np.log(np.maximum(variances / theta, 1.0))))


class WaterFilledEncoder(tf.Module):
  """p(z|x), as an encoder.

  Attributes:
    size: k, the number of components above the level.
    noise: sqrt(theta), in the unit of pixels.
  """

  def __init__(self, whitening: Whitening, theta: float):
    super().__init__()
    gains = 1.0 - theta / whitening.variances
    self.size = int(np.sum(gains > 0.0))
    self.noise = float(np.sqrt(theta))
    gains = gains[: self.size]
    # Where theta is small, 1 - gains would be 0 in float32.
    noise = np.sqrt(gains * theta / whitening.variances[: self.size])
    self._whitening = whitening
    self._gains = gains.astype(np.float32)
    self._noise = noise.astype(np.float32)

  def parameters(self, images: tf.Tensor) -> tf.Tensor:
    """Returns the means of codes: `[B, H, W, 1] -> [B, k]`."""
    pixels = tf.reshape(images, [-1, np.prod(images.shape[1:])])
    return self._whitening(pixels)[:, : self.size] * self._gains

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Returns p(z|x): batch `[B]`, event `[k]`."""
    return tfd.Independent(tfd.Normal(parameters, self._noise), 1)


def fit(job: Job) -> list[dict]:
  """Returns a row for each rate, and stores it when it is done.

  Raises:
    UserError: The images vary in no direction.
    Stopped: A signal was received; the rates that are done are stored.
  """
  images = job.dataset.train.images
  pixels = images.reshape([len(images), -1])
  whitening = Whitening(pixels, pixels.shape[1])
  if not whitening.size:
    raise UserError('all training images are equal, so PCA has no components')
  rows = []
  for number, nats in enumerate(job.config.pca_rates, 1):
    encoder = WaterFilledEncoder(whitening, level(whitening.variances, nats))
    rows += parts.kept_or_made(
      job,
      f'{nats:.6g}',
      f'{nats:.4g} nats ({number} of {len(job.config.pca_rates)}): '
      f'{encoder.size} dimensions',
      lambda encoder=encoder, nats=nats: [_row(job, encoder, nats)],
    )
  return rows


def _row(job, encoder, nats):
  means = codes.encode(encoder, job.dataset.train.images)
  examples = codes.examples(job, encoder, means, encoder.size)
  [classifier] = codes.fit_together(
    job, [examples], f'{encoder.size} dimensions'
  )
  return {
    'latent_size': encoder.size,
    'noise': encoder.noise,
    'rate': nats,
    'rate_stderr': 0.0,
    'classifier': codes.settings(job.config).name,
    **codes.label_columns(job, encoder, classifier, nats),
    **bounded.columns(job, encoder, classifier),
  }
