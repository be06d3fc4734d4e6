"""Grey levels and colours: probabilities, data, memory, and whole runs."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
import tensorflow_probability as tfp
import tf_keras
from commands import FAST_CLASSIFIER, TINY, call
from heads_test import TinyCelebA

from vae_info import datasets, randomness
from vae_info.config import Config, families
from vae_info.datasets import binarize, memory, omniglot, tfds_images
from vae_info.errors import UserError
from vae_info.networks import decoders, encoders, grey, layers, logistics

tfd = tfp.distributions


def make():
  return layers.Make(randomness.generator(0, 'test'))


def config(**kwargs):
  return Config(dataset='tfds:x', binarization='none', latent_size=3, **kwargs)


def random_mixtures(pixels, channels, components=3, spread=2.0):
  """Mixtures far from their start, some of them very narrow."""
  size = logistics.size_of(components, channels)
  outputs = spread * tf.random.stateless_normal([pixels, size], [0, 1])
  return logistics.from_outputs(outputs, channels)


# The mixture.


@pytest.mark.parametrize('spread', [1.0, 10.0])
def test_the_probabilities_of_256_values_sum_to_one(spread):
  mixtures = random_mixtures(20, 1, spread=spread)
  every = [
    logistics.log_prob(mixtures, tf.fill([20, 1], float(value)))
    for value in range(256)
  ]
  sums = np.exp(np.stack(every).astype(np.float64)).sum(axis=0)
  np.testing.assert_allclose(sums, 1.0, atol=1e-4)


def test_the_probabilities_of_65536_pairs_sum_to_one():
  mixtures = random_mixtures(1, 2)
  pairs = np.array(list(itertools.product(range(256), repeat=2)), np.float32)
  wide = mixtures.at(tf.zeros([len(pairs)], tf.int32))
  log_probs = logistics.log_prob(wide, tf.constant(pairs)).numpy()
  assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(
    1, abs=1e-4
  )


def test_it_is_the_mixture_of_tfp():
  mixtures = random_mixtures(50, 1)
  values = tf.cast(tf.range(50)[:, None] * 5, tf.float32)
  logistic = tfd.Logistic(
    127.5 * (mixtures.locations[0] + 1) - 0.5, 127.5 * mixtures.scales[0]
  )
  oracle = tfd.MixtureSameFamily(
    tfd.Categorical(mixtures.logits),
    tfd.QuantizedDistribution(logistic, low=0.0, high=255.0),
  )
  found = logistics.log_prob(mixtures, values).numpy()
  expected = oracle.log_prob(values[:, 0]).numpy()
  # Beyond, TFP's difference of two probabilities has lost its digits.
  trusted = expected > -8
  assert trusted.sum() > 20
  np.testing.assert_allclose(found[trusted], expected[trusted], rtol=2e-3)
  assert np.all(np.isfinite(found))


def test_samples_have_the_probabilities_that_log_prob_gives():
  count = 40_000
  one = random_mixtures(1, 3)
  mixtures = one.at(tf.zeros([count], tf.int32))
  uniforms = tf.random.stateless_uniform([count, 4], [0, 2])
  drawn = logistics.sample(mixtures, uniforms)
  assert drawn.shape == [count, 3]
  first = logistics.Mixtures(one.logits, one.locations[:1], one.scales[:1])
  values = tf.range(256.0)[:, None]
  probabilities = np.exp(
    logistics.log_prob(first.at(tf.zeros([256], tf.int32)), values)
  )
  counts = np.bincount(drawn[:, 0].numpy().astype(int), minlength=256)
  errors = np.sqrt(probabilities * (1 - probabilities) / count)
  assert np.all(np.abs(counts / count - probabilities) < 5 * errors + 1e-4)
  mean = logistics.mean(first).numpy()[0, 0]
  assert drawn[:, 0].numpy().mean() == pytest.approx(mean, abs=2.5)


# Decoders and encoders.


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('name', sorted(grey.DECODERS))
def test_sample_dimensions_of_codes_are_kept(name, channels):
  shape = (8, 12, channels)
  decoder = grey.DECODERS[name](config(decoder=name), shape, make())
  codes = tf.random.stateless_normal([2, 5, 3], [0, 6])
  rng = np.random.default_rng(0)
  images = tf.constant(rng.integers(0, 256, [5, *shape]), tf.float32)
  likelihood = decoder(codes)
  assert likelihood.event_shape == shape
  both = likelihood.log_prob(images).numpy()
  assert both.shape == (2, 5)
  np.testing.assert_allclose(
    both[1], decoder(codes[1]).log_prob(images), rtol=1e-4
  )
  samples = likelihood.sample(2, seed=[0, 7]).numpy()
  assert samples.shape == (2, 2, 5, *shape)
  assert samples.min() >= 0 and samples.max() <= 255
  np.testing.assert_array_equal(samples, np.round(samples))
  np.testing.assert_array_equal(samples, likelihood.sample(2, seed=[0, 7]))


def test_the_autoregressive_one_is_that_of_tfp():
  decoder = grey.AutoregressiveDecoder(config(), (8, 8, 3), make())
  codes = tf.random.stateless_normal([4, 3], [0, 6])
  rng = np.random.default_rng(0)
  images = tf.constant(rng.integers(0, 256, [4, 8, 8, 3]), tf.float32)
  expected = decoder.pixels.pixels.log_prob(
    images, conditional_input=decoder.context(codes), training=False
  )
  found = decoder(codes).log_prob(images)
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_pixel_sees_earlier_ones_and_no_later_ones():
  decoder = grey.AutoregressiveDecoder(config(), (8, 8, 1), make())
  rng = np.random.default_rng(0)
  before = rng.integers(0, 256, [1, 8, 8, 1]).repeat(64, axis=0)
  after = before.reshape(64, 64).copy()
  np.fill_diagonal(after, 255 - np.diagonal(after))
  context = tf.ones([64, grey.SHAPES['compact'].hidden])
  outputs = [
    tf.concat(
      decoder.pixels.mixtures(
        tf.constant(images.reshape(64, 8, 8, 1), tf.float32), context
      ).locations,
      axis=-1,
    ).numpy()
    for images in (before, after)
  ]
  moved = np.abs(outputs[1] - outputs[0]).max(axis=-1).reshape(64, 64)
  np.testing.assert_allclose(np.tril(moved), 0.0, atol=1e-5)
  assert np.mean(np.triu(moved, 1) > 1e-5) > 0.1


def test_a_component_can_have_its_mass_at_one_value():
  for value in (0.0, 128.0, 255.0):
    outputs = np.zeros([1, 3], np.float32)
    # One component starts at location 0; its scale is the least there is.
    outputs[0, 1:] = logistics.to_unit(value), -40.0
    mixtures = logistics.from_outputs(tf.constant(outputs), 1)
    log_prob = logistics.log_prob(mixtures, tf.constant([[value]]))
    assert -1e-4 < float(log_prob[0]) <= 1e-6


@pytest.mark.parametrize('value', [0, 255])
def test_the_distortion_of_a_constant_image_falls_to_near_0(value):
  decoder = grey.DeconvolutionalDecoder(config(), (8, 8, 3), make())
  images = tf.fill([4, 8, 8, 3], float(value))
  optimizer = tf_keras.optimizers.legacy.Adam(0.01)

  @tf.function
  def step():
    with tf.GradientTape() as tape:
      loss = -tf.reduce_mean(decoder(tf.ones([4, 3])).log_prob(images))
    variables = decoder.trainable_variables
    optimizer.apply_gradients(
      zip(tape.gradient(loss, variables), variables, strict=True)
    )
    return loss

  losses = [float(step()) for _ in range(400)]
  assert losses[0] > 300
  assert losses[-1] < 0.1 * 192 * np.log(2)  # A tenth of a bit a dimension.


def test_shapes_that_do_not_fit_are_refused_in_one_line():
  for kind in grey.DECODERS.values():
    with pytest.raises(UserError, match='multiples of 4, found 6 x 8'):
      kind(config(), (6, 8, 1), make())
    with pytest.raises(UserError, match='1 to 4 channels, found 5'):
      kind(config(), (8, 8, 5), make())
  with pytest.raises(UserError, match='multiples of 4, found 6 x 8'):
    encoders.ConvEncoder(config(), (6, 8, 2), make())
  assert set(grey.DECODERS) <= set(decoders.DECODERS)


def test_encoders_take_any_number_of_channels():
  for channels in (2, 5):
    encoder = encoders.ConvEncoder(config(), (8, 4, channels), make())
    white = tf.fill([2, 8, 4, channels], 255.0)
    binary = encoders.ConvEncoder(
      Config(latent_size=3), (8, 4, channels), make()
    )
    np.testing.assert_allclose(
      encoder.parameters(white), binary.parameters(white / 255), rtol=1e-5
    )


# Data.


@pytest.fixture(scope='module')
def faces(tmp_path_factory):
  """Flags that name the faces in colour, and where they lie."""
  folder = tmp_path_factory.mktemp('faces')
  TinyCelebA(data_dir=folder).download_and_prepare()
  return (
    '--dataset=tfds:tiny_celeb_a',
    f'--data_dir={folder}',
    f'--cache_dir={folder}/cache',
  )


class Coloured(tfds.core.GeneratorBasedBuilder):
  """8x8 images whose channels and corners differ, with no other split."""

  VERSION = tfds.core.Version('1.0.0')
  DTYPE, SHAPE = np.uint8, (8, 8, 3)

  def _info(self):
    features = {
      'image': tfds.features.Tensor(shape=self.SHAPE, dtype=self.DTYPE),
      'label': tfds.features.ClassLabel(num_classes=2),
    }
    return tfds.core.DatasetInfo(
      builder=self, features=tfds.features.FeaturesDict(features)
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {'train': self._generate_examples()}

  def _generate_examples(self):
    for index in range(50):
      yield index, {'image': self.image(index), 'label': index % 2}

  @classmethod
  def image(cls, index):
    image = np.zeros(cls.SHAPE, cls.DTYPE)
    image[0, 1, 0], image[2, 3, 1], image[4, 5, -1] = 10 + index, 100, 250
    return image


class Deep(Coloured):
  DTYPE = np.uint16


class Many(Coloured):
  SHAPE = (8, 8, 13)


class Odd(Coloured):
  SHAPE = (10, 7, 3)


class Large(Coloured):
  SHAPE = (90, 70, 3)

  @classmethod
  def image(cls, index):
    """One with a lit pixel in the central square."""
    image = super().image(index)
    image[45, 35] = 250
    return image


def load(builder, folder, binarization='none'):
  """Prepares a builder's data and loads them."""
  builder(data_dir=folder).download_and_prepare()
  name = f'tfds:{builder.__name__.lower()}'
  return datasets.load(name, str(folder), str(folder / 'x'), binarization)


def test_channels_and_places_survive(tmp_path):
  for _ in range(2):  # The second time from the cache.
    data = load(Coloured, tmp_path)
    assert data.image_shape == (8, 8, 3) and data.levels == 256
    everything = [
      split.images for split in (data.train, data.validation, data.test)
    ]
    assert [len(images) for images in everything] == [32, 8, 10]
    images = np.concatenate(everything)
    order = images[:, 0, 1, 0].astype(int) - 10
    assert sorted(order) == list(range(50))
    expected = np.stack([Coloured.image(index) for index in order])
    np.testing.assert_array_equal(images, expected)
    labels = [s.labels['label'] for s in (data.train, data.validation)]
    np.testing.assert_array_equal(np.concatenate(labels), order[:40] % 2)


def notes_of(monkeypatch):
  lines = []
  monkeypatch.setattr(
    tfds_images.logging, 'warning', lambda text, *v: lines.append(text % v)
  )
  return lines


def test_what_is_changed_is_one_line(tmp_path, monkeypatch):
  lines = notes_of(monkeypatch)
  assert load(Coloured, tmp_path).levels == 256
  assert all('no split test' in line for line in lines)
  for binarization in ('static', 'dynamic', 'threshold'):
    assert load(Coloured, tmp_path, binarization).image_shape == (8, 8, 1)
  assert load(Odd, tmp_path).image_shape == (12, 8, 3)
  assert load(Large, tmp_path).image_shape == (64, 64, 3)
  assert load(Odd, tmp_path, 'static').image_shape == (12, 8, 1)
  lines = [line for line in lines if 'no split test' not in line]
  assert len(lines) == 6 and not any('\n' in line for line in lines)
  assert 'images of 3 channels are turned to grey' in lines[0]
  assert 'images of 10 x 7 are resized to 12 x 8' in lines[3]
  assert 'central squares of images of 90 x 70 are resized' in lines[4]
  assert 'turned to grey' in lines[5] and 'resized to 12 x 8' in lines[5]


def test_a_set_without_test_images_is_told(tmp_path, monkeypatch):
  lines = notes_of(monkeypatch)
  dataset = load(Coloured, tmp_path)
  assert lines == [
    'tfds:coloured has no split test: a fifth of train is its test'
  ]
  assert len(dataset.test.images) == 10
  assert len(dataset.train.images) + len(dataset.validation.images) == 40


def test_what_cannot_be_kept_is_refused(tmp_path):
  with pytest.raises(UserError, match=r'16 bits \(uint16\).* takes 8 bits'):
    load(Deep, tmp_path)
  with pytest.raises(UserError, match='13 channels; .* takes 1 to 4'):
    load(Many, tmp_path)
  with pytest.raises(UserError, match='has only binary images'):
    Config(binarization='none')


def test_values_are_kept_as_they_are():
  values = np.arange(256, dtype=np.uint8)
  assert binarize.split_images(values, 'train', 'none') is values


# Memory.


def test_a_shuffle_in_place_is_that_of_hold_out():
  values = np.arange(600).reshape(200, 3)
  expected, _ = omniglot.hold_out((values, {}), 30, 5)
  memory.shuffle(values, omniglot.shuffled(200, 5))
  np.testing.assert_array_equal(values[:170], expected[0])


def test_a_tensor_has_the_memory_of_an_aligned_array():
  array = memory.empty((7, 5), np.uint8)
  array[:] = 3
  tensor = memory.as_tensor(array)
  array[2, 1] = 9  # Only to see that both are the same memory.
  assert int(tensor[2, 1]) == 9
  assert memory.as_tensor(array[:, 1:]) is None
  assert memory.as_tensor(array.reshape(-1)[1:]) is None


# Whole runs.


def train_and_evaluate(faces, folder, *words):
  flags = ('--binarization=none', '--steps=3', '--batch_size=20')
  runs = f'--runs_dir={folder}'
  call('train', *faces, *flags, '--latent_size=4', runs, *words)
  fast = ('--classifier_epochs=1', '--classifier_batch_size=50')
  return call('evaluate', runs, *faces[1:], '--num_samples=1', *fast)


def test_colours_from_training_to_a_table(faces, tmp_path):
  output = train_and_evaluate(faces, tmp_path)
  assert 'Young' in output
  _, _, bits = output.partition('bits per dimension of test images:')
  # The run, beta, and two numbers with their errors. 8 bits tell everything.
  words = bits.strip().splitlines()[1].split()
  assert len(words) == 8
  assert 0 < float(words[2]) < float(words[5]) < 20


@pytest.mark.slow
@pytest.mark.parametrize(
  'decoder, marginal',
  [
    (decoder, marginal)
    for encoder, decoder, marginal in families()
    if encoder == 'conv' and decoder in grey.DECODERS
  ],
)
def test_each_decoder_and_marginal_trains(
  prepared_quadrants, tmp_path, decoder, marginal
):
  words = ('--binarization=none', f'--decoder={decoder}', '--steps=3')
  data = ('--dataset=tfds:tiny_quadrants', *prepared_quadrants)
  runs = f'--runs_dir={tmp_path}'
  call('train', *data, *words, *TINY, runs, f'--marginal={marginal}')
  output = call(
    'evaluate', runs, *prepared_quadrants, '--nobounds', *FAST_CLASSIFIER
  )
  assert 'bits per dimension' in output
