"""Checkpoints: damage is skipped, and a mismatch is reported."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from vae_info.errors import UserError
from vae_info.runs import checkpoints


class Net(tf.Module):
  def __init__(self, size=3):
    super().__init__()
    self.kernel = tf.Variable(tf.zeros([size]))


def make(directory: pathlib.Path, size=3):
  checkpoint = tf.train.Checkpoint(model=Net(size))
  manager = tf.train.CheckpointManager(checkpoint, str(directory), 2)
  return checkpoint, manager


def saved(directory):
  """Saves checkpoints of steps 1 and 2, whose weights equal the step."""
  checkpoint, manager = make(directory)
  for step in (1, 2):
    checkpoint.model.kernel.assign(tf.fill([3], float(step)))
    checkpoints.save(manager, step)


def restore(directory, size=3):
  checkpoint, _ = make(directory, size)
  path = checkpoints.restore_newest(checkpoint, directory, partial=False)
  return path, checkpoint.model.kernel.numpy()


def test_the_newest_is_restored(tmp_path):
  saved(tmp_path)
  path, kernel = restore(tmp_path)
  assert path.endswith('ckpt-2')
  np.testing.assert_array_equal(kernel, [2, 2, 2])


def test_none_is_not_an_error(tmp_path):
  assert restore(tmp_path)[0] is None


@pytest.mark.parametrize('suffix', ['data-00000-of-00001', 'index'])
@pytest.mark.parametrize('damage', ['cut', 'flip', 'empty'])
def test_a_damaged_one_is_skipped_and_named(tmp_path, caplog, suffix, damage):
  saved(tmp_path)
  file = tmp_path / f'ckpt-2.{suffix}'
  content = bytearray(file.read_bytes())
  if damage == 'flip':
    # Flips bits in a tensor, or in the table that lists the tensors.
    content[4] ^= 0xFF
  file.write_bytes(
    {'cut': content[: len(content) // 2], 'flip': content, 'empty': b''}[damage]
  )
  with caplog.at_level('WARNING'):
    path, kernel = restore(tmp_path)
  assert path.endswith('ckpt-1')
  np.testing.assert_array_equal(kernel, [1, 1, 1])
  assert 'ckpt-2' in caplog.text


def test_a_missing_data_file_is_skipped(tmp_path):
  saved(tmp_path)
  (tmp_path / 'ckpt-2.data-00000-of-00001').unlink()
  assert restore(tmp_path)[0].endswith('ckpt-1')


def test_a_damaged_list_of_checkpoints_does_not_matter(tmp_path):
  saved(tmp_path)
  (tmp_path / 'checkpoint').write_bytes(b'\x00garbage')
  assert restore(tmp_path)[0].endswith('ckpt-2')


def test_only_damaged_ones_are_an_error(tmp_path):
  saved(tmp_path)
  for file in tmp_path.glob('*.index'):
    file.write_bytes(b'')
  with pytest.raises(UserError, match='none of the 2 checkpoints'):
    restore(tmp_path)


def test_another_shape_is_an_error(tmp_path):
  saved(tmp_path)
  with pytest.raises(UserError, match='ckpt-2 does not match'):
    restore(tmp_path, size=4)


def test_another_structure_is_an_error(tmp_path):
  saved(tmp_path)
  checkpoint = tf.train.Checkpoint(model=Net(), more=tf.Variable(0.0))
  with pytest.raises(UserError, match='does not match'):
    checkpoints.restore_newest(checkpoint, tmp_path, partial=False)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
  saved(tmp_path)
  checkpoint, manager = make(tmp_path)
  checkpoint.model.kernel.assign([0.0, np.nan, 0.0])
  with pytest.raises(UserError, match='step 3 .* not finite.*ckpt-2'):
    checkpoints.save(manager, 3)
  np.testing.assert_array_equal(restore(tmp_path)[1], [2, 2, 2])


def test_a_disk_that_refuses_is_reported(tmp_path):
  saved(tmp_path / 'good')
  _, manager = make(tmp_path / 'good')
  # A file replaces the folder, so that not even root can write there.
  (tmp_path / 'good').rename(tmp_path / 'moved')
  (tmp_path / 'good').write_text('')
  with pytest.raises(UserError, match='cannot write a checkpoint'):
    checkpoints.save(manager, 3)


def test_a_failed_save_leaves_no_draft(tmp_path, monkeypatch):
  _, manager = make(tmp_path)

  def fail(checkpoint_number):
    draft = tmp_path / f'ckpt-{checkpoint_number}_temp'
    draft.mkdir()
    (draft / 'part').write_text('some weights')
    raise tf.errors.ResourceExhaustedError(None, None, 'No space left')

  monkeypatch.setattr(manager, 'save', fail)
  with pytest.raises(UserError, match='No space left'):
    checkpoints.save(manager, 3)
  assert not list(tmp_path.glob('*_temp'))


def test_a_finished_run_has_its_last_step_or_none(tmp_path):
  saved(tmp_path)
  model = Net()
  checkpoints.restore_step(model, tmp_path, 2)
  np.testing.assert_array_equal(model.kernel, [2, 2, 2])
  (tmp_path / 'ckpt-2.index').write_bytes(b'')
  with pytest.raises(UserError, match='last step, 2, .* delete finished.json'):
    checkpoints.restore_step(model, tmp_path, 2)
