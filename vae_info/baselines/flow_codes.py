"""Codes of a flow, with noise that limits their rate.

A flow is invertible, so its codes have no finite rate. Noise gives them one:

    z = basis^T f(v),    z' = sqrt(1 - s^2) z + s epsilon,

for each dimension. If the flow's model were true, z and z' were standard
normal. With m(z') = Normal(0, I),

    R_v = E log p(z'|v) / m(z') = 1/2 sum [(1 - s^2)(z^2 - 1) - log s^2]  nats

is an upper bound on I(X;Z') in any case. It counts the noise of v as well.

The basis has the eigenvectors of E J^T J, where J = dv / df. Its eigenvalues
lambda say how far an error in each dimension moves the image. The noise is that
of reverse water-filling: s^2 = min(1, theta / lambda). One number, theta, gives
the whole curve. For a linear flow the codes are those of water-filled PCA of v.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import randomness
from vae_info.evaluation import estimates
from vae_info.networks import flow as flows

tfb = tfp.bijectors
tfd = tfp.distributions

MOST = 128  # Dimensions of a code. All others have s = 1.


@dataclasses.dataclass(frozen=True)
class Basis:
  """The directions of f(v) that codes have, those of great effect first.

  Attributes:
    matrix: Orthonormal columns, float32 `[L, K]`.
    sensitivities: lambda of each, float64 `[K]`, falling.
  """

  matrix: np.ndarray
  sensitivities: np.ndarray

  @classmethod
  def of(cls, moments: np.ndarray, some: int | None = None) -> 'Basis':
    """The eigenvectors of E J^T J, `[L, L]`.

    Args:
      moments: E J^T J.
      some: If given, only the first dimensions of f(v) are used.
    """
    size = len(moments)
    some = some or size
    values, vectors = np.linalg.eigh(moments[:some, :some])
    chosen = np.argsort(values)[::-1][:MOST]
    matrix = np.zeros([size, len(chosen)])
    matrix[:some] = vectors[:, chosen]
    return cls(matrix.astype(np.float32), values[chosen])

  def noises(self, rate: float) -> np.ndarray:
    """s of each dimension, float64 `[K]`, by reverse water-filling.

    Args:
      rate: -sum log s, nats: the mean of R_v if z has variance 1.
    """
    logs = np.log(self.sensitivities)
    low, high = logs.min() - 2.0 * rate, logs.max()
    for _ in range(100):
      level = 0.5 * (low + high)
      if 0.5 * np.maximum(logs - level, 0.0).sum() > rate:
        low = level
      else:
        high = level
    return np.exp(0.5 * np.minimum(0.0, high - logs))


def moments(
  bijector: tfb.Bijector, values: np.ndarray, seed: int, batch_size: int = 250
) -> np.ndarray:
  """E J^T J over images, where J = dv / df: float64 `[L, L]`.

  It is unbiased: the mean of g g^T for g = J^T u, with u ~ Normal(0, I).

  Args:
    bijector: f, from `[H, W, C]` to `[L]`.
    values: v of each image, float32 `[N, H, W, C]`.
    seed: Determines u.
    batch_size: Images at once.
  """

  @tf.function(autograph=False)
  def pulled(values, number):
    codes = tf.stop_gradient(bijector.forward(values))
    key = randomness.stateless_seed(seed, 'directions', number)
    direction = tf.random.stateless_normal(values.shape, key)
    with tf.GradientTape() as tape:
      tape.watch(codes)
      # The sum is over a new tensor, whose inverse no cache has.
      found = tf.reduce_sum(direction * bijector.inverse(tf.identity(codes)))
    return tape.gradient(found, codes)

  total = np.zeros([1, 1])  # Grows to `[L, L]`.
  for number, (real, [batch]) in enumerate(
    estimates.batches(batch_size, values)
  ):
    rows = pulled(batch, tf.constant(number)).numpy()[:real].astype(np.float64)
    total = total + rows.T @ rows
  return total / len(values)


def project(
  bijector: tfb.Bijector,
  basis: Basis,
  images: np.ndarray,
  sigma: float,
  seeds: Sequence[tf.Tensor],
) -> np.ndarray:
  """z of each image for some draws of v: float32 `[S, N, K]`.

  Args:
    bijector: f.
    basis: The directions.
    images: uint8 `[N, H, W, C]` of 0 and 1.
    sigma: Standard deviation of the noise of v; with 0, v = 2 x - 1.
    seeds: A stateless seed for each draw.
  """

  @tf.function(autograph=False)
  def codes(batch, seed, number):
    key = tf.random.fold_in(seed, number[0])
    values = flows.dequantize(tf.cast(batch, tf.float32), sigma, key)
    return tf.matmul(bijector.forward(values), basis.matrix)

  numbers = np.arange(len(images), dtype=np.int32)
  return np.stack(
    [
      estimates.map_batches(
        lambda batch, number, seed=seed: codes(batch, seed, number),
        500,
        images,
        numbers,
      )
      for seed in seeds
    ]
  )


def rates(codes: np.ndarray, noises: np.ndarray) -> np.ndarray:
  """R_v of each image, in closed form over epsilon: nats, float64 `[..., N]`.

  Args:
    codes: z, `[..., N, K]`.
    noises: s, `[K]`.
  """
  kept = 1.0 - noises**2
  squares = np.square(codes, dtype=np.float64)
  return 0.5 * ((squares - 1.0) @ kept) - float(np.log(noises).sum())


def seen(codes: tf.Tensor, noises: np.ndarray, seed: tf.Tensor) -> tf.Tensor:
  """Draws what classifiers and decoders see, sqrt(1 - s^2) z'.

  It is the mean of z given z' under the flow's model, so dimensions without
  information are 0.

  Args:
    codes: z, float32 `[..., N, K]`.
    noises: s, `[K]`, or `[..., N, K]`.
    seed: A stateless seed.
  """
  kept = tf.cast(1.0 - noises**2, tf.float32)
  scale = tf.cast(noises, tf.float32) * tf.sqrt(kept)
  return kept * codes + scale * tf.random.stateless_normal(codes.shape, seed)


def make_draw(
  codes: np.ndarray, noises: np.ndarray, seed: int, given: Sequence[np.ndarray]
) -> Callable[[tf.Tensor | int], tf.Tensor]:
  """A function from an epoch's number to what a classifier sees, `[N, K + G]`.

  Args:
    codes: z for S draws of v, of which epochs take turns: `[S, N, K]`.
    noises: s, `[K]`.
    seed: Determines the noise.
    given: Further inputs of the classifier, `[N, G]` each.
  """
  # One copy, which the levels of noise share.
  several, given = tf.convert_to_tensor(codes), [*map(tf.constant, given)]

  def draw(epoch):
    key = randomness.stateless_seed(seed, 'classifier codes', epoch)
    one = several[epoch % len(codes)]
    return tf.concat([seen(one, noises, key), *given], axis=-1)

  return draw
