"""Images without slant and position, by their moments alone: no label is used.

With weights w over pixels (r, c), centre (r0, c0) and second moments

    slant = sum w (r - r0) (c - c0) / sum w (r - r0)^2,

the pixel (r, c) of the result is that of the image at

    (r - r' + r0,  c - c' + c0 + slant (r - r')),

where (r', c') is the middle. It is interpolated linearly; outside is 0.
Imports no TensorFlow.
"""

import numpy as np

MOST_SLANT = 1.0  # Columns for each row: lines that lie flat are not tilted up.


def deskew(images: np.ndarray, batch_size: int = 1_000) -> np.ndarray:
  """Removes slant and position: `[N, H, W, C]` to float32 `[N, H, W, C]`."""
  parts = [
    _deskew(images[first : first + batch_size].astype(np.float32))
    for first in range(0, len(images), batch_size)
  ]
  return np.concatenate(parts)


def moments(
  images: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Centres and slants of images `[N, H, W, C]`.

  Returns:
    Rows and columns of the centres, and slants in columns for each row,
    `[N]` each. An image without mass has its centre in the middle.
  """
  weights = images.sum(axis=-1)
  _, height, width = weights.shape
  rows, columns = np.arange(height), np.arange(width)
  mass = weights.sum(axis=(1, 2))
  some = np.maximum(mass, 1e-6)
  by_row, by_column = weights.sum(axis=2), weights.sum(axis=1)
  row = np.where(mass > 0, by_row @ rows / some, (height - 1) / 2)
  column = np.where(mass > 0, by_column @ columns / some, (width - 1) / 2)
  from_row = rows - row[:, None]
  from_column = columns - column[:, None]
  mixed = np.einsum('nrc,nr,nc->n', weights, from_row, from_column)
  vertical = np.einsum('nr,nr->n', by_row, from_row**2)
  slant = mixed / np.maximum(vertical, 1e-6)
  return row, column, np.clip(slant, -MOST_SLANT, MOST_SLANT)


def _deskew(images):
  count, height, width, _ = images.shape
  row, column, slant = moments(images)
  # Where each pixel of the result lies in the image.
  down = np.arange(height) - (height - 1) / 2
  across = np.arange(width) - (width - 1) / 2
  rows = np.broadcast_to(
    (row[:, None] + down)[:, :, None], (count, height, width)
  )
  columns = (column[:, None] + slant[:, None] * down)[:, :, None] + across
  top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
  below, beside = rows - top, columns - left
  result = np.zeros(images.shape, np.float32)
  padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
  each = np.arange(count)[:, None, None]
  for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
    share = (below if i else 1 - below) * (beside if j else 1 - beside)
    r = np.clip(top + i + 1, 0, height + 1)
    c = np.clip(left + j + 1, 0, width + 1)
    result += share[..., None].astype(np.float32) * padded[each, r, c]
  return result
