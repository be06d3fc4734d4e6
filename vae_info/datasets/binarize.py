"""From intensities, uint8 0..255, to binary images, uint8 0 and 1.

    static      each pixel is drawn once as Bernoulli(intensity / 255)
    dynamic     the same, but training images are drawn afresh for each step
    threshold   1 where the intensity is above 1/2

Validation and test images never change, and are the same for `static` and
`dynamic`. The draws for each step are made in `training.py`.
"""

import numpy as np

# A seed for each split, so that no two share their draws.
SEEDS = {'train': 0, 'validation': 1, 'test': 2}


def binarize(intensities: np.ndarray, seed: int) -> np.ndarray:
  """Draws each pixel once as Bernoulli(intensity / 255).

  Args:
    intensities: uint8 of any shape.
    seed: Of a counter-based generator, so the draws follow from it alone.

  Returns:
    uint8 of the same shape, 0 or 1. Intensity 0 always gives 0, 255 always 1.
  """
  generator = np.random.Generator(np.random.Philox(key=seed))
  thresholds = generator.integers(0, 255, intensities.shape, dtype=np.uint8)
  return (thresholds < intensities).astype(np.uint8)


def threshold(intensities: np.ndarray) -> np.ndarray:
  """1 where intensity / 255 is above 1/2: uint8 of the same shape."""
  return (intensities > 127).astype(np.uint8)


def split_images(
  intensities: np.ndarray, split: str, binarization: str
) -> np.ndarray:
  """The binary images of one split.

  Args:
    intensities: uint8 `[N, H, W, 1]`, 0..255.
    split: A key of `SEEDS`.
    binarization: `static`, `dynamic` or `threshold`.
  """
  if binarization == 'threshold':
    return threshold(intensities)
  return binarize(intensities, SEEDS[split])
