"""Any image set of TensorFlow Datasets: features, splits, sizes, damage."""

import pathlib

import numpy as np
import prepared_data
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from vae_info import datasets
from vae_info.datasets import tfds_images, tfds_source
from vae_info.errors import UserError

COUNTS = {'train': 40, 'test': 12}


class TinyColours(tfds.core.GeneratorBasedBuilder):
  """A registered builder: 10x6 colour images, labels of several kinds."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(shape=(10, 6, 3)),
          'shape': tfds.features.ClassLabel(num_classes=3),
          'count': np.int64,
          'identifier': np.int64,
          'position': np.int64,
          'name': tfds.features.Text(),
          'attributes': {'large': np.bool_, 'x': np.int64},
        }
      ),
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {split: self._generate_examples(split) for split in COUNTS}

  def _generate_examples(self, split):
    for index in range(COUNTS[split]):
      image = np.zeros([10, 6, 3], np.uint8)
      image[index % 10] = 255
      yield (
        index,
        {
          'image': image,
          'shape': index % 3,
          'count': index % 5,
          'identifier': 10**6 + index,
          'position': index,
          'name': f'{index}',
          'attributes': {'large': index % 2 == 0, 'x': index},
        },
      )


class TinyBlack(TinyColours):
  """`TinyColours` with the values 0 and 1 instead of 0 and 255."""

  def _generate_examples(self, split):
    for index, example in super()._generate_examples(split):
      yield index, example | {'image': example['image'] // 255}


class TinyUnlabelled(TinyColours):
  """`TinyColours` with the label -1 in the test split, as if it were secret."""

  def _generate_examples(self, split):
    for index, example in super()._generate_examples(split):
      yield index, example | {'shape': -1 if split == 'test' else 0}


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tfds')
  for builder in (TinyColours, TinyUnlabelled, TinyBlack):
    builder(data_dir=folder).download_and_prepare()
  return folder


@pytest.fixture
def copy(prepared, tmp_path):
  """A copy to damage, and a cache of its own."""
  import shutil

  shutil.copytree(prepared, tmp_path / 'data')
  return tmp_path / 'data', tmp_path / 'cache'


def test_labels_splits_and_sizes(prepared, tmp_path):
  dataset = datasets.load('tfds:tiny_colours', prepared, tmp_path)
  # Integers that are too large, all different, or not scalar are no classes.
  assert dataset.num_classes == {'shape': 3, 'count': 5, 'large': 2}
  # Validation takes a fifth of the training split.
  sizes = [
    len(split.images)
    for split in (dataset.train, dataset.validation, dataset.test)
  ]
  assert sizes == [32, 8, 12]
  assert dataset.image_shape == (12, 8, 1)
  assert dataset.entropy_estimate is None
  labels = dataset.test.labels
  assert np.bincount(labels['shape']).tolist() == [4, 4, 4]
  assert labels['large'].dtype == np.int32
  # Images keep their own labels: the label is the row that is white.
  ours = datasets.load('tfds:tiny_colours', prepared, tmp_path, 'threshold')
  for image, shape, count in zip(
    ours.test.images, labels['shape'], labels['count'], strict=True
  ):
    row = np.argmax(image.sum(axis=(1, 2))) * 10 // 12
    index = next(i for i in range(12) if (i % 3, i % 5) == (shape, count))
    assert abs(index % 10 - row) <= 1


def test_a_second_load_reads_the_cache_and_another_content_does_not(
  copy, monkeypatch
):
  data, cache_dir = copy
  first = datasets.load('tfds:tiny_colours', data, cache_dir)
  with monkeypatch.context() as patched:
    patched.setattr(tfds_source, 'read', None)
    second = datasets.load('tfds:tiny_colours', data, cache_dir)
  np.testing.assert_array_equal(first.train.images, second.train.images)
  # The cache is keyed by content, so changed files are read again.
  folder = data / 'tiny_colours/1.0.0'
  info = folder / 'dataset_info.json'
  info.write_text(info.read_text() + '\n')
  with monkeypatch.context() as patched:
    patched.setattr(tfds_source, 'read', None)
    with pytest.raises(TypeError):
      datasets.load('tfds:tiny_colours', data, cache_dir)


@pytest.mark.parametrize('keep', [0.5, 0.0])
def test_a_truncated_file_is_told(copy, keep):
  data, cache_dir = copy
  path = next((data / 'tiny_colours/1.0.0').glob('*-train.tfrecord*'))
  content = path.read_bytes()
  path.write_bytes(content[: int(len(content) * keep)])
  with pytest.raises(UserError, match='delete that folder to prepare it again'):
    datasets.load('tfds:tiny_colours', data, cache_dir)
  assert not list(cache_dir.glob('*.npz'))


def test_labels_out_of_range_are_told(prepared, tmp_path):
  message = 'shape should be from 0 to 2, is from -1 to 0'
  with pytest.raises(UserError, match=message):
    datasets.load('tfds:tiny_unlabelled', prepared, tmp_path)


@pytest.mark.parametrize('binarization', ['static', 'none'])
def test_images_of_another_range_are_told(prepared, tmp_path, binarization):
  with pytest.raises(UserError, match='is black: no pixel is above 1 of 255'):
    datasets.load('tfds:tiny_black', prepared, tmp_path, binarization)


def test_tasks_do_not_depend_on_the_order_of_features():
  label = tfds.features.ClassLabel(num_classes=2)
  both = tfds.features.FeaturesDict({'a': label, 'b': {'y': label, 'x': label}})
  turned = tfds.features.FeaturesDict(
    {'b': {'x': label, 'y': label}, 'a': label}
  )
  for features in (both, turned):
    assert [*tfds_images.label_features(features)] == ['a', 'x', 'y']


def test_unknown_names_are_told(tmp_path):
  with pytest.raises(UserError, match="cannot open 'no_such_set'"):
    datasets.load('tfds:no_such_set', tmp_path, tmp_path)
  with pytest.raises(UserError, match="cannot open 'emnist/no_such_config'"):
    datasets.load('tfds:emnist/no_such_config', tmp_path, tmp_path)


def test_what_cannot_be_downloaded_is_one_line(tmp_path, monkeypatch):
  def refuse(self):
    pathlib.Path(self.data_path).mkdir(parents=True)
    raise ConnectionError('no route to host\nand more lines')

  monkeypatch.setattr(tfds.core.DatasetBuilder, 'download_and_prepare', refuse)
  with pytest.raises(UserError) as error:
    datasets.load('tfds:mnist', tmp_path, tmp_path)
  text = str(error.value)
  assert str(tmp_path / 'mnist/3.0.1') in text
  assert 'no route to host' in text
  assert 'with a network' in text
  assert '--data_dir' in text
  assert '\n' not in text
  assert not list(tmp_path.glob('mnist*'))


@pytest.mark.parametrize(
  'name, shape, classes',
  [
    ('mnist', (28, 28, 1), {'label': 10}),
    ('kmnist', (28, 28, 1), {'label': 10}),
    ('emnist', (28, 28, 1), {'label': 62}),
    ('emnist/letters', (28, 28, 1), {'label': 37}),
  ],
)
def test_sets_of_tfds_by_its_mock(name, shape, classes, tmp_path):
  with tfds.testing.mock_data(num_examples=25):
    dataset = datasets.load(f'tfds:{name}', tmp_path / 'x', tmp_path)
  assert dataset.image_shape == shape
  assert dataset.num_classes == classes
  assert len(dataset.train.images) == 20
  assert len(dataset.validation.images) == 5
  assert len(dataset.test.images) == 25
  assert not list(tmp_path.glob('*.npz'))  # No files, so no key for the cache.


def test_every_attribute_of_celeb_a_is_a_task(tmp_path):
  with tfds.testing.mock_data(num_examples=10):
    dataset = datasets.load('tfds:celeb_a', tmp_path / 'x', tmp_path)
  assert dataset.image_shape == (220, 180, 1)
  assert len(dataset.num_classes) == 40
  assert dataset.num_classes['Smiling'] == 2
  assert set(dataset.num_classes.values()) == {2}


def test_a_set_without_labels_is_told(tmp_path):
  with (
    tfds.testing.mock_data(num_examples=10),
    pytest.raises(UserError, match='has no labels among its features: image'),
  ):
    datasets.load('tfds:binarized_mnist', tmp_path / 'x', tmp_path)


def test_a_set_without_images_is_told(tmp_path):
  with (
    tfds.testing.mock_data(num_examples=10),
    pytest.raises(UserError, match='tfds:imdb_reviews has no feature "image"'),
  ):
    datasets.load('tfds:imdb_reviews', tmp_path / 'x', tmp_path)


def test_one_channel_of_any_kind_of_image():
  rng = np.random.default_rng(0)
  grey = rng.integers(0, 256, [8, 8, 1]).astype(np.uint8)
  for image in (
    grey,
    np.repeat(grey, 3, axis=-1),
    np.concatenate([np.repeat(grey, 3, axis=-1), 255 - grey], axis=-1),
    grey.astype(np.uint16) * 257,
    grey.astype(np.float32) / 255,
  ):
    made, valid = tfds_images.to_intensities(tf.constant(image), (8, 8))
    np.testing.assert_array_equal(made, grey)
    assert valid
  for value in (-0.1, 1.1, np.nan):
    image = tf.fill([8, 8, 1], value)
    assert not tfds_images.to_intensities(image, (8, 8))[1]
  colours = tf.constant([[[255, 0, 0], [0, 255, 0]]], tf.uint8)
  made, _ = tfds_images.to_intensities(colours, (1, 2))
  assert made.numpy().reshape(-1).tolist() == [76, 150]
  white = tf.constant([[[True], [False]]])
  plan = tfds_images._Plan((1, 2), channels=True)
  for convert, last in (
    (tfds_images.to_intensities, (1, 2)),
    (tfds_images.to_levels, plan),
  ):
    assert convert(white, last)[0].numpy().reshape(-1).tolist() == [255, 0]
  resized, _ = tfds_images.to_intensities(tf.constant(grey), (12, 4))
  assert resized.shape == (12, 4, 1)


@pytest.mark.slow
@prepared_data.needed
def test_mnist_itself(tmp_path):
  dataset = datasets.load('tfds:mnist', prepared_data.TFDS, tmp_path, 'dynamic')
  sizes = [
    len(split.images)
    for split in (dataset.train, dataset.validation, dataset.test)
  ]
  assert sizes == [50_000, 10_000, 10_000]
  assert dataset.num_classes == {'label': 10}
  counts = np.bincount(dataset.test.labels['label']).tolist()
  assert counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
  # They are the bundled images, but binarized with other draws.
  static = datasets.load('static_mnist')
  assert dataset.test.images.mean() == pytest.approx(
    static.test.images.mean(), abs=1e-3
  )
  assert 0.1 < dataset.train_intensities.mean() / 255 < 0.15
