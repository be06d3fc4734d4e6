"""The supervised network on images, as far as C can fall with all of x.

The paper's, for binarized MNIST: five 5x5 convolutions of depth 64, 2x2 max
pooling and dropout after the third and the fifth, then a classifier with two
layers of 200 units. ReLU after the convolutions and Adam with a cosine schedule
are ours; the paper gives neither.

A run can be stopped after any step, as in `training.py`, and on the same
machine goes on to the very same weights.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf
import tqdm

from vae_info import (
  checkpoints,
  classifiers,
  evaluation,
  layers,
  objectives,
  randomness,
  training,
)
from vae_info.baseline_config import BaselineConfig
from vae_info.config import Config, UserError
from vae_info.datasets import Dataset
from vae_info.interruption import Signals, Stopped
from vae_info.paths import Path, write_atomically

PATIENCE = 3  # Epochs without a better C on validation images.
STEPS_PER_CALL = 10
CHECKPOINT_SECONDS = 60.0


class Network(tf.Module):
  """Images `[B, H, W, 1]` of 0 and 1 -> logits `[B, num_classes]`."""

  def __init__(
    self,
    config: BaselineConfig,
    image_shape: tuple[int, int, int],
    num_classes: int,
  ):
    super().__init__()
    rng = randomness.generator(config.seed, 'supervised weights')
    height, width, channels = image_shape
    self.convolutions = []
    for _ in range(5):
      self.convolutions.append(
        layers.Conv(channels, config.depth, 5, rng, gain=np.sqrt(2.0))
      )
      channels = config.depth
    features = -(-height // 4) * -(-width // 4) * channels
    self.head = classifiers.Mlp(
      features, num_classes, config.classifier_hidden, rng
    )
    self._dropout = config.dropout

  def logits(
    self,
    images: tf.Tensor,
    seed: tf.Tensor | None = None,
    dtype: str = 'float32',
  ) -> tf.Tensor:
    """Float32 logits.

    Args:
      images: Of float32.
      seed: Of dropout, as of stateless draws; None drops nothing.
      dtype: In which the network computes.
    """
    x = tf.cast(2.0 * images - 1.0, dtype)
    for number, layer in enumerate(self.convolutions, 1):
      x = tf.nn.relu(layer(x))
      if number in (3, 5):
        x = tf.nn.max_pool2d(x, 2, 2, 'SAME')
        if seed is not None and self._dropout:
          x = tf.nn.experimental.stateless_dropout(
            x, self._dropout, tf.random.fold_in(seed, number)
          )
    x = tf.reshape(x, [-1, np.prod(x.shape[1:])])
    return tf.cast(self.head.logits(x), tf.float32)


class Best(tf.Module):
  """The weights that had the least C on validation images, and for how long."""

  def __init__(self, network: tf.Module):
    super().__init__()
    self.value = tf.Variable(np.inf, dtype=tf.float64, trainable=False)
    self.epochs_since = tf.Variable(0, trainable=False)
    self.weights = [
      tf.Variable(v, trainable=False) for v in network.trainable_variables
    ]

  def update(self, network: tf.Module, value: float) -> bool:
    """Takes in an epoch's C; True where it is time to stop."""
    if value < self.value.numpy():
      self.value.assign(value)
      self.epochs_since.assign(0)
      self._copy(network.trainable_variables, self.weights)
    else:
      self.epochs_since.assign_add(1)
    return self.enough

  @property
  def enough(self) -> bool:
    return int(self.epochs_since.numpy()) >= PATIENCE

  def restore(self, network: tf.Module) -> None:
    self._copy(self.weights, network.trainable_variables)

  @staticmethod
  def _copy(sources, targets):
    for source, target in zip(sources, targets, strict=True):
      target.assign(source)


def label_distortion(
  network: Network, images: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Per-image label distortion (nats) and whether it is right, `[N]` each."""

  @tf.function
  def both(images, labels):
    classes = classifiers.tfd.Categorical(
      logits=network.logits(tf.cast(images, tf.float32))
    )
    right = tf.cast(tf.equal(classes.mode(), labels), tf.float32)
    return tf.stack([objectives.label_distortion(labels, classes), right], -1)

  values = evaluation.map_batches(both, 500, images, labels)
  return tuple(values.astype(np.float64).T)


def train(
  config: BaselineConfig, dataset: Dataset, run: Path, signals: Signals
) -> tuple[Network, dict]:
  """The trained network of a run directory; goes on where it was left.

  Args:
    config: Of `supervised_complex`.
    dataset: Its train split is learned, its validation split is looked at.
    run: Run directory, whose lock is held.
    signals: Are looked at after every few steps.

  Returns:
    The network and the facts in `trained.json`: the last step, the seconds
    taken, and C on validation images.

  Raises:
    Stopped: By a signal, after saving.
    UserError: A loss is not finite, or the disk is full.
  """
  plan = Config(
    learning_rate=config.learning_rate,
    batch_size=config.batch_size,
    epochs=config.epochs,
    seed=config.seed,
  )
  total = plan.total_steps(len(dataset.train.images))
  network = Network(
    config, dataset.image_shape, dataset.num_classes[config.task]
  )
  optimizer = training.make_optimizer(plan, network.trainable_variables, total)
  best = Best(network)
  seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)
  checkpoint = tf.train.Checkpoint(
    model=network, optimizer=optimizer, best=best, seconds=seconds
  )
  directory = run / 'checkpoints'
  path = checkpoints.restore_newest(checkpoint, directory, partial=False)
  manager = tf.train.CheckpointManager(
    checkpoint, str(directory), max_to_keep=2
  )
  try:
    facts = json.loads((run / 'trained.json').read_text())
    if path and checkpoints.step_of(path) == facts['step']:
      return network, facts
  except (FileNotFoundError, ValueError, LookupError, TypeError):
    pass  # Not trained to the end yet, or damaged.
  step = _train_to_the_end(config, plan, dataset, manager, signals)
  if config.early_stopping:
    best.restore(network)
    checkpoints.save(manager, step)
  losses, _ = label_distortion(
    network, dataset.validation.images, dataset.validation.labels[config.task]
  )
  estimate = evaluation.Estimate.of(losses)
  facts = {
    'step': step,
    'train_seconds': round(float(seconds.numpy()), 1),
    'validation_label_distortion': estimate.mean,
    'validation_label_distortion_stderr': estimate.stderr,
  }
  write_atomically(run / 'trained.json', json.dumps(facts, indent=2) + '\n')
  return network, facts


def _train_to_the_end(config, plan, dataset, manager, signals):
  """`train`'s loop; returns the last step."""
  state = manager.checkpoint
  network, optimizer, best = state.model, state.optimizer, state.best
  labels = dataset.train.labels[config.task]
  total = plan.total_steps(len(labels))
  train_steps = _make_train_steps(
    config, network, optimizer, dataset.train.images, labels
  )
  validation = dataset.validation
  per_epoch = plan.steps_per_epoch(len(labels))
  step, saved = int(optimizer.iterations.numpy()), time.monotonic()
  bar = tqdm.tqdm(total=total, initial=step, unit=' steps', disable=None)
  while step < total and not (config.early_stopping and best.enough):
    started = time.monotonic()
    to_epoch = per_epoch - step % per_epoch
    count = min(STEPS_PER_CALL, total - step, to_epoch)
    order = training.order(plan, len(labels), step, count)
    losses = train_steps(tf.constant(step, tf.int32), tf.constant(order))
    loss = float(tf.reduce_mean(losses))
    if not np.isfinite(loss):
      raise UserError(
        f'the loss is {loss} after step {step}; the last good checkpoint is '
        f'kept: {manager.latest_checkpoint}. A lower --learning_rate may help'
      )
    step += count
    text = f'C on training images {loss:.3f}'
    if count == to_epoch and config.early_stopping:
      value = label_distortion(
        network, validation.images, validation.labels[config.task]
      )[0].mean()
      best.update(network, value)
      text += f', on validation images {value:.4f}'
    state.seconds.assign_add(time.monotonic() - started)
    bar.update(count)
    bar.set_postfix_str(text, refresh=False)
    due = time.monotonic() - saved >= CHECKPOINT_SECONDS
    if due or step == total or signals.received:
      checkpoints.save(manager, step)
      saved = time.monotonic()
      if bar.disable:
        print(f'step {step}/{total}  {text}', file=sys.stderr, flush=True)
    if signals.received:
      raise Stopped(signals.received)
  bar.close()
  return step


def _make_train_steps(config, network, optimizer, images, labels):
  """Compiles many steps into one call; gives each step's mean loss, `[K]`."""
  images, labels = tf.constant(images), tf.constant(labels)
  variables = list(network.trainable_variables)

  @tf.function
  def train_steps(first, order):
    losses = tf.TensorArray(tf.float32, tf.shape(order)[0])
    for i in tf.range(tf.shape(order)[0]):
      indices = tf.ensure_shape(order[i], [config.batch_size])
      batch = tf.cast(tf.gather(images, indices), tf.float32)
      seed = randomness.stateless_seed(config.seed, 'dropout', first + i)
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
          tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.gather(labels, indices),
            logits=network.logits(batch, seed, config.precision),
          )
        )
      gradients = tape.gradient(loss, variables)
      optimizer.apply_gradients(zip(gradients, variables, strict=True))
      losses = losses.write(i, loss)
    return losses.stack()

  return train_steps
