"""Spectral clustering: clusters of points that neighbours connect.

Two images of one digit may be far apart, yet a chain of near neighbours joins
them. k-means does not see the chain. Here each point is joined to its nearest
neighbours. With W the symmetric graph and D its degrees, the leading
eigenvectors v of D^-1/2 W D^-1/2 are smooth along the graph. Their rows are
scaled to length one [1], and averaged over the neighbours of a point. So a new
point has a place as well, and a code is a function of the image alone. A point
between two groups has a short average: k-means finds groups of unsure images.

No label is used. One thread computes everything. Imports no TensorFlow.

#### References

[1]: Andrew Ng, Michael Jordan and Yair Weiss. On Spectral Clustering: Analysis
     and an algorithm. _NeurIPS_, 2001.
"""

import numpy as np
import threadpoolctl
from scipy import sparse
from scipy.sparse import linalg


def nearest(points: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
  """The nearest of the others to each point, nearest first: `[N, count]`.

  Args:
    points: float32 `[N, L]`.
    others: float32 `[M, L]`; if they are `points`, none is its own neighbour.
    count: Neighbours of each point.
  """
  from sklearn import neighbors

  with threadpoolctl.threadpool_limits(1):
    known = neighbors.NearestNeighbors(
      n_neighbors=count, algorithm='brute'
    ).fit(others)
    asked = None if points is others else points
    return known.kneighbors(asked, return_distance=False)


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


def average(rows: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
  """The mean of the rows of each point's neighbours: float32 `[M, size]`.

  Args:
    rows: The embedding of known points, `[N, size]`.
    neighbours: Known neighbours of each point, int `[M, k]`.
  """
  return rows[neighbours].mean(axis=1)
