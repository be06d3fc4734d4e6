"""Spectral clustering on a graph of nearest neighbours."""

import numpy as np

from vae_info import clusters, neighbours


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
  expected = np.argsort(distances, axis=1)[:, :4]
  found = neighbours.nearest(points, points, 4)
  np.testing.assert_array_equal(found, expected)


def test_rings_that_k_means_cannot_tell_apart_are_found():
  points, which = rings(300, 1)
  near = neighbours.nearest(points, points, 8)
  rows = neighbours.embedding(near, 2)
  average = neighbours.average(rows, near)
  middles = clusters.centres(average, 2, seed=0)
  numbers = clusters.nearest(average, middles)
  flipped = numbers[0] != which[0]
  np.testing.assert_array_equal(numbers, which ^ int(flipped))
  # New points are where their neighbours are.
  new, of_new = rings(100, 2)
  average = neighbours.average(rows, neighbours.nearest(new, points, 8))
  found = clusters.nearest(average, middles)
  np.testing.assert_array_equal(found, of_new ^ int(flipped))
  # k-means on the points cuts both rings.
  direct = clusters.nearest(points, clusters.centres(points, 2, seed=0))
  assert 0.3 < np.mean(direct == which) < 0.7


def test_a_point_between_two_groups_has_a_short_average():
  rows = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
  near = np.array([[0, 1], [1, 2]])
  lengths = np.linalg.norm(neighbours.average(rows, near), axis=1)
  np.testing.assert_allclose(lengths, [1.0, 0.5**0.5])
