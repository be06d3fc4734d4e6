"""Training: one step for every device, and the loop that can be killed.

The step minimises mean(D) + beta mean(R) with one draw of the codes for each
image. Everything random follows from (seed, step), so the loop may stop after
any step and go on from its checkpoint to the very same weights.
"""

import functools
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from vae_info import (
  checkpoints,
  conditioning,
  locks,
  model as models,
  objectives,
  provenance,
  randomness,
  summaries,
)
from vae_info.config import Config, UserError
from vae_info.datasets import Dataset
from vae_info.interruption import Signals, Stopped
from vae_info.paths import Path
from vae_info.progress import Progress

WARMUP_STEPS = 200


def learning_rate(
  config: Config, step: tf.Tensor, total_steps: int
) -> tf.Tensor:
  """The rate of Adam at `step`, a float32 scalar.

  `cosine`: a linear warm-up, then half a cosine down to 0. `paper`: constant
  for the first half, then linear to 0 (Alemi et al. 2018, appendix F).
  """
  step = tf.cast(step, tf.float32)
  done = step / total_steps
  if config.lr_schedule == 'paper':
    return config.learning_rate * tf.minimum(1.0, 2.0 * (1.0 - done))
  warmup = tf.minimum(1.0, (step + 1.0) / min(WARMUP_STEPS, total_steps))
  return config.learning_rate * warmup * 0.5 * (1.0 + tf.cos(np.pi * done))


def get_strategy(name: str, tpu: str = '') -> tf.distribute.Strategy:
  """The `tf.distribute` strategy for `auto`, `one_device`, `mirrored`, `tpu`.

  Raises:
    UserError: No TPU is found.
  """
  if name == 'tpu' or (name == 'auto' and tpu):
    try:
      resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
      tf.config.experimental_connect_to_cluster(resolver)
      tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
      raise UserError(
        f'no TPU at {tpu or "local"!r}; on a TPU machine this means that '
        'plain tensorflow is installed over tensorflow-tpu '
        f'({str(error).strip().splitlines()[0]})'
      ) from error
    return tf.distribute.TPUStrategy(resolver)
  gpus = len(tf.config.list_logical_devices('GPU'))
  if name == 'mirrored' or (name == 'auto' and gpus > 1):
    kind = 'GPU' if gpus else 'CPU'
    devices = tf.config.list_logical_devices(kind)
    # The models are small, and this way of adding up gradients always works:
    # collectives inside a loop were seen to meet in different orders.
    return tf.distribute.MirroredStrategy(
      [device.name for device in devices],
      cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
  return tf.distribute.OneDeviceStrategy('/GPU:0' if gpus else '/CPU:0')


def order(
  config: Config, num_examples: int, first_step: int, num_steps: int
) -> np.ndarray:
  """Which images each step sees: int32 `[num_steps, batch_size]`.

  Each epoch is a fresh permutation, without its last incomplete batch.
  """
  per_epoch = config.steps_per_epoch(num_examples)
  rows = []
  for step in range(first_step, first_step + num_steps):
    epoch, batch = divmod(step, per_epoch)
    shuffled = _permutation(config.seed, epoch, num_examples)
    start = batch * config.batch_size
    rows.append(shuffled[start : start + config.batch_size])
  return np.stack(rows)


@functools.lru_cache(maxsize=2)
def _permutation(seed, epoch, num_examples):
  rng = randomness.generator(seed, 'order of images', epoch)
  return rng.permutation(num_examples).astype(np.int32)


def make_optimizer(
  config: Config, variables: list[tf.Variable], total_steps: int
):
  """Adam with the schedule; its state is made at once, to be restored."""
  # The legacy class, since its update is one fused kernel for each variable:
  # on a CPU the current one takes ten passes over the weights.
  optimizer = tf_keras.optimizers.legacy.Adam(
    lambda: learning_rate(config, optimizer.iterations, total_steps)
  )
  optimizer._create_all_weights(variables)
  return optimizer


def make_replica_step(
  config: Config,
  model: tf.Module,
  optimizer,
  images: tf.Variable,
  replicas: int,
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
  """One step, as each of `replicas` devices takes it in `strategy.run`.

  Returns:
    A function of the step's number and the whole batch's indices,
    `[batch_size]`, that updates the weights and gives this replica's mean
    rate and distortion.
  """
  annealing_steps = config.kl_annealing_epochs * config.steps_per_epoch(
    images.shape[0]
  )

  def replica_step(step, indices):
    context = tf.distribute.get_replica_context()
    replica = context.replica_id_in_sync_group
    mine = tf.reshape(indices, [replicas, -1])[replica]
    batch = tf.gather(images, mine)
    if config.binarization == 'dynamic':
      batch = _draw_pixels(config.seed, step, batch, replica, replicas)
    batch = tf.cast(batch, tf.float32)
    seed = randomness.stateless_seed(config.seed, 'codes', step)
    networks, beta, weights = model, config.beta, None
    if config.beta_range:
      log_betas = _draw_log_betas(config, model, step, replica, replicas)
      condition = conditioning.features(config, log_betas)
      networks = conditioning.ModelAt(model, condition)
      beta = tf.exp(log_betas)
      weights = conditioning.weights(beta)
    if annealing_steps:
      beta *= tf.minimum(1.0, tf.cast(step, tf.float32) / annealing_steps)
    variables = list(model.trainable_variables)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      encoding = networks.encoder(batch)
      # Draws for the whole batch, of which this replica takes its own: so the
      # result does not depend on how many replicas there are.
      codes = encoding.sample(replicas, seed=seed)
      rates = objectives.rate(codes, encoding, networks.marginal())[replica]
      likelihood = networks.decoder(codes[replica])
      distortions = objectives.distortion(batch, likelihood)
      rate, distortion = tf.reduce_mean(rates), tf.reduce_mean(distortions)
      if config.free_nats:
        everyones = context.all_reduce(tf.distribute.ReduceOp.MEAN, rate)
        beta *= tf.cast(everyones > config.free_nats, tf.float32)
      loss = objectives.loss(rates, distortions, beta, weights) / replicas
    _update(optimizer, variables, tape.gradient(loss, variables))
    return rate, distortion

  return replica_step


def _draw_log_betas(config, model, step, replica, replicas):
  """Log betas of a replica's examples, which are a part of the batch's."""
  distinct = getattr(model.marginal, 'distinct_betas', config.batch_size)
  seed = randomness.stateless_seed(config.seed, 'betas', step)
  log_betas = conditioning.draw_log_betas(config, seed, distinct)
  return tf.reshape(log_betas, [replicas, -1])[replica]


def _draw_pixels(seed, step, intensities, replica, replicas):
  """Draws each pixel as Bernoulli(intensity / 255): booleans, same shape.

  As for the codes, draws are for the whole batch, of which a replica takes its
  own.
  """
  shape = [replicas, *intensities.shape]
  seed = randomness.stateless_seed(seed, 'pixels', step)
  thresholds = tf.random.stateless_uniform(shape, seed, 0, 255, tf.int32)
  return thresholds[replica] < tf.cast(intensities, tf.int32)


def _update(optimizer, variables, gradients):
  """Adam on normalised gradients, summed over replicas.

  Normalised as in Alemi et al. (2018), appendix F, but all together: one wild
  batch moves the weights no further than any other.
  """
  pairs = [
    (gradient, variable)
    for gradient, variable in zip(gradients, variables, strict=True)
    if gradient is not None  # A network of the user's may leave some out.
  ]
  gradients, variables = zip(*pairs, strict=True)
  gradients = tf.distribute.get_replica_context().all_reduce(
    tf.distribute.ReduceOp.SUM, gradients
  )
  norm = tf.linalg.global_norm(gradients)
  optimizer.apply_gradients(
    [(g / norm, v) for g, v in zip(gradients, variables, strict=True)],
    experimental_aggregate_gradients=False,
  )


def make_train_steps(
  config: Config,
  model: tf.Module,
  optimizer,
  images: tf.Variable,
  strategy: tf.distribute.Strategy,
  jit_compile: bool = False,
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
  """Compiles many steps into one call.

  Args:
    config: Of the run.
    model: As `model.build` makes it, in the strategy's scope.
    optimizer: As `make_optimizer` makes it, in the strategy's scope.
    images: uint8 `[N, H, W, 1]`, the training split, on the device: 0 and 1,
      or intensities 0..255 if the config's binarization is dynamic.
    strategy: Splits each batch evenly over its replicas.
    jit_compile: Whether XLA compiles the step. On CPUs it is slower.

  Returns:
    A function of the first step's number, int32, and of `order`'s rows,
    `[K, batch_size]`, that gives mean rate and distortion of each step, `[K]`.

  Raises:
    UserError: The batch cannot be split evenly.
  """
  replicas = strategy.num_replicas_in_sync
  if config.batch_size % replicas:
    raise UserError(
      f'batch_size must be a multiple of the {replicas} devices, '
      f'got {config.batch_size}'
    )
  distinct = getattr(model.marginal, 'distinct_betas', 1)
  if config.beta_range and config.batch_size // replicas % distinct:
    raise UserError(
      f'batch_size must be a multiple of the {replicas} devices times the '
      f'{distinct} betas that {config.marginal} has in a step, '
      f'got {config.batch_size}'
    )
  replica_step = make_replica_step(config, model, optimizer, images, replicas)
  if jit_compile:
    replica_step = tf.function(replica_step, jit_compile=True)

  @tf.function
  def train_steps(first_step, indices):
    count = tf.shape(indices)[0]
    rates = tf.TensorArray(tf.float32, count)
    distortions = tf.TensorArray(tf.float32, count)
    for i in tf.range(count):
      batch = tf.ensure_shape(indices[i], [config.batch_size])
      results = strategy.run(replica_step, args=(first_step + i, batch))
      rate, distortion = (
        strategy.reduce(tf.distribute.ReduceOp.MEAN, result, axis=None)
        for result in results
      )
      rates = rates.write(i, rate)
      distortions = distortions.write(i, distortion)
    return rates.stack(), distortions.stack()

  return train_steps


def train(
  config: Config,
  dataset: Dataset,
  run: Path,
  strategy: tf.distribute.Strategy | None = None,
  jit_compile: bool = False,
  steps_per_call: int = 50,
  checkpoint_minutes: float = 1.0,
) -> None:
  """Trains in the run directory `run`, or goes on where it was left.

  Args:
    config: Of the run.
    dataset: Its train split is learned; its test split is only pictured.
    run: Is made if need be.
    strategy: By default one device.
    jit_compile: As of `make_train_steps`.
    steps_per_call: Steps in one call of the device; a signal waits for it.
    checkpoint_minutes: Between checkpoints; 0 writes one after every call.

  Raises:
    UserError: The directory is in use or has another config, a loss is not
      finite, or the disk is full.
    Stopped: By SIGTERM or SIGINT, after saving.
  """
  version = provenance.version()  # Of the code that runs, not a later one.
  strategy = strategy or get_strategy('one_device')
  checkpoints.open_run(run, config)
  with locks.lock(run), Signals() as signals:
    if checkpoints.is_finished(run):
      return  # By another process, just before it was locked here.
    step, seconds = _train_to_the_end(
      config,
      dataset,
      run,
      strategy,
      jit_compile,
      steps_per_call,
      checkpoint_minutes,
      signals,
    )
    checkpoints.finish(
      run,
      {
        'step': step,
        'train_seconds': round(seconds, 1),
        'device': provenance.device(),
        'strategy': type(strategy).__name__,
        'jit_compile': jit_compile,
        'version': version,
        'tensorflow': tf.__version__,
      },
    )


def _train_to_the_end(
  config,
  dataset,
  run,
  strategy,
  jit_compile,
  steps_per_call,
  checkpoint_minutes,
  signals,
):
  """`train`, within the lock; returns the last step and the seconds taken."""
  total = config.total_steps(len(dataset.train.images))
  with strategy.scope():
    model = models.build(config, dataset.train.images)
    optimizer = make_optimizer(config, model.trainable_variables, total)
    # A variable, so that each device has its copy.
    images = tf.Variable(_pixels(config, dataset), trainable=False)
  seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
  manager = _restore(run, model=model, optimizer=optimizer, seconds=seconds)
  train_steps = make_train_steps(
    config, model, optimizer, images, strategy, jit_compile
  )
  step = int(optimizer.iterations.numpy())
  writer = summaries.Writer(run, config, model, dataset, step)
  saved = time.monotonic()
  with Progress(config, run, step, total) as progress:
    while step < total:
      started = time.monotonic()
      count = min(steps_per_call, total - step)
      rates, distortions = train_steps(
        tf.constant(step, tf.int32),
        tf.constant(order(config, images.shape[0], step, count)),
      )
      rates, distortions = rates.numpy(), distortions.numpy()
      _check_finite(step, rates, distortions, manager)
      step += count
      took = time.monotonic() - started
      seconds.assign_add(took)
      progress.update(count, rates.mean(), distortions.mean())
      scalars = {
        'rate': rates.mean(),
        'distortion': distortions.mean(),
        'learning_rate': learning_rate(config, step, total),
        'images_per_second': count * config.batch_size / took,
      }
      if not config.beta_range:
        scalars['loss'] = distortions.mean() + config.beta * rates.mean()
      writer.add(step, scalars)
      due = time.monotonic() - saved >= 60.0 * checkpoint_minutes
      if due or step == total or signals.received:
        # Before the checkpoint: what is written twice can be dropped, what is
        # missing cannot be found.
        writer.flush(step, total)
        checkpoints.save(manager, step)
        progress.report()
        saved = time.monotonic()
      if signals.received and step < total:
        raise Stopped(signals.received)
  return step, float(seconds.numpy())


def _pixels(config, dataset):
  """What lies on the device: intensities if they are drawn for each step."""
  if config.binarization != 'dynamic':
    return dataset.train.images
  if dataset.train_intensities is None:
    raise UserError(f'{dataset.name} was loaded without intensities')
  return dataset.train_intensities


def _restore(run, **objects):
  """Restores the newest checkpoint, if any; returns what writes the next."""
  checkpoint = tf.train.Checkpoint(**objects)
  directory = run / 'checkpoints'
  checkpoints.restore_newest(checkpoint, directory, partial=False)
  return tf.train.CheckpointManager(checkpoint, str(directory), max_to_keep=2)


def _check_finite(first_step, rates, distortions, manager):
  """Raises `UserError` naming the first step with a NaN or an infinity."""
  for name, values in (('rate', rates), ('distortion', distortions)):
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
      raise UserError(
        f'the {name} is {values[bad[0]]} at step {first_step + bad[0]}; the '
        f'last good checkpoint is kept: {manager.latest_checkpoint}. A lower '
        '--learning_rate may help'
      )
