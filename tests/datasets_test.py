"""The bundled data set: sizes, values, labels, and how it was made."""

import numpy as np
import prepared_data
import pytest

from vae_info import datasets
from vae_info.datasets import build_static_mnist, static_mnist

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope='module')
def static():
  return datasets.load('static_mnist')


def test_splits(static):
  for split, count in (
    (static.train, 50_000),
    (static.validation, 10_000),
    (static.test, 10_000),
  ):
    assert split.images.shape == (count, 28, 28, 1)
    assert split.images.dtype == np.uint8
    assert set(np.unique(split.images)) == {0, 1}
    assert 0.05 < split.images.mean() < 0.3
    assert split.labels['digit'].shape == (count,)
    assert split.labels['digit'].dtype == np.int32
  assert static.image_shape == (28, 28, 1)
  assert static.num_classes['digit'] == 10
  assert static.entropy_estimate == 79.78


def test_labels_are_mnist_s(static):
  both = np.concatenate(
    [static.train.labels['digit'], static.validation.labels['digit']]
  )
  assert np.bincount(both).tolist() == TRAIN_COUNTS
  assert np.bincount(static.test.labels['digit']).tolist() == TEST_COUNTS
  entropy = datasets.label_entropy(static.test.labels['digit'])
  assert entropy == pytest.approx(2.30085, abs=1e-5)


def test_labels_belong_to_their_images(static):
  # A nearest mean tells digits apart only if labels and images are aligned.
  images = static.train.images.reshape(-1, 784).astype(np.float32)
  digits = static.train.labels['digit']
  means = np.stack([images[digits == digit].mean(0) for digit in range(10)])
  test = static.test.images.reshape(-1, 784).astype(np.float32)
  nearest = np.argmin(-2 * test @ means.T + np.sum(means**2, axis=1), axis=1)
  assert np.mean(nearest == static.test.labels['digit']) > 0.75


def test_label_entropy_of_a_fair_coin():
  entropy = datasets.label_entropy(np.array([3, 3, 7, 7]))
  assert entropy == pytest.approx(np.log(2))


def test_unknown_name_lists_the_choices():
  with pytest.raises(ValueError, match='expected one of static_mnist'):
    datasets.load('mnist')


def test_file_round_trip_and_wrong_size(tmp_path, static):
  path = tmp_path / 'x.npz'
  images = np.zeros([70_000, 28, 28, 1], np.uint8)
  images[-1, 5, 6] = 1
  static_mnist.write(images, np.arange(70_000) % 10, path)
  test_images, digits = static_mnist.read(path)['test']
  assert test_images[-1, 5, 6] == 1
  assert test_images.sum() == 1
  assert digits[-1] == 9
  static_mnist.write(images[:100], np.zeros(100), path)
  with pytest.raises(ValueError, match='expected 70000 images .* found 100'):
    static_mnist.read(path)


@prepared_data.needed
def test_the_bundled_file_is_what_the_script_makes(static):
  import tensorflow_datasets as tfds

  test = tfds.as_numpy(
    tfds.load('mnist', data_dir=prepared_data.TFDS, split='test', batch_size=-1)
  )
  np.testing.assert_array_equal(test['label'], static.test.labels['digit'])
  images = static.test.images
  assert np.all(images[test['image'] == 0] == 0)
  assert np.all(images[test['image'] == 255] == 1)
  grey = (test['image'] > 100) & (test['image'] < 156)
  assert images[grey].mean() == pytest.approx(0.5, abs=0.01)
  # The draws are those of seed 0, after the 60,000 training images.
  unseen = np.zeros([60_000, 28, 28, 1], np.uint8)
  bits = build_static_mnist.binarize(
    np.concatenate([unseen, test['image']]), seed=0
  )
  np.testing.assert_array_equal(bits[60_000:], images)
