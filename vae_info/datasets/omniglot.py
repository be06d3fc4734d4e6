"""Omniglot [1] in the 28x28 images of Burda et al. [2].

24,345 training and 8,070 test images from `chardata.mat`; the last 1,345 of a
seeded shuffle of the training images are for validation, as many as is usual
since [2]. It is not a one-shot split: characters are on both sides. The file
has, with one column for each image,

    data, testdata                784 intensities in [0, 1], column-major
    target, testtarget            which of 50 alphabets, one-hot
    targetchar, testtargetchar    which character of the alphabet, from 1

Two tasks: `alphabet`, and `character`, numbered through all alphabets in
order. Intensities are kept in steps of 1 / 255.

#### References

[1]: Brenden Lake, Ruslan Salakhutdinov and Joshua Tenenbaum. Human-level
     concept learning through probabilistic program induction. _Science_, 2015.
[2]: Yuri Burda, Roger Grosse and Ruslan Salakhutdinov. Importance Weighted
     Autoencoders. _ICLR_, 2016.
"""

import os
import pathlib
import shutil
import urllib.request

import numpy as np

from vae_info.config import UserError
from vae_info.datasets import tfds_source

URL = 'https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/chardata.mat'
TRAIN_SIZE, TEST_SIZE = 24_345, 8_070
VALIDATION_SIZE = 1_345
NUM_CLASSES = {'alphabet': 50, 'character': 1_623}
SPLIT_SEED = 0

Splits = dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]


def read(data_dir: str | None) -> Splits:
  """Returns split -> (uint8 intensities `[N, 28, 28, 1]`, labels by task).

  Raises:
    UserError: The file is neither there nor can be downloaded, or it is not
      what it should be.
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
  """Fetches the file from the authors' repository; it appears whole."""
  draft = path.with_name(f'{path.name}.{os.getpid()}.tmp')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
      urllib.request.urlopen(URL, timeout=30) as source,
      open(draft, 'wb') as target,
    ):
      shutil.copyfileobj(source, target)
    os.replace(draft, path)
  except OSError as error:
    what = f'{path} ({URL})'
    raise UserError(
      tfds_source.not_found(what, 'omniglot/chardata.mat', str(error))
    ) from error
  finally:
    draft.unlink(missing_ok=True)


def parse(path: pathlib.Path) -> Splits:
  """`train` and `test` of a file of any number of images and alphabets.

  Raises:
    UserError: It is damaged, or not of the layout above.
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
  # Characters count from 1 within an alphabet; the last of each, anywhere.
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
  """Intensities, alphabets from 0, and characters from 1, of one split."""
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
  # A NaN fails every comparison.
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


def hold_out(
  examples: tuple[np.ndarray, dict[str, np.ndarray]], count: int, seed: int
) -> tuple:
  """Two parts of a seeded shuffle: all but the last `count`, and those.

  Args:
    examples: Images `[N, ...]` and labels `[N]` by task.
    count: Examples in the second part.
    seed: Of the shuffle.
  """
  images, labels = examples
  rng = np.random.Generator(np.random.Philox(key=seed))
  order = rng.permutation(len(images))
  parts = np.split(order, [len(images) - count])
  return tuple(
    (images[rows], {task: values[rows] for task, values in labels.items()})
    for rows in parts
  )
