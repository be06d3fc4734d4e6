"""TensorBoard summaries of a training: curves, and now and then pictures."""

import math
from collections.abc import Mapping

import tensorflow as tf
from absl import logging

from vae_info import conditioning, randomness
from vae_info.config import Config
from vae_info.datasets import Dataset
from vae_info.paths import Path

PICTURES = 5  # Sets of pictures in one training.
SIDE = 8  # Images in a row and in a column.


class Writer:
  """Holds scalars back until just before the checkpoint that covers them.

  What a killed process wrote beyond its last checkpoint is dropped, since it
  comes again: so no step is there twice, and none is missing.
  """

  def __init__(
    self, run: Path, config: Config, model, dataset: Dataset, step: int
  ):
    folder = str(run / 'summaries')
    drop_after(folder, step)
    self._writer = tf.summary.create_file_writer(folder)
    self._pending = []
    self._seed = config.seed
    # Of a range of betas, the pictures are at the one in the middle.
    if config.beta_range:
      middle = math.sqrt(math.prod(config.beta_range))
      model = conditioning.at_beta(config, model, middle)
    self._model = model
    images = dataset.test.images[: SIDE * SIDE]
    self._images = tf.constant(images, tf.float32)
    self._pictured = None
    self._draw = tf.function(self._pictures)

  def add(self, step: int, scalars: Mapping[str, float]) -> None:
    """Remembers the values of one step."""
    self._pending.append((step, scalars))

  def flush(self, step: int, total: int) -> None:
    """Writes what was added, and pictures if a fifth of the run has passed.

    A disk that refuses is only a warning here: the training matters more.
    """
    try:
      self._flush(step, total)
    except tf.errors.OpError as error:
      logging.warning('cannot write summaries: %s', error.message)

  def _flush(self, step, total):
    with self._writer.as_default():
      for at, scalars in self._pending:
        for name, value in scalars.items():
          tf.summary.scalar(name, value, step=at)
      self._pending = []  # Even if the pictures fail: never twice.
      fifth, before = step * PICTURES // total, self._pictured
      self._pictured = fifth
      if before is not None and fifth > before:
        for name, picture in self._draw(tf.constant(step)).items():
          tf.summary.image(name, picture, step=step)
    self._writer.flush()

  def _pictures(self, step):
    """Test images, reconstructions of them, and samples of the model."""
    seeds = tf.random.split(
      randomness.stateless_seed(self._seed, 'pictures', step), 4
    )
    codes = self._model.encoder(self._images).sample(seed=seeds[0])
    new = self._model.marginal().sample(len(self._images), seed=seeds[1])
    return {
      'test_images': _grid(self._images),
      'reconstructions': _grid(picture(self._model.decoder(codes), seeds[2])),
      'samples': _grid(picture(self._model.decoder(new), seeds[3])),
    }


def drop_after(folder: str, step: int) -> None:
  """Removes what summaries of later steps than `step` a folder has."""
  names = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
  for name in names:
    path = f'{folder}/{name}'
    if name.endswith('.tmp'):  # Of a process that was killed just here.
      tf.io.gfile.remove(path)
      continue
    kept, dropped = [], False
    try:
      for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        if tf.compat.v1.Event.FromString(record).step > step:
          dropped = True
        else:
          kept.append(record)
    except tf.errors.DataLossError:  # It ends where its writer was killed.
      dropped = True
    if dropped:
      with tf.io.TFRecordWriter(f'{path}.tmp') as writer:
        for record in kept:
          writer.write(record)
      tf.io.gfile.rename(f'{path}.tmp', path, overwrite=True)


def picture(likelihood, seed):
  """Pixels' probabilities where they are known, else a sample."""
  try:
    return likelihood.mean()
  except NotImplementedError:
    return likelihood.sample(seed=seed)


def _grid(images):
  """`[N, H, W, C]`, N a square or less -> one picture `[1, ., ., C]`."""
  count, height, width, channels = images.shape
  side = int(count**0.5)
  images = tf.reshape(
    images[: side * side], [side, side, height, width, channels]
  )
  images = tf.transpose(images, [0, 2, 1, 3, 4])
  return tf.reshape(images, [1, side * height, side * width, channels])
