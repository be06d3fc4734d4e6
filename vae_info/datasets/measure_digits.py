"""Measures the digits of MNIST: the bundled `digit_attributes.npz`.

    pip install -c constraints.txt -e '.[attributes]'
    python -m vae_info.datasets.measure_digits --data_dir=DIR

The measures are those that Castro et al. [1] describe. Each grey image is
enlarged four times, smoothed a little, and thresholded at half its range. Its
strokes give

    area        pixels above the threshold
    length      length of the skeleton, in steps of 1 or sqrt(2)
    thickness   twice the mean distance from the skeleton to the edge

The intensities I of the enlarged image give

    slant       arctan(-u11 / u02), where u are central moments of I; radians,
                and above 0 if the digit leans to the right
    width       horizontal side of the parallelogram with this slant that holds
                98 % of I from left to right: 1 % is cut off at each end
    height      its height, which holds 98 % of I from top to bottom

Lengths are in pixels of the original image, areas in pixels squared. The file
has the ranks of the measures: see `digit_attributes.py`. Two choices are our
own. Cubic splines enlarge images. The ends of the parallelogram are
interpolated, so that hardly any two images have the same height.

#### References

[1]: Daniel Castro, Jeremy Tan, Bernhard Kainz, Ender Konukoglu and Ben Glocker.
     Morpho-MNIST: Quantitative Assessment and Diagnostics for Representation
     Learning. _JMLR_, 2019, section 3.1.
"""

import pathlib
from collections.abc import Iterable

import numpy as np
import scipy.ndimage
from absl import app, flags

from vae_info import cli
from vae_info.datasets import binarized_mnist, digit_attributes, tfds_source
from vae_info.errors import UserError
from vae_info.runs.paths import open_output

FLAGS = flags.FLAGS
SCALE = 4  # How many times images are enlarged before they are measured.
SMOOTHING = SCALE / 3  # Standard deviation, in pixels of the enlarged image.
CUT = 0.01  # Share of the intensity that each end of a side leaves out.
# Steps along a skeleton. Each pair of neighbours is counted from one side.
STEPS = ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 2**0.5), (1, -1, 2**0.5))


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_string(
    'output',
    str(digit_attributes.PATH),
    'File to write. The default is the one inside the package.',
  )
  cli.define_data_dir()


def measure(image: np.ndarray) -> dict[str, float]:
  """The attributes of one image.

  Args:
    image: `[H, W]`, intensities, not all equal.

  Returns:
    Attribute -> its value, in pixels, pixels squared, or radians.
  """
  large = scipy.ndimage.zoom(
    image.astype(np.float64),
    SCALE,
    order=3,
    mode='grid-constant',
    grid_mode=True,
  )
  large = scipy.ndimage.gaussian_filter(large, SMOOTHING)
  return _of_strokes(large) | _of_intensities(np.maximum(large, 0.0))


def _of_strokes(large):
  """Area, length and thickness of an enlarged image."""
  # Only this command needs it.
  from skimage import morphology

  strokes = large >= (large.min() + large.max()) / 2
  strokes = np.pad(strokes, 1)  # Outside the image there are no strokes.
  skeleton = morphology.skeletonize(strokes)
  distances = scipy.ndimage.distance_transform_edt(strokes)
  return {
    'area': strokes.sum() / SCALE**2,
    'length': _length(skeleton) / SCALE,
    'thickness': 2.0 * distances[skeleton].mean() / SCALE,
  }


def _length(skeleton):
  """The length of a skeleton: the sum of steps between its pixels.

  Two pixels that touch at a corner make no step if a third touches both by its
  sides: the way around is counted already.
  """
  padded = np.pad(skeleton, 1)
  total = 0.0
  for down, right, step in STEPS:
    pairs = padded & np.roll(padded, (-down, -right), (0, 1))
    if down and right:
      pairs &= ~np.roll(padded, -down, 0) & ~np.roll(padded, -right, 1)
    total += step * pairs.sum()
  return total


def _of_intensities(large):
  """Slant, width and height of an enlarged image."""
  mass = large / large.sum()
  y, x = np.indices(large.shape)
  below, right = y - (mass * y).sum(), x - (mass * x).sum()
  shear = (mass * right * below).sum() / (mass * below**2).sum()
  return {
    'slant': np.arctan(-shear),
    'width': _extent(x - shear * below, mass) / SCALE,
    'height': _extent(y, mass) / SCALE,
  }


def _extent(places, mass):
  """The length that holds all mass but `CUT` at each end, interpolated."""
  first, last = np.floor(places.min()), np.ceil(places.max())
  edges = np.arange(first - 0.5, last + 1.0)  # A pixel is one unit wide.
  counts, _ = np.histogram(places, edges, weights=mass)
  below = np.concatenate([[0.0], np.cumsum(counts)])
  low, high = np.interp([CUT, 1.0 - CUT], below, edges)
  return high - low


def measure_all(images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
  """Attribute -> its values, float `[N]`, of `[H, W, 1]` images."""
  values = [measure(image[..., 0]) for image in images]
  return {
    name: np.array([value[name] for value in values])
    for name in digit_attributes.NAMES
  }


def main(argv: list[str]) -> None:
  cli.no_arguments(argv)
  path = pathlib.Path(open_output(FLAGS.output))
  try:
    import skimage  # noqa: F401
  except ImportError as error:
    raise UserError(
      'measure_digits needs scikit-image: '
      "pip install -c constraints.txt -e '.[attributes]'"
    ) from error
  cli.quiet_tensorflow()
  cli.import_tensorflow()
  import tqdm

  mnist = binarized_mnist.read_mnist(tfds_source.find('mnist', FLAGS.data_dir))
  images = np.concatenate([mnist[split][0] for split in ('train', 'test')])
  values = measure_all(tqdm.tqdm(images, 'measuring', unit=' images'))
  digit_attributes.write(values, len(mnist['train'][0]), path)
  print(f'wrote {path}: {len(images)} images, {path.stat().st_size} bytes')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
