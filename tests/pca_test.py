"""Stochastic PCA against known values for Gaussians, and the paper's."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import references
from vae_info.baselines import codes, pca
from vae_info.errors import UserError
from vae_info.evaluation import classifiers, estimates
from vae_info.evaluation.classifiers import Settings

tfd = tfp.distributions
SCALES = np.array([3.0, 2.0, 1.0, 0.5])


def gaussians(count, seed):
  """Correlated Gaussian vectors, `[N, 4]`, and the rotation that made them."""
  rng = np.random.default_rng(seed)
  rotation, _ = np.linalg.qr(np.random.default_rng(9).normal(size=[4, 4]))
  x = rng.normal(size=[count, 4]) * SCALES @ rotation.T + 5.0
  return x.astype(np.float32), rotation


def test_rate_of_the_paper():
  assert pca.rate(30, 1.0) == pytest.approx(15 * np.log(2))
  assert pca.rate(30, 1.0) == pytest.approx(10.397, abs=5e-4)
  for size in (2, 30):
    for rate in (0.5, 10.0):
      noise = pca.noise_of_rate(size, rate)
      assert pca.rate(size, noise) == pytest.approx(rate)
  assert pca.noise_of_rate(30, 15 * np.log(2)) == pytest.approx(1.0)


def test_grid_has_the_rates_that_noise_can_give():
  assert pca.grid((30,), (15 * np.log(2),)) == {30: [pytest.approx(1.0)]}
  noises = pca.grid((5, 30), (0.5, 23.1, 100.0))
  assert [len(noises[size]) for size in (5, 30)] == [1, 3]
  assert min(sum(noises.values(), [])) >= pca.LEAST_NOISE
  with pytest.raises(UserError, match='5 components give 23 nats at most'):
    pca.grid((2, 5), (50.0,))


def test_whitened_gaussians_are_white_in_the_order_of_variance():
  x, rotation = gaussians(20_000, 0)
  whitening = pca.Whitening(x, 3)
  z = whitening(tf.constant(x)).numpy()
  assert whitening.size == 3
  np.testing.assert_allclose(np.cov(z.T), np.eye(3), atol=1e-2)
  # The components are the first axes of the data, up to their sign.
  own = (x - 5.0) @ rotation / SCALES
  np.testing.assert_allclose(
    np.abs(np.corrcoef(z.T, own.T)[:3, 3:]), np.eye(3, 4), atol=0.05
  )


def test_directions_without_variance_are_left_out():
  x, _ = gaussians(100, 0)
  assert pca.Whitening(np.concatenate([x, x], axis=1), 8).size == 4


def test_rate_of_gaussians_is_the_mutual_information():
  # I(X;Z) from determinants: the codes are jointly Gaussian with x.
  x, _ = gaussians(200_000, 1)
  noise, size = 0.7, 3
  z = pca.Whitening(x, size)(tf.constant(x)).numpy()
  z += noise * np.random.default_rng(2).normal(size=z.shape)
  both = np.cov(np.concatenate([x, z], axis=1).T)
  information = 0.5 * (
    np.linalg.slogdet(both[:4, :4])[1]
    + np.linalg.slogdet(both[4:, 4:])[1]
    - np.linalg.slogdet(both)[1]
  )
  assert pca.rate(size, noise) == pytest.approx(information, abs=0.01)


def test_variational_rate_is_the_mean_log_ratio():
  means = np.array([[0.0, 0.0], [1.0, -2.0]], np.float32)
  noise = 0.4
  encoding = pca.PcaEncoder(None, 2, noise).distribution(means)
  codes = encoding.sample(200_000, seed=[0, 1])
  normal = tfd.Independent(tfd.Normal(tf.zeros(2), 1.0), 1)
  ratios = encoding.log_prob(codes) - normal.log_prob(codes)
  exact = pca.variational_rates(means, noise)
  np.testing.assert_allclose(exact, tf.reduce_mean(ratios, 0), atol=0.02)
  # With the codes' own variance, the rate on white means is R itself.
  white = np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
  scale = np.sqrt(1 + noise**2)
  own = pca.variational_rates(white / scale, noise / scale).mean()
  assert own == pytest.approx(pca.rate(2, noise))
  assert pca.variational_rates(white, noise).mean() > own


def test_classifier_on_noisy_components_reaches_the_bayes_value():
  # The classes are at +-1 along one axis, where they dominate. Whitening leaves
  # them at +-1, and the noise has the given scale.
  rng = np.random.default_rng(0)
  labels = (np.arange(6_000) % 2).astype(np.int32)
  x = 0.1 * rng.normal(size=[6_000, 4, 4, 1]).astype(np.float32)
  x[:, 0, 0, 0] = 2.0 * labels - 1.0
  noise = 1.0
  whitening = pca.Whitening(x.reshape([6_000, -1]), 1)
  model = codes.as_model(pca.PcaEncoder(whitening, 1, noise))
  means = estimates.encode(model, x)
  np.testing.assert_allclose(np.abs(means), 1.0, atol=1e-2)
  settings = Settings((10,), learning_rate=1e-2, epochs=30, batch_size=100)
  draw = estimates.make_draw(model, means, 0, 'classifier codes')
  examples = classifiers.Examples(draw, labels, 1, 2)
  [classifier] = classifiers.fit_together([examples], settings)
  losses, _ = estimates.label_distortions_and_hits(
    estimates.Codes(model, means, 8), classifier, labels
  )
  # The Bayes value by quadrature over z ~ Normal(1, 1), for the class at 1,
  # where the log odds are 2 z.
  z = np.linspace(-9, 11, 20_001)
  density = np.exp(-0.5 * (z - 1) ** 2) / np.sqrt(2 * np.pi)
  bayes = np.sum(density * np.log1p(np.exp(-2 * z))) * (z[1] - z[0])
  assert losses.mean() == pytest.approx(bayes, abs=0.012)
  # C is also at least H(Y) - I(Z;X), which is at most H(Y) - I(Z;Y).
  assert losses.mean() > np.log(2) - pca.rate(1, noise) - 0.01


def test_envelope_keeps_what_no_other_point_beats():
  rates = np.array([3.0, 1.0, 2.0, 2.0, 4.0, 5.0])
  values = np.array([1.5, 2.0, 1.0, 1.8, 1.2, 0.3])
  assert list(references.envelope(rates, values)) == [1, 2, 5]
  # Of a convex curve and points above it, the envelope is the curve.
  rng = np.random.default_rng(0)
  curve = np.linspace(0.5, 10, 12)
  rates = np.concatenate([curve, curve])
  values = np.exp(-rates) + np.r_[np.zeros(12), rng.random(12) + 0.01]
  assert list(references.envelope(rates, values)) == list(range(12))


def test_validation_images_choose_the_best_size_and_the_envelope():
  def row(size, rate, validation, test):
    return {
      'latent_size': size,
      'noise': 1.0,
      'rate': rate,
      'validation_label_distortion': validation,
      'label_distortion': test,
      'label_distortion_stderr': 0.01,
    }

  # On test images it is the other way round.
  rows = [
    row(3, 1.0, 1.5, 1.9),
    row(7, 1.0, 1.6, 1.8),
    row(3, 2.0, 0.5, 0.9),
    row(7, 2.0, 0.6, 0.8),
  ]
  _, *envelope, best = pca.summary(rows).splitlines()
  assert best.startswith('best k: 3, by mean C on validation images')
  assert [line.split()[1] for line in envelope] == ['3', '3']
  assert [line.split()[7] for line in envelope] == ['1.900', '0.900']
