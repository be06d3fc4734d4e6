"""Rows of a flow's codes with learned noise, and bounds on their I(X;Z)."""

import numpy as np
import tensorflow as tf

from vae_info import randomness
from vae_info.baselines import codes, flow_codes, flow_decoder, flow_rows
from vae_info.baselines.flow_codes import Basis
from vae_info.baselines.flow_decoder import LearnedNoise
from vae_info.baselines.job import Job
from vae_info.evaluation import bounds, refit
from vae_info.evaluation.classifiers import Examples
from vae_info.evaluation.pairwise import Gaussians
from vae_info.networks import flow as flows

BETAS = (0.1, 25.0)  # R is then from 50 to 1 nats on binarized MNIST.
SPLITS = ('train', 'validation', 'test')


def rows(job: Job, flow: flows.Flow, directions: Basis) -> list[dict]:
  """Fits the noise of each level, and returns the rows of all levels.

  There are as many betas as `flow_rates`. Only the first noise is of these
  rates.

  Raises:
    Stopped: A signal was received.
  """
  config, data = job.config, job.dataset
  means = standardised(job, flow, directions)
  targets = sorted(config.flow_rates, reverse=True)
  betas = np.geomspace(*BETAS, len(targets))
  model = flow_decoder.fit_noise(
    job, means['train'], first_noises(directions, targets), betas
  )
  given = job.given(data.train)
  examples = [
    Examples(
      _make_draw(model, means['train'], level, config.seed, given),
      job.labels(data.train),
      means['train'].shape[1] + sum(x.shape[-1] for x in given),
      job.num_classes,
    )
    for level in range(len(betas))
  ]
  fitted = codes.fit_together(job, examples, 'codes with learned noise')
  return [
    {'beta': float(beta)} | _row(job, model, means, level, found)
    for level, (beta, *found) in enumerate(
      zip(betas, examples, fitted, strict=True)
    )
  ]


def standardised(
  job: Job, flow: flows.Flow, directions: Basis
) -> dict[str, np.ndarray]:
  """mu of each split: mean 0 and variance 1 on training images, `[N, K]`."""
  seed = tf.constant([0, 0])  # Of no noise at all.
  raw = {
    name: flow_codes.project(
      flow.bijector, directions, getattr(job.dataset, name).images, 0.0, [seed]
    )[0]
    for name in SPLITS
  }
  mean, scale = raw['train'].mean(0), raw['train'].std(0) + 1e-6
  return {name: (values - mean) / scale for name, values in raw.items()}


def first_noises(directions: Basis, rates: list[float]) -> np.ndarray:
  """s of codes of variance 1 that keep as much as `Basis.noises`."""
  noises = np.stack([directions.noises(rate) for rate in rates])
  # A dropped dimension starts with large noise, which can still fall.
  noises = np.minimum(noises, 0.995)
  return noises / np.sqrt(1.0 - noises**2)


def _make_draw(model, means, level, seed, given):
  """A function from an epoch's number to what a classifier sees."""
  held, given = tf.convert_to_tensor(means), [*map(tf.constant, given)]
  levels = tf.fill([len(means)], level)

  def draw(epoch):
    key = randomness.stateless_seed(seed, 'classifier codes', epoch)
    noisy = model.encoding(held, levels).sample(seed=key)
    return tf.concat([model.seen(noisy, levels), *given], axis=-1)

  return draw


def _row(job, model, means, level, found):
  """The row of one level.

  `means` has mu of each split; `found` is examples and a classifier.
  """
  config, data = job.config, job.dataset
  values = []
  for sample in range(config.num_samples):
    key = randomness.stateless_seed(config.seed, 'evaluation codes', sample)
    noisy, rates, known = _codes(model, means['test'], level, key)
    values.append(
      [
        rates,
        refit.distortions(model.decoder, known, data.test.images, level),
        *flow_rows.label_losses(job, found[1], known, 'test'),
      ]
    )
  columns = np.mean(values, axis=0)
  return {
    'latent_size': means['test'].shape[1],
    **flow_rows.measured(job, *columns),
    **_bounds(job, model, means, level, found),
  }


def _codes(model: LearnedNoise, means: np.ndarray, level: int, key):
  """z, its rate in nats `[N]`, and what a classifier sees of it."""
  levels = tf.fill([len(means)], level)
  encoding = model.encoding(tf.constant(means), levels)
  noisy = encoding.sample(seed=key)
  log_marginals = model.marginal(levels).log_prob(noisy)
  rates = encoding.log_prob(noisy) - log_marginals
  return (
    noisy.numpy(),
    rates.numpy().astype(np.float64),
    model.seen(noisy, levels).numpy(),
  )


def _bounds(job, model, means, level, found):
  """The columns of the least C and of bounds; `found` is what was fitted."""
  examples, classifier = found
  seed, data, task = job.config.seed, job.dataset, job.config.task
  scales = np.exp(model.log_scales.numpy()[level])
  encodings, seen = {}, {}
  for name in SPLITS:
    key = randomness.stateless_seed(seed, f'{name} codes of bounds')
    noisy, rates, seen[name] = _codes(model, means[name], level, key)
    gaussians = Gaussians(
      means[name], np.broadcast_to(scales, means[name].shape)
    )
    labels = {task: job.labels(getattr(data, name))}
    log_marginals = gaussians.log_prob(noisy) - rates
    encodings[name] = bounds.Encodings(gaussians, noisy, labels, log_marginals)
  each = bounds.measure(
    encodings['train'],
    encodings['validation'],
    encodings['test'],
    {task: job.num_classes},
    seed,
  )
  return flow_rows.least_columns(job, examples, classifier, seen, each[task])
