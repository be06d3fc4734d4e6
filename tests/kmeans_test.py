"""k-means and water-filled PCA: known answers, and rows of tiny data."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from sklearn import metrics

from vae_info import baselines, clusters, datasets
from vae_info.baselines import deskew, kmeans, one_hot, pca, water_filling
from vae_info.baselines.config import BaselineConfig
from vae_info.errors import UserError
from vae_info.evaluation import classifiers, least
from vae_info.runs import Run

SMALL = {
  'classifier_hidden': (10,),
  'classifier_epochs': 2,
  'classifier_batch_size': 16,
}


def make(baseline, **options):
  return BaselineConfig(
    'static_mnist', 'quadrant', baseline, **SMALL, **options
  )


# Clusters.


def test_clusters_far_apart_are_found_and_the_same_again():
  rng = np.random.default_rng(0)
  middles = 10.0 * np.eye(4, 6)
  truth = rng.integers(4, size=300)
  points = middles[truth] + 0.1 * rng.standard_normal([300, 6])
  components = clusters.Components.of(points, 3)
  places = components(points)
  assert places.shape == (300, 3)
  first, again = (clusters.centres(places, 4, seed=1) for _ in range(2))
  np.testing.assert_array_equal(first, again)
  found = clusters.nearest(places, first, batch_size=7)
  assert metrics.adjusted_rand_score(truth, found) == 1.0
  distances = np.square(places[:, None] - first).sum(axis=-1)
  np.testing.assert_array_equal(found, distances.argmin(axis=1))


# Slant and position.


def letter():
  """A bar and a hook, upright and in the middle."""
  image = np.zeros([28, 28])
  image[6:22, 12:16] = 1.0
  return image


def test_an_upright_image_in_the_middle_stays():
  image = letter()[None, :, :, None]
  np.testing.assert_allclose(deskew.deskew(image), image, atol=1e-5)
  row, column, slant = deskew.moments(image)
  np.testing.assert_allclose([row[0], column[0], slant[0]], [13.5, 13.5, 0])


def test_slant_and_position_are_removed():
  image = letter()
  middle = np.array([13.5, 13.5])
  shear = np.array([[1.0, 0.0], [-0.4, 1.0]])
  moved = scipy.ndimage.affine_transform(
    image, shear, middle - shear @ (middle + [2.0, -3.0]), order=1
  )
  row, column, slant = (v[0] for v in deskew.moments(moved[None, ..., None]))
  np.testing.assert_allclose([row, column], [15.5, 10.5], atol=0.1)
  assert slant == pytest.approx(0.4, abs=0.02)
  straight = deskew.deskew(moved[None, ..., None])[0, ..., 0]
  assert np.abs(moved - image).mean() > 0.1
  assert np.abs(straight - image).mean() < 0.03
  # Mass stays, but for what leaves the image.
  assert straight.sum() == pytest.approx(image.sum(), rel=0.02)


def test_an_empty_image_stays_empty_and_batches_do_not_matter(tiny):
  images = np.concatenate([tiny.test.images, 0 * tiny.test.images[:1]])
  whole, parts = (deskew.deskew(images, size) for size in (100, 7))
  np.testing.assert_array_equal(whole, parts)
  assert not whole[-1].any() and whole[:-1].any(axis=(1, 2, 3)).all()
  assert whole.min() >= 0.0 and whole.max() <= 1.0


# Rate, distortion, label distortion of clusters.


def test_rate_and_distortion_are_those_of_the_definition():
  rng = np.random.default_rng(1)
  pixels = rng.integers(2, size=[40, 5]).astype(np.uint8)
  numbers = rng.integers(3, size=40)
  found = kmeans.Prototypes.of(numbers, pixels, 3)
  rates = found.rates(numbers)
  for k in range(3):
    expected = -math.log((np.sum(numbers == k) + 0.5) / (40 + 1.5))
    np.testing.assert_allclose(rates[numbers == k], expected)
  mean = (pixels.sum(axis=0) + 0.5) / 41
  values = found.distortions(numbers, pixels, 2.0)
  for i in (0, 7, 39):
    own = pixels[numbers == numbers[i]]
    p = (own.sum(axis=0) + 2.0 * mean) / (len(own) + 2.0)
    log_probs = np.where(pixels[i], np.log(p), np.log1p(-p))
    assert values[i] == pytest.approx(-log_probs.sum(), rel=1e-5)


def test_normalised_information_and_its_error():
  rng = np.random.default_rng(2)

  def draw():
    labels = rng.integers(5, size=2_000)
    noise = rng.integers(8, size=2_000)
    return np.where(rng.random(2_000) < 0.6, labels, noise), labels

  first, second = draw()
  found = kmeans.normalised_information(first, second)
  known = metrics.normalized_mutual_info_score(second, first)
  assert found.mean == pytest.approx(known, abs=1e-9)
  values = [kmeans.normalised_information(*draw()).mean for _ in range(200)]
  assert found.stderr == pytest.approx(np.std(values), rel=0.25)
  same = kmeans.normalised_information(second, second)
  assert (same.mean, same.stderr) == (pytest.approx(1.0), pytest.approx(0.0))


def test_frequencies_are_the_posterior_of_the_label():
  rng = np.random.default_rng(3)
  table = rng.dirichlet(5.0 * np.ones(4), size=6)

  def draw(count):
    numbers = rng.integers(6, size=count)
    uniforms = rng.random(count)[:, None]
    labels = (uniforms > table[numbers].cumsum(axis=1)).sum(axis=1)
    return numbers, labels

  test = draw(4_000)
  logs = one_hot.log_frequencies(draw(100_000), draw(4_000), 6, 4)
  np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1.0)
  losses = -logs[test]
  np.testing.assert_allclose(losses, -np.log(table[test]), atol=0.1)
  assert losses.mean() == pytest.approx(-np.log(table[test]).mean(), abs=0.002)


def test_validation_labels_choose_how_far_frequencies_are_smoothed():
  # In training each of two clusters has four images, all of its own class.
  numbers = np.repeat([0, 1], 4)
  for labels, smoothing in (
    (numbers, one_hot.SMOOTHINGS[0]),
    (np.tile([0, 1], 4), one_hot.SMOOTHINGS[-1]),  # As if by chance.
  ):
    logs = one_hot.log_frequencies((numbers, numbers), (numbers, labels), 2, 2)
    expected = (4 + smoothing / 2) / (4 + smoothing)
    np.testing.assert_allclose(np.exp(np.diag(logs)), expected)


@pytest.mark.parametrize('hidden', [(), (7,), (7, 5)])
@pytest.mark.parametrize('given', [0, 2])
def test_looking_up_is_the_product_with_one_hot_codes(hidden, given):
  mlp = classifiers.Mlp(6 + given, 3, hidden, np.random.default_rng(0))
  numbers = tf.constant([0, 5, 2, 2])
  more = tf.random.stateless_normal([4, given], [0, 1])
  codes = tf.concat([tf.one_hot(numbers, 6), more], axis=1)
  inputs = tf.concat([tf.cast(numbers, tf.float32)[:, None], more], axis=1)
  with tf.GradientTape(persistent=True) as tape:
    expected = mlp.logits(codes)
    found = one_hot.OneHotMlp(6, mlp).logits(inputs)
    values = tf.reduce_sum(tf.square(expected)), tf.reduce_sum(tf.square(found))
  np.testing.assert_allclose(found, expected, atol=1e-5)
  for a, b in zip(
    *(tape.gradient(value, mlp.trainable_variables) for value in values),
    strict=True,
  ):
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize('baseline', ['kmeans', 'kmeans_deskewed'])
def test_rows(tiny, tmp_path, capsys, baseline):
  config = make(baseline, kmeans_clusters=(1, 4, 12))
  rows = baselines.run(config, tiny, Run(tmp_path / 'x'))
  assert [row['latent_size'] for row in rows] == [1, 4, 12]
  one, *more = rows
  assert one['rate'] == 0.0 and one['rate_stderr'] == 0.0
  # With one cluster, D is that of the mean image.
  train, test = (
    split.images.reshape([len(split.images), -1]).astype(float)
    for split in (tiny.train, tiny.test)
  )
  mean = (train.sum(axis=0) + 0.5) / (len(train) + 1)
  values = -(test * np.log(mean) + (1 - test) * np.log1p(-mean)).sum(axis=1)
  assert one['distortion'] == pytest.approx(values.mean(), abs=0.5)
  for row in more:
    assert 0.0 < row['rate'] < math.log(row['latent_size']) + 0.5
    assert row['rate_plus_distortion'] == pytest.approx(
      row['rate'] + row['distortion']
    )
    for name in ('rate', 'distortion', 'label_distortion'):
      assert row[f'{name}_stderr'] > 0
    assert row['label_distortion_least'] < row['label_distortion'] + 0.05
  if baseline == 'kmeans':  # The quadrants are clusters.
    assert more[1]['label_distortion_least'] < 0.7
    assert more[1]['distortion'] < one['distortion'] - 2
  assert 'normalised mutual information' in capsys.readouterr().out


# Takes the place of a fitted network: logits of four classes in each cluster.
NETWORK = np.random.default_rng(5).standard_normal([4, 4]).astype(np.float32)


def test_test_images_and_labels_choose_no_smoothing(
  tiny, tmp_path, monkeypatch
):
  smoothings, frequencies, weights = [], [], []
  distortions = kmeans.Prototypes.distortions
  log_frequencies, mix = one_hot.log_frequencies, least.mix

  def explain(self, numbers, pixels, smoothing):
    smoothings.append(smoothing)
    return distortions(self, numbers, pixels, smoothing)

  def count(*args):
    frequencies.append(log_frequencies(*args))
    return frequencies[-1]

  def weigh(*args):
    found = mix(*args)
    weights.append(found.weights)
    return found

  monkeypatch.setattr(kmeans.Prototypes, 'distortions', explain)
  monkeypatch.setattr(one_hot, 'log_frequencies', count)
  monkeypatch.setattr(least, 'mix', weigh)
  monkeypatch.setattr(one_hot, 'fit', lambda *args: None)
  monkeypatch.setattr(
    one_hot, 'logits', lambda job, fitted, numbers, split: NETWORK[numbers]
  )
  config, chosen = make('kmeans', kmeans_clusters=(4,)), []
  order = np.random.default_rng(0).permutation(len(tiny.test.images))
  labels = {'quadrant': tiny.test.labels['quadrant'][order]}
  other = datasets.Split(1 - tiny.test.images, labels)
  for name, test in (('x', tiny.test), ('y', other)):
    data = dataclasses.replace(tiny, test=test)
    baselines.run(config, data, Run(tmp_path / name))
    chosen.append(smoothings[-1])  # The last call is of test images.
  assert chosen[0] == chosen[1]
  np.testing.assert_array_equal(*frequencies)
  assert weights[0] == weights[1]


def test_more_clusters_than_images_are_refused(tiny, tmp_path):
  config = make('kmeans', kmeans_clusters=(65,))
  with pytest.raises(UserError, match='at most the 6[0-4] different'):
    baselines.run(config, tiny, Run(tmp_path / 'x'))


def test_clusters_that_are_done_are_kept(tiny, tmp_path, monkeypatch):
  config = make('kmeans', kmeans_clusters=(2, 3))
  run = Run(tmp_path / 'x')
  rows = baselines.run(config, tiny, run)
  (run.path / 'evaluation.json').unlink()
  monkeypatch.setattr(one_hot, 'fit', None)
  assert baselines.run(config, tiny, run) == rows


# Water-filling.


def test_levels_give_their_rates():
  variances = np.array([9.0, 4.0, 1.0, 0.25])
  for rate in (0.01, 0.4, 1.0, 3.0, 20.0):
    theta = water_filling.level(variances, rate)
    assert water_filling.rate(variances, theta) == pytest.approx(rate)
  # Two components above the water: (1/2) ln(9 / 2) + (1/2) ln(4 / 2).
  theta = water_filling.level(variances, 0.5 * math.log(9))
  assert theta == pytest.approx(2.0)


def test_the_codes_information_is_the_rate():
  """A Gaussian source: I(X;Z) from the covariance of codes, in closed form."""
  rng = np.random.default_rng(4)
  x = rng.standard_normal([20_000, 5]) * [4.0, 2.0, 1.0, 0.3, 0.1]
  whitening = pca.Whitening(x, 5)
  theta = water_filling.level(whitening.variances, 2.5)
  encoder = water_filling.WaterFilledEncoder(whitening, theta)
  assert encoder.size == 3 and encoder.noise == pytest.approx(theta**0.5)
  images = tf.constant(x.reshape([-1, 5, 1, 1]), tf.float32)
  encoding = encoder.distribution(encoder.parameters(images))
  codes = encoding.sample(seed=[0, 1]).numpy().astype(np.float64)
  noise = encoding.stddev().numpy()[0]
  information = 0.5 * np.log(np.linalg.det(np.cov(codes.T)))
  information -= np.log(noise).sum()
  assert information == pytest.approx(2.5, abs=0.03)
  # The code is the best estimate: errors of components have variance theta.
  scales = np.sqrt(whitening.variances[:3])
  white = whitening(tf.reshape(images, [-1, 5])).numpy()[:, :3]
  errors = ((codes - white) * scales).var(axis=0)
  np.testing.assert_allclose(errors, theta, rtol=0.05)


def test_noise_stays_above_0_where_the_rate_is_large():
  x = np.random.default_rng(4).standard_normal([200, 2]) * [4.0, 2.0]
  whitening = pca.Whitening(x, 2)
  theta = water_filling.level(whitening.variances, 40.0)
  encoder = water_filling.WaterFilledEncoder(whitening, theta)
  images = tf.constant(x.reshape([-1, 2, 1, 1]), tf.float32)
  encoding = encoder.distribution(encoder.parameters(images))
  noise = encoding.stddev().numpy()[0]
  # Here gains are 1, so the capacity is that of the noise alone.
  assert -np.log(noise).sum() == pytest.approx(40.0, rel=1e-5)


def test_rows_of_water_filling(tiny, tmp_path):
  config = make('pca_water_filled', pca_rates=(1.0, 8.0), num_samples=2)
  low, high = baselines.run(config, tiny, Run(tmp_path / 'x'))
  assert (low['rate'], high['rate']) == (1.0, 8.0)
  assert low['latent_size'] <= high['latent_size']
  assert low['noise'] > high['noise'] > 0
  assert low['label_distortion'] > 0 and low['label_distortion_stderr'] > 0
