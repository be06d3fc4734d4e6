"""TensorBoard summaries: of a training, curves and pictures; of dimensions."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from vae_info import randomness
from vae_info.runs.directory import Run

PICTURES = 5  # Sets of pictures in one training, at most.
# Pictures may take this share of a training's time. Others are left out.
PICTURES_SHARE = 0.1
SIDE = 8  # Images in a row and in a column.
EVALUATION = 'evaluation'  # A folder in that of the training's summaries.


class Writer:
  """Writes the summaries of each step exactly once.

  `add` keeps scalars in memory. `flush` writes them just before the checkpoint
  that covers them. A killed process may have written steps beyond its last
  checkpoint. The resumed training drops their summaries and repeats the steps.
  """

  def __init__(self, run: Run, step: int, total: int):
    """Opens the summaries of a run.

    Args:
      run: Run that is trained.
      step: Number of steps already made; summaries of later ones are dropped.
      total: Number of steps of the whole training.
    """
    folder = str(run.summaries)
    self._writer = tf.summary.create_noop_writer()
    try:
      drop_after(folder, step)
      self._writer = tf.summary.create_file_writer(folder)
    except tf.errors.OpError as error:
      logging.warning('no summaries are written: %s', error.message)
    self._pending = []
    self._first, self._total = step, total
    self._pictured = None
    self._draw: Any = None
    self._sets, self._drawing = 0, 0.0  # Seconds that all sets took.
    self._started = time.monotonic()

  def picture(
    self, model, images: np.ndarray, seed: int, levels: int = 2
  ) -> None:
    """Lets `flush` also write pictures of a model.

    Args:
      model: Has `encoder(images)`, `decoder(codes)` and `marginal()`.
      images: uint8 `[N, H, W, C]`, of which the first `SIDE * SIDE` are shown.
      seed: Seed of the draws.
      levels: The number of values of a pixel.
    """
    self._shown = tf.constant(images[: SIDE * SIDE], tf.float32)
    self._draw = tf.function(
      lambda step, shown: {
        name: values / (levels - 1)
        for name, values in _pictures(
          model, shown, randomness.stateless_seed(seed, 'pictures', step)
        ).items()
      },
      autograph=False,
    )

  def add(self, step: int, scalars: Mapping[str, float]) -> None:
    """Remembers the values of one step."""
    self._pending.append((step, scalars))

  def flush(self, step: int) -> None:
    """Writes what was added, and pictures after each fifth of the training.

    There are none at the first flush: a training that has no other is too short
    for them. There are none either if they would take over a tenth of the time.
    On a CPU the paper's autoregressive decoder takes half an hour for one set.

    A failed write is only a warning: the training matters more.
    """
    try:
      self._flush(step)
    except tf.errors.OpError as error:
      logging.warning('cannot write summaries: %s', error.message)

  def _flush(self, step):
    with self._writer.as_default():
      for at, scalars in self._pending:
        for name, value in scalars.items():
          tf.summary.scalar(name, value, step=at)
      # Clear them before the pictures, which may fail: none is written twice.
      self._pending = []
      fifth, before = step * PICTURES // self._total, self._pictured
      self._pictured = fifth
      due = before is not None and fifth > before
      if self._draw and due and self._affordable(step):
        started = time.monotonic()
        drawn = self._draw(tf.constant(step), self._shown)
        for name, picture in drawn.items():
          tf.summary.image(name, picture, step=step)
        self._sets += 1
        self._drawing += time.monotonic() - started
    self._writer.flush()

  def _affordable(self, step):
    """Whether a set more keeps all pictures to their share of the time."""
    passed = time.monotonic() - self._started
    whole = passed / (step - self._first) * self._total
    if self._sets:
      seconds = self._drawing / self._sets
    else:  # At most as many times those of one image.
      one = tf.constant(step), self._shown[:1]
      self._draw.get_concrete_function(*one)  # Traces, which is not timed.
      started = time.monotonic()
      self._draw(*one)
      seconds = len(self._shown) * (time.monotonic() - started)
    return self._drawing + seconds <= PICTURES_SHARE * whole


def _pictures(model, images, seed):
  """Returns pictures by name: images, reconstructions and samples."""
  seeds = tf.random.split(seed, 4)
  codes = model.encoder(images).sample(seed=seeds[0])
  new = model.marginal().sample(images.shape[0], seed=seeds[1])
  return {
    'test_images': _grid(images),
    'reconstructions': _grid(picture(model.decoder(codes), seeds[2])),
    'samples': _grid(picture(model.decoder(new), seeds[3])),
  }


def write_dimensions(run: Run, details: Iterable[Mapping]) -> None:
  """Writes active dimensions and rates of dimensions, in place of earlier ones.

  They have a folder of their own, `EVALUATION`. TensorBoard shows it beside the
  training. A failed write is only a warning.

  Args:
    run: A finished run.
    details: Of an evaluation: `active_dimensions`, and `rates_of_dimensions` in
      nats if dimensions are independent, at each `beta`.
  """
  folder = str(run.summaries / EVALUATION)
  known = {d['beta']: d for d in details if 'active_dimensions' in d}
  try:
    if tf.io.gfile.isdir(folder):
      tf.io.gfile.rmtree(folder)
    if not known:
      return
    writer = tf.summary.create_file_writer(folder)
    with writer.as_default(step=run.facts['step']):
      for beta, found in known.items():
        end = f'/beta{beta:.4g}' if run.config.beta_range else ''
        tf.summary.scalar(f'active_dimensions{end}', found['active_dimensions'])
        if 'rates_of_dimensions' in found:
          rates = found['rates_of_dimensions']
          tf.summary.histogram(f'rates_of_dimensions{end}', rates)
    writer.close()
  except tf.errors.OpError as error:
    logging.warning('cannot write summaries: %s', error.message)


def drop_after(folder: str, step: int) -> None:
  """Removes the summaries of all steps after `step` from a folder."""
  names = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
  for name in names:
    path = f'{folder}/{name}'
    if tf.io.gfile.isdir(path):  # Of an evaluation.
      continue
    if name.endswith('.tmp'):  # Left by a killed process.
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
  """Returns the mean of each pixel if it is known, else a sample."""
  try:
    return likelihood.mean()
  except NotImplementedError:
    return likelihood.sample(seed=seed)


def _grid(images):
  """Arranges `[N, H, W, C]` in the largest square that N images fill.

  Returns:
    One picture, `[1, side * H, side * W, C]`.
  """
  count, height, width, channels = images.shape
  side = int(count**0.5)
  images = tf.reshape(
    images[: side * side], [side, side, height, width, channels]
  )
  images = tf.transpose(images, [0, 2, 1, 3, 4])
  return tf.reshape(images, [1, side * height, side * width, channels])
