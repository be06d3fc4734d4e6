"""Omniglot in both its forms: the file's layout, orientation, and counts."""

import pathlib
import urllib.request

import numpy as np
import prepared_data
import pytest
import scipy.io

from vae_info import datasets
from vae_info.datasets import omniglot, omniglot_lake, tfds_source
from vae_info.errors import UserError


def content(**changes):
  """Three training and two test images, of two alphabets."""
  upright = np.zeros([28, 28])
  upright[3, :5] = 1  # A stroke from left to right near the top,
  upright[20, 1] = 0.5  # and a grey dot below.
  column = upright.reshape(-1, order='F')
  data = np.stack([column, np.zeros(784), np.ones(784)], axis=1)
  values = {
    'data': data,
    'target': np.array([[1, 0, 1], [0, 1, 0]]),
    'targetchar': np.array([[2, 1, 1]]),
    'testdata': data[:, :2],
    'testtarget': np.array([[0, 1], [1, 0]]),
    'testtargetchar': np.array([[4, 3]]),
  }
  return values | changes


def put(folder, **changes):
  path = folder / 'omniglot' / 'chardata.mat'
  path.parent.mkdir(exist_ok=True)
  values = {k: v for k, v in content(**changes).items() if v is not None}
  scipy.io.savemat(path, values)
  return path


def test_images_are_upright_and_characters_numbered_in_order(tmp_path):
  parts = omniglot.parse(put(tmp_path))
  images, labels = parts['train']
  assert images.shape == (3, 28, 28, 1)
  assert images.dtype == np.uint8
  assert images[0, 3, :5, 0].tolist() == [255] * 5
  assert images[0, 20, 1, 0] == 128
  assert np.count_nonzero(images[0]) == 6
  assert labels['alphabet'].tolist() == [0, 1, 0]
  # The first alphabet has three characters (one only in test), so the
  # second's begin at 3.
  assert labels['character'].tolist() == [1, 3, 0]
  _, labels = parts['test']
  assert labels['alphabet'].tolist() == [1, 0]
  assert labels['character'].tolist() == [6, 2]


def test_without_a_network_no_folder_is_left(tmp_path, monkeypatch):
  def refuse(*args, **kwargs):
    raise OSError('no network')

  monkeypatch.setattr(omniglot.urllib.request, 'urlopen', refuse)
  with pytest.raises(UserError, match='cannot be downloaded .no network'):
    omniglot.read(str(tmp_path / 'misspelt'))
  assert not (tmp_path / 'misspelt').exists()


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'data': None}, "no 'data'"),
    ({'testtargetchar': None}, "no 'testtargetchar'"),
    ({'data': np.zeros([784, 4])}, '4 images, but target is'),
    ({'data': np.zeros([3, 784])}, 'data should be 784 x N'),
    ({'data': np.full([784, 3], 1.5)}, r'data should be in \[0, 1\]'),
    ({'data': np.full([784, 3], np.nan)}, r'data should be in \[0, 1\]'),
    ({'testdata': np.full([784, 2], -1)}, r'testdata should be in \[0, 1\]'),
    ({'target': np.ones([2, 3])}, 'target is not one-hot'),
    ({'target': np.zeros([2, 3])}, 'target is not one-hot'),
    ({'targetchar': np.array([[0, 1, 2]])}, 'integers from 1'),
    ({'targetchar': np.array([[1, 1.5, 2]])}, 'integers from 1'),
    ({'targetchar': np.array([[1, 2]])}, '3 images, but'),
    ({'testtarget': np.eye(3)[:, 1:]}, 'differ in alphabets'),
  ],
)
def test_what_is_not_of_the_layout_is_refused(tmp_path, changes, message):
  with pytest.raises(UserError, match=message):
    omniglot.parse(put(tmp_path, **changes))


@pytest.mark.parametrize('size', [0, 10, 200, 1000])
def test_a_truncated_file_is_told(tmp_path, size):
  path = put(tmp_path)
  path.write_bytes(path.read_bytes()[:size])
  with pytest.raises(UserError, match='chardata.mat (is damaged|has no)'):
    omniglot.parse(path)


def test_another_number_of_images_is_told(tmp_path):
  put(tmp_path)
  with pytest.raises(UserError, match='expected 24345 training .* found 3 and'):
    datasets.load('omniglot', str(tmp_path))


def test_without_network_one_line_tells_what_to_do(tmp_path, monkeypatch):
  def refuse(url, timeout):
    raise urllib.error.URLError('no route')

  monkeypatch.setattr(urllib.request, 'urlopen', refuse)
  with pytest.raises(UserError) as error:
    datasets.load('omniglot', str(tmp_path))
  text = str(error.value)
  assert str(tmp_path / 'omniglot' / 'chardata.mat') in text
  assert omniglot.URL in text
  assert '--data_dir' in text
  assert '\n' not in text


def test_a_download_is_put_in_place(tmp_path, monkeypatch):
  source = put(tmp_path)
  monkeypatch.setattr(omniglot, 'URL', source.as_uri())
  path = tmp_path / 'new' / 'omniglot' / 'chardata.mat'
  omniglot.download(path)
  assert path.read_bytes() == source.read_bytes()
  assert [file.name for file in path.parent.iterdir()] == ['chardata.mat']


def test_hold_out_is_a_fixed_shuffle():
  images = np.arange(100)
  first, rest = omniglot.hold_out((images, {'t': images + 1}), 30, seed=0)
  assert len(first[0]) == 70
  assert sorted([*first[0], *rest[0]]) == list(range(100))
  assert not np.array_equal(rest[0], np.arange(70, 100))
  np.testing.assert_array_equal(rest[1]['t'], rest[0] + 1)
  again, _ = omniglot.hold_out((images, {}), 30, seed=0)
  np.testing.assert_array_equal(again[0], first[0])


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  """A folder with a stand-in for Burda's file, at the path a user would use."""
  folder = tmp_path_factory.mktemp('data')
  (folder / 'omniglot').mkdir()
  (folder / 'omniglot/chardata.mat').symlink_to(prepared_data.CHARDATA)
  return str(folder)


@prepared_data.needed
def test_splits_and_tasks(data_dir):
  dataset = datasets.load('omniglot', data_dir)
  sizes = {'train': 23_000, 'validation': 1_345, 'test': 8_070}
  for split, size in sizes.items():
    part = getattr(dataset, split)
    assert part.images.shape == (size, 28, 28, 1)
    assert set(np.unique(part.images)) == {0, 1}
    assert 0.05 < part.images.mean() < 0.3
    assert {name: len(values) for name, values in part.labels.items()} == {
      'alphabet': size,
      'character': size,
    }
  assert dataset.num_classes == {'alphabet': 50, 'character': 1623}
  characters = dataset.train.labels['character']
  assert len(np.unique(characters)) == 1623
  # Characters are numbered in the order of their alphabets.
  order = np.argsort(characters)
  assert np.all(np.diff(dataset.train.labels['alphabet'][order]) >= 0)
  assert dataset.entropy_estimate == 89.83
  assert dataset.entropy_source == 'Chen et al. (2017)'
  assert dataset.train_intensities is None


@prepared_data.needed
def test_binarizations(data_dir):
  static, dynamic, threshold = (
    datasets.load('omniglot', data_dir, binarization=name)
    for name in ('static', 'dynamic', 'threshold')
  )
  np.testing.assert_array_equal(static.test.images, dynamic.test.images)
  np.testing.assert_array_equal(static.train.images, dynamic.train.images)
  intensities = dynamic.train_intensities
  assert intensities.shape == (23_000, 28, 28, 1)
  assert intensities.dtype == np.uint8
  np.testing.assert_array_equal(threshold.train.images, intensities > 127)
  grey = (intensities > 100) & (intensities < 156)
  assert static.train.images[grey].mean() == pytest.approx(0.5, abs=0.01)
  # The published number holds for pixels that were drawn at random.
  assert threshold.entropy_estimate is None


@pytest.fixture(scope='module')
def lake_cache(tmp_path_factory):
  return str(tmp_path_factory.mktemp('cache'))


@pytest.fixture(scope='module')
def lake(lake_cache):
  return datasets.load(
    'omniglot_lake', str(prepared_data.TFDS), lake_cache, 'dynamic'
  )


@pytest.mark.slow
@prepared_data.needed
def test_lake_splits_and_tasks(lake):
  for split, size in (
    (lake.train, 23_045),
    (lake.validation, 1_345),
    (lake.test, 8_070),
  ):
    assert split.images.shape == (size, 28, 28, 1)
    assert 0.05 < split.images.mean() < 0.3
  classes = {'alphabet': 50, 'character': 1623, 'drawer': 20}
  assert lake.num_classes == classes
  everywhere = [
    split.labels['character']
    for split in (lake.train, lake.validation, lake.test)
  ]
  # Each character was drawn by twenty people.
  assert set(np.bincount(np.concatenate(everywhere))) == {20}
  # Strokes are 1, and the margin of a page is empty.
  assert lake.train_intensities.max() == 255
  assert np.median(lake.train_intensities) == 0


@pytest.mark.slow
@prepared_data.needed
def test_lake_numbers_agree_with_the_names(lake):
  builder = tfds_source.find('omniglot', str(prepared_data.TFDS))
  alphabets = builder.info.features['alphabet'].names
  characters = builder.info.features['label'].names
  for alphabet, character in zip(
    lake.test.labels['alphabet'], lake.test.labels['character'], strict=True
  ):
    name, _, _ = characters[character].rpartition('_')
    assert name == alphabets[alphabet]


@pytest.mark.slow
@prepared_data.needed
def test_both_layouts_have_the_same_images(lake_cache, data_dir):
  """The stand-in has the same images, so ours are upright with strokes 1."""
  images, labels = omniglot.parse(
    pathlib.Path(data_dir) / 'omniglot/chardata.mat'
  )['test']
  splits = omniglot_lake.read(str(prepared_data.TFDS), lake_cache).values()
  ours = np.concatenate([part[0] for part in splits]).astype(np.float32)
  alphabets = np.concatenate([part[1]['alphabet'] for part in splits])
  for image, alphabet in zip(images[:30], labels['alphabet'], strict=False):
    differences = np.abs(ours - image).mean(axis=(1, 2, 3))
    # They differ a little: the stand-in averages over whole pixels, our code
    # over parts of pixels.
    assert differences.min() < 4
    assert alphabets[differences.argmin()] == alphabet


def test_one_image_of_lake_s_is_averaged_and_inverted():
  page = np.full([105, 105, 3], 255, np.uint8)
  page[:15, 30:60] = 0  # Black: rows 0 to 3 and columns 8 to 15 of 28.
  example = {'image': page, 'alphabet': 3, 'label': 70, 'alphabet_char_id': 1}
  made = omniglot_lake.convert(example)
  image = made['image'].numpy()
  assert image.shape == (28, 28, 1)
  assert image.dtype == np.uint8
  assert np.all(image[:4, 8:16] == 255)
  assert np.count_nonzero(image) == 4 * 8
  assert (int(made['alphabet']), int(made['character'])) == (3, 70)
