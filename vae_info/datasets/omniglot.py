"""Omniglot [1] in the 28x28 images of Burda et al. [2].

`chardata.mat` has 24,345 training and 8,070 test images. The training images
are shuffled with a fixed seed, and the last 1,345 are for validation, the usual
number since [2]. It is not a one-shot split: the same characters are in the
training and the test images. The file has one column for each image, in

    data, testdata                784 intensities in [0, 1], column-major
    target, testtarget            which of 50 alphabets, one-hot
    targetchar, testtargetchar    which character of the alphabet, from 1

The tasks are `alphabet` and `character`. Characters are numbered through all
alphabets in order. Intensities are rounded to multiples of 1 / 255.

#### References

[1]: Brenden Lake, Ruslan Salakhutdinov and Joshua Tenenbaum. Human-level
     concept learning through probabilistic program induction. _Science_, 2015.
[2]: Yuri Burda, Roger Grosse and Ruslan Salakhutdinov. Importance Weighted
     Autoencoders. _ICLR_, 2016.
"""

import pathlib
import shutil
import urllib.request

import numpy as np

from vae_info.datasets import cache, tfds_source
from vae_info.errors import UserError

URL = 'https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/chardata.mat'
TRAIN_SIZE, TEST_SIZE = 24_345, 8_070
VALIDATION_SIZE = 1_345
NUM_CLASSES = {'alphabet': 50, 'character': 1_623}
SPLIT_SEED = 0

Splits = dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]


def read(data_dir: str | None) -> Splits:
  """Returns split -> (uint8 intensities `[N, 28, 28, 1]`, labels by task).

  Raises:
    UserError: The file is missing and cannot be downloaded, or its content is
      not as expected.
  """
  path = tfds_source.data_folder(data_dir) / 'omniglot' / 'chardata.mat'
  if not path.is_file():
    download(path)
  both = parse(path)
  sizes = tuple(len(images) for images, _ in both.values())
  characters = 1 + max(labels['character'].max() for _, labels in both.values())
  if sizes != (TRAIN_SIZE, TEST_SIZE) or characters != NUM_CLASSES['character']:
    raise UserError(
      f'{path}: expected {TRAIN_SIZE} training and {TEST_SIZE} test images of '
      f'{NUM_CLASSES["character"]} characters, found {sizes[0]} and {sizes[1]} '
      f'of {characters}'
    )
  train, test = both.values()
  train, validation = hold_out(train, VALIDATION_SIZE, SPLIT_SEED)
  return {'train': train, 'validation': validation, 'test': test}


def download(path: pathlib.Path) -> None:
  """Downloads the file from the authors' repository; it appears whole.

  Raises:
    UserError: The file cannot be downloaded or written.
  """
  try:
    with urllib.request.urlopen(URL, timeout=30) as source:
      path.parent.mkdir(parents=True, exist_ok=True)
      with cache.written_whole(path) as target:
        shutil.copyfileobj(source, target)
  except OSError as error:
    what = f'{path} ({URL})'
    raise UserError(
      tfds_source.not_found(what, 'omniglot/chardata.mat', str(error))
    ) from error


def parse(path: pathlib.Path) -> Splits:
  """Reads `train` and `test` of a file with any number of images.

  Raises:
    UserError: The file is damaged, or has another layout.
  """
  import scipy.io

  try:
    content = scipy.io.loadmat(path)
  except Exception as error:  # scipy raises many kinds on damaged files.
    raise UserError(
      f'{path} is damaged: {error}; delete it to download it again'
    ) from error
  parts = {
    'train': _parse_part(path, content, ''),
    'test': _parse_part(path, content, 'test'),
  }
  # Characters count from 1 within an alphabet, so the largest of both splits is
  # the number of characters.
  counts = np.zeros(content['target'].shape[0], np.int64)
  for _, alphabets, characters in parts.values():
    if len(content['target']) <= alphabets.max(initial=0):
      raise UserError(f'{path}: target and testtarget differ in alphabets')
    np.maximum.at(counts, alphabets, characters)
  firsts = np.cumsum(counts) - counts
  return {
    split: (
      images,
      {
        'alphabet': alphabets.astype(np.int32),
        'character': (firsts[alphabets] + characters - 1).astype(np.int32),
      },
    )
    for split, (images, alphabets, characters) in parts.items()
  }


def _parse_part(path, content, prefix):
  """Reads intensities, alphabets from 0 and characters from 1 of a split."""
  names = [f'{prefix}{name}' for name in ('data', 'target', 'targetchar')]
  for name in names:
    if name not in content:
      raise UserError(f'{path} has no {name!r}; is it chardata.mat?')
  pixels, target, characters = (content[name] for name in names)
  count = pixels.shape[-1]
  if pixels.shape != (784, count) or count == 0:
    raise UserError(f'{path}: {names[0]} should be 784 x N, is {pixels.shape}')
  if target.ndim != 2 or target.shape[1] != count or characters.size != count:
    raise UserError(
      f'{path}: {count} images, but {names[1]} is {target.shape} and '
      f'{names[2]} {characters.shape}'
    )
  # A NaN fails every comparison, so the condition is negated.
  if not (pixels.min() >= 0 and pixels.max() <= 1):
    raise UserError(
      f'{path}: {names[0]} should be in [0, 1], is from {pixels.min()} to '
      f'{pixels.max()}'
    )
  if not np.all((target == 0) | (target == 1)) or np.any(target.sum(0) != 1):
    raise UserError(f'{path}: a column of {names[1]} is not one-hot')
  characters = characters.reshape(-1)
  if characters.min() < 1 or np.any(characters != np.floor(characters)):
    raise UserError(f'{path}: {names[2]} should be integers from 1')
  images = pixels.T.reshape(count, 28, 28).transpose(0, 2, 1)
  intensities = np.round(255 * images).astype(np.uint8)[..., np.newaxis]
  return intensities, target.argmax(0), characters.astype(np.int64)


def shuffled(count: int, seed: int) -> np.ndarray:
  """The order of `count` examples after a shuffle, int `[count]`."""
  rng = np.random.Generator(np.random.Philox(key=seed))
  return rng.permutation(count)


def hold_out(
  examples: tuple[np.ndarray, dict[str, np.ndarray]], count: int, seed: int
) -> tuple:
  """Shuffles examples, and splits off the last `count`.

  Args:
    examples: Images `[N, ...]` and labels `[N]` by task.
    count: Examples in the second part.
    seed: Seed of the shuffle.

  Returns:
    Two tuples like `examples`: the other examples, and the last `count`.
  """
  images, labels = examples
  parts = np.split(shuffled(len(images), seed), [len(images) - count])
  return tuple(
    (images[rows], {task: values[rows] for task, values in labels.items()})
    for rows in parts
  )
