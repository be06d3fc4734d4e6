"""Where tests find prepared data sets, which are not in the repository.

    VAE_INFO_TEST_DATA=FOLDER python -m pytest

Tests that need them are skipped if the folder is absent.
"""

import os
import pathlib

import pytest

FOLDER = pathlib.Path(
  os.environ.get(
    'VAE_INFO_TEST_DATA', pathlib.Path(__file__).parents[2] / 'shared/data'
  )
)
TFDS = FOLDER / 'tensorflow_datasets'  # In the layout of TensorFlow Datasets.
# A file of images with the labels that Burda's has; see `datasets.omniglot`.
CHARDATA = FOLDER / 'omniglot/chardata_from_lake.mat'

needed = pytest.mark.skipif(
  not (TFDS.is_dir() and CHARDATA.is_file()),
  reason=f'no {TFDS}, or no {CHARDATA}; VAE_INFO_TEST_DATA names the folder',
)
