"""Training a beta-VAE: the step that each device takes, and what is shown.

The step minimises mean(D) + beta mean(R), with one code drawn for each image.
In a multi-beta model each image of a step has a beta of its own; see
`networks/conditioning.py`.
"""

import contextlib
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from vae_info import loop, objectives, randomness
from vae_info.config import Config
from vae_info.datasets import Dataset
from vae_info.errors import UserError
from vae_info.loop import Execution, Schedule, State
from vae_info.networks import conditioning, model as models
from vae_info.runs import Run, provenance
from vae_info.runs.interruption import Signals
from vae_info.runs.progress import Progress
from vae_info.runs.summaries import Writer

SCALARS = ('rate', 'distortion')  # What a step returns.


def train(
  config: Config,
  dataset: Dataset,
  run: Run,
  execution: Execution | None = None,
) -> None:
  """Trains a model in a run directory, or resumes its training.

  Args:
    config: What to train, and how.
    dataset: Its train split is learned. Its test split is only pictured.
    run: The run directory; it is made if there is none.
    execution: How to run the steps; by default on one device.

  Raises:
    UserError: The directory is in use or has another config, the batch cannot
      be split evenly, a loss is not finite, or the disk is full.
    Stopped: SIGTERM or SIGINT came. The state was saved before.
  """
  version = provenance.version()  # Now, since files may change meanwhile.
  execution = execution or Execution()
  run.open(config)
  with run.lock(), Signals() as signals:
    if run.finished:
      return  # Another process finished it just before it was locked here.
    state = _train_to_the_end(config, dataset, run, execution, signals)
    run.finish(
      {
        'step': state.step,
        'train_images': list(dataset.train.images.shape),
        'train_seconds': round(float(state.seconds.numpy()), 1),
        'device': provenance.device(),
        'strategy': type(execution.strategy).__name__,
        'jit_compile': execution.jit_compile,
        'version': version,
        'tensorflow': tf.__version__,
      }
    )


def _train_to_the_end(
  config: Config,
  dataset: Dataset,
  run: Run,
  execution: Execution,
  signals: Signals,
) -> State:
  """Does the work of `train` while the run is locked."""
  schedule = Schedule.of(config, len(dataset.train.images))
  with execution.strategy.scope():
    model = models.build(config, dataset.train.images)
    optimizer = loop.make_optimizer(schedule, model.trainable_variables)
    # A variable, so that each device has a copy.
    images = tf.Variable(_pixels(config, dataset), trainable=False)
  state = State(run.checkpoints, model, optimizer)
  steps = make_steps(config, model, optimizer, images, execution)
  with _Observer(config, run, schedule, state.step) as observer:
    observer.picture(model, dataset)
    loop.take(state, schedule, execution, steps, observer, signals)
  return state


def _pixels(config: Config, dataset: Dataset) -> np.ndarray:
  """Training images to keep on the device, uint8 `[N, H, W, 1]`.

  They are intensities if each step draws its pixels from them.
  """
  if config.binarization != 'dynamic':
    return dataset.train.images
  if dataset.train_intensities is None:
    raise UserError(f'{dataset.name} was loaded without intensities')
  return dataset.train_intensities


class _Observer(contextlib.ExitStack):
  """Shows the progress of a training on the terminal and in TensorBoard."""

  by_epoch = False

  def __init__(self, config: Config, run: Run, schedule: Schedule, step: int):
    super().__init__()
    self._config, self._schedule = config, schedule
    self._progress = self.enter_context(
      Progress(run, config.batch_size, step, schedule.total)
    )
    self._writer = Writer(run, step, schedule.total)

  def picture(self, model: models.Model, dataset: Dataset) -> None:
    """Gives the writer a model and the test images to picture."""
    self._writer.picture(
      # A multi-beta model is pictured at the middle of its range.
      model.at(conditioning.middle(self._config)),
      dataset.test.images,
      self._config.seed,
    )

  def after_call(
    self, step: int, values: Mapping[str, np.ndarray], seconds: float
  ) -> None:
    config, images = self._config, len(values['rate']) * self._config.batch_size
    scalars = {name: value.mean() for name, value in values.items()}
    text = f'R {scalars["rate"]:.2f}  D {scalars["distortion"]:.2f}'
    if not config.beta_range:  # Else the means are over betas too.
      loss = scalars['distortion'] + config.beta * scalars['rate']
      scalars['loss'] = loss
      text += f'  loss {loss:.2f}'
    scalars['learning_rate'] = self._schedule.rate(step)
    scalars['images_per_second'] = images / seconds
    self._progress.update(step, text)
    self._writer.add(step, scalars)

  def before_save(self, step: int) -> None:
    # A kill may come between the two. Scalars that are written twice can be
    # dropped, but missing ones cannot be restored.
    self._writer.flush(step)

  def after_save(self, step: int) -> None:
    del step
    self._progress.report()

  def enough(self) -> bool:
    return False


def make_steps(
  config: Config,
  model: models.Model,
  optimizer,
  images: tf.Variable,
  execution: Execution,
) -> loop.Steps:
  """Compiles many steps into one call.

  Args:
    config: What to train, and how.
    model: Made by `model.build` in the strategy's scope.
    optimizer: Made by `loop.make_optimizer` in the strategy's scope.
    images: The training split on the device, uint8 `[N, H, W, 1]`: 0 and 1, or
      intensities 0 to 255 if the config's binarization is dynamic.
    execution: The strategy, and whether XLA compiles the step.

  Returns:
    A function of the first step's number, int32, and of the rows of
    `Schedule.order`, `[K, batch_size]`. It returns 'rate' and 'distortion' of
    each step, nats, `[K]`.

  Raises:
    UserError: The batch cannot be split evenly over devices and betas.
  """
  replicas = execution.strategy.num_replicas_in_sync
  betas = model.betas_in_a_batch
  if config.beta_range and betas and config.batch_size // replicas % betas:
    raise UserError(
      f'batch_size must be a multiple of the {replicas} devices times the '
      f'{betas} betas that {config.marginal} allows in a step, '
      f'got {config.batch_size}'
    )
  step = make_replica_step(config, model, optimizer, images, replicas)
  return loop.many_steps(step, SCALARS, config.batch_size, execution)


def make_replica_step(
  config: Config,
  model: models.Model,
  optimizer,
  images: tf.Variable,
  replicas: int,
) -> loop.Step:
  """One step, as each of `replicas` devices takes it in `strategy.run`.

  Returns:
    A function of the step's number and the whole batch's indices,
    `[batch_size]`. It updates the weights, and returns this replica's mean
    rate and distortion, nats.
  """
  batch_of = _make_batch(config, images, replicas)
  at_betas = _make_betas(config, model, images, replicas)

  def replica_step(step, indices):
    # 1. This replica's share of the batch, and of its betas.
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group
    batch = batch_of(step, indices, replica)
    networks, beta, weights = at_betas(step, replica)
    variables = list(model.trainable_variables)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      # 2. Codes. Each replica draws those of the whole batch and uses its own.
      # So the result does not depend on how many replicas there are.
      encoding = networks.encoder(batch)
      seed = randomness.stateless_seed(config.seed, 'codes', step)
      codes = encoding.sample(replicas, seed=seed)
      # 3. Rate and distortion of each image, then the loss.
      rates, distortions = objectives.rate_and_distortion(
        networks, batch, encoding, codes, replica
      )
      rate, distortion = tf.reduce_mean(rates), tf.reduce_mean(distortions)
      if config.free_nats:
        # The rate of the whole batch decides, for all replicas alike.
        whole = context.all_reduce(tf.distribute.ReduceOp.MEAN, rate)
        beta *= tf.cast(whole > config.free_nats, tf.float32)
      loss = objectives.loss(rates, distortions, beta, weights) / replicas
    # 4. Gradients, summed over replicas.
    update(optimizer, variables, tape.gradient(loss, variables))
    return {'rate': rate, 'distortion': distortion}

  return replica_step


def _make_batch(
  config: Config, images: tf.Variable, replicas: int
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
  """Makes a function that returns a replica's images.

  They are float32 `[B, H, W, 1]` in {0, 1}.
  """

  def batch_of(step, indices, replica):
    mine = tf.reshape(indices, [replicas, -1])[replica]
    batch = tf.gather(images, mine)
    if config.binarization == 'dynamic':
      batch = _draw_pixels(config.seed, step, batch, replica, replicas)
    return tf.cast(batch, tf.float32)

  return batch_of


def _draw_pixels(seed, step, intensities, replica, replicas):
  """Draws each pixel as Bernoulli(intensity / 255): booleans, same shape.

  As with codes, each replica draws for the whole batch and uses its own.
  """
  shape = [replicas, *intensities.shape]
  seed = randomness.stateless_seed(seed, 'pixels', step)
  thresholds = tf.random.stateless_uniform(shape, seed, 0, 255, tf.int32)
  return thresholds[replica] < tf.cast(intensities, tf.int32)


def _make_betas(
  config: Config, model: models.Model, images: tf.Variable, replicas: int
) -> Callable:
  """Makes a function that returns a replica's networks, betas and weights.

  At one beta it returns the model, a number and None. For a range of betas it
  returns the model at the images' betas, these betas `[B]`, and weights `[B]`.
  """
  schedule = Schedule.of(config, images.shape[0])
  annealing_steps = config.kl_annealing_epochs * schedule.per_epoch

  def at_betas(step, replica):
    networks, beta, weights = model, config.beta, None
    if config.beta_range:
      seed = randomness.stateless_seed(config.seed, 'betas', step)
      distinct = model.betas_in_a_batch or config.batch_size
      log_betas = conditioning.draw_log_betas(
        config.beta_range, config.batch_size, seed, distinct
      )
      # As with codes, each replica draws for the whole batch and uses its own.
      log_betas = tf.reshape(log_betas, [replicas, -1])[replica]
      networks, beta = model.for_batch(log_betas), tf.exp(log_betas)
      weights = conditioning.weights(beta)
    if annealing_steps:
      beta *= tf.minimum(1.0, tf.cast(step, tf.float32) / annealing_steps)
    return networks, beta, weights

  return at_betas


def update(
  optimizer, variables: list[tf.Variable], gradients: list[tf.Tensor | None]
) -> None:
  """Takes a step of Adam on gradients, summed over replicas and normalised.

  Alemi et al. (2018), appendix F, normalise gradients too. Here one norm is
  taken over all of them. So one wild batch moves the weights no further than
  any other.

  Args:
    optimizer: Made by `loop.make_optimizer`.
    variables: The weights.
    gradients: This replica's gradient of each variable, or None.
  """
  pairs = [
    (gradient, variable)
    for gradient, variable in zip(gradients, variables, strict=True)
    if gradient is not None  # A user's network may not use it.
  ]
  used, moved = zip(*pairs, strict=True)
  sums = tf.distribute.get_replica_context().all_reduce(
    tf.distribute.ReduceOp.SUM, used
  )
  norm = tf.linalg.global_norm(sums)
  optimizer.apply_gradients(
    [(g / norm, v) for g, v in zip(sums, moved, strict=True)],
    experimental_aggregate_gradients=False,
  )
