"""The training of a flow on images whose pixels Gaussian noise made continuous.

With v = (2 x - 1) + sigma epsilon, an upper bound on H(X) is, in nats,

    NLL = E [log q(v|x) - log p(v) - log P(x|v)],

where p is the flow's density and P(x|v) the decoder `networks.flow.pixels`. A
step minimises -log p(v), of noise that is drawn anew. Like a beta-VAE's, the
training may stop after any step, and resumes to the same weights.
"""

import contextlib
import json
import types
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import loop, randomness
from vae_info.baselines.config import BaselineConfig
from vae_info.baselines.job import Job
from vae_info.errors import UserError
from vae_info.evaluation import estimates
from vae_info.evaluation.estimates import Estimate
from vae_info.networks import flow as flows, layers
from vae_info.runs import directory
from vae_info.runs.paths import write_atomically
from vae_info.runs.progress import Progress
from vae_info.runs.summaries import Writer

tfd = tfp.distributions

SIGMA = 0.3  # Of the noise. P(x|v) then costs 1 nat per image of 28x28.
SOME = 1_000  # Validation images whose NLL is shown after each epoch.


def make(
  config: BaselineConfig,
  image_shape: tuple[int, int, int],
  dtype: str = 'float32',
) -> flows.Flow:
  """An untrained flow, whose weights follow from the seed.

  Raises:
    UserError: Images are not square.
  """
  height, width, _ = image_shape
  if height != width:
    raise UserError(f'a flow needs square images, found {height} x {width}')
  stages = flows.plan(config.coupling, height)
  rng = randomness.generator(config.seed, 'flow weights')
  return flows.Flow(
    stages, config.coupling, SIGMA, image_shape, layers.Make(rng), dtype
  )


def negative_log_likelihoods(
  flow: flows.Flow, images: np.ndarray, seed: int
) -> np.ndarray:
  """The NLL of each image, nats, with one draw of noise: float64 `[N]`."""

  @tf.function(autograph=False)
  def of_batch(batch, numbers):
    batch = tf.cast(batch, tf.float32)
    key = randomness.stateless_seed(seed, 'evaluation noise', numbers[0])
    return nll(flow, batch, flows.dequantize(batch, SIGMA, key))

  numbers = np.arange(len(images), dtype=np.int32)
  values = estimates.map_batches(of_batch, 500, images, numbers)
  return values.astype(np.float64)


def nll(flow: flows.Flow, images: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
  """log q(v|x) - log p(v) - log P(x|v), nats, `[B]`."""
  return (
    flows.noise_log_prob(values, images, SIGMA)
    - flow.log_prob(values)
    - flows.pixels(values, SIGMA).log_prob(images)
  )


def train(job: Job) -> tuple[flows.Flow, dict]:
  """Trains a flow in a run directory, or resumes its training.

  Returns:
    The flow, and the facts in `trained.json`: the last step, the seconds taken,
    and the NLL of training, validation and test images, nats.

  Raises:
    Stopped: A signal was received; the state is saved.
    UserError: A loss is not finite, or the disk is full.
  """
  config, execution, schedule = job.config, loop.Execution(), job.schedule
  with execution.strategy.scope():
    flow = make(config, job.dataset.image_shape, config.precision)
    optimizer = loop.make_optimizer(schedule, flow.trainable_variables)
  state = loop.State(job.run.checkpoints, flow, optimizer)
  exact = make(config, job.dataset.image_shape)  # Evaluation is in float32.
  path = job.run.path / 'trained.json'
  facts = directory.read_json(path)
  if not (state.restored and state.step == facts.get('step')):
    steps = loop.many_steps(
      _make_step(job, flow, optimizer), ('nll',), config.batch_size, execution
    )
    with _Observer(job, flow, schedule, state.step) as observer:
      loop.take(state, schedule, execution, steps, observer, job.signals)
    facts = {}
  for source, target in zip(
    flow.trainable_variables, exact.trainable_variables, strict=True
  ):
    target.assign(source)
  if not facts:
    facts = _facts(job, exact, state)
    write_atomically(path, json.dumps(facts, indent=2) + '\n')
  return exact, facts


def _facts(job, flow, state):
  """The content of `trained.json`."""
  facts = {
    'step': state.step,
    'train_seconds': round(float(state.seconds.numpy()), 1),
  }
  for name in ('train', 'validation', 'test'):
    images = getattr(job.dataset, name).images[:10_000]
    found = Estimate.of(negative_log_likelihoods(flow, images, job.config.seed))
    facts |= {f'{name}_nll': found.mean, f'{name}_nll_stderr': found.stderr}
    print(f'NLL of {name} images: {found} nats', flush=True)
  return facts


def _make_step(job, flow, optimizer) -> loop.Step:
  """A function that takes one step and returns the mean NLL, nats."""
  images = tf.constant(job.dataset.train.images)
  variables = list(flow.trainable_variables)

  def step(number, indices):
    batch = tf.cast(tf.gather(images, indices), tf.float32)
    seed = randomness.stateless_seed(job.config.seed, 'noise', number)
    values = flows.dequantize(batch, SIGMA, seed)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      loss = tf.reduce_mean(nll(flow, batch, values))
    loop.update(optimizer, variables, tape.gradient(loss, variables))
    return {'nll': loss}

  return step


def as_model(flow: flows.Flow, seed: tf.Tensor | int = 0):
  """A flow as a VAE without loss, for pictures: its code is f(v)."""
  shape = tf.constant([0, seed], tf.int32)

  def encoder(images):
    values = flows.dequantize(images, SIGMA, shape)
    return tfd.Independent(tfd.Deterministic(flow.bijector.forward(values)), 1)

  def decoder(codes):
    return flows.pixels(flow.bijector.inverse(codes), SIGMA)

  size = flow.size
  return types.SimpleNamespace(
    encoder=encoder,
    decoder=decoder,
    marginal=lambda: tfd.MultivariateNormalDiag(tf.zeros([size])),
  )


class _Observer(contextlib.ExitStack):
  """Shows the NLL on the terminal and in TensorBoard."""

  by_epoch = True  # It looks at validation images after each.

  def __init__(self, job: Job, flow, schedule: loop.Schedule, step: int):
    super().__init__()
    self._job, self._flow, self._schedule = job, flow, schedule
    self._progress = self.enter_context(
      Progress(job.run, schedule.batch_size, step, schedule.total)
    )
    self._writer = Writer(job.run, step, schedule.total)
    self._writer.picture(
      as_model(flow), job.dataset.test.images, job.config.seed
    )

  def after_call(
    self, step: int, values: Mapping[str, np.ndarray], seconds: float
  ) -> None:
    mean = values['nll'].mean()
    size = self._schedule.batch_size
    scalars = {
      'nll': mean,
      'learning_rate': self._schedule.rate(step),
      'images_per_second': len(values['nll']) * size / seconds,
    }
    text = f'NLL {mean:.2f}'
    if step % self._schedule.per_epoch == 0:
      images = self._job.dataset.validation.images[:SOME]
      losses = negative_log_likelihoods(
        self._flow, images, self._job.config.seed
      )
      scalars['validation_nll'] = losses.mean()
      text += f', of validation images {losses.mean():.2f}'
    self._progress.update(step, text)
    self._writer.add(step, scalars)

  def before_save(self, step: int) -> None:
    self._writer.flush(step)

  def after_save(self, step: int) -> None:
    del step
    self._progress.report()

  def enough(self) -> bool:
    return False
