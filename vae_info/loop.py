"""The loop of every training: many steps in one call, and safe to kill.

A step is a function of its number and of the indices of its batch. All its
random draws follow from these and the seed. So the loop may stop after any
step. Resumed from its checkpoint, it reaches the very same weights.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
import tf_keras

from vae_info import randomness
from vae_info.config import Config
from vae_info.devices import get_strategy
from vae_info.errors import UserError
from vae_info.runs import checkpoints
from vae_info.runs.interruption import Signals
from vae_info.runs.paths import Path

WARMUP_STEPS = 200
CALL_SECONDS = 1.0  # A call aims at this length, unless its steps are given.
MEAN = tf.distribute.ReduceOp.MEAN

# One step on each replica: (number, indices `[batch_size]`) -> scalars by name.
Step = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]
# K steps: (first number, indices `[K, batch_size]`) -> scalars `[K]` by name.
Steps = Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Schedule:
  """Which images each step sees, and how far it moves the weights.

  Attributes:
    num_examples: Number of training images.
    batch_size: Images in a step, over all devices.
    epochs: Passes over the images; None if `steps` is given.
    steps: Steps in all; None if `epochs` is given.
    seed: Determines the order of images.
    learning_rate: The largest learning rate of Adam.
    decay: 'cosine' or 'paper'; see `rate`.

  Raises:
    UserError: There are fewer images than a batch has.
  """

  num_examples: int
  batch_size: int
  epochs: float | None
  steps: int | None
  seed: int
  learning_rate: float
  decay: str = 'cosine'

  def __post_init__(self):
    if self.batch_size > self.num_examples:
      raise UserError(
        f'batch_size {self.batch_size} is larger than the {self.num_examples} '
        'training images'
      )

  @classmethod
  def of(cls, config: Config, num_examples: int) -> 'Schedule':
    """The schedule of a config, for a number of training images."""
    assert config.learning_rate is not None  # Its default is filled in.
    return cls(
      num_examples=num_examples,
      batch_size=config.batch_size,
      epochs=config.epochs,
      steps=config.steps,
      seed=config.seed,
      learning_rate=config.learning_rate,
      decay=config.lr_schedule,
    )

  @property
  def per_epoch(self) -> int:
    """Whole batches in one pass. It leaves the few other images out."""
    return self.num_examples // self.batch_size

  @property
  def total(self) -> int:
    """Steps in all."""
    if self.steps is not None:
      return self.steps
    assert self.epochs is not None  # One of the two is given.
    return max(1, round(self.epochs * self.per_epoch))

  def rate(self, step: tf.Tensor | int) -> tf.Tensor:
    """Adam's learning rate at `step`, a float32 scalar.

    `cosine`: a linear warm-up, then half a cosine down to 0. `paper`: constant
    for the first half, then linear to 0 (Alemi et al. 2018, appendix F).
    """
    step = tf.cast(step, tf.float32)
    done = step / self.total
    if self.decay == 'paper':
      return self.learning_rate * tf.minimum(1.0, 2.0 * (1.0 - done))
    warmup = tf.minimum(1.0, (step + 1.0) / min(WARMUP_STEPS, self.total))
    return self.learning_rate * warmup * 0.5 * (1.0 + tf.cos(np.pi * done))

  def order(self, first: int, count: int) -> np.ndarray:
    """Indices of the images of `count` steps, from step `first` on.

    Each epoch has a new permutation of the images.

    Returns:
      int32 `[count, batch_size]`.
    """
    rows = []
    for step in range(first, first + count):
      epoch, batch = divmod(step, self.per_epoch)
      shuffled = _permutation(self.seed, epoch, self.num_examples)
      start = batch * self.batch_size
      rows.append(shuffled[start : start + self.batch_size])
    return np.stack(rows)


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, num_examples: int) -> np.ndarray:
  """The order of the images in one epoch, int32 `[num_examples]`."""
  rng = randomness.generator(seed, 'order of images', epoch)
  return rng.permutation(num_examples).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Execution:
  """How steps are run: this changes the speed, and only last digits of results.

  Attributes:
    strategy: Splits each batch evenly over its replicas.
    jit_compile: Whether XLA compiles the step. On CPUs that is slower.
    steps_per_call: Steps in one call of the device. A signal waits for the
      call to end. None for as many as take about a second.
    checkpoint_minutes: Minutes between checkpoints; 0 saves after every call.
    shards: The most shares into which a replica's part of a batch is cut. Each
      share keeps one core busy.
  """

  strategy: tf.distribute.Strategy = dataclasses.field(
    default_factory=lambda: get_strategy('one_device')
  )
  jit_compile: bool = False
  steps_per_call: int | None = None
  checkpoint_minutes: float = 1.0
  shards: int = 1

  def check(self, batch_size: int) -> None:
    """Raises `UserError` if a batch cannot be split evenly over devices."""
    replicas = self.strategy.num_replicas_in_sync
    if batch_size % replicas:
      raise UserError(
        f'batch_size must be a multiple of the {replicas} devices, '
        f'got {batch_size}'
      )

  def shards_of(self, batch_size: int, betas: int | None = None) -> int:
    """How many equal shares a replica's part of a batch is cut into.

    Args:
      batch_size: Images in a step, over all replicas.
      betas: The number of different betas in a batch, which come in blocks of
        equal size; None for no restriction. Either each share has whole blocks,
        or each block has whole shares.
    """
    size = batch_size // self.strategy.num_replicas_in_sync
    betas = betas or 1

    def fits(shards):
      return not size % shards and not (shards % betas and betas % shards)

    return next(n for n in range(self.shards, 0, -1) if fits(n))


def make_optimizer(schedule: Schedule, variables: list[tf.Variable]):
  """Adam with the schedule's learning rate, for these variables.

  Its state is made at once, so that a checkpoint can restore it.
  """
  # The legacy class updates each variable by one fused kernel. On a CPU the
  # current class takes ten passes over the weights.
  optimizer = tf_keras.optimizers.legacy.Adam(
    lambda: schedule.rate(optimizer.iterations)
  )
  optimizer._create_all_weights(variables)
  return optimizer


def update(
  optimizer,
  variables: list[tf.Variable],
  gradients: list[tf.Tensor | None],
  decay: tf.Tensor | float = 0.0,
) -> None:
  """Takes a step of Adam on gradients, summed over replicas and normalised.

  Alemi et al. (2018), appendix F, normalise gradients too. Here one norm is
  taken over all of them. So one wild batch moves the weights no further than
  any other.

  Args:
    optimizer: Made by `make_optimizer`.
    variables: The weights.
    gradients: This replica's gradient of each variable, or None.
    decay: The share by which the kernels of layers shrink, apart from the
      gradient (Loshchilov & Hutter 2019). Biases and free variables do not.
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
  for variable in moved if tf.is_tensor(decay) or decay else ():
    if variable.name.startswith('kernel'):
      variable.assign_sub(decay * variable)
  optimizer.apply_gradients(
    [(g / norm, v) for g, v in zip(sums, moved, strict=True)],
    experimental_aggregate_gradients=False,
  )


class State:
  """What a checkpoint holds. It starts from the newest one, if there is any.

  Attributes:
    seconds: Time spent on steps so far, a float64 variable.
    restored: Whether there was a checkpoint.
  """

  def __init__(self, directory: Path, model: tf.Module, optimizer, **more):
    self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
    checkpoint = tf.train.Checkpoint(
      model=model, optimizer=optimizer, seconds=self.seconds, **more
    )
    path = checkpoints.restore_newest(checkpoint, directory, partial=False)
    self.restored = path is not None
    self._optimizer = optimizer
    self._manager = tf.train.CheckpointManager(
      checkpoint, str(directory), max_to_keep=2
    )

  @property
  def step(self) -> int:
    """Number of steps taken."""
    return int(self._optimizer.iterations.numpy())

  def save(self) -> None:
    """Writes a checkpoint.

    Raises:
      UserError: A weight is not finite, or the checkpoint cannot be written.
    """
    checkpoints.save(self._manager, self.step)

  @property
  def newest(self) -> str | None:
    """The path of the newest checkpoint; None if there is none."""
    return self._manager.latest_checkpoint


class Observer(Protocol):
  """Watches the loop, and may end it.

  Attributes:
    by_epoch: Whether a call ends where an epoch does.
  """

  by_epoch: bool

  def after_call(
    self, step: int, values: Mapping[str, np.ndarray], seconds: float
  ) -> None:
    """Is called after each call of the device.

    Args:
      step: Number of steps taken.
      values: Scalars of the K steps of this call, by name, `[K]` each.
      seconds: How long the call took.
    """

  def before_save(self, step: int) -> None:
    """Is called before each checkpoint."""

  def after_save(self, step: int) -> None:
    """Is called after each checkpoint."""

  def enough(self) -> bool:
    """Returns whether to end before the schedule does."""


def many_steps(
  step: Step, names: Sequence[str], batch_size: int, execution: Execution
) -> Steps:
  """Compiles many steps into one call.

  Args:
    step: One step, as each replica takes it in `strategy.run`.
    names: Names of the scalars that it returns. They are averaged over
      replicas.
    batch_size: Images in a step, over all replicas.
    execution: The strategy, and whether XLA compiles the step.

  Raises:
    UserError: The batch cannot be split evenly.
  """
  execution.check(batch_size)
  strategy = execution.strategy
  if execution.jit_compile:
    step = tf.function(step, jit_compile=True, autograph=False)

  @tf.function(
    input_signature=[
      tf.TensorSpec([], tf.int32),
      tf.TensorSpec([None, batch_size], tf.int32),
    ],
    autograph=False,  # It would read the source of every network.
  )
  def steps(first, indices):
    count = tf.shape(indices)[0]
    arrays = [tf.TensorArray(tf.float32, count) for _ in names]

    def one(i, arrays):
      scalars = strategy.run(step, args=(first + i, indices[i]))
      means = [strategy.reduce(MEAN, scalars[name], None) for name in names]
      written = zip(arrays, means, strict=True)
      return i + 1, [array.write(i, mean) for array, mean in written]

    _, arrays = tf.while_loop(lambda i, _: i < count, one, (0, arrays))
    stacked = [array.stack() for array in arrays]
    return dict(zip(names, stacked, strict=True))

  return steps


def take(
  state: State,
  schedule: Schedule,
  execution: Execution,
  steps: Steps,
  observer: Observer,
  signals: Signals,
) -> int:
  """Takes steps until the schedule ends, or the observer has enough.

  Returns:
    Number of steps taken.

  Raises:
    UserError: A value is not finite, or the disk is full.
    Stopped: A signal came. The state was saved before.
  """
  step, saved = state.step, time.monotonic()
  pace = _Pace(execution.steps_per_call)
  while step < schedule.total and not observer.enough():
    # 1. The steps of one call; in the same epoch if the observer asks.
    started = time.monotonic()
    count = min(pace.steps, schedule.total - step)
    if observer.by_epoch:
      count = min(count, schedule.per_epoch - step % schedule.per_epoch)
    order = tf.constant(schedule.order(step, count))
    tensors = steps(tf.constant(step, tf.int32), order)
    values = {name: tensor.numpy() for name, tensor in tensors.items()}
    _check_finite(step, values, state)
    # 2. The time it took, which sets the next call's steps.
    step += count
    seconds = time.monotonic() - started
    state.seconds.assign_add(seconds)
    pace.update(count, seconds)
    observer.after_call(step, values, seconds)
    # 3. A checkpoint at the end, on a signal, or when it is time.
    last = step == schedule.total or observer.enough()
    waited = time.monotonic() - saved
    if last or signals.received or waited >= 60 * execution.checkpoint_minutes:
      observer.before_save(step)
      state.save()
      observer.after_save(step)
      saved = time.monotonic()
    if not last:
      signals.check()
  return step


class _Pace:
  """How many steps the next call takes: a given number, or a second's worth.

  What is learned does not depend on it.
  """

  def __init__(self, given: int | None):
    self.steps = given or 1
    self._fixed = given is not None
    self._compiled = False

  def update(self, count: int, seconds: float) -> None:
    """Adapts the pace to a call of `count` steps that took `seconds`."""
    if self._fixed:
      return
    if self._compiled:  # The first call also compiles: it is not timed.
      steps = round(count * CALL_SECONDS / seconds)
      self.steps = min(max(steps, 1), 4 * self.steps)
    self._compiled = True


def _check_finite(
  first: int, values: Mapping[str, np.ndarray], state: State
) -> None:
  """Raises `UserError` if a value is not finite. It names the first such step.

  Args:
    first: Number of the first step.
    values: Scalars of K steps, by name, `[K]` each.
    state: Has the newest checkpoint, which the error names.
  """
  for name, numbers in values.items():
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
      raise UserError(
        f'the {name} is {numbers[bad[0]]} at step {first + bad[0]}; the last '
        f'good checkpoint is kept: {state.newest}. A lower --learning_rate may '
        'help'
      )
