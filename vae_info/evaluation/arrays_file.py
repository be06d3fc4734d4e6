"""The format of codes as arrays, and what can be wrong with a file of them.

An `.npz` file has these arrays, of N images in any order:

    means, scales    float [N, L]: p(z|x) is a diagonal Gaussian
    codes            float [N, L]: draws; used only without the two above
    labels           int [N], of the task `label`; or labels_TASK for each task
    split            int [N]: 0 training, 1 validation, 2 test

With `codes` alone no density is known. There are C and the least C, but no R
and no bound on I(X;Z). Numbers are at most 1e15 in size. Scales are at least
1e-15, at least 1e-15 of the range of the means, and 1e-6 of each mean's size.
A split has two images or more. Training and test images have two classes or
more, and there are as many training images as classes.
"""

import dataclasses
import functools
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from vae_info import randomness
from vae_info.errors import UserError
from vae_info.evaluation import bounds
from vae_info.evaluation.least import Labelled
from vae_info.evaluation.pairwise import Gaussians

SPLITS = ('train', 'validation', 'test')
# Squares would overflow in float32: of larger numbers, and of means divided by
# smaller scales.
LARGEST = 1e15
SMALLEST = 1e-15
# Codes are float32: R of 64 dimensions is off by 0.04 nats at this scale.
FINEST = 1e-6
SPREADS = 0.1, 10.0  # Codes of less or more get a note; `spread_note`.


@dataclasses.dataclass(frozen=True)
class Arrays:
  """Arrays that `check` has checked; the module describes them.

  Attributes:
    gaussians: p(z|x) of all images; None if there are only codes.
    codes: One code of each image, float `[N, L]`.
    labels: Task name -> integers `[N]`.
    split: Integers `[N]`, 0 to 2.
    seed: Determines all draws.
  """

  gaussians: Gaussians | None
  codes: np.ndarray
  labels: Mapping[str, np.ndarray]
  split: np.ndarray
  seed: int = 0

  def part(self, name: str) -> np.ndarray:
    """Indices of the images of a split, in random order.

    Some steps use the first ones alone, and arrays may be sorted by label.
    """
    rows = np.flatnonzero(self.split == SPLITS.index(name))
    rng = randomness.generator(self.seed, f'order of {name} images')
    return rng.permutation(rows)

  def draw(self, epoch: int, some: np.ndarray | None = None) -> tf.Tensor:
    """Codes of training images: new ones for each epoch, if p(z|x) is known.

    Args:
      epoch: The number of the epoch.
      some: Which training images, with repetitions; None for all.
    """
    train = self.part('train')
    train = train if some is None else train[some]
    if self.gaussians is None:
      return tf.constant(self.codes[train], tf.float32)
    rng = randomness.generator(self.seed, 'classifier codes', epoch)
    return tf.constant(self.gaussians[train].draw(rng), tf.float32)

  def labelled(self, task: str, some: np.ndarray | None = None) -> Labelled:
    """Codes and labels of all splits.

    Args:
      task: The labels.
      some: As in `draw`.
    """
    labels = self.labels[task]
    train, validation, test = (self.part(name) for name in SPLITS)
    validation = validation[: bounds.ROWS]
    return Labelled(
      functools.partial(self.draw, some=some),
      labels[train if some is None else train[some]],
      (self.codes[validation], labels[validation]),
      (self.codes[test], labels[test]),
      int(labels.max()) + 1,
    )


def of_task(
  arrays: Mapping[str, np.ndarray], task: str
) -> dict[str, np.ndarray]:
  """The arrays with the labels of one task alone.

  Raises:
    UserError: There are no labels of this task.
  """
  names = _names_of_labels(arrays)
  if task not in names:
    raise UserError(
      f'no labels of the task {task!r}; the file has {", ".join(names)}'
    )
  return {
    name: array
    for name, array in arrays.items()
    if name not in names.values() or name == names[task]
  }


def _names_of_labels(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
  """Task -> the name of its array of labels."""
  return {
    name.removeprefix('labels').removeprefix('_') or 'label': name
    for name in arrays
    if name == 'labels' or name.startswith('labels_')
  }


def check(arrays: Mapping[str, np.ndarray], seed: int = 0) -> Arrays:
  """Checks arrays, and draws a code of each image if there are scales.

  Raises:
    UserError: An array is missing, or is not as the module describes it.
  """
  gaussians = None
  if 'means' in arrays or 'scales' in arrays:
    gaussians = _gaussians(arrays)
    rng = randomness.generator(seed, 'evaluation codes')
    codes = gaussians.draw(rng).astype(np.float32)
  else:
    codes = _floats(arrays, 'codes', 'codes, or means and scales')
  count = len(codes)
  split = _integers(arrays, 'split', count)
  if split.max() > 2:
    raise UserError(
      'split should be 0 (training), 1 (validation) or 2 (test), found '
      f'{split.max()}'
    )
  names = _names_of_labels(arrays)
  if not names:
    raise UserError('no labels: give an array labels, or labels_TASK')
  labels = {
    task: _integers(arrays, name, count) for task, name in names.items()
  }
  result = Arrays(gaussians, codes, labels, split, seed)
  _check_splits(result)
  for task in labels:
    _check_task(result, task)
  return result


def _gaussians(arrays):
  """p(z|x) of all images."""
  means, scales = (_floats(arrays, name) for name in ('means', 'scales'))
  if means.shape != scales.shape:
    raise UserError(
      f'scales should have the shape of means, {list(means.shape)}, found '
      f'{list(scales.shape)}; repeat scales that images share'
    )
  if scales.min() <= 0.0:
    raise UserError(
      f'scales should be standard deviations above 0, found {scales.min():g}'
    )
  span = float(np.ptp(means, axis=0).max())
  least_scale = SMALLEST * max(1.0, span)
  if scales.min() < least_scale:
    raise UserError(
      f'scales should be at least {least_scale:.3g} for means with a range of '
      f'{span:.3g}, found {scales.min():.3g}; multiply means and scales by one '
      'number, or give codes without noise as codes, without the two'
    )
  ratios = scales / np.maximum(np.abs(means), SMALLEST)
  if ratios.min() < FINEST:
    worst = np.unravel_index(ratios.argmin(), ratios.shape)
    raise UserError(
      f'scales should be at least {FINEST:g} times their means, found '
      f'{scales[worst]:.3g} for {means[worst]:.3g}, since codes are float32; '
      'subtract a constant from each dimension, or give codes without noise as '
      'codes, without the two'
    )
  return Gaussians(means, scales)


def _floats(arrays, name, wanted=None):
  """A float array `[N, L]`."""
  if name not in arrays:
    raise UserError(
      f'no array {wanted or name}; found {", ".join(arrays) or "none"}'
    )
  values = np.asarray(arrays[name])
  floating = np.issubdtype(values.dtype, np.floating)
  if values.ndim != 2 or not values.size or not floating:
    raise UserError(
      f'{name} should be float [N, L], found {values.dtype} '
      f'{list(values.shape)}'
    )
  wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
  if len(wrong):
    raise UserError(
      f'{name} should be finite: {len(wrong)} rows are not, the first is '
      f'{wrong[0]}'
    )
  largest = float(np.abs(values).max())
  if largest > LARGEST:
    raise UserError(
      f'{name} should be at most {LARGEST:g} in size, found {largest:.3g}; '
      'divide codes, means and scales by one number'
    )
  return values.astype(np.float32)


def _integers(arrays, name, count):
  """An array of integers `[N]`, 0 or more."""
  if name not in arrays:
    raise UserError(f'no array {name}: int [N], with N = {count}')
  values = np.asarray(arrays[name])
  if values.shape != (count,) or not np.issubdtype(values.dtype, np.integer):
    raise UserError(
      f'{name} should be int [{count}], found {values.dtype} '
      f'{list(values.shape)}'
    )
  if count and values.min() < 0:
    raise UserError(f'{name} should be 0 or more, found {values.min()}')
  most = np.iinfo(np.int32).max
  if count and values.max() > most:
    raise UserError(
      f'{name} should be at most {most}, found {values.max()}; number them '
      'from 0 on'
    )
  return values.astype(np.int32)


def _check_splits(arrays):
  for name in SPLITS:
    part = arrays.part(name)
    if len(part) < 2:
      raise UserError(
        f'split should have at least 2 images of {name} '
        f'({SPLITS.index(name)}), found {len(part)}'
      )
  train = arrays.codes[arrays.part('train')]
  if not np.ptp(train, axis=0).any():
    raise UserError(
      f'codes of all {len(train)} training images are the same, so they know '
      'nothing; give codes that differ'
    )


def _check_task(arrays, task):
  labels = arrays.labels[task]
  for name, images in (('train', 'training'), ('test', 'test')):
    found = np.unique(labels[arrays.part(name)])
    if len(found) < 2:
      raise UserError(
        f'labels of {task} should have at least two classes among {images} '
        f'images, found {found[0]} alone; give images of another class too, or '
        'leave these labels out'
      )
  train = labels[arrays.part('train')]
  classes = int(labels.max()) + 1
  if len(train) < classes:
    raise UserError(
      f'labels of {task} go up to {classes - 1}, so at least {classes} '
      f'training images are needed, found {len(train)}'
    )


def spread_note(checked: Arrays) -> str | None:
  """A line on codes in a unit that does not suit the paper's classifier.

  It gets codes as they are, with weights and a learning rate for codes whose
  standard deviation is about 1. None if that of the training codes, the root
  mean square over dimensions, is within `SPREADS`.
  """
  train = checked.codes[checked.part('train')].astype(np.float64)
  spread = float(np.sqrt(train.var(axis=0).mean()))
  if SPREADS[0] <= spread <= SPREADS[1]:
    return None
  return (
    f'note: training codes have a standard deviation of {spread:.3g}, the root '
    "mean square over dimensions; the paper's classifier is made for about 1, "
    f'and its C may be too large; divide codes, means and scales by '
    f'{spread:.3g}: R and I(X;Z) do not depend on the unit'
  )


def read(path: str) -> dict[str, np.ndarray]:
  """Reads an `.npz` file.

  Raises:
    UserError: It is not one.
  """
  try:
    file = np.load(path, allow_pickle=False)
    if isinstance(file, np.ndarray):  # Of np.save.
      raise ValueError('np.savez writes one')
    with file:
      return {name: file[name] for name in file.files}
  except FileNotFoundError as error:
    raise UserError(f'{path} does not exist') from error
  except (
    ValueError,
    OSError,
    AttributeError,
    TypeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
  ) as error:
    raise UserError(
      f'{path} is not an .npz file of numbers: {_reason(error)}'
    ) from error


def _reason(error: Exception) -> str:
  """What NumPy says, but for a parameter that no flag sets."""
  text = str(error)
  if text.startswith('Object arrays'):
    return 'an array has Python objects; convert it with astype'
  return 'np.savez writes one' if 'allow_pickle' in text else text
