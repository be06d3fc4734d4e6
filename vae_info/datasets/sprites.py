"""Sprites: a finite world of images, whose distribution p(x, y) is known.

A sprite is one of 3 shapes in one of 6 scales, 20 orientations and 8 x 8
positions, drawn on 28x28 binary pixels. All 23,040 are equally likely. Sprites
of the same pixels are merged to one image x, and their probabilities are added.
p(x, y) keeps how often each label gives the image. So one image may have two
labels, H(Y|X) is not 0, and H(X) is below ln 23,040 = 10.045 nats.

Splits are drawn from p(x, y), with replacement. The idea is that of dSprites by
Matthey et al. (2017), but none of its data are used.
"""

import dataclasses
import functools

import numpy as np

SHAPES, SCALES, ORIENTATIONS, PLACES = 3, 6, 20, 8
NUM_CLASSES = {
  'shape': SHAPES,
  'scale': SCALES,
  'orientation': ORIENTATIONS,
  'x': PLACES,
  'y': PLACES,
}
SIZES = {'train': 20_000, 'validation': 5_000, 'test': 5_000}
SIDE = 28
# Half the side of the largest square, in pixels. It also scales the ellipse and
# the triangle. No shape looks the same turned by less than 90 degrees.
_HALF = 5.0


@dataclasses.dataclass(frozen=True)
class World:
  """All images and their probabilities.

  Attributes:
    images: Different images, uint8 `[M, 28, 28, 1]`.
    probabilities: p(x), float64 `[M]`.
    joint: p(x, y) of each task, float64 `[M, C]`.
    indices: The image of each sprite, int `[23040]`.
    labels: The label of each sprite, int32 `[23040]`, by task.
  """

  images: np.ndarray
  probabilities: np.ndarray
  joint: dict[str, np.ndarray]
  indices: np.ndarray
  labels: dict[str, np.ndarray]

  @property
  def entropy(self) -> float:
    """H(X), nats."""
    return float(-np.sum(self.probabilities * np.log(self.probabilities)))


@functools.cache
def world() -> World:
  """Draws all sprites, and merges those with the same pixels."""
  counts = tuple(NUM_CLASSES.values())
  every = np.indices(counts).reshape(len(counts), -1)
  labels = {
    task: values.astype(np.int32)
    for task, values in zip(NUM_CLASSES, every, strict=True)
  }
  pixels = np.concatenate(
    [
      _draw(shape, scale, orientation)
      for shape in range(SHAPES)
      for scale in range(SCALES)
      for orientation in range(ORIENTATIONS)
    ]
  )
  packed, indices = np.unique(
    np.packbits(pixels, axis=1), axis=0, return_inverse=True
  )
  indices = indices.reshape(-1)
  images = np.unpackbits(packed, axis=1).reshape([-1, SIDE, SIDE, 1])
  total = len(indices)
  joint = {}
  for task, values in labels.items():
    joint[task] = np.zeros([len(images), NUM_CLASSES[task]])
    np.add.at(joint[task], (indices, values), 1 / total)
  probabilities = np.bincount(indices) / total
  return World(images, probabilities, joint, indices, labels)


def _draw(shape, scale, orientation):
  """One shape, scale and orientation at all positions, bool `[64, 784]`."""
  size = 0.5 + 0.5 * scale / (SCALES - 1)
  angle = np.pi / 2 * orientation / ORIENTATIONS
  places = np.linspace(7.0, SIDE - 8.0, PLACES)
  centre_y, centre_x = (
    part.reshape(-1, 1, 1)
    for part in np.meshgrid(places, places, indexing='ij')
  )
  rows, columns = np.indices([SIDE, SIDE])
  down, right = rows - centre_y, columns - centre_x
  u = (np.cos(angle) * right + np.sin(angle) * down) / (_HALF * size)
  v = (np.cos(angle) * down - np.sin(angle) * right) / (_HALF * size)
  if shape == 0:
    inside = np.maximum(np.abs(u), np.abs(v)) <= 1.0
  elif shape == 1:
    inside = (u / 1.3) ** 2 + (v / 0.65) ** 2 <= 1.0
  else:
    inside = (v <= 0.8) & (np.abs(u) <= 0.6 * (v + 1.2))
  # Task x comes before y, so columns change slowest.
  inside = inside.reshape(PLACES, PLACES, -1).transpose(1, 0, 2)
  return inside.reshape(PLACES * PLACES, -1)


def read() -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
  """Returns split name -> (uint8 `[N, 28, 28, 1]`, labels of each task)."""
  everything = world()
  rng = np.random.default_rng(0)
  splits = {}
  for split, size in SIZES.items():
    drawn = rng.integers(len(everything.indices), size=size)
    labels = {task: values[drawn] for task, values in everything.labels.items()}
    splits[split] = everything.images[everything.indices[drawn]], labels
  return splits
