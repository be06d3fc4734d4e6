"""Known answers for rate, distortion and label distortion."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import objectives

tfd = tfp.distributions


def test_rate_is_zero_when_encoding_is_the_marginal():
  marginal = tfd.MultivariateNormalDiag(tf.zeros([3]), tf.ones([3]))
  encoding = tfd.MultivariateNormalDiag(tf.zeros([5, 3]), tf.ones([5, 3]))
  codes = encoding.sample(seed=[0, 1])
  np.testing.assert_allclose(
    objectives.rate(codes, encoding, marginal), np.zeros(5), atol=1e-6
  )


def test_rate_of_a_gaussian_agrees_with_the_closed_form():
  mean = tf.constant([[0.5, -2.0, 0.0, 1.0]])
  scale = tf.constant([[0.1, 0.7, 1.0, 2.0]])
  encoding = tfd.MultivariateNormalDiag(mean, scale)
  marginal = tfd.MultivariateNormalDiag(tf.zeros([4]), tf.ones([4]))
  codes = encoding.sample(20_000, seed=[0, 2])
  rates = objectives.rate(codes, encoding, marginal).numpy()[:, 0]
  closed = 0.5 * np.sum(mean**2 + scale**2 - 1 - 2 * np.log(scale))
  stderr = rates.std() / np.sqrt(len(rates))
  assert abs(rates.mean() - closed) < 3 * stderr
  assert stderr < 0.05


def test_uniform_pixels_cost_ln_2_each():
  likelihood = tfd.Independent(
    tfd.Bernoulli(logits=tf.zeros([2, 28, 28, 1])), 3
  )
  images = tf.cast(
    tf.random.stateless_uniform([2, 28, 28, 1], [0, 3]) > 0.5, 'float32'
  )
  distortions = objectives.distortion(images, likelihood)
  np.testing.assert_allclose(distortions, [543.43, 543.43], atol=0.01)


def test_uniform_classes_cost_ln_10():
  classes = tfd.Categorical(logits=tf.zeros([4, 10]))
  losses = objectives.label_distortion(tf.constant([0, 3, 9, 9]), classes)
  np.testing.assert_allclose(losses, np.full(4, 2.3026), atol=1e-4)


def test_loss_weighs_the_rate_by_beta():
  rates, distortions = tf.constant([1.0, 3.0]), tf.constant([10.0, 20.0])
  assert objectives.loss(rates, distortions, 0.0).numpy() == 15.0
  assert objectives.loss(rates, distortions, 0.5).numpy() == 16.0
