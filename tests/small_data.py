"""Small data sets: parts of real ones, and quadrants.

The tiny data set has 8x8 images with one full quadrant, which is the label. For
tests in this process, it is drawn in memory. For commands that are processes,
it is prepared in the layout of TensorFlow Datasets:

    --dataset=tfds:tiny_quadrants --data_dir=FOLDER
"""

import dataclasses

import numpy as np

from vae_info import datasets


def cut(dataset: datasets.Dataset, **counts: int) -> datasets.Dataset:
  """Cuts a data set.

  Args:
    dataset: The data set.
    **counts: For each split to cut, how many of its first images stay.
  """
  splits = {}
  for name, count in counts.items():
    split = getattr(dataset, name)
    labels = {task: values[:count] for task, values in split.labels.items()}
    given = {
      task: [values[:count] for values in all_given]
      for task, all_given in split.given.items()
    }
    splits[name] = datasets.Split(split.images[:count], labels, given)
  intensities = dataset.train_intensities
  if intensities is not None:
    intensities = intensities[: counts.get('train')]
  return dataclasses.replace(dataset, train_intensities=intensities, **splits)


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
  """Noisy images, uint8 `[count, 8, 8, 1]`, and labels, int32 `[count]`."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, 4, count).astype(np.int32)
  images = rng.random([count, 8, 8, 1]) < 0.05
  for image, label in zip(images, labels, strict=True):
    row, column = 4 * (label // 2), 4 * (label % 2)
    image[row : row + 4, column : column + 4] ^= True
  return images.astype(np.uint8), labels


def prepare(folder) -> None:
  """Writes `tiny_quadrants` into a folder of prepared data sets."""
  import tensorflow_datasets as tfds

  class TinyQuadrants(tfds.core.GeneratorBasedBuilder):
    """The images of `draw` as 0 and 255: 1,000 to train on and 53 to test."""

    VERSION = tfds.core.Version('1.0.0')

    def _info(self):
      features = {
        'image': tfds.features.Image(shape=(8, 8, 1)),
        'quadrant': tfds.features.ClassLabel(num_classes=4),
      }
      return tfds.core.DatasetInfo(
        builder=self, features=tfds.features.FeaturesDict(features)
      )

    def _split_generators(self, dl_manager):
      del dl_manager
      splits = {'train': draw(1_000, 0), 'test': draw(53, 2)}
      return {
        name: self._generate_examples(*split) for name, split in splits.items()
      }

    def _generate_examples(self, images, labels):
      for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        yield index, {'image': 255 * image, 'quadrant': label}

  TinyQuadrants(data_dir=folder).download_and_prepare()
