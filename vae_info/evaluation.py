"""Rate, distortion and label distortion of a finished run, with errors.

Codes for a whole split are drawn at once from the encoder's parameters, and
only then cut into batches: so the draws, and with them the numbers, do not
depend on the batch size. Every image counts once. Standard errors are over
images; an image's own value is first averaged over its codes.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from vae_info import (
  checkpoints,
  conditioning,
  model as models,
  objectives,
  randomness,
)
from vae_info.config import Config
from vae_info.paths import Path


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A mean over images and its standard error, nats unless it says else."""

  mean: float
  stderr: float

  @classmethod
  def of(cls, values: np.ndarray) -> 'Estimate':
    """Of per-image values, float `[N]`, N at least 2."""
    values = np.asarray(values, np.float64)
    stderr = values.std(ddof=1) / np.sqrt(len(values))
    return cls(float(values.mean()), float(stderr))

  def __str__(self):
    return f'{self.mean:.3f} ± {self.stderr:.3f}'


def batches(
  size: int, *arrays: np.ndarray | tf.Tensor
) -> Iterator[tuple[int, list[tf.Tensor]]]:
  """Cuts `[N, ...]` arrays into batches of one static size.

  Yields the number of real rows and the batch, whose further rows repeat the
  last one.
  """
  count = len(arrays[0])
  size = min(size, count)
  for start in range(0, count, size):
    rows = np.minimum(np.arange(start, start + size), count - 1)
    yield min(size, count - start), [tf.gather(x, rows) for x in arrays]


def map_batches(
  function: Callable[..., tf.Tensor], size: int, *arrays
) -> np.ndarray:
  """`function` over whole arrays, batch by batch: `[N, ...]` out."""
  outputs = [
    function(*batch).numpy()[:real] for real, batch in batches(size, *arrays)
  ]
  return np.concatenate(outputs)


def load_model(run: Path, config: Config, images: np.ndarray) -> models.Model:
  """The model of a finished run, with its weights.

  Whatever it was trained in, it is evaluated in float32.

  Args:
    run: Directory with checkpoints.
    config: Of the run.
    images: Training images, as `model.build` takes them.

  Raises:
    UserError: There is no readable checkpoint, or it does not match.
  """
  model = models.build(dataclasses.replace(config, precision='float32'), images)
  checkpoints.restore_model(model, run)
  return model


def encode(model, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
  """The encoder's parameters for every image: float32 `[N, P]`."""

  @tf.function
  def parameters(batch):
    return model.encoder.parameters(tf.cast(batch, tf.float32))

  return map_batches(parameters, batch_size, images)


def encode_at_each(
  models: Sequence[conditioning.ModelAt],
  images: np.ndarray,
  batch_size: int = 500,
) -> np.ndarray:
  """`encode` at several betas of one model: float32 `[K, N, P]`."""

  @tf.function
  def parameters(batch):
    batch = tf.cast(batch, tf.float32)
    each = conditioning.parameters_at_each(models, batch)
    return tf.transpose(each, [1, 0, 2])  # Batches are joined along images.

  together = map_batches(parameters, batch_size, images)
  return np.ascontiguousarray(together.transpose([1, 0, 2]))


def make_draw(
  model, parameters: np.ndarray, seed: int, purpose: str
) -> Callable[[int], tf.Tensor]:
  """A function from a number to fresh codes `[N, L]` for all parameters."""
  parameters = tf.constant(parameters)

  @tf.function
  def draw(step):
    encoding = model.encoder.distribution(parameters)
    return encoding.sample(seed=randomness.stateless_seed(seed, purpose, step))

  return lambda step: draw(tf.constant(step, tf.int32))


def rate_and_distortion(
  model,
  images: np.ndarray,
  num_samples: int = 4,
  batch_size: int = 500,
  seed: int = 0,
  parameters: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Per-image rates and distortions, nats, float64 `[N]` each.

  Args:
    model: As `model.build` makes it.
    images: uint8 `[N, H, W, 1]` in {0, 1}.
    num_samples: Codes for each image, over which its values are averaged.
    batch_size: For memory alone.
    seed: Of the draws.
    parameters: What `encode` gives, if it is known already.
  """
  if parameters is None:
    parameters = encode(model, images, batch_size)
  draw = make_draw(model, parameters, seed, 'evaluation codes')

  @tf.function
  def both(codes, parameters, images):
    encoding = model.encoder.distribution(parameters)
    rates = objectives.rate(codes, encoding, model.marginal())
    likelihood = model.decoder(codes)
    distortions = objectives.distortion(tf.cast(images, tf.float32), likelihood)
    return tf.stack([rates, distortions], axis=-1)

  return _mean_over_codes(
    both, draw, num_samples, batch_size, parameters, images
  )


def _mean_over_codes(function, draw, num_samples, batch_size, *arrays):
  """The columns of `function(codes, *arrays)`, averaged over draws."""
  values = [
    map_batches(function, batch_size, draw(sample), *arrays)
    for sample in range(num_samples)
  ]
  return tuple(np.mean(values, axis=0, dtype=np.float64).T)


def label_distortion(
  model,
  classifier,
  images: np.ndarray,
  labels: np.ndarray,
  num_samples: int = 4,
  batch_size: int = 500,
  seed: int = 0,
  parameters: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Per-image label distortion (nats) and accuracy, float64 `[N]` each.

  Args:
    model: As `model.build` makes it.
    classifier: codes `[B, L]` -> c(y|z), batch `[B]`.
    images: uint8 `[N, H, W, 1]` in {0, 1}.
    labels: int32 `[N]`.
    num_samples: Codes for each image, over which its values are averaged.
    batch_size: For memory alone.
    seed: Of the draws.
    parameters: What `encode` gives, if it is known already.
  """
  if parameters is None:
    parameters = encode(model, images, batch_size)
  draw = make_draw(model, parameters, seed, 'evaluation codes')

  @tf.function
  def both(codes, labels):
    classes = classifier(codes)
    right = tf.cast(tf.equal(classes.mode(), labels), tf.float32)
    return tf.stack([objectives.label_distortion(labels, classes), right], -1)

  return _mean_over_codes(both, draw, num_samples, batch_size, labels)
