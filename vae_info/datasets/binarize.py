"""Converts intensities (uint8, 0..255) to images of 0 and 1, or keeps them.

    static      each pixel is drawn once as Bernoulli(intensity / 255)
    dynamic     the same, but each step draws its training images again
    threshold   each pixel is 1 if its intensity is above 1/2
    none        the intensities themselves

Validation and test images never change, and are the same for `static` and
`dynamic`. `steps.py` makes the draws of each step.
"""

import numpy as np

# Each split has its own seed, so that no two splits share draws.
SEEDS = {'train': 0, 'validation': 1, 'test': 2}


def binarize(intensities: np.ndarray, seed: int) -> np.ndarray:
  """Draws each pixel once as Bernoulli(intensity / 255).

  Args:
    intensities: uint8 of any shape.
    seed: Seed of a counter-based generator; it alone determines the draws.

  Returns:
    uint8 of the same shape, 0 or 1. Intensity 0 always gives 0, 255 always 1.
  """
  generator = np.random.Generator(np.random.Philox(key=seed))
  # Uniform on 0..254, so P(threshold < intensity) is intensity / 255 exactly.
  thresholds = generator.integers(0, 255, intensities.shape, dtype=np.uint8)
  return (thresholds < intensities).astype(np.uint8)


def threshold(intensities: np.ndarray) -> np.ndarray:
  """Returns uint8 of the same shape: 1 where intensity / 255 > 1/2, else 0."""
  return (intensities > 127).astype(np.uint8)


def split_images(
  intensities: np.ndarray, split: str, binarization: str
) -> np.ndarray:
  """Returns the images of one split, uint8 `[N, H, W, C]`.

  Args:
    intensities: uint8 `[N, H, W, C]`, 0..255; C is 1 unless they stay.
    split: Name of the split, a key of `SEEDS`.
    binarization: `static`, `dynamic`, `threshold` or `none`.
  """
  if binarization == 'none':
    return intensities
  if binarization == 'threshold':
    return threshold(intensities)
  return binarize(intensities, SEEDS[split])
