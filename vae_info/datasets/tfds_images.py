"""Any image classification data set of TensorFlow Datasets: `tfds:NAME`.

NAME is the name of a builder, with its config if it has one ('emnist/letters').
The data set must have a feature `image`:

- Colours become one channel, their Rec. 601 luma. An alpha channel is dropped.
- Height and width are resized up to the next multiple of 4.
- Images without a common size become 64x64.

Each task is a feature with labels, and has the feature's name. These features
are every ClassLabel and every yes-or-no feature, also within other features
(CelebA has 40 attributes there). An integer of the first level is a task too,
if its values can be classes.

The splits are those of TensorFlow Datasets, if it has them:

- Without `test`, its `validation` is the test split. Without either, a fifth of
  `train` is.
- Without another `validation`, it is taken from `train`: as many images as the
  test split has, but at most a fifth of `train` (10,000 for MNIST).
- Images are taken from `train` at random, with a fixed seed.
"""

import numpy as np

from vae_info.datasets import cache, omniglot, tfds_source
from vae_info.errors import UserError

MULTIPLE = 4  # Of height and width, as the networks need it.
SIDE = 64  # Height and width of images without a common size.
SPLIT_SEED = 0
VERSION = 1  # Of the cached arrays; a new number recomputes them.


def read(
  name: str, data_dir: str | None, cache_dir: str | None
) -> tuple[omniglot.Splits, dict[str, int]]:
  """Returns splits like those of `omniglot.read`, and task -> classes.

  Args:
    name: Name of a builder.
    data_dir: Folder of the data; see `tfds_source.data_folder` for None.
    cache_dir: Folder of the cache; see `cache.folder` for None.

  Raises:
    UserError: Data are missing or damaged, or have no images or no labels.
  """
  builder = tfds_source.find(name, data_dir)
  features = builder.info.features
  if 'image' not in features or len(features['image'].shape) != 3:
    raise UserError(
      f'tfds:{name} has no feature "image"; it has {", ".join(features)}'
    )
  tasks = label_features(features)
  if not tasks:
    raise UserError(
      f'tfds:{name} has no labels among its features: {", ".join(features)}'
    )
  files = tfds_source.fingerprint(builder)

  def make():
    return _decode(builder, tasks)

  if files:
    key = {'version': VERSION, 'name': name, 'files': files}
    stem = f'tfds-{name.replace("/", "-").replace(":", "-")}'
    arrays = cache.load_or_make(cache_dir, stem, key, make)
  else:
    arrays = make()  # Without files, the cache has no key.
  splits = _unpack(arrays)
  if 'test' not in splits and 'validation' in splits:
    splits['test'] = splits.pop('validation')
  for number, split in enumerate(('test', 'validation')):
    if split not in splits:
      splits[split] = _take_from_train(splits, SPLIT_SEED + number)
  return _with_classes(name, splits, tasks)


def label_features(features) -> dict[str, tuple[tuple[str, ...], int | None]]:
  """Returns task -> (keys to the feature, number of classes or None).

  Args:
    features: A `tfds.features.FeaturesDict`.
  """
  found = {
    path: classes
    for path, classes in _walk(features)
    # Integers within other features are no classes: CelebA has coordinates.
    if classes is not None or len(path) == 1
  }
  last_keys = [path[-1] for path in found]
  tasks = {}
  for path, classes in found.items():
    unique = last_keys.count(path[-1]) == 1
    task = (path[-1] if unique else '.'.join(path)).replace('/', '.')
    tasks[task] = path, classes
  return tasks


def _walk(features, path=()):
  """Yields each integer scalar's path, and its number of classes or None."""
  import tensorflow as tf
  import tensorflow_datasets as tfds

  for key, feature in features.items():
    here = (*path, key)
    if isinstance(feature, tfds.features.FeaturesDict):
      yield from _walk(feature, here)
    elif isinstance(feature, tfds.features.ClassLabel):
      yield here, feature.num_classes
    elif getattr(feature, 'shape', None) == () and not isinstance(
      feature, tfds.features.Text
    ):
      dtype = tf.as_dtype(feature.dtype)
      if dtype.is_bool or dtype.is_integer:
        yield here, 2 if dtype.is_bool else None


def to_intensities(image, shape: tuple[int, ...]):
  """Converts one image to one channel of intensities, and checks its values.

  Args:
    image: A tensor `[H, W, C]`: integers from 0 to the largest of their type,
      or floats from 0 to 1.
    shape: Height and width of the result.

  Returns:
    uint8 `[*shape, 1]`, and a boolean: whether all pixels were in this range.
  """
  import tensorflow as tf

  largest = image.dtype.max if image.dtype.is_integer else 1
  image = tf.cast(image, tf.float32) / float(largest)
  valid = tf.reduce_all((image >= 0.0) & (image <= 1.0))
  if image.shape[-1] >= 3:
    image = tf.image.rgb_to_grayscale(image[..., :3])
  else:
    image = image[..., :1]
  if tuple(image.shape[:2]) != shape:
    image = tf.image.resize(image, shape, antialias=True)
  image = tf.clip_by_value(tf.round(255.0 * image), 0.0, 255.0)
  return tf.cast(image, tf.uint8), valid


def _decode(builder, tasks):
  """Reads every split that is used, as flat arrays for the cache."""
  height, width, _ = builder.info.features['image'].shape
  shape = tuple(
    SIDE if None in (height, width) else -(-side // MULTIPLE) * MULTIPLE
    for side in (height, width)
  )

  def convert(example):
    image, valid = to_intensities(example['image'], shape)
    converted = {'image': image, 'valid': valid}
    for task, (path, _) in tasks.items():
      value = example
      for key in path:
        value = value[key]
      converted[f'labels/{task}'] = value
    return converted

  # A builder that was never prepared, as in tests, does not know its splits.
  known = set(builder.info.splits) or {'train', 'test'}
  if 'train' not in known:
    raise UserError(
      f'tfds:{builder.name} has no split "train"; it has '
      f'{", ".join(sorted(known))}'
    )
  arrays = {}
  for split in ('train', 'validation', 'test'):
    if split in known:
      values = tfds_source.read(builder, split, convert)
      if not values.pop('valid').all():
        raise UserError(
          f'{split} of {builder.data_path} has pixels outside [0, 1]'
        )
      arrays |= {f'{split}/{key}': value for key, value in values.items()}
  return arrays


def _unpack(arrays):
  """Converts arrays `SPLIT/image` and `SPLIT/labels/TASK` to splits."""
  splits = {}
  for key, images in arrays.items():
    split, _, rest = key.partition('/')
    if rest == 'image':
      prefix = f'{split}/labels/'
      labels = {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
      }
      splits[split] = images, labels
  return splits


def _take_from_train(splits, seed):
  """Removes a new split from `train`, in place, and returns it."""
  # A fifth, but not more than the test split has.
  count = len(splits['train'][0]) // 5
  if 'test' in splits:
    count = min(count, len(splits['test'][0]))
  splits['train'], taken = omniglot.hold_out(splits['train'], count, seed)
  return taken


def _with_classes(name, splits, tasks):
  """Returns splits with int32 labels, and task -> number of classes.

  An integer feature whose values cannot be classes is left out.
  """
  num_classes = {}
  for task, (_, classes) in tasks.items():
    values = [labels[task] for _, labels in splits.values()]
    least = min(value.min() for value in values)
    most = max(value.max() for value in values)
    # Larger numbers are likely to be identifiers of examples.
    if classes is None and least >= 0 and most < len(values[0]):
      classes = int(most) + 1
    if classes is not None:
      num_classes[task] = classes
      # Check them before the cast to int32, which may change them.
      if least < 0 or most >= classes:
        raise UserError(
          f'tfds:{name}: {task} should be from 0 to {classes - 1}, is from '
          f'{least} to {most}'
        )
  if not num_classes:
    raise UserError(
      f'tfds:{name} has no labels: the values of {", ".join(tasks)} cannot be '
      'classes'
    )
  splits = {
    split: (
      images,
      {task: labels[task].astype(np.int32) for task in num_classes},
    )
    for split, (images, labels) in splits.items()
  }
  return splits, num_classes
