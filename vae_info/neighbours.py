"""Spectral clustering: clusters of points that neighbours connect.

Two images of one digit may be far apart, yet a chain of near neighbours joins
them. k-means does not see the chain. Here each point is joined to its nearest
neighbours. With W the symmetric graph and D its degrees, the leading
eigenvectors v of D^-1/2 W D^-1/2 are smooth along the graph. k-means clusters
their rows, scaled to length one [1]. A new point takes the cluster of most of
its neighbours, so a code is a function of the image alone.

No label is used. One thread computes everything. Imports no TensorFlow.

#### References

[1]: Andrew Ng, Michael Jordan and Yair Weiss. On Spectral Clustering: Analysis
     and an algorithm. _NeurIPS_, 2001.
"""

import numpy as np
import threadpoolctl
from scipy import sparse
from scipy.sparse import linalg


def nearest(
  points: np.ndarray, others: np.ndarray, count: int, batch_size: int = 1_000
) -> np.ndarray:
  """The nearest of the others to each point, in no order: `[N, count]`.

  Args:
    points: float32 `[N, L]`.
    others: float32 `[M, L]`; if they are `points`, none is its own neighbour.
    count: Neighbours of each point.
    batch_size: Points at once. It affects memory and speed alone.
  """
  squares = 0.5 * np.square(others).sum(axis=1)
  found = []
  for first in range(0, len(points), batch_size):
    near = points[first : first + batch_size] @ others.T - squares
    if points is others:
      rows = np.arange(len(near))
      near[rows, first + rows] = -np.inf
    found.append(np.argpartition(-near, count - 1, axis=1)[:, :count])
  return np.concatenate(found)


def embedding(neighbours: np.ndarray, size: int) -> np.ndarray:
  """Rows of the leading eigenvectors, of length one: float32 `[N, size]`.

  Args:
    neighbours: The neighbours of each point, int `[N, count]`.
    size: Number of eigenvectors, less than N.
  """
  number, count = neighbours.shape
  rows = np.repeat(np.arange(number), count)
  ones = np.ones(len(rows))
  graph = sparse.csr_matrix((ones, (rows, neighbours.reshape(-1))))
  graph.resize((number, number))
  graph = graph + graph.T
  scales = sparse.diags(np.asarray(graph.sum(axis=1)).reshape(-1) ** -0.5)
  # Not constant: that is an eigenvector itself, and may hide its equals.
  start = np.random.default_rng(0).uniform(0.5, 1.5, number)
  with threadpoolctl.threadpool_limits(1):
    _, vectors = linalg.eigsh(
      scales @ graph @ scales, k=size, which='LA', ncv=2 * size + 20, v0=start
    )
  lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
  return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


def clusters(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
  """The cluster of each row of an embedding `[N, size]`: int32 `[N]`."""
  from sklearn import cluster

  with threadpoolctl.threadpool_limits(1):
    fitted = cluster.KMeans(count, n_init=1, random_state=seed).fit(rows)
  return fitted.labels_.astype(np.int32)


def most_common(
  numbers: np.ndarray, neighbours: np.ndarray, count: int
) -> np.ndarray:
  """The cluster of most neighbours of each new point, int32 `[M]`.

  Args:
    numbers: The cluster of each known point, int `[N]`, below `count`.
    neighbours: Known neighbours of each new point, int `[M, k]`.
    count: Number of clusters.
  """
  votes = np.zeros([len(neighbours), count], np.int32)
  new = np.arange(len(neighbours))[:, None]
  np.add.at(votes, (new, numbers[neighbours]), 1)
  return votes.argmax(axis=1).astype(np.int32)
