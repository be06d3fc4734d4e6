"""Summaries: each step is there once, even if the training was killed."""

import math
import pathlib
import time
import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from vae_info.config import Config
from vae_info.runs import Run, summaries


def steps(folder):
  return [
    event.step
    for path in sorted(folder.glob('events.*'))
    for event in tf.compat.v1.train.summary_iterator(str(path))
    if event.HasField('summary')
  ]


def write(folder, *numbers):
  writer = tf.summary.create_file_writer(str(folder))
  with writer.as_default():
    for number in numbers:
      tf.summary.scalar('rate', 1.0, step=number)
  writer.close()


def test_what_comes_again_is_dropped(tmp_path):
  write(tmp_path, 1, 2, 3, 4)
  summaries.drop_after(str(tmp_path), 2)
  assert steps(tmp_path) == [1, 2]
  write(tmp_path, 3, 4)
  summaries.drop_after(str(tmp_path), 4)
  assert sorted(steps(tmp_path)) == [1, 2, 3, 4]


def test_a_file_that_was_cut_keeps_what_is_whole(tmp_path):
  write(tmp_path, 1, 2, 3)
  (path,) = tmp_path.glob('events.*')
  path.write_bytes(path.read_bytes()[:-5])
  summaries.drop_after(str(tmp_path), 9)
  assert steps(tmp_path) == [1, 2]


def values(folder):
  return {
    value.tag: tf.make_ndarray(value.tensor)
    for path in folder.glob('events.*')
    for event in tf.compat.v1.train.summary_iterator(str(path))
    for value in event.summary.value
  }


def test_dimensions_are_there_once_and_survive_a_resumed_training(tmp_path):
  run = Run(tmp_path)
  run.open(Config(beta='0.1:10'))
  run.finish({'step': 3, 'train_images': [1, 8, 8, 1]})
  write(run.summaries, 1, 2, 3)
  folder = run.summaries / summaries.EVALUATION
  first = {'beta': 0.5, 'task': 'one', 'active_dimensions': 2}
  first |= {'rates_of_dimensions': [0.25, 4.0, 1.0]}
  other = {'beta': 2.0, 'task': 'one', 'active_dimensions': 1}
  for _ in range(2):
    again = [first, first | {'task': 'two'}, other]
    summaries.write_dimensions(run, again)
    assert len([*folder.iterdir()]) == 1
  found = values(folder)
  assert found['active_dimensions/beta0.5'] == 2
  assert found['active_dimensions/beta2'] == 1
  histogram = found['rates_of_dimensions/beta0.5']  # [low, high, count]
  assert (histogram[0, 0], histogram[-1, 1]) == (0.25, 4.0)
  assert histogram[:, 2].sum() == 3
  assert set(steps(folder)) == {3} and len(found) == 3
  summaries.drop_after(str(run.summaries), 2)
  assert steps(run.summaries) == [1, 2] and folder.exists()
  # Details without dimensions leave nothing that could be out of date.
  summaries.write_dimensions(run, [{'beta': 0.5, 'task': 'one'}])
  assert not folder.exists()


def test_a_folder_that_is_not_there_has_nothing(tmp_path):
  summaries.drop_after(str(tmp_path / 'none'), 0)
  assert not pathlib.Path(tmp_path / 'none').exists()


def test_a_folder_that_cannot_be_written_is_only_a_warning(tmp_path, caplog):
  (tmp_path / 'summaries').write_text('not a folder')
  writer = summaries.Writer(Run(tmp_path), 0, total=1)
  writer.add(1, {'loss': 1.0})
  writer.flush(1)
  assert 'no summaries are written' in caplog.text


@pytest.mark.parametrize(
  'started, flushes, pictured',
  [
    (0, [300], []),  # Shorter than the time between two checkpoints.
    (0, [50, 70, 150, 300], [70, 150, 300]),
    (90, [110, 130], [130]),  # Resumed.
  ],
)
def test_pictures_come_after_each_fifth(
  tmp_path, monkeypatch, started, flushes, pictured
):
  monkeypatch.setattr(summaries, 'PICTURES_SHARE', math.inf)
  write_pictures(tmp_path, started, flushes)
  assert sorted(set(steps(tmp_path / 'summaries'))) == pictured


def test_pictures_that_would_take_long_are_left_out(tmp_path, monkeypatch):
  monkeypatch.setattr(summaries, 'PICTURES_SHARE', 0.1)
  drawn = []

  def slow(probs):
    drawn.append(len(probs))
    time.sleep(0.01 * len(probs))
    return probs

  write_pictures(tmp_path, 0, [50, 70, 150, 300], slow)
  assert steps(tmp_path / 'summaries') == []
  assert set(drawn) == {1}  # One image told that all would take too long.


def write_pictures(folder, started, flushes, change=lambda probs: probs):
  def decoder(codes):
    shape = [codes.shape[0], 2, 2, 1]
    probs = tf.numpy_function(change, [tf.fill(shape, 0.5)], tf.float32)
    probs = tf.ensure_shape(probs, shape)
    return tfd.Independent(tfd.Bernoulli(probs=probs), 3)

  writer = summaries.Writer(Run(folder), started, total=300)
  writer.picture(
    types.SimpleNamespace(
      encoder=lambda images: tfd.Deterministic(tf.zeros([images.shape[0], 1])),
      decoder=decoder,
      marginal=lambda: tfd.Deterministic(tf.zeros([1])),
    ),
    np.zeros([64, 2, 2, 1], np.uint8),
    seed=0,
  )
  for step in flushes:
    writer.flush(step)
