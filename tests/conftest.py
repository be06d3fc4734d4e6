"""Sets up all tests: quiet TensorFlow, two virtual CPUs, small data sets."""

import os
import sys

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import pytest
import small_data

from vae_info import datasets


def pytest_collection_finish(session):
  """Makes two virtual CPUs, if the collected tests use TensorFlow.

  It does not import TensorFlow itself, which takes seconds. Tests of figures
  and sweeps do without it, and so does the process that only hands out tests.
  """
  del session
  if 'tensorflow' in sys.modules:
    tf = sys.modules['tensorflow']
    tf.config.set_logical_device_configuration(
      tf.config.list_physical_devices('CPU')[0],
      [tf.config.LogicalDeviceConfiguration()] * 2,
    )


def make_split(count: int, seed: int) -> datasets.Split:
  images, labels = small_data.draw(count, seed)
  return datasets.Split(images, {'quadrant': labels})


@pytest.fixture(scope='session')
def tiny() -> datasets.Dataset:
  """64 training images, and splits that no batch size divides."""
  return datasets.Dataset(
    name='static_mnist',  # A name that a config accepts.
    train=make_split(64, 0),
    validation=make_split(17, 1),
    test=make_split(53, 2),
    num_classes={'quadrant': 4},
    entropy_estimate=None,
  )


@pytest.fixture(scope='session')
def digits() -> datasets.Dataset:
  """The bundled MNIST, cut: 1,000 images to train on and 500 to test."""
  whole = datasets.load('static_mnist')
  return small_data.cut(whole, train=1_000, validation=500, test=500)


@pytest.fixture(scope='session')
def prepared_quadrants(tmp_path_factory) -> tuple[str, ...]:
  """Prepares `tfds:tiny_quadrants`; the flags that say where it lies."""
  folder = tmp_path_factory.mktemp('quadrants')
  small_data.prepare(folder)
  return f'--data_dir={folder}', f'--cache_dir={folder}/cache'
