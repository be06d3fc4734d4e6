"""Omniglot as Lake et al. [1] published it, through TensorFlow Datasets.

All 32,460 images of its `train` and `test`, which have no alphabet in common,
are shuffled by a fixed seed into 23,045 / 1,345 / 8,070: as many for
validation and test as in Burda et al. (see `omniglot.py`). 105x105x3 black on
white becomes 28x28 by averaging areas, inverted so that strokes are 1.

Two tasks: `alphabet` and `character`, numbered as by TensorFlow Datasets, which
calls the second `label`.

#### References

[1]: Brenden Lake, Ruslan Salakhutdinov and Joshua Tenenbaum. Human-level
     concept learning through probabilistic program induction. _Science_, 2015.
"""

import numpy as np

from vae_info.config import UserError
from vae_info.datasets import cache, omniglot, tfds_source

SIZE = 32_460
VERSION = 1  # Of what is cached; another number makes it anew.


def read(data_dir: str | None, cache_dir: str | None) -> omniglot.Splits:
  """Returns split -> (uint8 intensities `[N, 28, 28, 1]`, labels by task).

  Raises:
    UserError: Data are missing or damaged.
  """
  builder = tfds_source.find('omniglot', data_dir)
  key = {'version': VERSION, 'files': tfds_source.fingerprint(builder)}
  arrays = cache.load_or_make(
    cache_dir, 'omniglot_lake', key, lambda: _decode(builder)
  )
  images = arrays.pop('image')
  labels = {task: values.astype(np.int32) for task, values in arrays.items()}
  rest, test = omniglot.hold_out(
    (images, labels), omniglot.TEST_SIZE, omniglot.SPLIT_SEED
  )
  # Another seed, since the first shuffle is not to be undone.
  train, validation = omniglot.hold_out(
    rest, omniglot.VALIDATION_SIZE, omniglot.SPLIT_SEED + 1
  )
  return {'train': train, 'validation': validation, 'test': test}


def convert(example: dict) -> dict:
  """One example of TensorFlow Datasets', in TensorFlow, as it is cached."""
  import tensorflow as tf

  image = tf.cast(example['image'], tf.float32)
  image = tf.reduce_mean(image, axis=-1, keepdims=True)
  # A batch of one, since averaging areas knows only batches.
  image = tf.image.resize(image[tf.newaxis], [28, 28], method='area')[0]
  return {
    'image': tf.cast(tf.round(255.0 - image), tf.uint8),
    'alphabet': tf.cast(example['alphabet'], tf.int32),
    'character': tf.cast(example['label'], tf.int32),
  }


def _decode(builder):
  parts = [
    tfds_source.read(builder, split, convert) for split in ('train', 'test')
  ]
  arrays = {
    name: np.concatenate([part[name] for part in parts]) for name in parts[0]
  }
  if len(arrays['image']) != SIZE:
    raise UserError(
      f'{builder.data_path} should have {SIZE} images, found '
      f'{len(arrays["image"])}'
    )
  return arrays
