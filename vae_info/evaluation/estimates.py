"""Rate, distortion and label distortion of a finished run, with errors.

Codes of a whole split are drawn at once from the encoder's parameters, and only
then cut into batches. So the draws and the results do not depend on the batch
size. Every image counts once. The value of an image is a mean over its codes.
Standard errors are over images.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from vae_info import objectives, randomness, references
from vae_info.datasets import memory
from vae_info.networks.protocols import Classifier, Networks, before_flow


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A mean over images and its standard error, nats unless stated otherwise."""

  mean: float
  stderr: float

  @classmethod
  def of(cls, values: np.ndarray) -> 'Estimate':
    """The estimate from per-image values, float `[N]`, N at least 2."""
    values = np.asarray(values, np.float64)
    stderr = values.std(ddof=1) / np.sqrt(len(values))
    return cls(float(values.mean()), float(stderr))

  def __str__(self):
    return f'{self.mean:.3f} ± {self.stderr:.3f}'


def batches(
  size: int, *arrays: np.ndarray | tf.Tensor
) -> Iterator[tuple[int, list[tf.Tensor]]]:
  """Cuts `[N, ...]` arrays into batches of one static size.

  Yields the number of real rows, and the batch. The last batch is filled up by
  repeating its last row.
  """
  count = len(arrays[0])
  size = min(size, count)
  for start in range(0, count, size):
    rows = np.minimum(np.arange(start, start + size), count - 1)
    yield min(size, count - start), [_rows(x, rows) for x in arrays]


def _rows(array: np.ndarray | tf.Tensor, rows: np.ndarray) -> tf.Tensor:
  """Some rows as a tensor, without a copy of the whole array."""
  if isinstance(array, np.ndarray):
    return tf.convert_to_tensor(array[rows])
  return tf.gather(array, rows)


def map_batches(
  function: Callable[..., tf.Tensor], size: int, *arrays
) -> np.ndarray:
  """Applies a function to arrays `[N, ...]`, batch by batch: `[N, ...]`."""
  outputs = [
    function(*batch).numpy()[:real] for real, batch in batches(size, *arrays)
  ]
  return np.concatenate(outputs)


def encode(
  model: Networks, images: np.ndarray, batch_size: int = 500
) -> np.ndarray:
  """The encoder's parameters of every image, float32 `[N, P]`."""
  return encode_at_each([model], images, batch_size)[0]


def encode_at_each(
  models: Sequence[Networks], images: np.ndarray, batch_size: int = 500
) -> list[np.ndarray]:
  """`encode` for each of several models: float32 `[N, P]` each.

  If `Model.at_each` made them, the layers that they share are computed once.
  """

  @tf.function(autograph=False)
  def parameters(batch):
    batch = tf.cast(batch, tf.float32)
    return [model.encoder.parameters(batch) for model in models]

  # Each model's own array, which is filled in place: whole ones are large.
  results, first = [], 0
  for real, [batch] in batches(batch_size, images):
    each = [part.numpy()[:real] for part in parameters(batch)]
    if not results:
      shape = (len(images), each[0].shape[-1])
      results = [memory.empty(shape, each[0].dtype) for _ in models]
    for result, part in zip(results, each, strict=True):
      result[first : first + real] = part
    first += real
  return results


def rates_of_base(
  model: Networks, base: tf.Tensor, parameters: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
  """Codes and their rates, from draws of p(z|x) before any flow.

  The inverse of a flow, which may take L passes, is not needed then.

  Args:
    model: The networks at one beta.
    base: The draws, `[B, L]`.
    parameters: The encoder's parameters, `[B, P]`.

  Returns:
    The codes, `[B, L]`; ln of the density of `base` that m(z) gives, nats,
    `[B]`; and ln p(z|x) / m(z), nats, `[B]`.
  """
  encoder, flow = before_flow(model.encoder)
  codes, change = base, 0.0
  if flow is not None:
    codes = flow.forward(base)
    change = flow.forward_log_det_jacobian(base, 1)
  log_marginals = model.marginal().log_prob(codes) + change
  log_probs = encoder.distribution(parameters).log_prob(base)
  return codes, log_marginals, log_probs - log_marginals


def make_draw(
  model: Networks,
  parameters: np.ndarray,
  seed: int,
  purpose: str,
  given: Sequence[np.ndarray] = (),
  base: bool = False,
) -> Callable[[tf.Tensor | int], tf.Tensor]:
  """Makes a function that draws codes `[N, L]`, other ones for each number.

  Args:
    model: The networks at one beta.
    parameters: The encoder's parameters, `[N, P]`.
    seed: Determines the draws, together with `purpose` and the number.
    purpose: What the codes are for.
    given: Further inputs of a classifier, float32 `[N, G]` each. They are
      appended to the codes.
    base: Whether the codes are those before any flow.
  """
  encoder = before_flow(model.encoder)[0] if base else model.encoder
  shared = memory.as_tensor(parameters)
  parameters = tf.constant(parameters) if shared is None else shared
  given = [*map(tf.constant, given)]

  @tf.function(autograph=False)
  def draw(step):
    encoding = encoder.distribution(parameters)
    codes = encoding.sample(seed=randomness.stateless_seed(seed, purpose, step))
    return tf.concat([codes, *given], axis=-1)

  return lambda step: draw(tf.convert_to_tensor(step, tf.int32))


@dataclasses.dataclass(frozen=True)
class Codes:
  """Codes of a split's images. They are the same each time they are drawn.

  Attributes:
    model: The networks at one beta.
    parameters: The encoder's parameters from `encode`, `[N, P]`.
    num_samples: Codes of each image. Its values are averaged over them.
    batch_size: Images at once. It affects memory and speed alone.
    seed: Determines the draws.
  """

  model: Networks
  parameters: np.ndarray
  num_samples: int = 4
  batch_size: int = 500
  seed: int = 0

  @classmethod
  def of(
    cls,
    model: Networks,
    images: np.ndarray,
    num_samples: int = 4,
    batch_size: int = 500,
    seed: int = 0,
  ) -> 'Codes':
    """Encodes images, uint8 `[N, H, W, C]`, and returns their codes."""
    parameters = encode(model, images, batch_size)
    return cls(model, parameters, num_samples, batch_size, seed)

  def mean(
    self,
    function: Callable[..., tf.Tensor],
    *arrays: np.ndarray,
    base: bool = False,
  ) -> np.ndarray:
    """Values of a function for each image, averaged over its codes.

    Args:
      function: Maps a batch of codes, `[B, L]`, and a batch of each array to K
        values of each image, `[B, K]`.
      *arrays: `[N, ...]` each.
      base: Whether the function takes the codes before any flow.

    Returns:
      Float64 `[K, N]`.
    """
    draw = make_draw(
      self.model, self.parameters, self.seed, 'evaluation codes', base=base
    )
    values = np.stack(
      [
        map_batches(function, self.batch_size, draw(sample), *arrays)
        for sample in range(self.num_samples)
      ]
    )
    return values.mean(axis=0, dtype=np.float64).T


def rates_and_distortions(
  codes: Codes, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Per-image rates and distortions, nats, float64 `[N]` each.

  Args:
    codes: The codes of the images.
    images: uint8 `[N, H, W, C]`, 0 to `levels` - 1.
  """
  model = codes.model

  @tf.function(autograph=False)
  def both(base, parameters, images):
    codes, _, rates = rates_of_base(model, base, parameters)
    images = tf.cast(images, tf.float32)
    losses = objectives.distortion(images, model.decoder(codes))
    return tf.stack([rates, losses], axis=-1)

  rates, distortions = codes.mean(both, codes.parameters, images, base=True)
  return rates, distortions


def label_distortions_and_hits(
  codes: Codes,
  classifier: Classifier,
  labels: np.ndarray,
  given: Sequence[np.ndarray] = (),
) -> tuple[np.ndarray, np.ndarray]:
  """Per image: label distortion in nats, and the share of codes that hit.

  A code hits if the image's label is the most probable one.

  Args:
    codes: The codes of the images.
    classifier: Codes `[B, L]` -> c(y|z), batch `[B]`.
    labels: The labels of the images, int32 `[N]`.
    given: What the classifier is given beside the codes, as in `make_draw`.

  Returns:
    (label distortions, shares), float64 `[N]` each.
  """

  @tf.function(autograph=False)
  def both(codes, labels, *given):
    classes = classifier(tf.concat([codes, *given], axis=-1))
    hits = tf.cast(tf.equal(classes.mode(), labels), tf.float32)
    return tf.stack([objectives.label_distortion(labels, classes), hits], -1)

  losses, hits = codes.mean(both, labels, *given)
  return losses, hits


def columns(**values: np.ndarray) -> dict[str, float]:
  """Columns NAME and NAME_stderr from per-image values, float `[N]` each."""
  result = {}
  for name, array in values.items():
    estimate = Estimate.of(array)
    result |= {name: estimate.mean, f'{name}_stderr': estimate.stderr}
  return result


def preference(
  row: Mapping,
  label_distortions: np.ndarray,
  rates: np.ndarray | float | None,
) -> dict[str, float | None]:
  """The columns of the label preference, None if H(X) or R is unknown.

  Args:
    row: Has `label_entropy` and `input_entropy`, nats; the latter may be None.
    label_distortions: Per image, nats, float `[N]`.
    rates: Per image, nats, float `[N]`; or R, taken as exact; or None.
  """
  value, stderr = None, None
  if row['input_entropy'] is not None and rates is not None:
    value, stderr = references.label_preference(
      label_distortions, rates, row['label_entropy'], row['input_entropy']
    )
  return {'label_preference': value, 'label_preference_stderr': stderr}
