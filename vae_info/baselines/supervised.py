"""A supervised network on images: how far C falls when all of x is known.

The network is the paper's for binarized MNIST. It has five 5x5 convolutions of
depth 64, with 2x2 max pooling and dropout after the third and the fifth. A
classifier with two layers of 200 units follows. ReLU after the convolutions and
Adam with a cosine schedule are our choice: the paper gives neither.

A training can be stopped after any step, as in `training.py`. On the same
machine it resumes to exactly the same weights.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import loop, objectives, randomness
from vae_info.baselines import bounded
from vae_info.baselines.config import BaselineConfig
from vae_info.baselines.job import Job
from vae_info.datasets import Dataset, Split
from vae_info.early_stopping import Best
from vae_info.evaluation import classifiers, estimates
from vae_info.networks import layers
from vae_info.runs import Run, directory
from vae_info.runs.interruption import Signals
from vae_info.runs.paths import write_atomically
from vae_info.runs.progress import Progress

tfd = tfp.distributions


class Network(tf.Module):
  """Maps images `[B, H, W, 1]` of 0 and 1 to logits `[B, num_classes]`."""

  def __init__(
    self,
    config: BaselineConfig,
    image_shape: tuple[int, int, int],
    num_classes: int,
    given: int = 0,
  ):
    super().__init__()
    rng = randomness.generator(config.seed, 'supervised weights')
    make = layers.Make(rng)
    height, width, channels = image_shape
    # A float64 gain makes numpy scale the draws in float64. In float32 their
    # last bits would differ, and results would differ from earlier versions.
    gain = np.float64(layers.RELU_GAIN)
    self.convolutions = []
    for _ in range(5):
      self.convolutions.append(make.conv(channels, config.depth, 5, gain=gain))
      channels = config.depth
    # Two poolings halve height and width, and round up.
    features = -(-height // 4) * -(-width // 4) * channels
    self.head = classifiers.Mlp(
      features + given, num_classes, config.classifier_hidden, rng
    )
    self._dropout = config.dropout
    self._largest = config.levels - 1

  def logits(
    self,
    images: tf.Tensor,
    seed: tf.Tensor | None = None,
    dtype: str = 'float32',
    given: Sequence[tf.Tensor] = (),
  ) -> tf.Tensor:
    """Returns float32 logits, `[B, num_classes]`.

    Args:
      images: float32 `[B, H, W, 1]`, 0 and 1.
      seed: Stateless seed of dropout; None turns dropout off.
      dtype: Number format in which the network computes.
      given: What is known beside the images, float32 `[B, G]` each.
    """
    features = self._features(images, seed, dtype, given)
    return tf.cast(self.head.logits(features), tf.float32)

  def last_hidden(self, images: tf.Tensor) -> tf.Tensor:
    """The last layer before the logits, `[B, units]`, of `[B, H, W, 1]`.

    Without hidden layers these are the pixels: the outputs of the convolutions
    are too many.
    """
    if not self.head.hidden:
      return tf.reshape(images, [-1, np.prod(images.shape[1:])])
    return self.head.last_hidden(self._features(images, None, 'float32', ()))

  def _features(self, images, seed, dtype, given):
    """What the head is given, `[B, features + G]`."""
    x = tf.cast((2.0 / self._largest) * images - 1.0, dtype)
    for number, layer in enumerate(self.convolutions, 1):
      x = tf.nn.relu(layer(x))
      if number in (3, 5):
        x = tf.nn.max_pool2d(x, 2, 2, 'SAME')
        if seed is not None and self._dropout:
          x = tf.nn.experimental.stateless_dropout(
            x, self._dropout, tf.random.fold_in(seed, number)
          )
    x = tf.reshape(x, [-1, np.prod(x.shape[1:])])
    return tf.concat([x, *(tf.cast(v, dtype) for v in given)], axis=-1)


def fit(job: Job) -> list[dict]:
  """Returns the row of the convolutional network on pixels.

  Raises:
    Stopped: A signal was received; the state is saved.
    UserError: A loss is not finite, or the disk is full.
  """
  network, facts = train(job)
  losses, hits = label_distortions_and_hits(job, network, job.dataset.test)
  head = '-'.join(map(str, job.config.classifier_hidden))
  family = f'conv 5x{job.config.depth} mlp {head}'
  return [
    {
      'classifier': family.removesuffix(' mlp '),
      **estimates.columns(label_distortion=losses, label_accuracy=hits),
      **bounded.of_network(job, network),
      **facts,
    }
  ]


def search(
  candidates: Sequence[tuple[BaselineConfig, Run]], dataset: Dataset
) -> list[tuple[float, BaselineConfig, Run]]:
  """Trains all candidates, and sorts them by C on validation images.

  Returns:
    For each candidate, least C first: C in nats, its config and its run.

  Raises:
    UserError: A directory is in use or has another config, a loss is not
      finite, or the disk is full.
    Stopped: A signal was received; the state is saved.
  """
  values = []
  for number, (config, run) in enumerate(candidates, 1):
    print(f'search: {number} of {len(candidates)}: {run}', flush=True)
    run.open(config)
    with run.lock(), Signals() as signals:
      _, facts = train(Job(config, dataset, run, signals))
      signals.check()
    values.append((facts['validation_label_distortion'], config, run))
  return sorted(values, key=lambda value: value[0])


def label_distortions_and_hits(
  job: Job, network: Network, split: Split
) -> tuple[np.ndarray, np.ndarray]:
  """Evaluates the network on each image of a split.

  Returns:
    Label distortion in nats, float64 `[N]`, and 1 or 0 for a correct or a wrong
    prediction, float64 `[N]`.
  """

  @tf.function(autograph=False)
  def both(images, labels, *given):
    logits = network.logits(tf.cast(images, tf.float32), given=given)
    classes = tfd.Categorical(logits=logits)
    hits = tf.cast(tf.equal(classes.mode(), labels), tf.float32)
    return tf.stack([objectives.label_distortion(labels, classes), hits], -1)

  values = estimates.map_batches(
    both, 500, split.images, job.labels(split), *job.given(split)
  )
  return tuple(values.astype(np.float64).T)


def train(job: Job) -> tuple[Network, dict]:
  """Trains the network in a run directory, or resumes its training.

  Returns:
    The network and the facts in `trained.json`: the last step, the seconds
    taken, and C on validation images.

  Raises:
    Stopped: A signal was received; the state is saved.
    UserError: A loss is not finite, or the disk is full.
  """
  # What is trained, and for how long.
  config, execution, schedule = job.config, loop.Execution(), job.schedule
  with execution.strategy.scope():
    network = Network(
      config,
      job.dataset.image_shape,
      job.num_classes,
      sum(values.shape[-1] for values in job.given(job.dataset.train)),
    )
    optimizer = loop.make_optimizer(schedule, network.trainable_variables)
  # Restore the newest checkpoint; a training that is done ends here.
  best = Best(network)
  state = loop.State(job.run.checkpoints, network, optimizer, best=best)
  path = job.run.path / 'trained.json'
  facts = directory.read_json(path)
  if state.restored and state.step == facts.get('step'):
    return network, facts
  # Train, and keep the best weights if early stopping is on.
  step = _make_step(job, network, optimizer)
  steps = loop.many_steps(step, ('loss',), config.batch_size, execution)
  with _Observer(job, network, best, schedule, state.step) as observer:
    loop.take(state, schedule, execution, steps, observer, job.signals)
  if config.early_stopping:
    best.restore(network)
    state.save()
  facts = _facts(job, network, state)
  write_atomically(path, json.dumps(facts, indent=2) + '\n')
  return network, facts


def _facts(job, network, state):
  """Returns the content of `trained.json`."""
  losses, _ = label_distortions_and_hits(job, network, job.dataset.validation)
  return {
    'step': state.step,
    'train_seconds': round(float(state.seconds.numpy()), 1),
    **estimates.columns(validation_label_distortion=losses),
  }


def _make_step(job, network, optimizer) -> loop.Step:
  """Returns a function that makes one step and returns the mean loss, nats."""
  config, train_split = job.config, job.dataset.train
  images = tf.constant(train_split.images)
  labels = tf.constant(job.labels(train_split))
  given = [*map(tf.constant, job.given(train_split))]
  variables = list(network.trainable_variables)

  def step(number, indices):
    batch = tf.cast(tf.gather(images, indices), tf.float32)
    known = [tf.gather(values, indices) for values in given]
    seed = randomness.stateless_seed(config.seed, 'dropout', number)
    with tf.GradientTape() as tape:
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.gather(labels, indices),
        logits=network.logits(batch, seed, config.precision, known),
      )
      loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, variables)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return {'loss': loss}

  return step


class _Observer(contextlib.ExitStack):
  """Shows the progress of the training, and ends it by early stopping."""

  by_epoch = True  # It looks at validation images after each.

  def __init__(
    self,
    job: Job,
    network: Network,
    best: Best,
    schedule: loop.Schedule,
    step: int,
  ):
    super().__init__()
    self._job, self._network, self._best = job, network, best
    self._per_epoch = schedule.per_epoch
    self._progress = self.enter_context(
      Progress(job.run, schedule.batch_size, step, schedule.total)
    )

  def after_call(
    self, step: int, values: Mapping[str, np.ndarray], seconds: float
  ) -> None:
    del seconds
    text = f'C on training images {values["loss"].mean():.3f}'
    job = self._job
    if job.config.early_stopping and step % self._per_epoch == 0:
      losses, _ = label_distortions_and_hits(
        job, self._network, job.dataset.validation
      )
      self._best.update(self._network, losses.mean())
      text += f', on validation images {losses.mean():.4f}'
    self._progress.update(step, text)

  def before_save(self, step: int) -> None:
    pass

  def after_save(self, step: int) -> None:
    del step
    self._progress.report()

  def enough(self) -> bool:
    return self._job.config.early_stopping and self._best.enough
