"""Who drew each image of Omniglot, recovered from the order of records.

Twenty people drew each character, and Lake's files are numbered by them. The
records of TensorFlow Datasets have no such number, but their order gives it. A
split is sorted by the MD5 sum of its name and the record's key [1]. The key is

    ALPHABET_CHARACTER_LLLL_DD.png

where LLLL is the number of the character among all, from 1, and DD that of the
drawer, from 1 to 20. So sorting the 20 possible keys of each character gives
the key of each record. As a check, the labels of the sorted keys must equal
those of the records. In both splits all do.

Drawers are numbered within an alphabet: number 3 of two alphabets need not be
the same person.

#### References

[1]: `core/hashing.py` and `core/shuffle.py` of TensorFlow Datasets.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from vae_info.errors import UserError

COUNT = 20  # People who drew each character.


def recover(
  split: str, characters: np.ndarray, names: Sequence[str]
) -> np.ndarray:
  """The drawer of each record of a split.

  Args:
    split: TensorFlow Datasets' name of the split.
    characters: The character of each record in order, int `[N]`.
    names: TensorFlow Datasets' name of each character, 'ALPHABET_CHARACTER'.

  Returns:
    int32 `[N]`, from 0 to 19.

  Raises:
    UserError: The records are not in this order.
  """
  expected = sorted(
    (
      _digest(split, f'{names[label]}_{label + 1:04}_{drawer + 1:02}.png'),
      label,
      drawer,
    )
    for label in np.unique(characters).tolist()
    for drawer in range(COUNT)
  )
  labels = np.array([label for _, label, _ in expected], np.int64)
  same = 0
  if len(labels) == len(characters):
    same = int(np.sum(labels == characters))
  if same != len(characters):
    raise UserError(
      f'{split} of omniglot should be in the order of the MD5 sums of its keys '
      f'with {COUNT} drawings of each character, but only {same} of '
      f'{len(characters)} records are in their place; delete its folder to '
      'prepare it again'
    )
  return np.array([drawer for _, _, drawer in expected], np.int32)


def _digest(split: str, key: str) -> bytes:
  """The MD5 sum by which the records of a split are sorted."""
  return hashlib.md5(split.encode() + key.encode()).digest()
