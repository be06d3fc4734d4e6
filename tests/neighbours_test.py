"""Spectral clustering on a graph of nearest neighbours."""

import numpy as np

from vae_info import neighbours


def rings(count, seed):
  """Points of two rings, one inside the other, and which ring each is of."""
  rng = np.random.default_rng(seed)
  which = np.arange(count) % 2
  angles = rng.uniform(0, 2 * np.pi, count)
  radii = 1.0 + 2.0 * which + rng.normal(0, 0.05, count)
  points = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
  return points.astype(np.float32), which


def test_neighbours_are_the_nearest_and_not_the_point_itself():
  points, _ = rings(60, 0)
  distances = np.linalg.norm(points[:, None] - points, axis=-1)
  np.fill_diagonal(distances, np.inf)
  expected = np.sort(np.argsort(distances, axis=1)[:, :4], axis=1)
  found = neighbours.nearest(points, points, 4, batch_size=7)
  np.testing.assert_array_equal(np.sort(found, axis=1), expected)


def test_rings_that_k_means_cannot_tell_apart_are_found():
  points, which = rings(300, 1)
  near = neighbours.nearest(points, points, 8)
  numbers = neighbours.clusters(neighbours.embedding(near, 2), 2, seed=0)
  flipped = numbers[0] != which[0]
  np.testing.assert_array_equal(numbers, which ^ int(flipped))
  # New points take the cluster of their neighbours.
  new, of_new = rings(100, 2)
  voted = neighbours.most_common(numbers, neighbours.nearest(new, points, 8), 2)
  np.testing.assert_array_equal(voted, of_new ^ int(flipped))
  # k-means on the points cuts both rings.
  direct = neighbours.clusters(points, 2, seed=0)
  assert 0.3 < np.mean(direct == which) < 0.7
