"""Omniglot as Lake et al. [1] published it, through TensorFlow Datasets.

`train` and `test` of TensorFlow Datasets have no alphabet in common. So their
32,460 images are shuffled together, with a fixed seed, and split into 23,045 /
1,345 / 8,070. Validation and test are as large as those of Burda et al. (see
`omniglot.py`). Averaging areas reduces the images, 105x105x3 and black on
white, to 28x28. They are inverted, so that strokes are 1.

The tasks are `alphabet` and `character`, numbered as in TensorFlow Datasets,
which calls the second `label`. A third task is `drawer`, the number of one of
20 people (see `omniglot_drawers.py`). It counts within an alphabet. So the
classifier of `drawer` is also given the alphabet. All twenty drew every
character, so the entropy is ln 20 in every alphabet, and
I(Z; drawer | alphabet) >= ln 20 - C.

#### References

[1]: Brenden Lake, Ruslan Salakhutdinov and Joshua Tenenbaum. Human-level
     concept learning through probabilistic program induction. _Science_, 2015.
"""

import numpy as np

from vae_info.datasets import cache, omniglot, omniglot_drawers, tfds_source
from vae_info.errors import UserError

SIZE = 32_460
NUM_CLASSES = {**omniglot.NUM_CLASSES, 'drawer': omniglot_drawers.COUNT}
GIVEN = {'drawer': 'alphabet'}  # Task -> the labels that are given with it.
VERSION = 2  # Of the cached arrays; a new number recomputes them.


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
  # Another seed, so that the two shuffles have nothing in common.
  train, validation = omniglot.hold_out(
    rest, omniglot.VALIDATION_SIZE, omniglot.SPLIT_SEED + 1
  )
  return {'train': train, 'validation': validation, 'test': test}


def convert(example: dict) -> dict:
  """Converts an example of TensorFlow Datasets to the tensors to cache.

  Returns:
    `image`, uint8 `[28, 28, 1]`; `alphabet` and `character`, int32 scalars.
  """
  import tensorflow as tf

  image = tf.cast(example['image'], tf.float32)
  image = tf.reduce_mean(image, axis=-1, keepdims=True)
  # A batch of one image: the method `area` needs a batch.
  image = tf.image.resize(image[tf.newaxis], [28, 28], method='area')[0]
  return {
    'image': tf.cast(tf.round(255.0 - image), tf.uint8),
    'alphabet': tf.cast(example['alphabet'], tf.int32),
    'character': tf.cast(example['label'], tf.int32),
  }


def _decode(builder):
  names = builder.info.features['label'].names
  parts = []
  for split in ('train', 'test'):
    part = tfds_source.read(builder, split, convert)
    part['drawer'] = omniglot_drawers.recover(split, part['character'], names)
    parts.append(part)
  arrays = {
    name: np.concatenate([part[name] for part in parts]) for name in parts[0]
  }
  if len(arrays['image']) != SIZE:
    raise UserError(
      f'{builder.data_path} should have {SIZE} images, found '
      f'{len(arrays["image"])}'
    )
  return arrays
