"""Stochastic PCA, eq. 5 of the paper: codes of any rate without a network.

    z = W (x - mean) + sigma epsilon,        epsilon ~ Normal(0, I_k),

where W projects to the k first principal components of the training images and
scales each to variance 1. The paper's rate is

    R = (k / 2) ln(1 + 1 / sigma^2)  nats,

the capacity of k Gaussian channels. R equals I(X;Z) if the whitened images are
Gaussian, and is above it otherwise. The reason: on the training images, R is
the rate of eq. 3 with the marginal m(z) = Normal(0, (1 + sigma^2) I), which has
the variance of the codes. `variational_rates` gives the rate with the marginal
of a plain VAE, m(z) = Normal(0, I). On the training images it is above R.

scikit-learn computes the principal components.
"""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import references
from vae_info.baselines import bounded, codes, parts
from vae_info.baselines.job import Job
from vae_info.errors import UserError
from vae_info.evaluation import estimates

tfd = tfp.distributions


class Whitening(tf.Module):
  """Maps vectors to their first `size` principal components.

  Each component has variance 1 on the training images.

  Attributes:
    size: k. It is less than requested if fewer directions of the data have any
      variance.
    variances: Variance of the data along each component, float64 `[k]`.
  """

  def __init__(self, inputs: np.ndarray, size: int):
    """Fits `size` components, or fewer, to `inputs`, `[N, L]`."""
    from sklearn import decomposition

    super().__init__()
    size = min(size, *inputs.shape)
    fitted = decomposition.PCA(size, svd_solver='covariance_eigh').fit(
      inputs.astype(np.float64)
    )
    variances = fitted.explained_variance_
    self.size = int(np.sum(variances > 1e-6 * variances[0]))
    self.variances = variances[: self.size]
    scales = np.sqrt(self.variances)
    matrix = fitted.components_[: self.size].T / scales
    self._mean = tf.constant(fitted.mean_, tf.float32)
    self._matrix = tf.constant(matrix, tf.float32)

  def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
    """Maps `[B, L]` to `[B, size]`."""
    return tf.matmul(inputs - self._mean, self._matrix)


class PcaEncoder(tf.Module):
  """p(z|x) of stochastic PCA (eq. 5), as an encoder.

  Args:
    whitening: Whitening of flattened images; only its first `size` components
      are used.
    size: Number of components k.
    noise: Standard deviation sigma of the noise.
  """

  def __init__(self, whitening: Whitening, size: int, noise: float):
    super().__init__()
    self._whitening = whitening
    self.size = size
    self.noise = noise

  def parameters(self, images: tf.Tensor) -> tf.Tensor:
    """Returns the means of codes: `[B, H, W, 1] -> [B, k]`."""
    pixels = tf.reshape(images, [-1, np.prod(images.shape[1:])])
    return self._whitening(pixels)[:, : self.size]

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Returns p(z|x): batch `[B]`, event `[k]`."""
    return tfd.Independent(tfd.Normal(parameters, self.noise), 1)


def rate(size: int, noise: float) -> float:
  """Returns R = (k / 2) ln(1 + 1 / sigma^2) in nats (eq. 5); k is `size`."""
  return 0.5 * size * float(np.log1p(noise**-2.0))


def noise_of_rate(size: int, rate: float) -> float:
  """Returns sigma for this rate in nats; the inverse of `rate`."""
  return float(np.expm1(2.0 * rate / size) ** -0.5)


def variational_rates(means: np.ndarray, noise: float) -> np.ndarray:
  """The rate of each image with the marginal Normal(0, I), in closed form.

  Args:
    means: Means of the codes, `[N, k]`.
    noise: Standard deviation sigma of the noise.

  Returns:
    E[log p(z|x) - log Normal(z; 0, I)] over p(z|x) (eq. 3), in nats, float64
    `[N]`.
  """
  means = np.asarray(means, np.float64)
  parts = means**2 + noise**2 - 1.0 - 2.0 * np.log(noise)
  return 0.5 * np.sum(parts, axis=-1)


# With less noise than this, R rises while the codes hardly change.
LEAST_NOISE = 0.01


def grid(
  sizes: tuple[int, ...], rates: tuple[float, ...]
) -> dict[int, list[float]]:
  """Returns, for each size, the noises that give these rates.

  Noises below `LEAST_NOISE` are left out, so R is at most 4.6 k nats.

  Args:
    sizes: Numbers of dimensions k.
    rates: Rates R, in nats.

  Raises:
    UserError: No noise is left.
  """
  noises = {
    size: [
      noise
      for noise in (noise_of_rate(size, rate) for rate in rates)
      if noise >= LEAST_NOISE
    ]
    for size in sizes
  }
  noises = {size: chosen for size, chosen in noises.items() if chosen}
  if not noises:
    raise UserError(
      f'no rate of --pca_rates can be had: {max(sizes)} components give '
      f'{rate(max(sizes), LEAST_NOISE):.0f} nats at most'
    )
  return noises


def fit(job: Job) -> list[dict]:
  """Returns the rows of the whole grid, and stores each size when it is done.

  Raises:
    UserError: The images have too few principal components.
    Stopped: A signal was received; the sizes that are done are stored.
  """
  config, images = job.config, job.dataset.train.images
  pixels = images.reshape([len(images), -1])
  whitening = Whitening(pixels, max(config.pca_sizes))
  if max(config.pca_sizes) > whitening.size:
    raise UserError(
      f'the images have {whitening.size} principal components, not '
      f'{max(config.pca_sizes)}'
    )
  noises = grid(config.pca_sizes, config.pca_rates)
  rows = []
  for number, size in enumerate(noises, 1):
    encoders = [PcaEncoder(whitening, size, noise) for noise in noises[size]]
    rows += parts.kept_or_made(
      job,
      str(size),
      f'{size} dimensions ({number} of {len(noises)}): {len(encoders)} noises',
      lambda encoders=encoders: _fit_size(job, encoders),
    )
  print(summary(rows), flush=True)
  return rows


def _fit_size(job, encoders):
  """Returns a row for each noise; their classifiers are fitted together."""
  size = encoders[0].size
  train, test = (  # Means do not depend on the noise.
    codes.encode(encoders[0], split.images)
    for split in (job.dataset.train, job.dataset.test)
  )
  examples = [codes.examples(job, encoder, train, size) for encoder in encoders]
  classifiers = codes.fit_together(job, examples, f'{size} dimensions')
  return [
    _row(job, encoder, classifier, test)
    for encoder, classifier in zip(encoders, classifiers, strict=True)
  ]


def _row(job, encoder, classifier, test_means):
  size, noise = encoder.size, encoder.noise
  validation, _ = codes.label_distortions_and_hits(
    job, encoder, classifier, job.dataset.validation
  )
  of_images = variational_rates(test_means, noise)
  return {
    'latent_size': size,
    'noise': noise,
    'rate': rate(size, noise),
    'rate_stderr': 0.0,
    'classifier': codes.settings(job.config).name,
    'validation_label_distortion': float(validation.mean()),
    **estimates.columns(rate_variational=of_images),
    **codes.label_columns(job, encoder, classifier, rate(size, noise)),
    **bounded.columns(job, encoder, classifier),
  }


def summary(rows: list[dict]) -> str:
  """Describes the lower envelope of the grid, and names the best size."""
  rates = np.array([row['rate'] for row in rows])
  values = np.array([row['validation_label_distortion'] for row in rows])
  lines = ['not beaten on validation images:']
  for index in references.envelope(rates, values):
    row = rows[index]
    lines.append(
      f'  k {row["latent_size"]:3}  sigma {row["noise"]:.3f}  '
      f'R {row["rate"]:.3f}  C {row["label_distortion"]:.3f} '
      f'± {row["label_distortion_stderr"]:.3f}'
    )
  # For the best single size, compare means over the rates that all sizes have.
  losses_of_size = {}
  for row in rows:
    losses = losses_of_size.setdefault(row['latent_size'], {})
    losses[f'{row["rate"]:.3f}'] = row['validation_label_distortion']
  common = set.intersection(*map(set, losses_of_size.values()))
  if common:
    means = {
      size: sum(losses[rate] for rate in common) / len(common)
      for size, losses in losses_of_size.items()
    }
    best = min(means, key=lambda size: means[size])
    lines.append(
      f'best k: {best}, by mean C on validation images over R from '
      f'{min(map(float, common)):.3g} to {max(map(float, common)):.3g}'
    )
  return '\n'.join(lines)
