"""Decoders: probabilities that sum to one, masks, and the cached sampler."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from vae_info import randomness
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.networks import (
  autoregressive,
  causal_stack,
  decoders,
  grey,
  layers,
  model as models,
  pixel_cnn,
)


def make():
  return layers.Make(randomness.generator(0, 'test'))


class SmallPixelCnn(pixel_cnn.PixelCnn):
  DEPTH = 6


class TinyPixelCnn(SmallPixelCnn):
  """For images of 2x2, which can be halved once."""

  SIZES = 2


def make_network(name):
  if name == 'pixel_cnn':
    network = SmallPixelCnn('float32', make())
  elif name == 'tiny_pixel_cnn':
    network = TinyPixelCnn('float32', make())
  else:
    network = causal_stack.CausalStack(8, 3, 'float32', make())
  # Moves the weights far from their start, where all outputs are near uniform.
  for number, variable in enumerate(network.trainable_variables):
    noise = tf.random.stateless_normal(variable.shape, [number, 2])
    variable.assign_add(0.3 * noise)
  return network


def make_context(network, count, size):
  """A random context for `count` images of `size` x `size`."""
  side = size // network.cell
  depth = 5 * network.width if network.cell == 4 else 1
  return tf.random.stateless_normal([count, side, side, depth], [0, 3])


def every_image(size):
  bits = itertools.product([0.0, 1.0], repeat=size * size)
  return np.array(list(bits), np.float32).reshape([-1, size, size, 1])


EVERY_DECODER = pytest.mark.parametrize(
  'binarization, decoder',
  [
    *itertools.product(['static'], decoders.DECODERS),
    *itertools.product(['none'], grey.DECODERS),
  ],
)


def make_decoder(binarization, decoder):
  """A decoder of codes of 3 dimensions, and nine random images."""
  levels = 2 if binarization == 'static' else 256
  data = randomness.generator(0, 'test').integers(0, levels, [9, 8, 12, 1])
  config = Config(
    dataset='tfds:x', binarization=binarization, decoder=decoder, latent_size=3
  )
  network = models.build(config, data.astype(np.uint8)).decoder
  for number, variable in enumerate(network.trainable_variables):
    noise = tf.random.stateless_normal(variable.shape, [number, 2])
    variable.assign_add(0.1 * noise)
  return network, data


@EVERY_DECODER
def test_a_graph_that_does_not_know_the_batch_draws_the_same(
  binarization, decoder
):
  network, _ = make_decoder(binarization, decoder)
  codes = tf.random.stateless_normal([4, 3], [0, 0])

  def draw(codes):
    return network(codes).sample(2, seed=[0, 1])

  unknown = tf.function(draw, input_signature=[tf.TensorSpec([None, 3])])
  np.testing.assert_array_equal(unknown(codes), tf.function(draw)(codes))


@EVERY_DECODER
def test_all_pairs_of_codes_and_images_can_be_scored(binarization, decoder):
  network, data = make_decoder(binarization, decoder)
  codes = tf.random.stateless_normal([4, 3], [0, 0])
  images = tf.cast(data[:5], tf.float32)
  found = network(codes[:, None]).log_prob(images)
  each = [network(codes[i : i + 1]).log_prob(images) for i in range(4)]
  np.testing.assert_allclose(found, each, rtol=1e-4)
  assert np.std(each, axis=0).min() > 0.1


def test_the_stacks_65536_probabilities_sum_to_one():
  network, size = make_network('causal_stack'), 4
  context = make_context(network, 1, size)
  images = every_image(size)
  likelihood = autoregressive.AutoregressiveImage(
    network, context, (1,), (size, size, 1)
  )
  log_probs = likelihood.log_prob(images[:, None]).numpy()
  assert log_probs.shape == (len(images), 1)
  assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(
    1, abs=1e-4
  )
  assert log_probs.std() > 0.1


@pytest.mark.parametrize(
  'name, size',
  [
    ('tiny_pixel_cnn', 2),
    pytest.param('pixel_cnn', 4, marks=pytest.mark.slow),
  ],
)
def test_pixel_cnn_probabilities_sum_to_one(name, size):
  network = make_network(name)
  likelihood = autoregressive.AutoregressiveImage(
    network, make_context(network, 1, size), (1,), (size, size, 1)
  )
  total = sum(
    np.exp(likelihood.log_prob(part[:, None]).numpy().astype(np.float64)).sum()
    for part in np.split(every_image(size), 16)
  )
  assert total == pytest.approx(1, abs=1e-4)


def test_bernoulli_probabilities_sum_to_one():
  decoder = decoders.DeconvolutionalDecoder(
    Config(latent_size=3), (4, 4, 1), make()
  )
  likelihood = decoder(tf.ones([1, 3]))
  log_probs = likelihood.log_prob(every_image(4)[:, None])
  assert np.exp(log_probs).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize('name', ['causal_stack', 'pixel_cnn'])
def test_logits_see_earlier_pixels_and_no_later_ones(name):
  network = make_network(name)
  size = 16 if network.cell == 4 else 8
  shape = autoregressive.grid(size, size, network.cell)
  count, row = np.prod(shape), shape[1] * shape[2]
  context = make_context(network, 1, size)
  generator = np.random.default_rng(0)
  symbols = generator.integers(0, 2, [1, *shape]).astype(np.int32)
  # There is one image for each symbol, and it is changed only there.
  unchanged = np.tile(symbols, [count, 1, 1, 1])
  changed = unchanged.reshape(count, -1).copy()
  np.fill_diagonal(changed, 1 - np.diagonal(changed))
  changed = changed.reshape(-1, *shape)
  contexts = tf.repeat(context, count, axis=0)
  # Both batches have the same size, since rounding depends on it.
  before, after = (
    network.logits(tf.constant(images), contexts).numpy()
    for images in (unchanged, changed)
  )
  moved = np.abs(after - before).max(axis=-1).reshape(count, -1)
  # moved[i, j] is the change of the logits at j if symbol i changes.
  np.testing.assert_allclose(np.tril(moved), np.zeros_like(moved), atol=1e-6)
  for i in range(count):
    if (i + 1) % row:
      assert moved[i, i + 1] > 1e-4, 'the next symbol'
    if i + row < count:
      assert moved[i, i + row] > 1e-4, 'the symbol below'


def test_cached_sampling_is_the_naive_loop():
  network = make_network('causal_stack')
  context = make_context(network, 5, 16)
  uniforms = tf.random.stateless_uniform([5, 4, 4, 4], [0, 4])
  cached = tf.function(network.sample)(context, uniforms)
  naive = tf.function(autoregressive.sample_by_full_passes)(
    network, context, uniforms
  )
  np.testing.assert_array_equal(cached, naive)
  assert len(np.unique(cached)) > 8


def test_the_papers_decoder_draws_within_a_graph():
  network = make_network('tiny_pixel_cnn')
  likelihood = autoregressive.AutoregressiveImage(
    network, make_context(network, 3, 2), (3,), (2, 2, 1)
  )
  draw = tf.function(lambda: likelihood.sample(seed=[0, 5]))
  np.testing.assert_array_equal(draw(), likelihood.sample(seed=[0, 5]))


def test_samples_have_the_probabilities_that_log_prob_gives():
  network = make_network('causal_stack')
  likelihood = autoregressive.AutoregressiveImage(
    network, make_context(network, 1, 4), (1,), (4, 4, 1)
  )
  count = 20_000
  samples = likelihood.sample(count, seed=[0, 5])
  assert samples.shape == [count, 1, 4, 4, 1]
  symbols = autoregressive.to_symbols(samples[:, 0], 4)[:, 0, 0].numpy()
  log_probs = likelihood.log_prob(every_image(4)[:, None]).numpy()[:, 0]
  every = autoregressive.to_symbols(every_image(4), 4)[:, 0, 0].numpy()
  # The first block, and the last: it depends on all others.
  for block in (0, 3):
    observed = np.bincount(symbols[:, block], minlength=16) / count
    expected = np.bincount(every[:, block], np.exp(log_probs), minlength=16)
    stderr = np.sqrt(expected * (1 - expected) / count)
    assert np.all(np.abs(observed - expected) < 4 * stderr + 1e-4)


@pytest.mark.parametrize('cell', [1, 2, 4])
def test_symbols_and_images_are_inverses(cell):
  images = np.random.default_rng(0).integers(0, 2, [3, 4, 8, 1])
  symbols = autoregressive.to_symbols(tf.constant(images), cell)
  assert symbols.shape == [3, *autoregressive.grid(4, 8, cell)]
  np.testing.assert_array_equal(autoregressive.to_images(symbols, cell), images)


@pytest.mark.parametrize('architecture', ['compact', 'paper'])
@pytest.mark.parametrize('name', sorted(decoders.DECODERS))
def test_sample_dimensions_of_codes_are_kept(name, architecture, tiny):
  config = Config(decoder=name, architecture=architecture, latent_size=3)
  decoder = decoders.DECODERS[name](config, (8, 8, 1), make())
  codes = tf.random.stateless_normal([2, 5, 3], [0, 6])
  images = tf.constant(tiny.test.images[:5], tf.float32)
  likelihood = decoder(codes)
  assert likelihood.event_shape == [8, 8, 1]
  both = likelihood.log_prob(images).numpy()
  assert both.shape == (2, 5)
  alone = decoder(codes[1]).log_prob(images)
  np.testing.assert_allclose(both[1], alone, rtol=1e-4)
  if architecture == 'compact':
    samples = likelihood.sample(3, seed=[0, 7]).numpy()
    assert samples.shape == (3, 2, 5, 8, 8, 1)
    assert set(np.unique(samples)) == {0, 1}


def test_image_shapes_that_do_not_fit_are_refused():
  with pytest.raises(UserError, match='multiples of 4, found 6 x 8 x 1'):
    decoders.AutoregressiveDecoder(Config(), (6, 8, 1), make())
