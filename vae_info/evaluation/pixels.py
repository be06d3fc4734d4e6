"""What codes know of each pixel: equation 6 of the paper.

With an independent pixels' decoder, D = sum_i D_i, and (eq. 6)

    sum_i (H(X_i) - D_i) = sum_i I(X_i;Z) - sum_i KL(p(x_i|z) || d(x_i|z)).

The paper takes this for the reason why such a decoder keeps more of the label.
An autoregressive decoder has no D_i. So a deconvolutional decoder is fitted to
the codes of training images, whatever decoder they were trained with. The codes
stay as they are. A pixel whose value the code does not tell counts 0.

H(X_i) is the cross-entropy, on the evaluated images, of the pixel's frequency
in training images. It exceeds the entropy by about 1 / (2 N) nats.

#### References

Fertig, Arbabi and Alemi. beta-VAEs can retain label information even at high
compression. NeurIPS workshop on Bayesian Deep Learning, 2018.
"""

import dataclasses
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from vae_info import loop
from vae_info.datasets import Dataset
from vae_info.errors import UserError
from vae_info.evaluation import estimates
from vae_info.evaluation.curve import Point
from vae_info.evaluation.estimates import Codes
from vae_info.evaluation.refit import Decoder, Fit
from vae_info.runs import Run
from vae_info.runs.paths import write_atomically

EPOCHS = 16  # One code of each image; the kinds share them.

# From the number of an epoch to codes, float32 `[N, L]`.
Draw = Callable[[int], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Known:
  """What codes know of pixels, in nats.

  Attributes:
    of_images: sum_i (H(X_i) - D_i) of each image, float64 `[N]`.
    of_pixels: H(X_i) - D_i of each pixel, float64 `[H, W, C]`.
  """

  of_images: np.ndarray
  of_pixels: np.ndarray

  @property
  def columns(self) -> dict[str, float]:
    """The columns of the table of results."""
    return estimates.columns(pixel_information=self.of_images)


def fit(draws: Sequence[Draw], images: np.ndarray, seed: int) -> Decoder:
  """Fits one decoder to several kinds of codes, drawn afresh for each epoch.

  Args:
    draws: A function for each kind of codes.
    images: The images of the codes, uint8 `[N, H, W, C]`.
    seed: Determines the first weights and the order of images.
  """
  first = tf.stack([draw(0) for draw in draws])
  height, width, channels = images.shape[1:]
  execution = loop.Execution()
  with execution.strategy.scope():
    # Held in a variable, so that the steps see the codes of each epoch.
    held = tf.Variable(first, trainable=False)
    decoder = Decoder(
      first.shape[-1], len(draws), (height, width, channels), seed
    )

  def losses(number, indices, batch, kinds):
    del number
    codes = tf.gather_nd(held, tf.stack([kinds, indices], axis=-1))
    return -decoder(codes, kinds).log_prob(batch)

  def draw_again(epoch):
    for kind, draw in enumerate(draws if epoch else ()):
      held[kind].assign(draw(epoch))

  Fit(
    decoder, losses, images, len(draws), EPOCHS, seed, execution=execution
  ).run(draw_again)
  return decoder


def frequencies(images: np.ndarray) -> np.ndarray:
  """The share of ones of each pixel, float32 `[H, W, C]`.

  It is never 0 or 1: half an image more has a one, and half an image a zero.
  """
  ones = images.sum(axis=0, dtype=np.float64)
  return ((ones + 0.5) / (len(images) + 1)).astype(np.float32)


def measure(
  decoder: Decoder,
  kind: int,
  codes: Codes,
  images: np.ndarray,
  shares: np.ndarray,
) -> Known:
  """What codes know of the pixels of their images.

  Args:
    decoder: From `fit`.
    kind: The number of the codes' kind.
    codes: The codes of the images.
    images: uint8 `[N, H, W, C]`.
    shares: From `frequencies`, of the training images.
  """
  blind = tf.constant(np.log(shares) - np.log1p(-shares))

  @tf.function(autograph=False)
  def of_batch(codes, images):
    batch = tf.cast(images, tf.float32)
    pixels = decoder.pixels(codes, tf.fill(tf.shape(codes)[:1], kind))
    # log d(x_i|z) - log q(x_i) of two Bernoullis, q with the logits `blind`.
    gains = pixels.log_prob(batch) - (
      blind * batch - tf.math.softplus(tf.broadcast_to(blind, batch.shape))
    )
    return tf.reshape(gains, [-1, math.prod(gains.shape[1:])])

  gains = codes.mean(of_batch, images)
  return Known(gains.sum(axis=0), gains.mean(axis=1).reshape(images.shape[1:]))


def measure_points(
  points: Sequence[Point],
  train: Mapping[float, np.ndarray],
  codes: Mapping[float, Codes],
  dataset: Dataset,
) -> dict[float, Known]:
  """Fits a decoder to the codes of all points of a run, and measures it.

  Args:
    points: Points of one run.
    train: The encoder's parameters of training images by beta, `[N, P]` each.
    codes: The codes of the test images by beta.
    dataset: The data set.

  Returns:
    What is known at each beta.
  """
  images = dataset.train.images
  seed = codes[points[0].beta].seed
  draws = [
    estimates.make_draw(point.model, train[point.beta], seed, 'pixel codes')
    for point in points
  ]
  decoder, shares = fit(draws, images, seed), frequencies(images)
  return {
    point.beta: measure(
      decoder, kind, codes[point.beta], dataset.test.images, shares
    )
    for kind, point in enumerate(points)
  }


def check_shape(image_shape: Sequence[int]) -> None:
  """Raises `UserError` for images that the fitted decoder cannot make."""
  height, width, _ = image_shape
  if height % 4 or width % 4:
    raise UserError(
      'refit_decoder needs images whose height and width are multiples of 4, '
      f'found {height} x {width}'
    )


def _kept(run: Run) -> dict[float, np.ndarray]:
  """The maps of the betas whose rows have `pixel_information`.

  There are none if the file is damaged.
  """
  betas = {r['beta'] for r in run.rows if r['pixel_information'] is not None}
  if not betas or not run.pixels.exists():
    return {}
  try:
    with run.pixels.open('rb') as file, np.load(file) as stored:
      pairs = zip(stored['betas'].tolist(), stored['maps'], strict=True)
      return {beta: values for beta, values in pairs if beta in betas}
  except (EOFError, LookupError, ValueError, zipfile.BadZipFile, zlib.error):
    return {}


def save(run: Run, known: Mapping[float, Known]) -> None:
  """Writes the maps of a run: `betas` `[K]` and `maps` `[K, H, W, C]`, nats.

  Maps of other betas stay while the run has rows of them.
  """
  maps = _kept(run) | {beta: one.of_pixels for beta, one in known.items()}
  file = io.BytesIO()
  np.savez_compressed(
    file, betas=np.array([*maps]), maps=np.stack([*maps.values()])
  )
  write_atomically(run.pixels, file.getvalue())
