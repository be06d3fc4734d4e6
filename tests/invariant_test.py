"""The decoder that marginalises transformations of the image plane."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from vae_info import randomness
from vae_info.config import Config
from vae_info.networks import decoders, layers
from vae_info.networks.invariant import Grid, Moves, TransformedImage

# Every kind of transformation; some pixels have several targets, some none.
SMALL = Grid(
  shears=(-1.0, 0.0, 1.0),
  turns=(0.0, 90.0),
  heights=(0.5, 1.0, 2.0),
  rows=(0, 1),
  columns=(-1, 0),
)


def every_image():
  bits = list(itertools.product([0.0, 1.0], repeat=4))
  return np.array(bits, np.float32).reshape([16, 1, 2, 2, 1])


@pytest.fixture
def small():
  """Mixtures over images of 2x2, batch [3]."""
  moves = Moves(SMALL.sources(2, 2))
  rng = np.random.default_rng(0)
  logits = rng.normal(size=[3, 2, 2, 1])
  weights = rng.normal(size=[3, len(moves.sources)])
  return TransformedImage(
    tf.constant(logits, tf.float32),
    moves,
    tf.constant(weights, tf.float32),
    tf.constant([0.7]),
  )


def by_hand(likelihood, images):
  """log w_t d_t(x|z), pixel by pixel, `[N, B, T]`."""
  logits = likelihood.parameters['logits'].numpy().reshape([3, 4])
  padded = np.concatenate([logits, np.full([3, 1], 0.7)], axis=1)
  logits = padded[:, likelihood.parameters['moves'].sources]
  images = images.reshape([-1, 1, 1, 4])
  each = np.sum(images * logits - np.logaddexp(0, logits), axis=-1)
  weights = likelihood.parameters['weights'].numpy()
  return each + weights - np.logaddexp.reduce(weights, axis=-1)[:, None]


def test_the_probabilities_of_all_images_sum_to_one(small):
  probs = np.exp(small.log_prob(every_image()).numpy())
  assert probs.shape == (16, 3)
  np.testing.assert_allclose(probs.sum(axis=0), 1, atol=1e-5)
  assert probs.std() > 0.01


def test_log_prob_and_posterior_are_those_of_a_mixture(small):
  joint = by_hand(small, every_image())
  log_prob = np.logaddexp.reduce(joint, axis=-1)
  np.testing.assert_allclose(small.log_prob(every_image()), log_prob, atol=1e-5)
  posterior = small.transformation(every_image()).probs_parameter()
  np.testing.assert_allclose(
    posterior, np.exp(joint - log_prob[..., None]), atol=1e-5
  )


def test_samples_have_these_probabilities_and_this_mean(small):
  count = 20_000
  samples = small.sample(count, seed=[0, 1]).numpy()
  assert samples.shape == (count, 3, 2, 2, 1)
  np.testing.assert_allclose(samples.mean(axis=0), small.mean(), atol=0.015)
  symbols = samples.reshape([count, 3, 4]) @ [8, 4, 2, 1]
  probs = np.exp(small.log_prob(every_image()).numpy())
  for member in range(3):
    seen = np.bincount(symbols[:, member].astype(int), minlength=16) / count
    np.testing.assert_allclose(seen, probs[:, member], atol=0.015)


def test_gradients_are_those_of_a_mixture(small):
  images = tf.constant(every_image()[5])
  moves = small.parameters['moves']
  logits = small.parameters['logits']
  background, weights = tf.constant([0.7]), small.parameters['weights']

  def gathered(logits, background):
    flat = tf.reshape(logits, [3, 4])
    padded = tf.concat([flat, tf.broadcast_to(background, [3, 1])], axis=1)
    versions = tf.gather(padded, moves.sources, axis=1)
    each = tf.reduce_sum(
      tf.reshape(images, [1, 1, 4]) * versions - tf.nn.softplus(versions), -1
    )
    return tf.reduce_logsumexp(each + tf.nn.log_softmax(weights), axis=-1)

  with tf.GradientTape(persistent=True) as tape:
    tape.watch([logits, background])
    expected = gathered(logits, background)
    found = TransformedImage(logits, moves, weights, background).log_prob(
      images
    )
  for source in (logits, background):
    np.testing.assert_allclose(
      tape.gradient(found, source), tape.gradient(expected, source), atol=1e-5
    )


def shown(grid, image):
  """The only version of an image under a grid of one transformation."""
  [source] = grid.sources(*image.shape)
  return np.append(image, 0)[source].reshape(image.shape)


def test_transformations_go_where_their_names_say():
  image = np.arange(1, 17).reshape(4, 4)
  np.testing.assert_array_equal(shown(Grid(), image), image)
  down = np.vstack([np.zeros([1, 4]), image[:-1]])
  np.testing.assert_array_equal(shown(Grid(rows=(1,)), image), down)
  right = np.hstack([np.zeros([4, 1]), image[:, :-1]])
  np.testing.assert_array_equal(shown(Grid(columns=(1,)), image), right)
  np.testing.assert_array_equal(
    shown(Grid(turns=(90.0,)), image), np.rot90(image)
  )
  wide = shown(Grid(widths=(2.0,)), image)
  np.testing.assert_array_equal(wide, image[:, [1, 1, 2, 2]])
  tall = shown(Grid(heights=(2.0,)), image)
  np.testing.assert_array_equal(tall, image[[1, 1, 2, 2]])
  bar = np.zeros([5, 5])
  bar[:, 2] = 1
  np.testing.assert_array_equal(
    shown(Grid(shears=(1.0,)), bar), np.eye(5)[::-1]
  )


def decoder_of(beta):
  config = Config(decoder='deconvolutional_invariant', latent_size=3, beta=beta)
  make = layers.Make(randomness.generator(0, 'test'), config.beta_range)
  return config, decoders.InvariantDecoder(config, (28, 28, 1), make)


def test_the_posterior_finds_the_transformation_of_a_sample():
  _, decoder = decoder_of(1.0)
  # A sharp map: its samples show how they were transformed.
  sharp = 8.0 * np.sign(np.random.default_rng(1).normal(size=[2, 28, 28, 1]))
  moves = Moves(decoder.GRID.sources(28, 28))
  image = TransformedImage(
    tf.constant(sharp, tf.float32),
    moves,
    decoder.weights(),
    tf.constant([-8.0]),
  )
  for number in (0, 10, len(moves.sources) - 1):
    flat = np.append(sharp[0] > 0, 0)[moves.sources[number]]
    found = image.transformation(flat.reshape([28, 28, 1]).astype('float32'))
    assert int(found.mode()[0]) == number


def test_all_weights_of_transformations_are_learned():
  _, decoder = decoder_of(1.0)
  images = np.random.default_rng(2).integers(0, 2, [4, 28, 28, 1])
  with tf.GradientTape() as tape:
    log_prob = decoder(tf.ones([4, 3])).log_prob(images.astype('float32'))
    loss = tf.reduce_sum(log_prob)
  gradient = tape.gradient(loss, decoder.weights.value)
  assert gradient.shape == [len(decoder.GRID.sources(28, 28))]
  assert np.count_nonzero(gradient) > 1
