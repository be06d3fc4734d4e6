"""The decoder whose pixels see windows of a moved map."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from vae_info import randomness
from vae_info.config import Config
from vae_info.networks import decoders, layers, local
from vae_info.networks.invariant import Grid

GRID = Grid(shears=(-1.0, 0.0, 1.0), columns=(-1, 0))
BACKGROUND = 0.7


def make_windows():
  windows = local.Windows('float32', layers.Make(randomness.generator(0, 'w')))
  # Far from their start, where windows say next to nothing.
  for number, variable in enumerate(windows.trainable_variables):
    noise = tf.random.stateless_normal(variable.shape, [number, 2])
    variable.assign_add(0.5 * noise)
  return windows


def make_image(size, grid=GRID, batch=2):
  sources = grid.sources(size, size)
  rng = np.random.default_rng(0)
  return local.LocalImage(
    tf.constant(rng.normal(size=[batch, size, size, 1]), tf.float32),
    make_windows(),
    sources,
    tf.constant(rng.normal(size=[batch, len(sources)]), tf.float32),
    tf.constant([BACKGROUND]),
  )


def every_image(size):
  bits = list(itertools.product([0.0, 1.0], repeat=size * size))
  return np.array(bits, np.float32).reshape([-1, 1, size, size, 1])


@pytest.mark.parametrize('size, batch', [(2, 3), (4, 1)])
def test_the_probabilities_of_all_images_sum_to_one(size, batch):
  log_probs = make_image(size, batch=batch).log_prob(every_image(size)).numpy()
  assert log_probs.shape == (2 ** (size * size), batch)
  total = np.exp(log_probs.astype(np.float64)).sum(axis=0)
  np.testing.assert_allclose(total, 1, atol=1e-4)
  assert log_probs.std() > 0.1


def test_log_prob_is_that_of_a_mixture_by_hand():
  likelihood = make_image(4)
  parameters = likelihood.parameters
  image = np.random.default_rng(1).integers(0, 2, [4, 4]).astype(np.float32)
  h, g = parameters['windows'](image[None, ..., None]).numpy()[0].T
  maps = parameters['logits'].numpy().reshape([2, 16])
  weights = parameters['weights'].numpy()
  for logits, weight, found in zip(
    maps, weights, likelihood.log_prob(image[..., None]), strict=True
  ):
    terms = []
    for source, w in zip(parameters['sources'], weight, strict=True):
      moved = np.append(logits, BACKGROUND)[source].reshape([4, 4])
      moved = (1 + h.T) * moved + g.T
      terms.append(w + np.sum(image * moved - np.logaddexp(0, moved)))
    expected = np.logaddexp.reduce(terms) - np.logaddexp.reduce(weight)
    assert float(found) == pytest.approx(expected, abs=1e-4)


def test_a_window_has_the_near_pixels_before_its_own():
  size, middle = 9, 4
  windows = make_windows()
  image = np.random.default_rng(2).integers(0, 2, [1, size, size, 1])
  image = tf.constant(image, tf.float32)
  with tf.GradientTape() as tape:
    tape.watch(image)
    both = tf.reduce_sum(windows(image)[0, middle, middle])
  moved = tape.gradient(both, image).numpy()[0, ..., 0] != 0
  rows, columns = np.indices([size, size]) - middle
  near = (np.abs(columns) <= 2) & (rows >= -2)
  before = (rows < 0) | ((rows == 0) & (columns < 0))
  np.testing.assert_array_equal(moved, near & before)


def test_the_sampler_is_that_of_full_passes_given_the_same_uniforms():
  windows, size = make_windows(), 8
  rng = np.random.default_rng(3)
  moved = tf.constant(rng.normal(size=[5, size, size]), tf.float32)
  uniforms = tf.constant(rng.uniform(size=[5, size, size]), tf.float32)
  naive = np.zeros([5, size, size, 1], np.float32)
  for row, column in itertools.product(range(size), repeat=2):
    h, g = np.moveaxis(windows(naive).numpy()[:, row, column], -1, 0)
    logits = (1 + h) * moved[:, row, column] + g
    naive[:, row, column, 0] = uniforms[:, row, column] < tf.sigmoid(logits)
  found = windows.sample(moved, uniforms).numpy()
  np.testing.assert_array_equal(found, naive)
  assert 0.2 < naive.mean() < 0.8


def test_samples_have_these_probabilities():
  likelihood = make_image(2, batch=3)
  count = 20_000
  samples = likelihood.sample(count, seed=[0, 1]).numpy()
  assert samples.shape == (count, 3, 2, 2, 1)
  symbols = samples.reshape([count, 3, 4]) @ [8, 4, 2, 1]
  probs = np.exp(likelihood.log_prob(every_image(2)).numpy())
  for member in range(3):
    seen = np.bincount(symbols[:, member].astype(int), minlength=16) / count
    np.testing.assert_allclose(seen, probs[:, member], atol=0.015)


def test_everything_is_learned():
  config = Config(decoder='local_autoregressive', latent_size=3)
  make = layers.Make(randomness.generator(0, 'test'))
  decoder = decoders.LocalDecoder(config, (28, 28, 1), make)
  images = np.random.default_rng(4).integers(0, 2, [4, 28, 28, 1])
  with tf.GradientTape() as tape:
    log_prob = decoder(tf.ones([4, 3])).log_prob(images.astype('float32'))
    loss = tf.reduce_sum(log_prob)
  gradients = tape.gradient(loss, decoder.trainable_variables)
  assert all(np.any(gradient) for gradient in gradients)
