"""Bounds on information: closed forms, coverage, and a world that is known."""

import math
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import logsumexp

from vae_info.datasets import sprites
from vae_info.evaluation import (
  bounds,
  information,
  mixtures,
  sandwich,
  sums,
  truth,
)
from vae_info.evaluation.pairwise import Gaussians, Kernel, blocks
from vae_info.evaluation.sums import log_sums, pair_sums

HALF = Kernel.tempered(0.5)
tfd = tfp.distributions


def channel(count, size, power, seed=0):
  """z = x + noise of variance 1, x of variance `power`: p(z|x) and codes."""
  rng = np.random.default_rng(seed)
  x = math.sqrt(power) * rng.standard_normal([count, size])
  gaussians = Gaussians(x, np.ones([count, size]))
  return gaussians, gaussians.draw(rng)


def log_aggregate(codes, power):
  """ln q(z) of the channel, whose codes have variance 1 + power."""
  size = codes.shape[1]
  return -0.5 * (
    (codes**2).sum(axis=1) / (1 + power)
    + size * math.log(2 * math.pi * (1 + power))
  )


def power_of(nats, size):
  """The power of a channel of so much information."""
  return math.expm1(2 * nats / size)


def check(bound, expected):
  assert abs(bound.mean - expected) < 3 * bound.stderr, (bound, expected)


# All pairs.


@pytest.mark.parametrize('scale', [1.0, 1e-3])
def test_products_agree_with_the_definition(scale):
  rng = np.random.default_rng(0)
  means = 5.0 + rng.standard_normal([300, 8])
  scales = scale * np.exp(0.3 * rng.standard_normal([300, 8]))
  gaussians = Gaussians(means, scales)
  codes = gaussians.draw(rng)[:70]
  found = np.concatenate([product() for _, product in blocks(codes, gaussians)])
  z = (codes[:, None] - means) / scales
  expected = -0.5 * np.square(z).sum(axis=-1) - gaussians.log_normalizers
  own = np.arange(70)
  np.testing.assert_allclose(found[own, own], expected[own, own], atol=1e-3)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
  density = gaussians[:70].log_prob(codes)
  np.testing.assert_allclose(expected[own, own], density, rtol=1e-9)


@pytest.mark.parametrize('scale', [0.3, 1e-3])
def test_float32_and_float64_give_the_same_bounds(scale):
  rng = np.random.default_rng(1)
  # Two heaps far apart, so that no centre makes the products small.
  means = rng.choice([-5.0, 5.0], [400, 1]) + scale * rng.standard_normal(
    [400, 6]
  )
  scales = np.full([400, 6], scale)
  double = Gaussians(means, scales)
  single = Gaussians(means.astype(np.float32), scales.astype(np.float32))
  codes = double.draw(rng)
  reference = 0.5 * np.logaddexp(
    *(
      log_aggregate((codes - heap) / scale, 1.0) - 6 * math.log(scale)
      for heap in (-5.0, 5.0)
    )
  )
  few = codes.astype(np.float32)
  for one, two in (
    (
      information.infonce(few, single),
      information.infonce(codes, double),
    ),
    (
      information.tempered(few, single, HALF, reference),
      information.tempered(codes, double, HALF, reference),
    ),
  ):
    assert one.mean == pytest.approx(two.mean, abs=0.01)
    assert one.stderr == pytest.approx(two.stderr, abs=0.01)
    assert one.mean > 1.0


def test_pairs_without_any_weight_bound_nothing():
  rng = np.random.default_rng(1)
  gaussians = Gaussians(rng.standard_normal([50, 6]), np.full([50, 6], 1e-3))
  codes = gaussians.draw(rng)
  bound = information.tempered(codes, gaussians, HALF, np.zeros(50))
  assert not bound.holds
  assert information.infonce(codes, gaussians).mean == pytest.approx(
    math.log(50)
  )


@pytest.mark.parametrize('most', [40.0, 0.1])
def test_sums_over_pairs_agree_with_the_definition(monkeypatch, most):
  # The larger ranges of normalizers take another path.
  monkeypatch.setattr(sums, 'RANGE', most)
  gaussians, _ = channel(60, 3, 2.0)
  rng = np.random.default_rng(4)
  scales = np.exp(0.3 * rng.uniform(-1.0, 1.0, [60, 3]))
  gaussians = Gaussians(gaussians.means, scales)
  codes = gaussians.draw(rng)
  kernels = [Kernel.bandwidth(2.0, 3), Kernel.tempered(0.7), HALF]
  logs = np.stack([gaussians.log_prob(c[None].repeat(60, 0)) for c in codes])
  each = np.stack([kernel.log_value(logs, gaussians) for kernel in kernels])
  wider = Gaussians(gaussians.means, math.sqrt(2.0) * scales)
  wide = [wider.log_prob(code[None].repeat(60, axis=0)) for code in codes]
  np.testing.assert_allclose(each[0], wide, rtol=1e-9)
  # Pairs of a code and another image.
  references = np.stack([each.max(axis=2), np.zeros([3, 60])], axis=1)
  w = np.exp(each[:, None] - references[..., None])
  w[..., np.arange(60), np.arange(60)] = 0.0
  found = pair_sums(codes, gaussians, kernels, references)
  tolerance = {'rtol': 2e-4, 'atol': 1e-12}
  np.testing.assert_allclose(found.rows, w.sum(axis=3), **tolerance)
  np.testing.assert_allclose(found.columns, w.sum(axis=2), **tolerance)
  np.testing.assert_allclose(found.largest, w.max(axis=(2, 3)), **tolerance)
  # The same with caps.
  caps = np.array([[0.2, 0.5]] * 3)
  capped = 1 / (1 / np.maximum(w, 1e-300) + 1 / caps[:, :, None, None])
  found = pair_sums(codes, gaussians, kernels, references, np.log(caps))
  tolerance = {'rtol': 1e-3, 'atol': 1e-12}
  np.testing.assert_allclose(found.rows, capped.sum(axis=3), **tolerance)
  np.testing.assert_allclose(found.columns, capped.sum(axis=2), **tolerance)
  np.testing.assert_allclose(
    found.largest, capped.max(axis=(2, 3)), **tolerance
  )
  # A code and all images, with the labels of two tasks.
  labels = [np.arange(60) % 4, np.arange(60) % 2]
  weights = [np.eye(4)[labels[0]] / 60, np.eye(2)[labels[1]] / 60]
  of_tasks = log_sums(codes, gaussians, kernels, weights, labels, keep=1)
  for task, (mine, weight) in enumerate(zip(labels, weights, strict=True)):
    expected = logsumexp(each, axis=2) - math.log(60)
    np.testing.assert_allclose(of_tasks[task].total, expected, atol=1e-3)
    with np.errstate(divide='ignore'):
      of_class = np.log(weight.T[:, None]) + each[:, None]
    of_class = logsumexp(of_class, axis=3).swapaxes(1, 2)
    own = of_class[:, np.arange(60), mine]
    np.testing.assert_allclose(of_tasks[task].own, own, atol=1e-3)
    near = of_class[0] > expected[0][:, None] - 60.0
    np.testing.assert_allclose(
      of_tasks[task].classes[0][near], of_class[0][near], atol=1e-3
    )


# Closed forms on the channel: d / 2 ln(1 + s) nats.


@pytest.mark.parametrize('nats, size', [(1.0, 2), (3.0, 4), (5.0, 10)])
def test_closed_forms(nats, size):
  power = power_of(nats, size)
  gaussians, codes = channel(4_000, size, power)
  own = gaussians.log_prob(codes)
  aggregate = log_aggregate(codes, power)
  check(information.upper(own, aggregate), nats)
  # The rate with the marginal of a VAE.
  standard = log_aggregate(codes, 0.0)
  check(information.upper(own, standard), size * power / 2)
  for alpha in (0.3, 0.5, 0.7):
    bound = information.tempered(
      codes, gaussians, Kernel.tempered(alpha), alpha * aggregate
    )
    expected = size / 2 * math.log1p(alpha * (2 - alpha) * power)
    check(bound, expected)
    assert bound.holds


@pytest.mark.parametrize('alpha', [0.4, 0.7])
def test_the_best_reference_has_its_closed_form(alpha):
  size, power = 4, power_of(3.0, 4)
  gaussians, codes = channel(4_000, size, power)
  # ln E p(z|x)^alpha, a Gaussian of variance power + 1 / alpha.
  reference = log_aggregate(codes, power + 1 / alpha - 1)
  reference += (
    size / 2 * (math.log(2 * math.pi / alpha) - alpha * math.log(2 * math.pi))
  )
  bound = information.tempered(
    codes, gaussians, Kernel.tempered(alpha), reference
  )
  s = power
  expected = size * (
    0.5 * math.log1p(alpha * s)
    + alpha * (1 + s) / (2 * (1 + alpha * s))
    - alpha / 2
  )
  check(bound, expected)
  [found] = information.pairs(
    codes, gaussians, [Kernel.tempered(alpha)], reference[None, None]
  )
  assert found.rows.mean() == pytest.approx(1.0, abs=0.05)  # W


def test_a_cap_is_a_bound_too_and_tames_twins():
  size, nats = 4, 6.0
  gaussians, codes = channel(2_000, size, power_of(nats, size))
  reference = log_aggregate(codes, power_of(nats, size))
  whole = Kernel.tempered(1.0)
  none = information.tempered(codes, gaussians, whole, reference)
  high, low = (
    information.tempered(codes, gaussians, whole, reference, log_cap=cap)
    for cap in (60.0, 7.0)
  )
  assert high.mean == pytest.approx(none.mean, abs=1e-3)
  assert low.mean < 7.0 and low.mean < nats + 3 * low.stderr
  assert low.share < 0.5 * none.share and low.stderr < none.stderr
  # Three codes of each image: without a cap, few pairs make all of W.
  three = Gaussians(
    *(
      np.tile(part[:600], [3, 1])
      for part in (gaussians.means, gaussians.scales)
    )
  )
  codes = three.draw(np.random.default_rng(6))
  bound = information.tempered(
    codes, three, whole, log_aggregate(codes, power_of(nats, size)), log_cap=7.0
  )
  assert bound.mean <= math.log(600)  # The information of 600 images.


def test_infonce_is_at_most_the_logarithm_of_the_images():
  gaussians, codes = channel(500, 10, power_of(30.0, 10))
  bound = information.infonce(codes, gaussians)
  assert math.log(500) - 0.01 < bound.mean <= math.log(500) + 1e-6
  gaussians, codes = channel(4_000, 2, power_of(1.0, 2))
  bound = information.infonce(codes, gaussians)
  assert bound.mean == pytest.approx(1.0, abs=3 * bound.stderr + 0.002)


def test_independence_gives_nothing_and_shuffling_less():
  rng = np.random.default_rng(3)
  gaussians = Gaussians(np.zeros([2_000, 3]), np.ones([2_000, 3]))
  codes = gaussians.draw(rng)
  reference = log_aggregate(codes, 0.0)
  for bound in (
    information.tempered(
      codes, gaussians, Kernel.tempered(0.7), 0.7 * reference
    ),
    information.infonce(codes, gaussians),
  ):
    assert abs(bound.mean) <= 3 * bound.stderr + 1e-5  # Of float32.
  gaussians, codes = channel(2_000, 3, 3.0)
  shuffled = codes[rng.permutation(len(codes))]
  reference = log_aggregate(shuffled, 3.0)
  for bound in (
    information.tempered(
      shuffled, gaussians, Kernel.tempered(0.7), 0.7 * reference
    ),
    information.infonce(shuffled, gaussians),
  ):
    assert bound.mean <= 0.0


def test_strata_have_the_information_beside_the_label():
  # Two classes far apart: I(X;Z) = ln 2 + I(X;Z|Y), within a channel each.
  gaussians, _ = channel(4_000, 2, power_of(2.0, 2))
  labels = np.arange(4_000) % 2
  means = gaussians.means + 100.0 * labels[:, None]
  apart = Gaussians(means, gaussians.scales)
  codes = apart.draw(np.random.default_rng(5))
  power = power_of(2.0, 2)
  reference = log_aggregate(codes - 100.0 * labels[:, None], power)
  bound = information.tempered(
    codes, apart, Kernel.tempered(0.6), 0.6 * reference, labels
  )
  check(bound, math.log1p(0.6 * 1.4 * power))
  infonce = information.infonce(codes, apart, labels)
  assert 1.8 < infonce.mean < 2.0 + 3 * infonce.stderr
  # Images of classes of their own add nothing.
  alone = np.arange(4_000)
  none = information.tempered(
    codes, apart, Kernel.tempered(0.6), 0.6 * reference, alone
  )
  assert none.mean == 0.0
  assert information.infonce(codes, apart, alone).mean == 0.0


@pytest.mark.parametrize('nats', [2.0, 8.0])
def test_errors_of_infonce_are_those_of_repetitions(nats):
  # Of 200 images: InfoNCE is at most 5.3.
  found = [
    information.infonce(codes, gaussians)
    for gaussians, codes in (
      channel(200, 4, power_of(nats, 4), seed) for seed in range(200)
    )
  ]
  spread = np.std([bound.mean for bound in found])
  typical = np.mean([bound.stderr for bound in found])
  assert typical == pytest.approx(spread, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize('by_class', [False, True])
def test_intervals_cover_the_expected_value(by_class):
  size, alpha, count = 2, 0.6, 300
  power = power_of(2.0, size)
  expected = size / 2 * math.log1p(alpha * (2 - alpha) * power)
  labels = np.arange(count) % 3 if by_class else None
  covered = 0
  for seed in range(200):
    gaussians, codes = channel(count, size, power, seed)
    reference = alpha * log_aggregate(codes, power)
    bound = information.tempered(
      codes, gaussians, Kernel.tempered(alpha), reference, labels
    )
    covered += abs(bound.mean - expected) < 1.96 * bound.stderr
  assert 180 <= covered <= 196


# Mixtures.


def test_weights_of_a_mixture_are_found():
  rng = np.random.default_rng(0)
  x = np.where(rng.random(5_000) < 0.3, -3.0, 3.0) + rng.standard_normal(5_000)
  logs = np.stack([-0.5 * (x + 3) ** 2, -0.5 * (x - 3) ** 2, -0.5 * x**2], 1)
  weights = mixtures.fit_weights(logs)
  np.testing.assert_allclose(weights, [0.3, 0.7, 0.0], atol=0.03)
  assert weights.sum() == pytest.approx(1.0)


def test_a_mixture_of_gaussians_is_refitted():
  rng = np.random.default_rng(0)

  def draw(count):
    centres = rng.choice([-4.0, 4.0], [count, 2])
    return 7.0 + centres + 0.5 * rng.standard_normal([count, 2])

  mixture = mixtures.fit_gaussians(draw(2_000), rng, count=8)
  entropy = math.log(4) + math.log(2 * math.pi * math.e * 0.25)
  assert -mixture.log_prob(draw(2_000)).mean() == pytest.approx(
    entropy, abs=0.1
  )


# The whole choice, on the channel and on sprites.


def encodings(gaussians, labels, rng):
  return bounds.Encodings(gaussians, gaussians.draw(rng), {'label': labels})


@pytest.mark.parametrize('nats', [0.0, 2.0, 6.0])
def test_the_chosen_bounds_enclose_the_truth(nats):
  rng = np.random.default_rng(0)
  power = power_of(nats, 4)
  splits = []
  for seed, count in enumerate((3_000, 1_500, 1_500)):
    gaussians, _ = channel(count, 4, power, seed)
    labels = (gaussians.means[:, 0] > 0).astype(int)
    splits.append(encodings(gaussians, labels, rng))
  found = bounds.measure(*splits, {'label': 2})['label']
  losses = np.full(1_500, math.log(2))
  lower = found.lower(math.log(2), losses, math.log(2))
  rounding = 1e-5  # Of float32; all that there is at 0 nats.
  for bound in found.uppers:
    assert bound.mean > nats - 3 * bound.stderr - rounding, bound
  for bound in (*found.lowers, lower, found.conditional):
    assert bound.mean < nats + 3 * bound.stderr + rounding, bound
  assert lower.holds and lower.mean > 0.8 * nats - 0.05
  assert found.upper.mean < nats + 0.1 + 0.15 * nats
  assert found.upper.mean <= min(b.mean for b in found.uppers) + 0.05


def test_test_images_and_labels_choose_no_bound(monkeypatch):
  rng = np.random.default_rng(0)
  train, validation, test = (
    encodings(gaussians, (gaussians.means[:, 0] > 0).astype(int), rng)
    for gaussians, _ in (channel(400, 3, 4.0, seed) for seed in range(3))
  )
  # The second half is of other images, with labels in another order.
  far = Gaussians(5.0 * test.gaussians.means, test.gaussians.scales)
  other = encodings(far, rng.permutation(test.labels['label']), rng)
  other.codes[:200] = test.codes[:200]
  far.means[:200] = test.gaussians.means[:200]
  chosen, choose_all = [], bounds._choose_all

  def kept(*values):
    chosen.append(choose_all(*values))
    return chosen[-1]

  monkeypatch.setattr(bounds, '_choose_all', kept)
  one, two = (
    bounds.measure(train, validation, some, {'label': 2})['label']
    for some in (test, other)
  )
  first, second = chosen
  for name in ('weights', 'choices', 'of_task', 'infonce', 'kernels'):
    assert getattr(first, name) == getattr(second, name), name
  # Each upper bound is of one density, whatever the other test images are.
  for a, b in zip(one.uppers, two.uppers, strict=True):
    np.testing.assert_allclose(a.values[:200], b.values[:200], atol=1e-4)


def around(name, mean, stderr, share=0.0):
  """A bound with this mean and error, of 400 images."""
  values = np.full(400, mean)
  values[::2] += stderr * math.sqrt(399)
  values[1::2] -= stderr * math.sqrt(399)
  return information.Bound(name, values, share)


@pytest.mark.parametrize(
  'stderr, share, conditional, reported',
  [
    (0.05, 0.01, 0.2, 'tempered'),
    (0.11, 0.01, 0.2, 'InfoNCE'),  # An error above 0.1 nats.
    (0.05, 0.06, 0.2, 'InfoNCE'),  # One pair has above 5 %.
    (0.11, 0.01, 0.05, 'strata'),
    (math.nan, 0.01, 0.2, 'InfoNCE'),
  ],
)
def test_what_does_not_hold_is_replaced_and_never_empty(
  stderr, share, conditional, reported
):
  tempered = around('tempered', 12.0, stderr, share)
  assert tempered.holds == (reported == 'tempered')
  infonce = around('InfoNCE', 9.0, 0.01)
  found = bounds.Information(
    [],
    [infonce, tempered],
    around('tempered', 9.5, conditional),
    ((9.0, 0.01), (12.0, 0.05), (9.5, 0.05)),
    None,
    None,
  )
  losses = np.full(400, 0.3)
  bound = found.lower(math.log(10), losses, 0.3)
  assert bound.name == reported and bound.stderr <= information.MOST_STDERR


@pytest.mark.parametrize(
  'expected, validation, reported',
  [
    (((9.0, 0.01), (8.0, 0.01), (5.0, 0.01)), 0.3, 'InfoNCE'),
    (((9.0, 0.01), (9.5, 0.01), (5.0, 0.01)), 0.3, 'tempered'),
    # C of validation images, and not of test images, gives 9.6 and 8.9.
    (((9.0, 0.01), (9.5, 0.01), (7.6, 0.01)), 0.3, 'strata'),
    (((9.0, 0.01), (9.5, 0.01), (7.6, 0.01)), 1.0, 'tempered'),
    (((9.0, 0.01), (9.5, 0.3), (0.0, 0.01)), 0.3, 'InfoNCE'),
  ],
)
def test_validation_values_choose_whatever_test_values_say(
  expected, validation, reported
):
  # Of test images, the reported one has the lowest value.
  names = ('InfoNCE', 'tempered')
  values = {**dict.fromkeys(names, 12.0), reported: 1.0}
  strata = 0.0 if reported == 'strata' else 12.0
  found = bounds.Information(
    [],
    [around(name, values[name], 0.01) for name in names],
    around('tempered', strata, 0.01),
    expected,
    None,
    None,
  )
  losses = np.full(400, 1.3 - validation)
  assert found.lower(math.log(10), losses, validation).name == reported


def projection(size, scale):
  """An encoder of sprites by hand: random projections with noise."""
  everything = sprites.world()
  rng = np.random.default_rng(0)
  pixels = everything.images.reshape([len(everything.images), -1])
  means = (pixels - pixels.mean(axis=0)) @ rng.standard_normal([784, size])
  means /= means.std(axis=0)
  scales = scale * np.exp(0.3 * rng.standard_normal(means.shape))
  return Gaussians(means, scales)


def test_sprites_are_a_finite_world():
  everything = sprites.world()
  assert len(everything.images) < len(everything.indices) == 23_040
  assert everything.entropy < math.log(23_040)
  assert everything.probabilities.sum() == pytest.approx(1.0)
  for task, joint in everything.joint.items():
    np.testing.assert_allclose(joint.sum(axis=1), everything.probabilities)
    expected = np.full(sprites.NUM_CLASSES[task], 1 / sprites.NUM_CLASSES[task])
    np.testing.assert_allclose(joint.sum(axis=0), expected)
  # Some images have two labels, and none is empty.
  assert np.any((everything.joint['orientation'] > 0).sum(axis=1) > 1)
  assert everything.images.sum(axis=(1, 2, 3)).min() > 5
  # Positions are what they say.
  rows, columns = np.nonzero(everything.images[everything.indices[7]][..., 0])
  assert everything.labels['y'][7] == 7 and everything.labels['x'][7] == 0
  assert rows.mean() > 18 and columns.mean() < 9


def test_the_truth_agrees_with_a_closed_form():
  # Images that are a fine grid in one dimension, wide against the noise.
  means = np.linspace(-30.0, 30.0, 601)[:, None]
  even = np.full(601, 1 / 601)
  joint = np.eye(2)[(means[:, 0] > 0).astype(int)] / 601
  found = truth.measure(
    Gaussians(means, np.ones_like(means)),
    even,
    {'sign': joint},
    np.random.default_rng(0),
    lambda codes: np.full(len(codes), -math.log(60.0)),
  )
  # But for the ends, q(z) is uniform.
  expected = math.log(60.1) - 0.5 * math.log(2 * math.pi * math.e)
  assert found['information'].mean == pytest.approx(expected, abs=0.03)
  assert found['divergence'].mean == pytest.approx(0.0, abs=0.05)
  assert 0.6 < found['information sign'].mean < math.log(2)
  total = found['information sign'].mean + found['label_distortion sign'].mean
  prior = joint.sum(axis=0)
  assert total == pytest.approx(-np.sum(prior * np.log(prior)))


def line_of_sprites(seed, marginal):
  """A point on 40 images of one pixel each, x -> Normal(x, 1)."""
  encoder = types.SimpleNamespace(
    parameters=lambda images: tf.reshape(images, [-1, 1]),
    distribution=lambda means: tfd.MultivariateNormalDiag(
      means, tf.ones_like(means)
    ),
  )
  return types.SimpleNamespace(
    model=types.SimpleNamespace(encoder=encoder, marginal=lambda: marginal),
    dataset=types.SimpleNamespace(name='sprites'),
    splits={'test': types.SimpleNamespace(gaussians=True)},
    seed=seed,
  )


def test_the_true_divergence_has_the_error_of_its_own_draws(monkeypatch):
  count = 40
  even, x = np.full(count, 1 / count), np.arange(count, dtype=np.uint8)
  joint = {'half': np.eye(2)[x // 20] / count}
  images = x.reshape([-1, 1, 1, 1])
  world = sprites.World(images, even, joint, x, {'half': x // 20})
  monkeypatch.setattr(sprites, 'world', lambda: world)
  means = x.astype(np.float32)
  q = tfd.MixtureSameFamily(
    tfd.Categorical(probs=even.astype(np.float32)),
    tfd.MultivariateNormalDiag(means[:, None], tf.ones([count, 1])),
  )
  # The marginal is q(z) itself, so the divergence is 0 at every code.
  found = sandwich.true_values(line_of_sprites(0, q))
  assert found['divergence'].mean == pytest.approx(0.0, abs=1e-4)
  assert found['divergence'].stderr < 1e-4 < found['information'].stderr
  # A marginal beside q(z): the integral, and errors over many seeds.
  m = tfd.MultivariateNormalDiag([25.0], [6.0])
  grid = np.linspace(-10.0, 50.0, 6_001, dtype=np.float32)[:, None]
  log_q, log_m = q.log_prob(grid).numpy(), m.log_prob(grid).numpy()
  exact = float(np.sum(np.exp(log_q) * (log_q - log_m)) * 0.01)
  several = [
    sandwich.true_values(line_of_sprites(seed, m))['divergence']
    for seed in range(20)
  ]
  errors = np.array([found.mean - exact for found in several])
  claimed = np.array([found.stderr for found in several])
  ratio = np.sqrt(np.mean(errors**2) / np.mean(claimed**2))
  assert 0.7 < ratio < 1.3, (errors, claimed)


@pytest.mark.slow
@pytest.mark.parametrize('size, scale', [(3, 1.0), (4, 0.3), (6, 0.15)])
def test_every_estimator_encloses_the_truth_on_sprites(size, scale):
  gaussians, everything = projection(size, scale), sprites.world()
  exact = truth.measure(
    gaussians,
    everything.probabilities,
    {'shape': everything.joint['shape']},
    np.random.default_rng(0),
  )
  nats = exact['information'].mean
  of_label = exact['information shape'].mean
  assert max(value.stderr for value in exact.values()) < 0.005
  rng = np.random.default_rng(1)
  splits = []
  for count in sprites.SIZES.values():
    drawn = rng.integers(len(everything.indices), size=count)
    some = gaussians[everything.indices[drawn]]
    splits.append(encodings(some, everything.labels['shape'][drawn], rng))
  found = bounds.measure(*splits, {'label': 3})['label']
  for bound in found.uppers:
    assert bound.mean > nats - 3 * bound.stderr, (bound, nats)
  for bound in found.lowers:
    assert bound.mean < nats + 3 * bound.stderr, (bound, nats)
  assert found.lowers[-1].mean > 0.9 * nats - 0.05
  conditional = found.conditional
  assert conditional.mean < nats - of_label + 3 * conditional.stderr
  upper = found.label_upper(math.log(3))
  assert upper.mean > of_label - 3 * upper.stderr
