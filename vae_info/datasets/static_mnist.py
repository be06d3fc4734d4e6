"""The bundled data set: MNIST, binarised once, with its true labels.

It has 50,000 / 10,000 / 10,000 images in the order of TensorFlow Datasets'
`mnist`; validation is the last 10,000 of its training images. Each pixel is
drawn once as Bernoulli(intensity / 255). The images have the distribution of
the static binarisation of Larochelle & Murray [1], but other draws, and true
labels. `build_static_mnist.py` makes the file.

#### References

[1]: Hugo Larochelle and Iain Murray. The Neural Autoregressive Distribution
     Estimator. _AISTATS_, 2011.
"""

import pathlib

import numpy as np

from vae_info.datasets import cache

PATH = pathlib.Path(__file__).with_name('static_mnist.npz')
SIZES = {'train': 50_000, 'validation': 10_000, 'test': 10_000}


def write(images: np.ndarray, digits: np.ndarray, path: pathlib.Path) -> None:
  """Writes packed images `[70000, 28, 28, 1]` and digits `[70000]`."""
  with cache.written_whole(path) as file:
    np.savez_compressed(
      file, bits=np.packbits(images), digits=digits.astype(np.uint8)
    )


def read(
  path: pathlib.Path = PATH,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Returns split name -> (uint8 `[N, 28, 28, 1]` of 0 and 1, int32 `[N]`).

  Raises:
    ValueError: The file has another number of images or digits.
  """
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
