"""Any image classification data set of TensorFlow Datasets: `tfds:NAME`.

NAME is the name of a builder, with its config if it has one ('emnist/letters').
The data set must have a feature `image`:

- Colours become one channel, their Rec. 601 luma. An alpha channel is dropped.
  With the binarization `none`, all channels stay as they are.
- Height and width are resized up to the next multiple of 4.
- Images without a common size become 64x64. With the binarization `none`, so
  does the central square of images that are larger, if their height or width is
  no multiple of 4 (CelebA has 218x178).

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

import dataclasses

import numpy as np
from absl import logging

from vae_info.datasets import cache, memory, omniglot, tfds_source
from vae_info.errors import UserError

MULTIPLE = 4  # Of height and width, as the networks need it.
SIDE = 64  # Height and width of images without a common size.
MAX_CHANNELS = 4  # That the binarization `none` keeps.
SPLIT_SEED = 0
VERSION = 1  # Of the cached arrays; a new number recomputes them.


def read(
  name: str,
  data_dir: str | None,
  cache_dir: str | None,
  channels: bool = False,
) -> tuple[omniglot.Splits, dict[str, int]]:
  """Returns splits like those of `omniglot.read`, and task -> classes.

  Args:
    name: Name of a builder.
    data_dir: Folder of the data; see `tfds_source.data_folder` for None.
    cache_dir: Folder of the cache; see `cache.folder` for None.
    channels: Whether images keep their channels. Otherwise they become grey.

  Raises:
    UserError: Data are missing or damaged, or have no images or no labels. Or
      they have more channels or bits than can be kept.
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
  plan = _Plan.of(name, features['image'], channels)
  if plan.note:
    logging.warning('%s', plan.note)
  splits = _unpack(_read(name, builder, tasks, plan, cache_dir))
  if 'test' not in splits:
    source = 'validation' if 'validation' in splits else 'a fifth of train'
    logging.warning('tfds:%s has no split test: %s is its test', name, source)
  if 'test' not in splits and 'validation' in splits:
    splits['test'] = splits.pop('validation')
  for number, split in enumerate(('test', 'validation')):
    if split not in splits:
      splits[split] = _take_from_train(splits, SPLIT_SEED + number)
  return _with_classes(name, splits, tasks)


def _read(name, builder, tasks, plan, cache_dir):
  """The arrays of `_decode`, from the cache if possible."""
  files = tfds_source.fingerprint(builder)

  def make():
    return _decode(builder, tasks, plan)

  if not files:
    return make()  # Without files, the cache has no key.
  key = {'version': VERSION, 'name': name, 'files': files}
  if plan.channels:
    key['channels'] = VERSION
  stem = f'tfds-{name.replace("/", "-").replace(":", "-")}'
  return cache.load_or_make(cache_dir, stem, key, make)


def label_features(features) -> dict[str, tuple[tuple[str, ...], int | None]]:
  """Returns task -> (keys to the feature, number of classes or None).

  Args:
    features: A `tfds.features.FeaturesDict`.
  """
  found = {
    path: classes
    # Sorted, as TFDS restores features from files in an order that changes.
    for path, classes in sorted(_walk(features), key=lambda item: item[0])
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
      dtype = tf.as_dtype(feature.np_dtype)
      if dtype.is_bool or dtype.is_integer:
        yield here, 2 if dtype.is_bool else None


def to_intensities(image, shape: tuple[int, ...]):
  """Converts one image to one channel of intensities, and checks its values.

  Args:
    image: A tensor `[H, W, C]`: integers from 0 to the largest of their type,
      floats from 0 to 1, or booleans.
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


@dataclasses.dataclass(frozen=True)
class _Plan:
  """How images of a data set are converted.

  Attributes:
    shape: Height and width of the result.
    channels: Whether they keep their channels.
    square: Whether only their central square is used.
    note: What the user should know, in one line; '' for nothing.
  """

  shape: tuple[int, int]
  channels: bool = False
  square: bool = False
  note: str = ''

  @classmethod
  def of(cls, name: str, feature, channels: bool) -> '_Plan':
    """The plan for a feature of TensorFlow Datasets.

    Raises:
      UserError: It has more channels or bits than can be kept.
    """
    height, width, depth = feature.shape
    known = None not in (height, width)
    fits = known and not (height % MULTIPLE or width % MULTIPLE)
    square = channels and known and not fits and max(height, width) > SIDE
    shape = (SIDE, SIDE)
    if known and not square:
      shape = tuple(-(-x // MULTIPLE) * MULTIPLE for x in (height, width))
    notes = []
    if not channels and depth and depth >= 3:
      notes.append(
        f'images of {depth} channels are turned to grey; --binarization=none '
        'keeps them'
      )
    if channels:
      _check_channels(name, depth, np.dtype(feature.np_dtype))
    if not fits:
      size = f'{height} x {width}' if known else 'several sizes'
      what = 'the central squares of images' if square else 'images'
      notes.append(
        f'{what} of {size} are resized to {shape[0]} x {shape[1]}, since '
        f'height and width must be multiples of {MULTIPLE}'
      )
    note = '; '.join(notes)
    return cls(shape, channels, square, f'tfds:{name}: {note}' if note else '')


def _check_channels(name, depth, dtype):
  """Raises `UserError` unless these channels of these bits can be kept."""
  if depth is None or depth > MAX_CHANNELS:
    raise UserError(
      f'tfds:{name} has images of {depth or "an unknown number of"} channels; '
      f'--binarization=none takes 1 to {MAX_CHANNELS}, the others turn them to '
      'grey'
    )
  if np.issubdtype(dtype, np.integer) and dtype != np.uint8:
    raise UserError(
      f'tfds:{name} has images of {8 * dtype.itemsize} bits ({dtype}); '
      f'--binarization=none takes 8 bits, the others values up to '
      f'{np.iinfo(dtype).max}'
    )


def to_levels(image, plan: _Plan):
  """Converts one image to 8-bit values in all channels.

  Args:
    image: A tensor `[H, W, C]`: uint8, floats from 0 to 1, or booleans.
    plan: How to convert it.

  Returns:
    uint8 `[*plan.shape, C]`, and a boolean: whether all pixels were in range.
  """
  import tensorflow as tf

  valid = tf.constant(True)
  if image.dtype.is_bool:
    image = tf.cast(image, tf.float32)
  if image.dtype.is_floating:
    valid = tf.reduce_all((image >= 0.0) & (image <= 1.0))
    image = 255.0 * tf.cast(image, tf.float32)
  if plan.square:
    height, width = image.shape[:2]
    side = min(height, width)
    image = tf.image.crop_to_bounding_box(
      image, (height - side) // 2, (width - side) // 2, side, side
    )
  if tuple(image.shape[:2]) != plan.shape:
    image = tf.image.resize(image, plan.shape, antialias=True)
  if image.dtype.is_floating:
    image = tf.clip_by_value(tf.round(image), 0.0, 255.0)
  return tf.cast(image, tf.uint8), valid


def _decode(builder, tasks, plan):
  """Reads every split that is used, as flat arrays for the cache."""

  def convert(example):
    if plan.channels:
      image, valid = to_levels(example['image'], plan)
    else:
      image, valid = to_intensities(example['image'], plan.shape)
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
      if values['image'].max() <= 1:
        raise UserError(
          f'{split} of {builder.data_path} is black: no pixel is above 1 of '
          f'255; store integers up to the largest of their type, floats up to 1'
          ', or booleans'
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
  if not count:
    raise UserError('train has too few images to take a split from it')
  # As `omniglot.hold_out` does it, but in place.
  images, labels = splits['train']
  order = omniglot.shuffled(len(images), seed)
  memory.shuffle(images, order)
  labels = {task: values[order] for task, values in labels.items()}
  kept = len(images) - count
  splits['train'], taken = (
    (images[rows], {task: values[rows] for task, values in labels.items()})
    for rows in (slice(kept), slice(kept, None))
  )
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
    # Larger numbers are likely to be identifiers of examples, and so are those
    # of which no two are alike.
    train = splits['train'][1][task]
    alike = len(np.unique(train)) < len(train)
    if classes is None and least >= 0 and most < len(train) and alike:
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
