"""Summaries: each step is there once, even if the training was killed."""

import pathlib

import tensorflow as tf

from vae_info.runs import summaries


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


def test_a_folder_that_is_not_there_has_nothing(tmp_path):
  summaries.drop_after(str(tmp_path / 'none'), 0)
  assert not pathlib.Path(tmp_path / 'none').exists()
