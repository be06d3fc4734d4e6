"""Stochastic PCA, eq. 5 of the paper: codes of any rate without a network.

    z = W (x - mean) + sigma epsilon,        epsilon ~ Normal(0, I_k),

where W projects to the k first principal components of the training images and
scales each to variance 1. The paper's rate is

    R = (k / 2) ln(1 + 1 / sigma^2)  nats,

the capacity of k Gaussian channels. It is I(X;Z) only if the whitened images
are Gaussian, and above it otherwise: on the training images it is the rate of
eq. 3 with m(z) = Normal(0, (1 + sigma^2) I), the Gaussian of the codes' own
variance. `variational_rates` is that with the standard normal of a plain VAE,
m(z) = Normal(0, I), which on the training images is above R.

The principal components are scikit-learn's.
"""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info.config import UserError

tfd = tfp.distributions


class Whitening(tf.Module):
  """Vectors to `size` principal components, each of variance 1 in training.

  Attributes:
    size: k, at most what was asked for: directions without any variance are
      left out.
  """

  def __init__(self, inputs: np.ndarray, size: int):
    """Is fitted to `inputs`, `[N, L]`."""
    from sklearn import decomposition

    super().__init__()
    size = min(size, *inputs.shape)
    fitted = decomposition.PCA(size, svd_solver='covariance_eigh').fit(
      inputs.astype(np.float64)
    )
    variances = fitted.explained_variance_
    self.size = int(np.sum(variances > 1e-6 * variances[0]))
    scales = np.sqrt(variances[: self.size])
    matrix = fitted.components_[: self.size].T / scales
    self._mean = tf.constant(fitted.mean_, tf.float32)
    self._matrix = tf.constant(matrix, tf.float32)

  def __call__(self, inputs: tf.Tensor) -> tf.Tensor:
    """`[B, L]` to `[B, size]`."""
    return tf.matmul(inputs - self._mean, self._matrix)


class PcaEncoder(tf.Module):
  """p(z|x) of stochastic PCA, with the two halves that encoders have.

  Args:
    whitening: Of flattened images; its first `size` components are taken.
    size: k.
    noise: sigma.
  """

  def __init__(self, whitening: Whitening, size: int, noise: float):
    super().__init__()
    self._whitening = whitening
    self.size = size
    self.noise = noise

  def parameters(self, images: tf.Tensor) -> tf.Tensor:
    """Means, `[B, H, W, 1] -> [B, k]`."""
    pixels = tf.reshape(images, [-1, np.prod(images.shape[1:])])
    return self._whitening(pixels)[:, : self.size]

  def distribution(self, parameters: tf.Tensor) -> tfd.Distribution:
    """Batch `[B]`, event `[k]`."""
    return tfd.Independent(tfd.Normal(parameters, self.noise), 1)


def rate(size: int, noise: float) -> float:
  """R = (k / 2) ln(1 + 1 / sigma^2), nats (eq. 5)."""
  return 0.5 * size * float(np.log1p(noise**-2.0))


def noise_of_rate(size: int, rate: float) -> float:
  """sigma, such that k = `size` dimensions have this rate, nats."""
  return float(np.expm1(2.0 * rate / size) ** -0.5)


def variational_rates(means: np.ndarray, noise: float) -> np.ndarray:
  """E log p(z|x) - log Normal(z; 0, I) for each image, nats, float64 `[N]`.

  Args:
    means: Of the codes, `[N, k]`.
    noise: sigma.
  """
  means = np.asarray(means, np.float64)
  parts = means**2 + noise**2 - 1.0 - 2.0 * np.log(noise)
  return 0.5 * np.sum(parts, axis=-1)


# Below this, noise is nothing: a higher rate would change R and not the codes.
LEAST_NOISE = 0.01


def grid(
  sizes: tuple[int, ...], rates: tuple[float, ...]
) -> dict[int, list[float]]:
  """The noises for each size that give these rates.

  Left out are those below `LEAST_NOISE`: R = 4.6 k nats at most.

  Raises:
    UserError: That leaves none.
  """
  found = {
    size: [
      noise
      for noise in (noise_of_rate(size, rate) for rate in rates)
      if noise >= LEAST_NOISE
    ]
    for size in sizes
  }
  found = {size: noises for size, noises in found.items() if noises}
  if not found:
    raise UserError(
      f'no rate of --pca_rates can be had: {max(sizes)} components give '
      f'{rate(max(sizes), LEAST_NOISE):.0f} nats at most'
    )
  return found
