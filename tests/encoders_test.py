"""Encoders: parameters and distribution, the flow's order, shared draws."""

import numpy as np
import pytest
import tensorflow as tf

from vae_info import randomness
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import encoders, layers


def make_layers():
  return layers.Make(randomness.generator(0, 'test'))


def make(name, **kwargs):
  config = Config(encoder=name, latent_size=6, **kwargs)
  return encoders.ENCODERS[name](config, (8, 8, 1), make_layers())


@pytest.fixture
def images(tiny):
  return tf.constant(tiny.test.images[:5], tf.float32)


@pytest.mark.parametrize('architecture', ['compact', 'paper'])
@pytest.mark.parametrize('name', ['conv', 'iaf'])
def test_shapes_and_finite_log_prob(name, architecture, images):
  encoder = make(name, architecture=architecture)
  encoding = encoder(images)
  assert encoding.batch_shape == [5]
  assert encoding.event_shape == [6]
  codes = encoding.sample(3, seed=[0, 1])
  assert codes.shape == [3, 5, 6]
  assert np.all(np.isfinite(encoding.log_prob(codes)))


@pytest.mark.parametrize('name', ['conv', 'iaf'])
def test_both_halves_are_the_whole(name, images):
  encoder = make(name)
  half = encoder.distribution(encoder.parameters(images))
  np.testing.assert_array_equal(
    half.sample(seed=[0, 1]), encoder(images).sample(seed=[0, 1])
  )


@pytest.mark.parametrize('name', ['conv', 'iaf'])
def test_a_replica_takes_its_part_of_the_whole_batch_s_draws(name, images):
  encoder, seed = make(name), [3, 4]
  images = images[:4]
  whole = encoder(images).sample(seed=seed)
  second = encoder(images[2:]).sample(2, seed=seed)[1]
  np.testing.assert_allclose(second, whole[2:], atol=1e-5)


def randomize(made):
  """Sets weights at which the shifts are not small."""
  for number, layer in enumerate(made.layers):
    shape = layer.kernel.shape
    noise = tf.random.stateless_normal(shape, [number, 5])
    layer.kernel.assign(noise / np.sqrt(shape[0]))


def test_made_is_autoregressive(images):
  encoder = make('iaf')
  made = encoder.mades[0]
  randomize(made)
  x = tf.random.stateless_normal([1, 6], [0, 6])
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = made(x)
  jacobian = tape.jacobian(y, x).numpy()[0, :, 0]
  np.testing.assert_array_equal(np.triu(jacobian), np.zeros([6, 6]))
  assert np.all(np.diag(jacobian, -1) != 0)


def test_iaf_log_prob_of_its_own_sample_is_that_of_any_tensor(images):
  encoder = make('iaf')
  for made in encoder.mades:
    randomize(made)
  encoding = encoder(images)
  codes = encoding.sample(seed=[0, 7])
  cached = encoding.log_prob(codes)
  recomputed = encoder(images).log_prob(tf.constant(codes.numpy()))
  np.testing.assert_allclose(cached, recomputed, rtol=1e-3)


def test_iaf_preserves_volume(images):
  encoder = make('iaf')
  for made in encoder.mades:
    randomize(made)
  x = tf.random.stateless_normal([1, 6], [0, 8])
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = encoder.flow().forward(x)
  jacobian = tape.jacobian(y, x).numpy()[0, :, 0]
  assert abs(abs(np.linalg.det(jacobian.astype(np.float64))) - 1) < 1e-2
  # Yet the flow is not the identity.
  assert np.abs(jacobian - np.eye(6)).max() > 0.1


def test_image_sizes_that_do_not_fit_are_refused():
  with pytest.raises(UserError, match='multiples of 4, found 30 x 28'):
    encoders.ConvEncoder(Config(), (30, 28, 1), make_layers())


def test_bfloat16_is_near_float32(images):
  narrow = make('conv', precision='bfloat16').parameters(images)
  wide = make('conv').parameters(images)
  assert narrow.dtype == tf.float32
  np.testing.assert_allclose(narrow, wide, atol=0.02)
