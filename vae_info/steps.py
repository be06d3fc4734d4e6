"""The step of a beta-VAE's training, as each device takes it.

It minimises mean(D) + beta mean(R), with one code drawn for each image. In a
multi-beta model each image of a step has a beta of its own; see
`networks/conditioning.py`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import augmentation, loop, objectives, randomness
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.loop import Execution, Schedule
from vae_info.multiplier import Multiplier
from vae_info.networks import (
  conditioning,
  enumeration,
  model as models,
  protocols,
)
from vae_info.networks.categorical import CategoricalEncoder

tfd = tfp.distributions

SCALARS = ('rate', 'distortion')  # What a step returns.


def make_steps(
  config: Config,
  model: models.Model,
  optimizer,
  images: tf.Variable,
  execution: Execution,
  multiplier: Multiplier | None = None,
) -> loop.Steps:
  """Compiles many steps into one call.

  Args:
    config: What to train, and how.
    model: Made by `model.build` in the strategy's scope.
    optimizer: Made by `loop.make_optimizer` in the strategy's scope.
    images: The training split on the device, uint8 `[N, H, W, C]`: 0 and 1,
      or 0 to 255 if the config's binarization is dynamic or none.
    execution: The strategy, and whether XLA compiles the step.
    multiplier: Of a config with a target rate; made by `make_multiplier` in
      the strategy's scope.

  Returns:
    A function of the first step's number, int32, and of the rows of
    `Schedule.order`, `[K, batch_size]`. It returns 'rate' and 'distortion' of
    each step, nats, `[K]`; with a multiplier 'beta' too.

  Raises:
    UserError: The batch cannot be split evenly over devices and betas.
  """
  check_batch(config, model, execution)
  step = make_replica_step(
    config, model, optimizer, images, execution, multiplier
  )
  names = (*SCALARS, 'beta') if multiplier else SCALARS
  return loop.many_steps(step, names, config.batch_size, execution)


def check_batch(
  config: Config, model: models.Model, execution: Execution
) -> None:
  """Raises `UserError` if devices and betas cannot share a batch evenly."""
  execution.check(config.batch_size)
  replicas = execution.strategy.num_replicas_in_sync
  betas = model.betas_in_a_batch
  if (
    config.beta_range
    and betas
    and (config.batch_size % betas or (replicas % betas and betas % replicas))
  ):
    raise UserError(
      f'{config.marginal} allows {betas} betas in a step, which {replicas} '
      f'devices and a batch_size of {config.batch_size} cannot share evenly'
    )


def make_replica_step(
  config: Config,
  model: models.Model,
  optimizer,
  images: tf.Variable,
  execution: Execution,
  multiplier: Multiplier | None = None,
) -> loop.Step:
  """One step, as each replica takes it in `strategy.run`.

  A replica cuts its part of the batch into shares. Only the loss combines them,
  so cores work on them in parallel.

  Returns:
    A function of the step's number and the whole batch's indices,
    `[batch_size]`. It updates the weights, and returns this replica's mean
    rate and distortion, nats.
  """
  replicas = execution.strategy.num_replicas_in_sync
  shards = shares_of(config, model, execution)
  forward = _make_forward(config, model, images, replicas * shards)
  schedule = Schedule.of(config, images.shape[0])

  def replica_step(step, indices):
    context = tf.distribute.get_replica_context()
    first = context.replica_id_in_sync_group * shards
    variables = list(model.trainable_variables)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      # 1. Rates and distortions of each share, in parallel.
      common = _common(config, model, shards)
      shares = [
        forward(step, indices, first + i, common) for i in range(shards)
      ]
      rates, distortions, betas = map(_joined, zip(*shares, strict=True))
      rate, distortion = tf.reduce_mean(rates), tf.reduce_mean(distortions)
      # 2. The loss. In a multi-beta model each image has a beta and a weight.
      beta, weights = _betas_and_weights(config, betas)
      beta *= _annealing(config, schedule, step)
      if multiplier or config.free_nats:
        beta = _beta_of_rate(config, beta, rate, multiplier)
      loss = objectives.loss(rates, distortions, beta, weights) / replicas
    # 3. Gradients, summed over replicas.
    decay = schedule.rate(step) * config.weight_decay
    loop.update(optimizer, variables, tape.gradient(loss, variables), decay)
    scalars = {'rate': rate, 'distortion': distortion}
    return scalars | ({'beta': beta} if multiplier else {})

  return replica_step


def _betas_and_weights(config, betas) -> tuple[Any, tf.Tensor | None]:
  """The loss's beta, and weights of images in a multi-beta model."""
  if config.beta_range:
    return betas, conditioning.weights(betas)
  return config.beta, None


def make_validation(
  config: Config, model: models.Model, images: np.ndarray, shares: int = 1
) -> Callable[[], float]:
  """Makes a function that computes the loss on validation images.

  It draws the same betas and codes each time. So the values of two epochs
  differ by the weights alone.

  Args:
    config: What is trained; an annealing of beta does not count here.
    model: Made by `model.build`.
    images: uint8 `[N, H, W, C]`. Of the last batch only what is whole
      counts.
    shares: Into how many shares a batch is cut, as in a step.

  Returns:
    A function that returns nats per image, weighted in a multi-beta model.
  """
  # Validation images stay as they are.
  fixed = dataclasses.replace(config, augmentation=None)
  if config.binarization == 'dynamic':
    fixed = dataclasses.replace(fixed, binarization='static')
  size, count = config.batch_size, max(1, len(images) // config.batch_size)
  forward = _make_forward(fixed, model, tf.constant(images), shares)

  @tf.function(autograph=False)
  def loss(batch):
    indices = (batch * size + tf.range(size)) % len(images)  # Of known size.
    common = _common(config, model, shares)
    parts = [forward(batch, indices, i, common) for i in range(shares)]
    rates, distortions, betas = map(_joined, zip(*parts, strict=True))
    beta, weights = _betas_and_weights(config, betas)
    return objectives.loss(rates, distortions, beta, weights)

  return lambda: float(np.mean([loss(tf.constant(i)) for i in range(count)]))


def _beta_of_rate(config, beta, rate, multiplier):
  """The beta of a step, where the rate of its batch decides on it."""
  # The rate of the whole batch decides, for all replicas alike.
  context = tf.distribute.get_replica_context()
  whole = context.all_reduce(tf.distribute.ReduceOp.MEAN, rate)
  if multiplier:
    return multiplier.follow(whole)
  return beta * tf.cast(whole > config.free_nats, tf.float32)


def shares_of(config: Config, model: models.Model, execution: Execution) -> int:
  """Into how many shares a replica cuts its part of a batch."""
  betas = model.betas_in_a_batch if config.beta_range else None
  return execution.shards_of(config.batch_size, betas)


class _Common(NamedTuple):
  """What all shares of a step use, and is made once.

  Attributes:
    marginal: m(z); None in a multi-beta model, where shares have other betas.
    classes: d(x|k) of all classes, if codes are classes and there is one beta.
  """

  marginal: tfd.Distribution | None = None
  classes: Sequence[tfd.Distribution] | None = None


def _common(config, model, shares):
  """Makes what the shares of a step have in common."""
  if config.beta_range:
    return _Common()
  if not isinstance(model.encoder, CategoricalEncoder):
    return _Common(model.marginal())
  classes = enumeration.decode(model.decoder, config.latent_size, shares)
  return _Common(model.marginal(), classes)


def _joined(parts: Sequence[tf.Tensor]) -> tf.Tensor:
  """Joins the values of a step's shares, `[B / shards]` each."""
  return tf.concat(parts, axis=0)


def _make_forward(
  config: Config,
  model: models.Model,
  images: tf.Variable | tf.Tensor,
  shares: int,
) -> Callable:
  """Makes a function that takes one of `shares` shares of a batch.

  Each share draws the random numbers of the whole batch, and uses its own part.
  So the draws do not depend on the number of shares.

  Returns:
    A function of the step's number, the whole batch's indices, the number of a
    share, and what `_common` made. It returns the rates and distortions of its
    images, nats, and their betas, `[batch_size / shares]` each.
  """

  def part(values, share):
    return tf.reshape(values, [shares, -1])[share]

  def forward(step, indices, share, common):
    # 1. Images, and the networks at their betas.
    batch = tf.gather(images, part(indices, share))
    batch, seen = _two_views(config, step, batch, share, shares)
    networks, log_betas = model, tf.zeros(tf.shape(batch)[:1])
    if config.beta_range:
      log_betas = part(_draw_log_betas(config, model, step), share)
      distinct = model.betas_in_a_batch or config.batch_size
      networks = model.for_batch(log_betas, max(1, distinct // shares))
    if common.marginal is None:
      common = common._replace(marginal=networks.marginal())
    # 2. Codes; if they are classes, sums over all of them replace draws.
    parameters = networks.encoder.parameters(seen)
    encoding = networks.encoder.distribution(parameters)
    if isinstance(encoding, tfd.OneHotCategorical):
      rates_and_distortions = _summed(networks, batch, encoding, common)
      return *rates_and_distortions, tf.exp(log_betas)
    seed = randomness.stateless_seed(config.seed, 'codes', step)
    encoder, flow = protocols.before_flow(networks.encoder)
    drawn = encoding if flow is None else encoder.distribution(parameters)
    codes = drawn.sample(shares, seed=seed)[share]
    if flow is not None:
      codes = flow.forward(codes)  # It keeps the inverse of this very tensor.
    # 3. Rate and distortion of each image.
    rates = objectives.rate(codes, encoding, common.marginal)
    distortions = objectives.distortion(batch, networks.decoder(codes))
    return rates, distortions, tf.exp(log_betas)

  return forward


def _two_views(config, step, batch, share, shares):
  """What the decoder explains and what the encoder sees, float32."""
  if config.binarization == 'dynamic':
    batch = _draw_pixels(config.seed, step, batch, share, shares)
  batch = tf.cast(batch, tf.float32)
  if not config.augmentation:
    return batch, batch
  seed = randomness.stateless_seed(config.seed, 'augmentation', step)
  return batch, augmentation.affine(batch, seed, share, shares)


def _summed(networks, batch, encoding, common):
  """Rates and distortions, nats `[B]`, by sums over the classes of a code."""
  log_likelihoods = enumeration.log_probs(
    networks.decoder, batch, encoding.event_shape[0], common.classes
  )
  return objectives.enumerated_rate_and_distortion(
    encoding, common.marginal, log_likelihoods
  )


def _draw_pixels(seed, step, intensities, share, shares):
  """Draws each pixel as Bernoulli(intensity / 255): booleans, same shape."""
  shape = [shares, *intensities.shape]
  seed = randomness.stateless_seed(seed, 'pixels', step)
  thresholds = tf.random.stateless_uniform(shape, seed, 0, 255, tf.int32)
  return thresholds[share] < tf.cast(intensities, tf.int32)


def _draw_log_betas(config, model, step):
  """Draws the log betas of a whole batch, `[batch_size]`."""
  seed = randomness.stateless_seed(config.seed, 'betas', step)
  distinct = model.betas_in_a_batch or config.batch_size
  return conditioning.draw_log_betas(
    config.beta_range, config.batch_size, seed, distinct
  )


def _annealing(config: Config, schedule: Schedule, step: tf.Tensor):
  """What beta is multiplied by: it grows from 0 to 1 in the first epochs."""
  steps = annealing_steps(config, schedule)
  return tf.minimum(1.0, tf.cast(step, tf.float32) / steps) if steps else 1.0


def annealing_steps(config: Config, schedule: Schedule) -> float:
  """Steps in which beta grows."""
  assert config.kl_annealing_epochs is not None  # Its default is filled in.
  return config.kl_annealing_epochs * schedule.per_epoch
