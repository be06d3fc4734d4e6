"""Training a beta-VAE in a run directory, and what is shown meanwhile."""

import contextlib
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from vae_info import loop
from vae_info.config import Config
from vae_info.datasets import Dataset, memory
from vae_info.early_stopping import Best
from vae_info.errors import UserError
from vae_info.loop import Execution, Schedule, State
from vae_info.multiplier import Multiplier
from vae_info.networks import conditioning, model as models
from vae_info.runs import Run, provenance
from vae_info.runs.interruption import Signals
from vae_info.runs.progress import Progress
from vae_info.runs.summaries import Writer
from vae_info.steps import (
  annealing_steps,
  check_batch,
  make_steps,
  make_validation,
  shares_of,
)


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
      be split evenly, annealing does not end, a loss is not finite, or the disk
      is full.
    Stopped: SIGTERM or SIGINT came. The state was saved before.
  """
  version = provenance.version()  # Now, since files may change meanwhile.
  execution = execution or Execution()
  schedule = Schedule.of(config, len(dataset.train.images))
  _check_annealing(config, schedule)
  with execution.strategy.scope():
    model = models.build(config, dataset.train.images)
  check_batch(config, model, execution)
  _pixels(config, dataset)
  run.open(config)  # Only now, so that the mistakes above leave no directory.
  with run.lock(), Signals() as signals:
    if run.finished:
      return  # Another process finished it just before it was locked here.
    state, found = _train_to_the_end(
      config, model, dataset, run, execution, signals
    )
    run.finish(
      found
      | {
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


def _check_annealing(config: Config, schedule: Schedule) -> None:
  """Raises `UserError` if beta does not reach its value by the last step.

  The config itself checks this where it has epochs.
  """
  steps = annealing_steps(config, schedule)
  if steps >= schedule.total + 1:  # A part of a step does not matter.
    raise UserError(
      f'kl_annealing_epochs are {steps:g} steps, but there are only '
      f'{schedule.total}: beta would not reach its value'
    )


def _train_to_the_end(
  config: Config,
  model: models.Model,
  dataset: Dataset,
  run: Run,
  execution: Execution,
  signals: Signals,
) -> tuple[State, dict[str, float]]:
  """Does the work of `train` while the run is locked.

  Returns:
    The state, and facts that the training found: with a target rate, `beta`.
  """
  schedule = Schedule.of(config, len(dataset.train.images))
  with execution.strategy.scope():
    optimizer = loop.make_optimizer(schedule, model.trainable_variables)
    images = _on_devices(_pixels(config, dataset), execution)
    multiplier = make_multiplier(config)
  shares = shares_of(config, model, execution)
  if 1 < execution.shards >= 2 * shares:
    print(
      f'note: batches of {config.batch_size} images keep {shares} of '
      f'{execution.shards} cores busy; another --batch_size is faster',
      file=sys.stderr,
      flush=True,
    )
  best = Best(model, config.early_stopping) if config.early_stopping else None
  more: dict[str, Any] = {'best': best} if best else {}
  if multiplier:
    more['multiplier'] = multiplier
  state = State(run.checkpoints, model, optimizer, **more)
  steps = make_steps(config, model, optimizer, images, execution, multiplier)
  with _Observer(config, run, schedule, state.step) as observer:
    observer.picture(model, dataset)
    if best:
      observer.stop_early(best, model, dataset, shares)
    loop.take(state, schedule, execution, steps, observer, signals)
  if best and np.isfinite(best.value.numpy()):  # An epoch counted.
    best.restore(model)
    state.save()
  for line in _outcome(config, schedule, state.step, best, observer.rate):
    print(line, file=sys.stderr, flush=True)
  return state, {'beta': multiplier.beta} if multiplier else {}


def _outcome(
  config: Config,
  schedule: Schedule,
  step: int,
  best: Best | None,
  rate: float | None,
) -> list[str]:
  """What early stopping and a target rate came to, a line for each.

  Args:
    config: What was trained, and how.
    schedule: Has the steps of an epoch.
    step: Number of steps taken.
    best: The state of early stopping, if there is any.
    rate: Mean rate of the last steps, nats; None if this process took none.
  """
  lines = []
  if best and np.isfinite(best.value.numpy()):
    since = int(best.epochs_since.numpy())
    epoch = math.ceil(step / schedule.per_epoch) - since
    lines.append(
      f'kept the weights of epoch {epoch}, the best on validation images: '
      f'{best.value.numpy():.2f}'
    )
  target = config.target_rate
  if target is not None and rate is not None and abs(rate / target - 1) > 0.05:
    lines.append(
      f'note: the last steps had R {rate:.2f}, not {target:g}; a longer '
      'training or another first beta may reach it'
    )
  return lines


def make_multiplier(config: Config) -> Multiplier | None:
  """The state of an adapted beta; None if the config gives beta."""
  if config.target_rate is None:
    return None
  assert isinstance(config.beta, float)  # The config refuses a range.
  return Multiplier(config.beta, config.target_rate)


def _pixels(config: Config, dataset: Dataset) -> np.ndarray:
  """Training images to keep on the device, uint8 `[N, H, W, C]`.

  They are intensities if each step draws its pixels from them.
  """
  if config.binarization != 'dynamic':
    return dataset.train.images
  if dataset.train_intensities is None:
    raise UserError(f'{dataset.name} was loaded without intensities')
  return dataset.train_intensities


def _on_devices(images: np.ndarray, execution: Execution):
  """A variable, so that each device has a copy; on one CPU without a copy."""
  devices = execution.strategy.extended.worker_devices
  one_cpu = len(devices) == 1 and 'CPU' in devices[0]
  shared = memory.as_tensor(images) if one_cpu else None
  return tf.Variable(images, trainable=False) if shared is None else shared


class _Observer(contextlib.ExitStack):
  """Shows the progress of a training, and may end it by early stopping."""

  def __init__(self, config: Config, run: Run, schedule: Schedule, step: int):
    super().__init__()
    self._config, self._schedule = config, schedule
    self._progress = self.enter_context(
      Progress(run, config.batch_size, step, schedule.total)
    )
    self._writer = Writer(run, step, schedule.total)
    self.by_epoch = config.early_stopping > 0
    self.rate: float | None = None  # Mean of the newest steps, nats.
    self._best = None

  def picture(self, model: models.Model, dataset: Dataset) -> None:
    """Gives the writer a model and the test images to picture."""
    # D + R in nats over this is bits per dimension.
    self._bits = math.log(2.0) * math.prod(dataset.image_shape)
    self._writer.picture(
      # A multi-beta model is pictured at the middle of its range.
      model.at(conditioning.middle(self._config)),
      dataset.test.images,
      self._config.seed,
      self._config.levels,
    )

  def stop_early(
    self, best: Best, model: models.Model, dataset: Dataset, shares: int
  ) -> None:
    """Lets validation images end the training; `shares` is that of a step."""
    self._best, self._model = best, model
    self._validate = make_validation(
      self._config, model, dataset.validation.images, shares
    )

  def after_call(
    self, step: int, values: Mapping[str, np.ndarray], seconds: float
  ) -> None:
    config, images = self._config, len(values['rate']) * self._config.batch_size
    scalars = {name: value.mean() for name, value in values.items()}
    self.rate = scalars['rate']
    text = f'R {scalars["rate"]:.2f}  D {scalars["distortion"]:.2f}'
    if config.target_rate is not None:
      text += f'  beta {scalars["beta"]:.3g}'
    elif not config.beta_range:  # Else the means are over betas too.
      loss = scalars['distortion'] + config.beta * scalars['rate']
      scalars['loss'] = loss
      text += f'  loss {loss:.2f}'
    if self._best and self._ends_an_epoch(step):
      scalars['validation_loss'] = loss = self._validate()
      self._best.update(self._model, loss)
      text += f'  on validation images {loss:.2f}'
    if config.levels > 2:
      both = scalars['distortion'] + scalars['rate']
      text += f'  {both / self._bits:.3f} bits/dim'
    scalars['learning_rate'] = self._schedule.rate(step)
    scalars['images_per_second'] = images / seconds
    self._progress.update(step, text)
    self._writer.add(step, scalars)

  def _ends_an_epoch(self, step: int) -> bool:
    """Whether an epoch ends at its full beta, so that early stopping counts.

    The last epoch may be a part of one.
    """
    schedule, epochs = self._schedule, self._config.kl_annealing_epochs
    ended = not step % schedule.per_epoch or step == schedule.total
    return ended and step >= (epochs or 0.0) * schedule.per_epoch

  def before_save(self, step: int) -> None:
    # A kill may come between the two. Scalars that are written twice can be
    # dropped, but missing ones cannot be restored.
    self._writer.flush(step)

  def after_save(self, step: int) -> None:
    del step
    self._progress.report()

  def enough(self) -> bool:
    return self._best is not None and self._best.enough
