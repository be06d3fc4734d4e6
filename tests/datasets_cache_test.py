"""The cache: keys, atomic writes, damage, and use by several processes."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from vae_info.datasets import cache

ROOT = pathlib.Path(__file__).parents[1]


class Maker:
  """Makes arrays, and counts how often."""

  def __init__(self):
    self.calls = 0

  def __call__(self):
    self.calls += 1
    return {'a/b': np.arange(1000), 'c': np.eye(2, dtype=np.uint8)}


def check(arrays):
  assert set(arrays) == {'a/b', 'c'}
  np.testing.assert_array_equal(arrays['a/b'], np.arange(1000))
  np.testing.assert_array_equal(arrays['c'], np.eye(2))


def test_made_once_for_each_key(tmp_path):
  make = Maker()
  for key, calls in (({'x': 1}, 1), ({'x': 1}, 1), ({'x': 2}, 2)):
    check(cache.load_or_make(tmp_path, 'name', key, make))
    assert make.calls == calls
  assert len(list(tmp_path.glob('name-*.npz'))) == 2
  assert not list(tmp_path.glob('*.tmp'))


def flip_a_byte(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 0xFF
  path.write_bytes(content)


def truncate(path):
  path.write_bytes(path.read_bytes()[:-100])


def replace_with_another(path):
  np.savez(path, **{'a/b': np.zeros(3)})


@pytest.mark.parametrize(
  'damage',
  [
    flip_a_byte,
    truncate,
    replace_with_another,
    lambda path: path.write_bytes(b''),
    lambda path: path.write_text('not an archive'),
  ],
)
def test_a_damaged_file_is_made_again(tmp_path, damage):
  make = Maker()
  cache.load_or_make(tmp_path, 'name', {}, make)
  damage(next(tmp_path.glob('*.npz')))
  check(cache.load_or_make(tmp_path, 'name', {}, make))
  assert make.calls == 2
  check(cache.load_or_make(tmp_path, 'name', {}, make))
  assert make.calls == 2


def test_what_a_killed_process_left_does_no_harm(tmp_path):
  make = Maker()
  cache.load_or_make(tmp_path, 'name', {}, make)
  path = next(tmp_path.glob('*.npz'))
  path.rename(path.with_name(f'{path.name}.12345.tmp'))
  check(cache.load_or_make(tmp_path, 'name', {}, make))
  assert make.calls == 2
  assert not list(tmp_path.glob('*.tmp'))


def test_without_a_place_to_write_the_arrays_are_made(tmp_path):
  (tmp_path / 'file').write_text('')
  make = Maker()
  for calls in (1, 2):
    check(cache.load_or_make(tmp_path / 'file', 'name', {}, make))
    assert make.calls == calls


def test_the_default_is_the_user_s_own(monkeypatch):
  monkeypatch.setenv('XDG_CACHE_HOME', '/x')
  assert cache.folder() == pathlib.Path('/x/vae_info')
  monkeypatch.delenv('XDG_CACHE_HOME')
  assert cache.folder() == pathlib.Path.home() / '.cache/vae_info'
  assert cache.folder('/y') == pathlib.Path('/y')


SLOW = """
import pathlib, sys, time
import numpy as np
from vae_info.datasets import cache

def make():
  with open(pathlib.Path(sys.argv[1], 'calls'), 'a') as file:
    file.write('x')
  time.sleep(1)
  return {'a': np.arange(5)}

assert cache.load_or_make(sys.argv[1], 'n', {}, make)['a'].sum() == 10
"""


def test_two_processes_at_once_both_end_well(tmp_path):
  environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', SLOW, str(tmp_path)], env=environment
    )
    for _ in range(3)
  ]
  assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
  # Only the first made the arrays; the others waited and read them.
  assert (tmp_path / 'calls').read_text() == 'x'
