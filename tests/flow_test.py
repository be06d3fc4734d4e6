"""A flow is invertible; its log-determinant and codes have known values."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import randomness
from vae_info.baselines import flow_codes, flow_training
from vae_info.baselines.config import BaselineConfig
from vae_info.errors import UserError
from vae_info.networks import flow, layers, maps

tfb = tfp.bijectors
tfd = tfp.distributions

SIGMA = 0.3
SHAPE = (6, 6, 1)
# A plan for images of 6x6, with each kind of stage.
STAGES = {
  'mixture': (
    flow.Stage(2, (((0, 3), (1, 2)), ((0,), (3,))), (0,), 8, 1),
    flow.Stage(3, width=16),
  ),
  'affine': (
    flow.Stage(2, (((0, 3), (1, 2)), ((1, 2), (0, 3))), (0, 1), 8, 1),
    flow.Stage(3, (((0, 2, 4), (1, 3, 5, 17)),), (), 16, 0),
  ),
}


def small_flow(kind):
  """A flow whose weights are random in the last layers too."""
  make = layers.Make(randomness.generator(0, 'test'))
  made = flow.Flow(STAGES[kind], kind, SIGMA, SHAPE, make)
  rng = np.random.default_rng(1)
  for variable in made.trainable_variables:
    variable.assign_add(0.1 * rng.standard_normal(variable.shape))
  return made


def some_images(count, shape=SHAPE):
  rng = np.random.default_rng(2)
  return (rng.random((count, *shape)) < 0.4).astype(np.float32)


def some_values(count):
  return flow.dequantize(
    tf.constant(some_images(count)), SIGMA, tf.constant([3, 4])
  )


@pytest.mark.parametrize('kind', STAGES)
def test_the_inverse_is_exact(kind):
  made, values = small_flow(kind), some_values(50)
  codes = made.bijector.forward(values)
  assert codes.shape == (50, 36)
  # A new tensor, so that no cache has the answer.
  back = made.bijector.inverse(tf.identity(codes))
  np.testing.assert_allclose(back, values, atol=1e-4)
  assert np.abs(codes - tf.reshape(values, [50, 36])).max() > 0.1


@pytest.mark.parametrize('kind', STAGES)
def test_the_log_determinant_is_that_of_the_jacobian(kind):
  made, values = small_flow(kind), some_values(3)
  with tf.GradientTape() as tape:
    tape.watch(values)
    codes = made.bijector.forward(values)
  jacobians = tf.reshape(tape.batch_jacobian(codes, values), [3, 36, 36])
  _, expected = np.linalg.slogdet(jacobians.numpy().astype(np.float64))
  found = made.bijector.forward_log_det_jacobian(values, event_ndims=3)
  np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize('kind', STAGES)
def test_the_inverse_has_the_inverse_jacobian(kind):
  made, values = small_flow(kind), some_values(2)
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(values)
    codes = made.bijector.forward(values)
    again = tf.identity(codes)
    tape.watch(again)
    back = made.bijector.inverse(again)
  there = tf.reshape(tape.batch_jacobian(codes, values), [2, 36, 36])
  here = tf.reshape(tape.batch_jacobian(back, again), [2, 36, 36])
  np.testing.assert_allclose(here @ there, [np.eye(36)] * 2, atol=5e-3)


def test_whole_images_pass_through_both_plans():
  for kind in maps.MAPS:
    make = layers.Make(randomness.generator(0, 'test'))
    made = flow.Flow(flow.plan(kind, 28), kind, SIGMA, (28, 28, 1), make)
    images = tf.constant(some_images(4, (28, 28, 1)))
    values = flow.dequantize(images, SIGMA, tf.constant([0, 1]))
    codes = made.bijector.forward(values)
    assert codes.shape == (4, 784)
    back = made.bijector.inverse(tf.identity(codes))
    np.testing.assert_allclose(back, values, atol=1e-4)


def test_the_mixture_makes_a_noisy_pixel_normal():
  logit = 0.8
  rng = np.random.default_rng(0)
  ones = rng.random(200_000) < tf.sigmoid(logit).numpy()
  values = 2.0 * ones - 1.0 + SIGMA * rng.standard_normal(200_000)
  codes = (
    maps.Mixture(SIGMA)
    .forward(tf.constant(values, tf.float32), tf.fill([200_000], logit))
    .numpy()
  )
  quantiles = np.quantile(codes, [0.05, 0.25, 0.5, 0.75, 0.95])
  expected = [-1.645, -0.674, 0.0, 0.674, 1.645]
  np.testing.assert_allclose(quantiles, expected, atol=0.02)


def identity_terms(
  made: flow.Flow,
  images: tf.Tensor,
  values: tf.Tensor,
  noises: np.ndarray,
  sigma: float,
  seed: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
  """R_v and D_v of one code of each image, nats, `[B]` each.

  With D_v = -log p(v|z') + log q(v|x), their sum is -log p(v) + log q(v|x) for
  any noise. D_v alone bounds nothing: it counts the noise of v as rate.

  Args:
    made: f. The basis is the identity.
    images: float32 `[B, H, W, C]` of 0 and 1.
    values: v, of the same shape.
    noises: s of each dimension of f(v), `[L]`, above 0.
    sigma: Standard deviation of the noise of v.
    seed: Determines epsilon.
  """
  codes = made.bijector.forward(values)
  scale = tf.cast(noises, tf.float32)
  shrink = tf.sqrt(1.0 - scale**2)
  encoding = tfd.Independent(tfd.Normal(shrink * codes, scale), 1)
  noisy = encoding.sample(seed=seed)
  normal = tfd.Independent(tfd.Normal(tf.zeros_like(codes), 1.0), 1)
  posterior = tfd.Independent(tfd.Normal(shrink * noisy, scale), 1)
  change = made.bijector.forward_log_det_jacobian(values, event_ndims=3)
  of_values = posterior.log_prob(codes) + change
  return (
    encoding.log_prob(noisy) - normal.log_prob(noisy),
    flow.noise_log_prob(values, images, sigma) - of_values,
  )


@pytest.mark.parametrize('kind', STAGES)
@pytest.mark.parametrize('level', [0.05, 0.5, 1.0])
def test_rate_and_distortion_of_v_add_up_to_the_likelihood(kind, level):
  made, values, images = small_flow(kind), some_values(20), some_images(20)
  noises = np.full(36, level)
  noises[::2] = 1.0  # Dropped.
  rates, distortions = identity_terms(
    made, tf.constant(images), values, noises, SIGMA, tf.constant([5, 6])
  )
  expected = flow.noise_log_prob(values, images, SIGMA) - made.log_prob(values)
  np.testing.assert_allclose(
    rates + distortions, expected, rtol=1e-5, atol=1e-3
  )


def test_of_a_constant_image_d_v_is_minus_r_v():
  # q(v|x) is then the flow's own density, so D_v alone bounds nothing.
  zero = tf.zeros([5, 4, 4, 1])
  values = flow.dequantize(zero, SIGMA, tf.constant([0, 1]))
  whitening = types_of_flow(
    tfb.Chain(
      [tfb.Reshape([16], [4, 4, 1]), tfb.Scale(1 / SIGMA), tfb.Shift(1.0)]
    )
  )
  rates, distortions = identity_terms(
    whitening, zero, values, np.full(16, 0.5), SIGMA, tf.constant([2, 3])
  )
  np.testing.assert_allclose(distortions, -rates, atol=1e-3)


def test_images_that_are_not_square_are_refused():
  config = BaselineConfig(
    dataset='tfds:some', task='label', baseline='flow', seed=0
  )
  with pytest.raises(UserError, match='square images, found 8 x 12'):
    flow_training.make(config, (8, 12, 1))


def types_of_flow(bijector):
  class Known:
    pass

  made = Known()
  made.bijector = bijector
  return made


def linear_flow(rng):
  """A linear flow that whitens v, and the covariance of v, `[6, 6]`."""
  root = rng.standard_normal((6, 6)) @ np.diag([3, 2, 1, 0.5, 0.3, 0.1])
  rotation, _ = np.linalg.qr(rng.standard_normal((6, 6)))
  inverse = root @ rotation  # v = inverse z; the rotation is arbitrary.
  matrix = np.linalg.inv(inverse).astype(np.float32)
  bijector = tfb.Chain(
    [
      tfb.ScaleMatvecLinearOperator(tf.linalg.LinearOperatorFullMatrix(matrix)),
      tfb.Reshape([6], [3, 2, 1]),
    ]
  )
  return bijector, root @ root.T, inverse


def test_a_linear_flow_gives_water_filled_pca():
  rng = np.random.default_rng(0)
  bijector, covariance, inverse = linear_flow(rng)
  codes = rng.standard_normal((40_000, 6))
  values = (codes @ inverse.T).reshape([-1, 3, 2, 1]).astype(np.float32)
  found = flow_codes.moments(bijector, values, seed=0, batch_size=10_000)
  np.testing.assert_allclose(
    found, inverse.T @ inverse, atol=0.05 * np.trace(covariance)
  )
  # With the exact moments: the eigenvalues are those of PCA, and each direction
  # of the code is a whitened principal component of v.
  basis = flow_codes.Basis.of(inverse.T @ inverse)
  variances, vectors = np.linalg.eigh(covariance)
  np.testing.assert_allclose(basis.sensitivities, variances[::-1], rtol=1e-6)
  components = vectors[:, ::-1] / np.sqrt(variances[::-1])
  flat = values.reshape([-1, 6])
  z = bijector.forward(values).numpy() @ basis.matrix
  np.testing.assert_allclose(np.abs(z), np.abs(flat @ components), atol=2e-2)
  # Reverse water-filling: dimensions above the level have rate
  # 1/2 log (lambda / level), and those below have none.
  noises = basis.noises(4.0)
  level = (noises**2 * basis.sensitivities)[noises < 1].max()
  np.testing.assert_allclose(
    (noises**2 * basis.sensitivities)[noises < 1], level, rtol=1e-6
  )
  assert np.all(basis.sensitivities[noises == 1] <= level)
  assert -np.log(noises).sum() == pytest.approx(4.0, abs=1e-6)
  assert flow_codes.rates(z, noises).mean() == pytest.approx(4.0, abs=0.1)


def test_the_coarse_basis_sees_the_first_dimensions_alone():
  matrix = np.diag(np.arange(1.0, 9.0))
  basis = flow_codes.Basis.of(matrix, some=3)
  np.testing.assert_allclose(basis.sensitivities, [3.0, 2.0, 1.0])
  assert not basis.matrix[3:].any()


def test_the_closed_form_of_the_rate_is_the_mean_of_draws():
  rng = np.random.default_rng(0)
  z, noises = rng.standard_normal(4), np.array([0.1, 0.5, 0.9, 1.0])
  shrink = np.sqrt(1 - noises**2)
  noisy = shrink * z + noises * rng.standard_normal((200_000, 4))
  encoding = -0.5 * ((noisy - shrink * z) / noises) ** 2 - np.log(noises)
  draws = (encoding + 0.5 * noisy**2).sum(axis=1)
  found = flow_codes.rates(z[None].astype(np.float32), noises)
  assert found[0] == pytest.approx(draws.mean(), abs=0.02)


def test_dropped_dimensions_are_seen_as_zero():
  codes = tf.random.stateless_normal([10, 3], [0, 1])
  seen = flow_codes.seen(codes, np.array([0.2, 0.7, 1.0]), tf.constant([2, 3]))
  assert not np.any(seen.numpy()[:, 2])
  assert np.all(seen.numpy()[:, :2] != 0)
