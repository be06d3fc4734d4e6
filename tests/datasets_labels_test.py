"""Labels recovered by naive Bayes: the formula, the counts, the truth."""

import numpy as np
import prepared_data
import pytest
from absl import logging as absl_logging

from vae_info import datasets
from vae_info.datasets import (
  binarize,
  binarized_mnist,
  naive_bayes,
  recover_labels,
  static_mnist,
  tfds_source,
)

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_matches_are_those_of_the_formula(monkeypatch):
  monkeypatch.setattr(naive_bayes, 'BLOCK', 7)  # It does not divide 30.
  rng = np.random.default_rng(0)
  originals = rng.integers(0, 256, [40, 3, 4, 1]).astype(np.uint8)
  images = rng.integers(0, 2, [30, 3, 4, 1]).astype(np.uint8)
  matches = naive_bayes.match(images, originals)
  p = np.clip(originals.reshape(40, 12) / 255, 1e-6, 1 - 1e-6)
  for x, best, margin in zip(images, matches.best, matches.margin, strict=True):
    x = x.reshape(12)
    scores = np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    assert best == np.argmax(scores)
    second, first = np.sort(scores)[-2:]
    assert margin == pytest.approx(first - second, abs=1e-4)


def test_each_image_finds_the_original_it_was_drawn_from():
  rng = np.random.default_rng(1)
  originals = rng.choice([0, 30, 128, 255], [50, 8, 8, 1]).astype(np.uint8)
  images = binarize.binarize(originals, seed=3)
  best = naive_bayes.match(images, originals).best
  np.testing.assert_array_equal(best, np.arange(50))


def two_digits():
  """Twenty images with one bright row, which is the label; two of each."""
  originals = np.zeros([20, 10, 10, 1], np.uint8)
  originals[np.arange(20), np.arange(20) % 10] = 255
  originals[10:, :, 0] = 0  # Shorter rows, so that no two images are the same.
  return originals, (np.arange(20) % 10).astype(np.uint8)


def test_splits_get_their_labels(caplog):
  originals, digits = two_digits()
  images = (originals > 0).astype(np.uint8)
  arrays = binarized_mnist.recover(
    {'train': images[:15], 'validation': images[15:], 'test': images[::-1]},
    {'train': (originals, digits), 'test': (originals, digits)},
  )
  np.testing.assert_array_equal(arrays['train/digit'], digits[:15])
  np.testing.assert_array_equal(arrays['validation/digit'], digits[15:])
  np.testing.assert_array_equal(arrays['test/digit'], digits[::-1])
  np.testing.assert_array_equal(arrays['test/original'], np.arange(20)[::-1])
  assert arrays['train/margin'].min() > 0


def test_counts_that_disagree_are_a_warning(monkeypatch):
  told = []
  monkeypatch.setattr(
    absl_logging, 'warning', lambda text, *values: told.append(text % values)
  )
  originals, digits = two_digits()
  images = (originals > 0).astype(np.uint8)
  images[3] = images[4]
  binarized_mnist.recover(
    {'train': images[:15], 'validation': images[15:], 'test': images[:1]},
    {'train': (originals, digits), 'test': (originals[:2], digits[:1])},
  )
  assert told == [
    'recovered labels of train and validation: 1 of 20 disagree with the '
    "counts of MNIST's digits"
  ]
  assert binarized_mnist.count_mismatch(np.array([1, 1]), [0, 1]) == 1
  assert binarized_mnist.count_mismatch(np.array([1, 0]), [0, 1]) == 0


def test_the_report_tells_counts_margins_and_repeats():
  rng = np.random.default_rng(0)
  arrays = {}
  for split in ('train', 'validation', 'test'):
    arrays[f'{split}/digit'] = np.arange(10)
    arrays[f'{split}/original'] = np.array([0, 0, *range(2, 10)])
    arrays[f'{split}/margin'] = rng.uniform(3, 4, 10)
  both = np.tile(np.arange(10), 2)
  text = recover_labels.report(arrays, {'train': both, 'test': np.arange(9)})
  assert "train and validation: 20 images, matched with 20 of MNIST's" in text
  assert 'counts of digits 0 to 9: 2 2 2 2 2 2 2 2 2 2' in text
  assert "  they are MNIST's" in text
  assert "1 of them disagree with MNIST's counts" in text
  # Both splits match the originals 0 and 2 to 9, out of 20.
  assert 'originals matched more than once: 9, never: 11' in text


@pytest.fixture(scope='module')
def mnist_test():
  builder = tfds_source.find('mnist', str(prepared_data.TFDS))
  arrays = tfds_source.read(builder, 'test', lambda example: example)
  return arrays['image'], arrays['label']


@prepared_data.needed
def test_true_labels_of_static_mnist_are_recovered(mnist_test):
  originals, digits = mnist_test
  images, truth = static_mnist.read()['test']
  np.testing.assert_array_equal(truth, digits)
  best = naive_bayes.match(images[:2000], originals).best
  assert np.mean(digits[best] == truth[:2000]) > 0.999
  assert np.mean(best == np.arange(2000)) > 0.99


@prepared_data.needed
def test_original_binarisation_finds_one_original_for_each(mnist_test):
  originals, _ = mnist_test
  builder = tfds_source.find('binarized_mnist', str(prepared_data.TFDS))
  images = tfds_source.read(builder, 'test', lambda example: example)['image']
  matches = naive_bayes.match(images[:2000], originals)
  assert len(set(matches.best)) > 1990
  # A pixel is never drawn where the original has none.
  assert np.mean(images[:2000][originals[matches.best] == 0]) < 1e-4


@prepared_data.needed
def test_everything_is_cached_and_loaded_as_it_was(tmp_path, monkeypatch):
  """The cache holds the result of the slow parts, which are replaced here."""
  static = static_mnist.read()
  made = {
    f'{split}/digit': digits.astype(np.uint8)
    for split, (_, digits) in static.items()
  }
  made |= {
    f'{split}/original': np.arange(len(digits), dtype=np.int32)
    for split, (_, digits) in static.items()
  }
  with monkeypatch.context() as patched:
    patched.setattr(
      binarized_mnist, '_read_images', lambda _, split: static[split][0]
    )
    patched.setattr(binarized_mnist, 'read_mnist', lambda _: None)
    patched.setattr(binarized_mnist, 'recover', lambda *_: dict(made))
    datasets.load('binarized_mnist', str(prepared_data.TFDS), str(tmp_path))
  monkeypatch.setattr(tfds_source, 'read', None)  # Nothing is decoded again.
  dataset = datasets.load(
    'binarized_mnist', str(prepared_data.TFDS), str(tmp_path)
  )
  for split, (images, digits) in static.items():
    np.testing.assert_array_equal(getattr(dataset, split).images, images)
    labels = getattr(dataset, split).labels['digit']
    np.testing.assert_array_equal(labels, digits)
  both = [dataset.train.labels['digit'], dataset.validation.labels['digit']]
  assert np.bincount(np.concatenate(both)).tolist() == TRAIN_COUNTS
  assert dataset.entropy_estimate == 79.78
  assert dataset.entropy_source == 'Tomczak & Welling (2017)'
