"""Label information in the codes of a normalizing flow, at limited rates.

The variants of the method:

    all         noise on all dimensions, in the basis of `flow_codes`
    coarse      the same on the dimensions of every other row and column alone
    untrained   `all`, of a flow with its first weights
    learned     noise, marginal and decoder of `flow_decoder`; no noise in v

For the first three, R is R_v: an upper bound on I(X;Z) that also counts
the noise of v. As p(z|x) has no density in closed form, no lower bound is
given. For `learned`, p(z|x) is a Gaussian, and all bounds are there.

The hypothesis, from Kirichenko et al., _NeurIPS_ 2020: a flow's codes learn
local correlations of pixels, so they prefer labels no more than PCA's.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from vae_info import randomness
from vae_info.baselines import (
  codes,
  flow_codes,
  flow_learned,
  flow_rows,
  flow_training,
  parts,
)
from vae_info.baselines.flow_codes import Basis
from vae_info.baselines.flow_decoder import fit_decoder
from vae_info.baselines.job import Job
from vae_info.evaluation.classifiers import Examples
from vae_info.evaluation.refit import distortions
from vae_info.networks import flow as flows

DRAWS = 4  # Of v, for each training image; epochs of a fit take turns.
JACOBIANS = 4_000  # Training images whose Jacobians make the basis.


def fit(job: Job) -> list[dict]:
  """Trains a flow, and returns a row for each variant and rate.

  The rows of each variant are stored when they are done.

  Raises:
    Stopped: A signal was received; the state is saved.
    UserError: A loss is not finite, or the disk is full.
  """
  trained, facts = flow_training.train(job)
  untrained = flow_training.make(job.config, job.dataset.image_shape)
  found = functools.cache(lambda: moments(job, trained))

  def noisy(flow, seen, some=None):
    return _noisy(job, flow, Basis.of(seen, some))

  variants: dict[str, Callable[[], list[dict]]] = {
    'all': lambda: noisy(trained, found()),
    'coarse': lambda: noisy(trained, found(), trained.size // 4),
    'untrained': lambda: noisy(untrained, moments(job, untrained)),
    'learned': lambda: flow_learned.rows(job, trained, Basis.of(found())),
  }
  rows = []
  for name, make_rows in variants.items():
    job.signals.check()
    title = f'codes of a flow, {name}: {len(job.config.flow_rates)} rates'
    made = parts.kept_or_made(job, name, title, make_rows)
    rows += [row | {'variant': name} for row in made]
  common = {'step': facts['step'], 'epochs': job.config.epochs}
  return [row | common for row in rows]


def moments(job: Job, flow: flows.Flow) -> np.ndarray:
  """E J^T J of some training images, as `flow_codes.moments`."""
  images = job.dataset.train.images[:JACOBIANS].astype(np.float32)
  seed = randomness.stateless_seed(job.config.seed, 'noise of the basis')
  values = flows.dequantize(tf.constant(images), flow_training.SIGMA, seed)
  return flow_codes.moments(flow.bijector, values.numpy(), job.config.seed)


def _noisy(job, flow, directions) -> list[dict]:
  """The rows of codes with the noise of reverse water-filling."""
  config, data = job.config, job.dataset
  levels = [directions.noises(rate) for rate in config.flow_rates]
  train = _codes(job, flow, directions, 'train', DRAWS)
  asked = {
    'validation': _codes(job, flow, directions, 'validation', 1),
    'test': _codes(job, flow, directions, 'test', config.num_samples),
  }
  decoder = fit_decoder(job, train, levels)
  given = job.given(data.train)
  size = train.shape[-1] + sum(x.shape[-1] for x in given)
  examples = [
    Examples(
      flow_codes.make_draw(train, noises, config.seed, given),
      job.labels(data.train),
      size,
      job.num_classes,
    )
    for noises in levels
  ]
  fitted = codes.fit_together(job, examples, 'codes of a flow')
  return [
    _row(job, directions, number, found, asked, decoder)
    for number, found in enumerate(zip(examples, fitted, strict=True))
  ]


def _codes(job, flow, directions, name, draws):
  """z of a split for some draws of v, `[S, N, K]`."""
  seeds = [
    randomness.stateless_seed(job.config.seed, f'noise of {name} images', i)
    for i in range(draws)
  ]
  images = getattr(job.dataset, name).images
  return flow_codes.project(
    flow.bijector, directions, images, flow_training.SIGMA, seeds
  )


def _row(job, directions, number, found, asked, decoder):
  """The row of one level of noise.

  `found` is examples and a classifier. `asked` has z of two splits.
  """
  config, data = job.config, job.dataset
  noises = directions.noises(config.flow_rates[number])

  def seen(name, sample):
    purpose = 'evaluation codes' if name == 'test' else f'{name} codes'
    key = randomness.stateless_seed(config.seed, purpose, sample)
    return flow_codes.seen(asked[name][sample], noises, key).numpy()

  losses, hits, errors = [], [], []
  for sample in range(len(asked['test'])):
    known = seen('test', sample)
    both = flow_rows.label_losses(job, found[1], known, 'test')
    losses.append(both[0])
    hits.append(both[1])
    errors.append(distortions(decoder, known, data.test.images, number))
  rates = flow_codes.rates(asked['test'], noises).mean(axis=0)
  return {
    'latent_size': int(np.sum(noises < 1.0)),
    'noise': float(noises.min()),  # Of the first dimension.
    **flow_rows.measured(
      job, rates, np.mean(errors, 0), np.mean(losses, 0), np.mean(hits, 0)
    ),
    **flow_rows.least_columns(
      job, found[0], found[1], {name: seen(name, 0) for name in asked}
    ),
  }
