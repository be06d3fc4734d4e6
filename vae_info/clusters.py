"""k-means on principal components of images, by scikit-learn.

One thread computes everything. So the same seed gives the same bits, whatever
else the machine does. Imports no TensorFlow.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Components:
  """The first principal components of some vectors.

  Attributes:
    mean: The mean of the vectors, float32 `[L]`.
    matrix: Their principal directions, float32 `[L, k]`.
  """

  mean: np.ndarray
  matrix: np.ndarray

  @classmethod
  def of(cls, vectors: np.ndarray, size: int) -> 'Components':
    """Fits `size` components to `[N, L]`, or as many as there are."""
    from sklearn import decomposition

    size = min(size, *vectors.shape)
    with _one_thread():
      fitted = decomposition.PCA(size, svd_solver='covariance_eigh').fit(
        vectors.astype(np.float32)
      )
    matrix = np.ascontiguousarray(fitted.components_.T, np.float32)
    return cls(fitted.mean_.astype(np.float32), matrix)

  def __call__(self, vectors: np.ndarray) -> np.ndarray:
    """Coordinates of vectors: `[N, L]` to float32 `[N, k]`."""
    return (vectors.astype(np.float32) - self.mean) @ self.matrix


def centres(
  points: np.ndarray, count: int, seed: int, iterations: int = 30
) -> np.ndarray:
  """The centres of `count` clusters of points `[N, k]`: float32 `[count, k]`.

  Lloyd's algorithm, once, from a start by k-means++.

  Args:
    points: Float `[N, k]`, at least `count` of them different.
    count: Number of clusters K.
    seed: Determines the start.
    iterations: Passes over the points, at most.
  """
  from sklearn import cluster

  with _one_thread():
    fitted = cluster.KMeans(
      count, n_init=1, max_iter=iterations, random_state=seed
    ).fit(np.ascontiguousarray(points, np.float32))
  return fitted.cluster_centers_


def nearest(
  points: np.ndarray, centres: np.ndarray, batch_size: int = 5_000
) -> np.ndarray:
  """The number of the nearest centre of each point, int32 `[N]`."""
  squares = 0.5 * np.square(centres).sum(axis=1)
  parts = [
    (points[first : first + batch_size] @ centres.T - squares).argmax(axis=1)
    for first in range(0, len(points), batch_size)
  ]
  return np.concatenate(parts).astype(np.int32)


def _one_thread():
  """A context in which scikit-learn and BLAS use one thread."""
  import threadpoolctl

  return threadpoolctl.threadpool_limits(1)
