"""Binarization: from intensities to pixels of 0 and 1."""

import numpy as np
import pytest

from vae_info.datasets import binarize


def test_each_pixel_is_drawn_with_its_intensity():
  intensities = np.repeat(np.array([0, 51, 255], np.uint8), 40_000)
  bits = binarize.binarize(intensities, seed=0).reshape(3, -1)
  assert bits[0].sum() == 0
  assert bits[1].mean() == pytest.approx(0.2, abs=3 * 0.002)
  assert bits[2].mean() == 1
  again = binarize.binarize(intensities, seed=0)
  np.testing.assert_array_equal(again, bits.reshape(-1))


def test_threshold_is_at_one_half():
  intensities = np.array([0, 127, 128, 255], np.uint8)
  assert binarize.threshold(intensities).tolist() == [0, 0, 1, 1]


def test_splits_do_not_share_draws_and_test_is_drawn_once():
  grey = np.full([5, 28, 28, 1], 100, np.uint8)
  draws = [
    binarize.split_images(grey, split, 'static') for split in binarize.SEEDS
  ]
  assert not np.array_equal(draws[0], draws[1])
  assert not np.array_equal(draws[0], draws[2])
  dynamic = binarize.split_images(grey, 'test', 'dynamic')
  np.testing.assert_array_equal(dynamic, draws[2])
  assert binarize.split_images(grey, 'test', 'threshold').sum() == 0
