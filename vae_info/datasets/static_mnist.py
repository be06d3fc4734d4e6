"""The bundled data set: MNIST, binarised once, with its true labels.

50,000 / 10,000 / 10,000 images in the order of TensorFlow Datasets' `mnist`
(validation is the last 10,000 of its training images), each pixel drawn once
as Bernoulli(intensity / 255). It has the distribution of the static
binarisation of Larochelle & Murray (2011) [1] but not its draws, and it has
labels. `build_static_mnist.py` makes the file.

#### References

[1]: Hugo Larochelle and Iain Murray. The Neural Autoregressive Distribution
     Estimator. _AISTATS_, 2011.
"""

import pathlib

import numpy as np

PATH = pathlib.Path(__file__).with_name('static_mnist.npz')
SIZES = {'train': 50_000, 'validation': 10_000, 'test': 10_000}


def write(images: np.ndarray, digits: np.ndarray, path: pathlib.Path) -> None:
  """Packs bits `[70000, 28, 28, 1]` and digits `[70000]` into one file."""
  np.savez_compressed(
    path, bits=np.packbits(images), digits=digits.astype(np.uint8)
  )


def read(
  path: pathlib.Path = PATH,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Returns split name -> (uint8 `[N, 28, 28, 1]` of 0 and 1, int32 `[N]`)."""
  with np.load(path) as file:
    images = np.unpackbits(file['bits']).reshape([-1, 28, 28, 1])
    digits = file['digits'].astype(np.int32)
  ends = np.cumsum(list(SIZES.values()))
  if not len(images) == len(digits) == ends[-1]:
    raise ValueError(
      f'{path}: expected {ends[-1]} images and digits, found {len(images)} '
      f'and {len(digits)}'
    )
  return dict(
    zip(
      SIZES,
      zip(
        np.split(images, ends[:-1]), np.split(digits, ends[:-1]), strict=True
      ),
      strict=True,
    )
  )
