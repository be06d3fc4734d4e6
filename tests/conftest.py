"""What the tests share: quiet TensorFlow, two virtual CPUs, a tiny data set."""

import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import pytest
import tensorflow as tf

from vae_info import datasets

tf.config.set_logical_device_configuration(
  tf.config.list_physical_devices('CPU')[0],
  [tf.config.LogicalDeviceConfiguration()] * 2,
)


def make_split(count: int, seed: int) -> datasets.Split:
  """8x8 images of one of four quadrants, noisy; the label is the quadrant."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, 4, count).astype(np.int32)
  images = rng.random([count, 8, 8, 1]) < 0.05
  for image, label in zip(images, labels, strict=True):
    row, column = 4 * (label // 2), 4 * (label % 2)
    image[row : row + 4, column : column + 4] ^= True
  return datasets.Split(images.astype(np.uint8), {'quadrant': labels})


@pytest.fixture(scope='session')
def tiny() -> datasets.Dataset:
  """64 training images, and splits that no batch size divides."""
  return datasets.Dataset(
    name='static_mnist',  # The config knows no other name.
    train=make_split(64, 0),
    validation=make_split(17, 1),
    test=make_split(53, 2),
    num_classes={'quadrant': 4},
    entropy_estimate=None,
  )
