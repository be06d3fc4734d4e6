"""Marginals: densities integrate to 1, and VampPrior mixes encodings."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import randomness
from vae_info.config import Config
from vae_info.networks import encoders, layers, marginals

tfd = tfp.distributions


def make(tiny, name, encoder_name='conv', images=None, latent_size=2):
  config = Config(encoder=encoder_name, marginal=name, latent_size=latent_size)
  encoder = encoders.ENCODERS[encoder_name](
    config, (8, 8, 1), layers.Make(randomness.generator(1, 'encoder'))
  )
  images = tiny.train.images if images is None else images
  marginal = marginals.MARGINALS[name](
    config, images, layers.Make(randomness.generator(2, 'marginal')), encoder
  )
  # Moves the weights off their start, where a flow is the identity and all
  # components weigh the same.
  for number, made in enumerate(getattr(marginal, 'mades', [])):
    last = made.layers[-1].kernel
    noise = tf.random.stateless_normal(last.shape, [number, 1])
    last.assign(0.05 * noise)
  if hasattr(marginal, 'logits'):
    value = marginal.logits.value
    value.assign(tf.random.stateless_normal(value.shape, [0, 2]))
  return encoder, marginal


@pytest.mark.parametrize('encoder_name', ['conv', 'iaf'])
@pytest.mark.parametrize('name', sorted(marginals.MARGINALS))
def test_integrates_to_one(tiny, name, encoder_name):
  _, marginal = make(tiny, name, encoder_name)
  axis = np.linspace(-12, 12, 241, dtype=np.float32)
  grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
  density = np.exp(marginal().log_prob(grid).numpy().astype(np.float64))
  assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize('name', sorted(marginals.MARGINALS))
def test_sample_has_the_shape_of_a_code(tiny, name):
  _, marginal = make(tiny, name)
  assert marginal().batch_shape == []
  assert marginal().event_shape == [2]
  assert marginal().sample(3, seed=[0, 1]).shape == [3, 2]


@pytest.mark.parametrize('encoder_name', ['conv', 'iaf'])
def test_vampprior_of_one_pseudo_input_is_the_encoder_there(tiny, encoder_name):
  encoder, marginal = make(
    tiny, 'vampprior', encoder_name, tiny.train.images[:1], latent_size=3
  )
  codes = np.random.default_rng(0).normal(size=[7, 3]).astype(np.float32)
  there = encoder(marginal.pseudo_inputs())
  np.testing.assert_allclose(
    marginal().log_prob(codes), there.log_prob(codes), rtol=1e-3
  )


@pytest.mark.parametrize('encoder_name', ['conv', 'iaf'])
def test_vampprior_is_the_mixture_of_encodings(tiny, encoder_name):
  encoder, marginal = make(
    tiny, 'vampprior', encoder_name, tiny.train.images[:4], latent_size=3
  )
  codes = np.random.default_rng(0).normal(size=[7, 3]).astype(np.float32)
  encodings = encoder(marginal.pseudo_inputs()).log_prob(codes[:, None])
  weights = tf.nn.log_softmax(marginal.logits())
  np.testing.assert_allclose(
    marginal().log_prob(codes),
    tf.reduce_logsumexp(encodings + weights, axis=-1),
    rtol=1e-3,
  )


def test_pseudo_inputs_start_near_training_images_and_stay_in_bounds(tiny):
  config = Config(marginal='vampprior', latent_size=2)
  marginal = marginals.VampPrior(
    config,
    tiny.train.images[:1],
    layers.Make(randomness.generator(0, 'm')),
    None,
  )
  np.testing.assert_allclose(
    marginal.pseudo_inputs(), 0.1 + 0.8 * tiny.train.images[:1], atol=1e-5
  )
  marginal.unconstrained.assign(1e3 * marginal.unconstrained)
  pseudo_inputs = marginal.pseudo_inputs().numpy()
  assert pseudo_inputs.min() >= 0
  assert pseudo_inputs.max() <= 1


def test_rate_of_the_encoding_equal_to_vampprior_is_zero(tiny):
  encoder, marginal = make(tiny, 'vampprior', 'conv', tiny.train.images[:1])
  encoding = encoder(marginal.pseudo_inputs())
  codes = encoding.sample(5, seed=[0, 1])
  rates = encoding.log_prob(codes) - marginal().log_prob(codes)
  np.testing.assert_allclose(rates, np.zeros([5, 1]), atol=1e-4)
