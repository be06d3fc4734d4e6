"""Large arrays, held in memory once.

TensorFlow copies an array of numpy that becomes a tensor. It can use the very
memory of an array that starts at a multiple of 64 bytes. So large arrays are
made to start there, and are filled and shuffled in place.
"""

from typing import Any

import numpy as np

ALIGNMENT = 64  # Bytes; TensorFlow ends the process if a tensor has less.
CHUNK = 2**24  # Bytes that are read at once.


def empty(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
  """An array of arbitrary content that starts at a multiple of 64 bytes."""
  size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
  raw = np.empty(size + ALIGNMENT, np.uint8)
  first = -raw.ctypes.data % ALIGNMENT
  return raw[first : first + size].view(dtype).reshape(shape)


def read_member(file, name: str) -> np.ndarray:
  """Reads an array of an `.npz` file into an array of `empty`.

  Args:
    file: The result of `numpy.load`.
    name: Name of the array.

  Raises:
    OSError: The file ends early.
    zipfile.BadZipFile: The array's checksum is wrong.
  """
  with file.zip.open(f'{name}.npy') as member:
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
      return file[name]
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(member)
    if by_columns or dtype.hasobject or not shape:
      return file[name]
    array = empty(shape, dtype)
    flat: Any = array.reshape(-1).view(np.uint8)
    bytes_left = memoryview(flat)
    while len(bytes_left):
      count = member.readinto(bytes_left[:CHUNK])
      if not count:
        raise OSError(f'{name} ends early')
      bytes_left = bytes_left[count:]
  return array


def shuffle(array: np.ndarray, order: np.ndarray) -> None:
  """Does `array[:] = array[order]` without a copy of the array.

  Args:
    array: `[N, ...]`.
    order: A permutation of its rows, int `[N]`.
  """
  done = np.zeros(len(order), bool)
  sources = order.tolist()
  for start in range(len(sources)):
    if done[start]:
      continue
    # Rows move along a cycle; the first waits outside.
    first, place = array[start].copy(), start
    while sources[place] != start:
      array[place] = array[sources[place]]
      done[place] = True
      place = sources[place]
    array[place] = first
    done[place] = True


def as_tensor(array: np.ndarray):
  """A tensor in the array's own memory; None if it is not aligned like `empty`.

  The array must not change any more.
  """
  import tensorflow as tf

  flags = array.flags
  if array.ctypes.data % ALIGNMENT or not (
    flags.c_contiguous and flags.writeable
  ):
    return None
  return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
