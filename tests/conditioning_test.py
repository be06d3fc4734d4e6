"""Multi-beta models: draws of beta, conditioning, and known optima."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

from vae_info import loop, objectives, randomness, steps
from vae_info.config import DECODERS, MARGINALS, Config, families
from vae_info.errors import UserError
from vae_info.evaluation import estimates
from vae_info.loop import Execution, Schedule
from vae_info.networks import (
  autoregressive,
  conditioning,
  decoders,
  layers,
  model as models,
)

tfd = tfp.distributions


def make_config(**kwargs):
  defaults = {'beta': '0.1:10', 'latent_size': 4, 'batch_size': 16, 'steps': 6}
  return Config(**{**defaults, **kwargs})


def make(rng):
  return layers.Make(rng, modulated=True)


def bind(config, network, log_betas):
  """A network at one log beta, or at one for each example."""
  features = conditioning.features(config.beta_range, log_betas)
  return conditioning.bind(network, conditioning.Condition(features, 1))


def at_log_betas(config, model, log_betas):
  """The model at one log beta, or at one for each example."""
  condition = conditioning.features(config.beta_range, log_betas)
  return conditioning.bind(
    model, conditioning.Condition(condition, model.betas_in_a_batch or 1)
  )


def stir(module):
  """Moves every modulation away from its start."""
  number = 0
  for part in module.submodules:
    if isinstance(part, conditioning.Modulation):
      shape = part.kernel.shape
      part.kernel.assign_add(
        0.1 * tf.random.stateless_normal(shape, [number, 3])
      )
      number += 1
  assert number > 0


def test_betas_are_drawn_by_the_arcsine_law_in_log_beta():
  config = make_config(batch_size=1000)
  draw = tf.function(
    lambda step: conditioning.draw_log_betas(
      config.beta_range,
      1000,
      randomness.stateless_seed(0, 'betas', step),
      1000,
    )
  )
  log_betas = draw(tf.constant(0)).numpy()
  # The law has a thousand parts of equal probability; each holds one draw.
  places = (log_betas - np.log(0.1)) / np.log(100.0)
  parts = 1000 * stats.arcsine.cdf(places.astype(np.float64))
  np.testing.assert_allclose(parts, np.arange(1000) + 0.5, atol=0.51)
  assert not np.array_equal(draw(tf.constant(1)), log_betas)


def test_examples_share_as_few_betas_as_asked():
  log_betas = conditioning.draw_log_betas(
    make_config().beta_range, 16, tf.constant([0, 1]), 2
  ).numpy()
  assert len(np.unique(log_betas)) == 2
  # In two blocks.
  assert len(np.unique(log_betas[:8])) == len(np.unique(log_betas[8:])) == 1


def test_features_are_of_standardised_log_beta():
  config = make_config(batch_size=10_000)
  log_betas = conditioning.draw_log_betas(
    config.beta_range, 10_000, tf.constant([0, 1]), 10_000
  )
  condition = conditioning.features(config.beta_range, log_betas).numpy()
  assert condition.shape == (10_000, conditioning.FEATURES)
  assert condition[:, 1].mean() == pytest.approx(0, abs=1e-3)
  assert np.abs(condition[:, 1]).max() == pytest.approx(np.sqrt(3), abs=1e-3)
  middle = conditioning.features(config.beta_range, tf.constant(0.0))
  np.testing.assert_allclose(middle, [1, 0, 0, 0, 1], atol=1e-6)


def test_the_code_starts_nested():
  """All dimensions are open at the lowest beta, few at the highest."""
  config = make_config(latent_size=64)
  modulation = conditioning.Modulation(64, conditioning.nested_gates(64))
  log_betas = tf.math.log(tf.constant([0.1, 1.0, 10.0]))
  features = conditioning.features(config.beta_range, log_betas)
  scales, shifts = conditioning.bind(
    modulation, conditioning.Condition(features, 3)
  ).terms()
  np.testing.assert_array_equal(shifts, np.zeros([3, 64]))
  open_ones = np.sum(scales.numpy() > 1, axis=-1)
  np.testing.assert_array_equal(open_ones, [63, 32, 0])


def test_betas_to_evaluate_span_the_range():
  betas = conditioning.evenly(make_config().beta_range, 5)
  np.testing.assert_allclose(betas, [0.1, 0.3162, 1, 3.162, 10])
  betas = conditioning.evenly(make_config(beta='0.12341:9.87654').beta_range, 5)
  assert betas[0] == 0.12341  # Rounding must not leave the range.
  assert betas[-1] == 9.87654


# Every network is in one of these; tests of all other combinations are slow.
EACH_ONCE = {
  ('conv', 'deconvolutional', 'gaussian'),
  ('conv', 'autoregressive', 'mixture'),
  ('iaf', 'deconvolutional', 'maf'),
  ('iaf', 'autoregressive', 'vampprior'),
}


@pytest.mark.parametrize(
  'architecture, encoder, decoder, marginal',
  [
    *(
      pytest.param(
        'compact', *parts, marks=() if parts in EACH_ONCE else pytest.mark.slow
      )
      for parts in families()
    ),
    ('paper', 'iaf', 'deconvolutional', 'vampprior'),
    ('paper', 'conv', 'autoregressive', 'maf'),
  ],
)
def test_without_conditioning_weights_it_is_the_unconditioned_model(
  tiny, architecture, encoder, decoder, marginal
):
  parts = {
    'architecture': architecture,
    'encoder': encoder,
    'decoder': decoder,
    'marginal': marginal,
  }
  images = tf.constant(tiny.test.images[:6], tf.float32)
  fixed = models.build(make_config(beta=1.0, **parts), tiny.train.images)
  config = make_config(**parts)
  model = models.build(config, tiny.train.images)
  for part in model.submodules:
    if isinstance(part, conditioning.Modulation):
      part.kernel.assign(tf.zeros_like(part.kernel))

  def values(model):
    encoding = model.encoder(images)
    codes = encoding.sample(seed=tf.constant([0, 1]))
    return {
      'parameters': model.encoder.parameters(images),
      'codes': codes,
      'rates': objectives.rate(codes, encoding, model.marginal()),
      'distortions': objectives.distortion(images, model.decoder(codes)),
    }

  expected = values(fixed)
  of_each = tf.math.log(tf.constant([0.2, 5.0, 0.2, 5.0, 0.2, 5.0]))
  for log_beta in (tf.math.log(3.0), of_each):
    found = values(at_log_betas(config, model, log_beta))
    for name, value in expected.items():
      np.testing.assert_array_equal(value, found[name], err_msg=name)


@pytest.mark.parametrize(
  'encoder, decoder, marginal',
  [
    ('conv', 'deconvolutional', 'gaussian'),
    ('conv', 'autoregressive', 'mixture'),
    ('iaf', 'deconvolutional', 'maf'),
    ('iaf', 'autoregressive', 'vampprior'),
    ('conv', 'deconvolutional', 'vampprior'),
  ],
)
def test_each_example_has_its_own_beta(tiny, encoder, decoder, marginal):
  """A batch of two betas gives the same as the model at each beta alone."""
  config = make_config(encoder=encoder, decoder=decoder, marginal=marginal)
  model = models.build(config, tiny.train.images)
  stir(model)
  images = tf.constant(tiny.test.images[:4], tf.float32)
  codes = tf.random.stateless_normal([3, 4, 4], [0, 2])

  def values(model):
    parameters = model.encoder.parameters(images)
    encoding = model.encoder.distribution(parameters)
    rates = objectives.rate(codes, encoding, model.marginal())
    distortions = objectives.distortion(images, model.decoder(codes))
    return parameters.numpy(), rates.numpy(), distortions.numpy()

  betas = (0.2, 5.0)
  log_betas = tf.math.log(tf.repeat(betas, 2))
  together = values(model.for_batch(log_betas, 2))
  for number, beta in enumerate(betas):
    alone = values(model.at(beta))
    for a, b in zip(together, alone, strict=True):
      rows = slice(2 * number, 2 * number + 2)
      mine, theirs = a[..., rows], b[..., rows]
      if a.ndim == 2 and len(a) == 4:  # Parameters, `[B, P]`.
        mine, theirs = a[rows], b[rows]
      np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=1e-3)
  difference = np.abs(values(model.at(0.2))[1] - values(model.at(5.0))[1])
  assert difference.max() > 0.01


def test_evaluation_at_a_beta_does_not_depend_on_the_batch(tiny):
  config = make_config(encoder='iaf', marginal='vampprior')
  model = models.build(config, tiny.train.images)
  stir(model)
  images = tiny.test.images[:20]
  at = model.at(0.2)
  whole, parts = (
    estimates.rates_and_distortions(
      estimates.Codes.of(at, images, 2, size), images
    )
    for size in (20, 7)
  )
  np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-4)


def test_every_layer_is_told(tiny):
  """Every modulation gets a gradient, except that of a fixed marginal."""
  for decoder, marginal in itertools.product(DECODERS, MARGINALS):
    encoder = 'categorical' if marginal == 'categorical' else 'iaf'
    config = make_config(encoder=encoder, decoder=decoder, marginal=marginal)
    model = models.build(config, tiny.train.images)
    stir(model)
    images = tf.constant(tiny.train.images[:4], tf.float32)
    log_betas = tf.math.log(tf.constant([0.2, 0.2, 5.0, 5.0]))
    networks = model.for_batch(log_betas, 2)
    with tf.GradientTape() as tape:
      encoding = networks.encoder(images)
      codes = encoding.sample(seed=tf.constant([0, 1]))
      rates = objectives.rate(codes, encoding, networks.marginal())
      distortions = objectives.distortion(images, networks.decoder(codes))
      loss = objectives.loss(rates, distortions, tf.exp(log_betas), 1.0)
    variables = model.trainable_variables
    for variable, gradient in zip(
      variables, tape.gradient(loss, variables), strict=True
    ):
      assert gradient is not None, variable.shape
      assert np.abs(gradient).max() > 0, variable.shape


@pytest.mark.parametrize('of_each', [False, True])
def test_cached_sampling_is_the_naive_loop(of_each):
  config = make_config(decoder='autoregressive', latent_size=3)
  decoder = decoders.DECODERS['autoregressive'](
    config, (16, 16, 1), make(randomness.generator(0, 'decoder'))
  )
  stir(decoder)
  log_betas = tf.linspace(-2.0, 2.0, 5) if of_each else tf.constant(0.7)
  decoder = bind(config, decoder, log_betas)
  codes = tf.random.stateless_normal([5, 3], [0, 6])
  network = decoder.network.pixels
  context = decoder.network.context(codes)
  uniforms = tf.random.stateless_uniform([5, 4, 4, 4], [0, 4])
  cached = network.sample(context, uniforms)
  naive = tf.function(autoregressive.sample_by_full_passes)(
    network, context, uniforms
  )
  np.testing.assert_array_equal(cached, naive)
  assert len(np.unique(cached)) > 8


def test_samples_of_images_at_many_betas_have_their_log_prob(tiny):
  config = make_config(decoder='autoregressive', latent_size=3)
  decoder = decoders.DECODERS['autoregressive'](
    config, (8, 8, 1), make(randomness.generator(0, 'decoder'))
  )
  stir(decoder)
  log_betas = tf.constant([-2.0, 0.0, 2.0])
  codes = tf.random.stateless_normal([3, 3], [0, 6])
  likelihood = bind(config, decoder, log_betas)(codes)
  samples = likelihood.sample(4, seed=[0, 7])
  assert samples.shape == [4, 3, 8, 8, 1]
  together = likelihood.log_prob(samples)
  for number in range(3):
    at_one = bind(config, decoder, log_betas[number])
    alone = at_one(codes[number : number + 1])
    np.testing.assert_allclose(
      together[:, number],
      alone.log_prob(samples[:, number : number + 1])[:, 0],
      rtol=1e-4,
    )


class Unconditioned(tf.Module):
  """A marginal that learns but ignores beta."""

  def __init__(self, config, images, make, encoder):
    super().__init__()
    self.mean = tf.Variable(tf.zeros([config.latent_size]))

  def __call__(self):
    return tfd.MultivariateNormalDiag(self.mean, tf.ones_like(self.mean))


def test_a_network_that_is_not_given_beta_is_named(tiny):
  name = 'tests.conditioning_test:Unconditioned'
  with pytest.raises(UserError, match='no layer of .*Unconditioned is given'):
    models.build(make_config(marginal=name), tiny.train.images)
  models.build(make_config(marginal=name, beta=1.0), tiny.train.images)


def test_a_model_of_a_range_is_used_at_a_beta(tiny):
  model = models.build(make_config(), tiny.train.images)
  with pytest.raises(ValueError, match='without a beta; model.at'):
    model.encoder(tiny.test.images[:2].astype(np.float32))
  with pytest.raises(UserError, match='for betas 0.1 to 10, not for 11'):
    model.at(11.0)
  alone = models.build(make_config(beta=2.0), tiny.train.images)
  assert alone.at(2.0) is alone
  with pytest.raises(UserError, match='for beta 2 alone, not for 3'):
    alone.at(3.0)


def test_a_copy_shares_variables_and_leaves_the_original_alone(tiny):
  model = models.build(
    make_config(encoder='iaf', marginal='vampprior'), tiny.train.images
  )
  variables = [v.ref() for v in model.trainable_variables]
  model.at_each([0.2, 5.0])
  for each in (model.at(1.0), model.at(5.0)):
    assert [v.ref() for v in each.trainable_variables] == variables
    assert each.marginal.encoder is each.encoder
  assert [v.ref() for v in model.trainable_variables] == variables
  with pytest.raises(ValueError, match='without a beta'):
    model.encoder(tiny.test.images[:2].astype(np.float32))


@pytest.mark.parametrize(
  'held',
  [
    lambda layer: [layer],
    lambda layer: (layer, [layer]),
    lambda layer: {'b': layer, 'a': None},
    lambda layer: collections.namedtuple('Layers', 'first, last')(layer, 2),
  ],
)
def test_layers_may_be_held_in_any_structure(held):
  network = tf.Module()
  network.layers = held(
    make(randomness.generator(0, 'test')).free(tf.ones([2]))
  )
  stir(network)
  copies = [
    bind(make_config(), network, tf.math.log(beta)) for beta in (0.2, 5.0)
  ]

  def value(module):
    return tf.nest.flatten(module.layers)[-1 if 'b' in held(0) else 0]()

  assert not np.array_equal(*map(value, copies))
  with pytest.raises(ValueError, match='without a beta'):
    value(network)


def test_a_batch_must_hold_each_beta_equally_often(tiny):
  config = make_config(marginal='vampprior', batch_size=15)
  model = models.build(config, tiny.train.images)
  with pytest.raises(UserError, match='allows 2 betas in a step'):
    steps.make_steps(config, model, None, None, Execution())


# A linear Gaussian world has a known optimum. The pixels are independent and
# Gaussian, with variances v. The code has Gaussian noise, and the decoder has
# unit variance. Then the least D + beta R has (reverse water-filling)
#   R = sum 1/2 max(0, ln(v / beta)),
#   D = sum 1/2 min(v, beta) + 1/2 ln(2 pi).
VARIANCES = np.array([8.0, 4.0, 2.0, 1.0], np.float32)


@pytest.mark.parametrize(
  'encoder, architecture', [('conv', 'compact'), ('iaf', 'paper')]
)
def test_parameters_at_each_beta_are_those_of_each_alone(
  tiny, encoder, architecture
):
  config = make_config(encoder=encoder, architecture=architecture)
  model = models.build(config, tiny.train.images)
  stir(model)
  betas = (0.2, 1.0, 5.0)
  images = tf.constant(tiny.test.images[:11], tf.float32)

  @tf.function
  def together(images):
    copies = model.at_each(betas)
    return tf.stack([copy.encoder.parameters(images) for copy in copies])

  found = together(images)
  for parameters, beta in zip(found, betas, strict=True):
    alone = tf.function(model.at(beta).encoder.parameters)(images)
    np.testing.assert_array_equal(parameters, alone)
  assert not np.allclose(found[0], found[2])
  # Layers before the first conditioned one are computed once for all betas.
  graph = together.get_concrete_function(images).graph
  convolutions = [op for op in graph.get_operations() if op.type == 'Conv2D']
  expected = {'compact': 1 + 3 * 2, 'paper': 3 * 5}[architecture]
  assert len(convolutions) == expected


class LinearEncoder(tf.Module):
  def __init__(self, config, image_shape, make):
    super().__init__()
    size = int(np.prod(image_shape))
    self.dense = make.dense(size, 2 * config.latent_size, 0.3)

  def parameters(self, images):
    return self.dense(tf.reshape(images, [images.shape[0], -1]))

  def distribution(self, parameters):
    mean, log_scale = tf.split(parameters, 2, axis=-1)
    return tfd.Independent(tfd.Normal(mean, tf.exp(log_scale)), 1)

  def __call__(self, images):
    return self.distribution(self.parameters(images))


class LinearDecoder(tf.Module):
  def __init__(self, config, image_shape, make):
    super().__init__()
    self.shape = image_shape
    self.dense = make.dense(config.latent_size, int(np.prod(image_shape)))

  def __call__(self, codes):
    mean = self.dense(codes)
    mean = tf.reshape(mean, [*codes.shape[:-1], *self.shape])
    return tfd.Independent(tfd.Normal(mean, 1.0), 3)


def test_the_curve_of_a_linear_gaussian_model_is_the_known_one():
  config = make_config(
    encoder='tests.conditioning_test:LinearEncoder',
    decoder='tests.conditioning_test:LinearDecoder',
    beta='0.2:3',
    batch_size=500,
    steps=3000,
    learning_rate=1e-2,
  )
  rng = np.random.default_rng(0)
  pixels = rng.normal(size=[20_000, 1, 1, 4]) * np.sqrt(VARIANCES)
  pixels = pixels.astype(np.float32)
  schedule = Schedule.of(config, len(pixels))
  execution = Execution(jit_compile=True)
  with execution.strategy.scope():
    model = models.build(config, pixels)
    optimizer = loop.make_optimizer(schedule, model.trainable_variables)
    images = tf.Variable(pixels, trainable=False)
  train_steps = steps.make_steps(config, model, optimizer, images, execution)
  indices = schedule.order(0, config.steps)
  train_steps(tf.constant(0), tf.constant(indices))

  variances = pixels.reshape(-1, 4).var(axis=0)
  for beta in conditioning.evenly(config.beta_range, 7):
    at = model.at(beta)
    encoding = at.encoder(tf.constant(pixels))
    codes = encoding.sample(seed=[0, 1])
    rate = objectives.rate(codes, encoding, at.marginal()).numpy().mean()
    likelihood = at.decoder(codes)
    distortion = objectives.distortion(pixels, likelihood).numpy().mean()
    best_rate = 0.5 * np.maximum(0, np.log(variances / beta)).sum()
    best_distortion = (
      0.5 * (np.minimum(variances / beta, 1) * beta + np.log(2 * np.pi)).sum()
    )
    best = best_distortion + beta * best_rate
    print(beta, distortion + beta * rate, best, rate, best_rate)
    assert distortion + beta * rate == pytest.approx(best, rel=0.01)
    assert rate == pytest.approx(best_rate, abs=0.15)


def test_copies_for_several_betas_may_be_called_in_graphs_and_without(tiny):
  config = make_config(latent_size=3)
  model = models.build(config, tiny.train.images)
  stir(model)
  images = tf.constant(tiny.test.images[:3], tf.float32)
  expected = [
    model.at(beta).encoder.parameters(images).numpy() for beta in (0.2, 5.0)
  ]
  first, second = [at.encoder for at in model.at_each([0.2, 5.0])]
  for number, encoder in ((0, first), (1, second)):
    in_graph = tf.function(lambda encoder=encoder: encoder.parameters(images))
    for found in (in_graph(), encoder.parameters(images), in_graph()):
      np.testing.assert_allclose(found, expected[number], rtol=1e-4, atol=1e-5)
