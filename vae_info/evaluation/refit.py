"""Fits a decoder with independent pixels to codes that stay as they are.

One decoder serves several kinds of codes, such as those of several betas or of
several levels of noise: it is given the number of the kind beside the code. The
network is that of the compact deconvolutional decoder.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import loop, objectives, randomness
from vae_info.evaluation import estimates
from vae_info.networks import compact, layers

tfd = tfp.distributions

LEARNING_RATE = 2e-3
BATCH_SIZE = 100


class Decoder(tf.Module):
  """d(x|z) of each kind of codes, given the number of the kind.

  Args:
    size: Dimensions of a code.
    kinds: The number of kinds.
    image_shape: Of the images, which are binary.
    seed: Determines the first weights.
  """

  def __init__(
    self, size: int, kinds: int, image_shape: tuple[int, int, int], seed: int
  ):
    super().__init__()
    make = layers.Make(randomness.generator(seed, 'refitted decoder weights'))
    network = compact.deconvolution(make, image_shape, size + kinds)
    self.network = layers.Chain(*network)
    self._kinds = kinds

  def __call__(self, codes: tf.Tensor, kinds: tf.Tensor) -> tfd.Distribution:
    """Codes `[B, K]` and kinds, integers `[B]` -> batch `[B]`."""
    return tfd.Independent(self.pixels(codes, kinds), 3)

  def pixels(self, codes: tf.Tensor, kinds: tf.Tensor) -> tfd.Distribution:
    """d(x_i|z) of each pixel, batch `[B, H, W, C]`."""
    known = tf.one_hot(kinds, self._kinds)
    logits = self.network(tf.concat([codes, known], axis=-1))
    return tfd.Bernoulli(logits=logits)


@dataclasses.dataclass(frozen=True)
class Fit:
  """A module that is fitted to codes of several kinds, and how.

  Attributes:
    module: Its variables are fitted. It was made in the execution's scope.
    losses: A function of the number of the step, indices of images `[B]`,
      images float32 `[B, H, W, C]` and kinds `[B]`. It returns nats, `[B]`.
    images: uint8 `[N, H, W, C]`.
    kinds: The number of kinds. Each image of a step has a kind of its own.
    epochs: Passes over the images.
    seed: Determines the order of the images, and their kinds.
    batch_size: Images in a step.
    execution: How to run the steps.
  """

  module: tf.Module
  losses: Callable[..., tf.Tensor]
  images: np.ndarray
  kinds: int
  epochs: int
  seed: int
  batch_size: int = BATCH_SIZE
  execution: loop.Execution = dataclasses.field(default_factory=loop.Execution)

  def run(
    self,
    before_epoch: Callable[[int], None] = lambda epoch: None,
    check: Callable[[], None] = lambda: None,
  ) -> None:
    """Fits the module.

    Args:
      before_epoch: Is called with the number of each epoch before it starts.
      check: Is called every 100 steps; it may raise an exception to end.
    """
    schedule = loop.Schedule(
      num_examples=len(self.images),
      batch_size=min(self.batch_size, len(self.images)),
      epochs=self.epochs,
      steps=None,
      seed=self.seed,
      learning_rate=LEARNING_RATE,
    )
    steps = self._make_steps(schedule)
    for epoch in range(self.epochs):
      before_epoch(epoch)
      start, end = (schedule.per_epoch * (epoch + i) for i in range(2))
      for first in range(start, end, 100):
        count = min(100, end - first)
        steps(tf.constant(first), tf.constant(schedule.order(first, count)))
        check()

  def _make_steps(self, schedule: loop.Schedule) -> loop.Steps:
    variables = list(self.module.trainable_variables)
    with self.execution.strategy.scope():
      optimizer = loop.make_optimizer(schedule, variables)
    held = tf.constant(self.images)

    def step(number, indices):
      batch = tf.cast(tf.gather(held, indices), tf.float32)
      key = randomness.stateless_seed(self.seed, 'kinds', number)
      kinds = tf.random.stateless_uniform(
        indices.shape, key, 0, self.kinds, tf.int32
      )
      with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(variables)
        loss = tf.reduce_mean(self.losses(number, indices, batch, kinds))
      loop.update(optimizer, variables, tape.gradient(loss, variables))
      return {'loss': loss}

    return loop.many_steps(step, ('loss',), schedule.batch_size, self.execution)


def distortions(
  decoder: Decoder, codes: np.ndarray, images: np.ndarray, kind: int
) -> np.ndarray:
  """D of each image, nats, float64 `[N]`.

  Args:
    decoder: The decoder.
    codes: What it sees of the code of each image, `[N, K]`.
    images: uint8 `[N, H, W, C]`.
    kind: The number of the codes' kind.
  """

  @tf.function(autograph=False)
  def of_batch(codes, images):
    likelihood = decoder(codes, tf.fill(tf.shape(codes)[:1], kind))
    return objectives.distortion(tf.cast(images, tf.float32), likelihood)

  values = estimates.map_batches(of_batch, 500, codes, images)
  return values.astype(np.float64)
