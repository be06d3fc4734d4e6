"""Classifiers c(y|z), and the one function that fits them.

The paper's: two fully connected layers with ELU, 200 units here, Adam for 100
epochs from 1e-4, divided by 10 every 25. C bounds I(Z;Y) from below whatever
the family is, H(Y) - C <= I(Z;Y), and is relative to it.

Not reproduced: the paper gives neither width nor batch size.
"""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from concurrent import futures

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tqdm
from absl import logging

from vae_info import layers, randomness, xla
from vae_info.config import UserError
from vae_info.paths import Path, write_atomically

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class Settings:
  """How a classifier is made and fitted.

  Attributes:
    hidden: Units of each hidden layer.
    learning_rate: Adam's; it is divided by 10 after each quarter.
    epochs: Passes over the training codes, drawn afresh for each.
    batch_size: Codes in one step.
    seed: Of weights, order and codes.
  """

  hidden: tuple[int, ...] = (200, 200)
  learning_rate: float = 1e-4
  epochs: int = 100
  batch_size: int = 32
  seed: int = 0

  def __post_init__(self):
    for name in ('learning_rate', 'epochs', 'batch_size'):
      if not getattr(self, name) > 0:
        raise UserError(
          f'classifier_{name} must be above 0, got {getattr(self, name)}'
        )
    if any(units < 1 for units in self.hidden):
      raise UserError(
        f'classifier_hidden must be numbers above 0, got {self.hidden}'
      )

  @property
  def family(self) -> str:
    """As it stands in the table of results: 'mlp 200-200'."""
    return ' '.join(['mlp', '-'.join(map(str, self.hidden))]).strip()


class Mlp(tf.Module):
  """codes `[..., B, L]` -> c(y|z), a `tfd.Categorical` of batch `[..., B]`."""

  def __init__(
    self,
    inputs: int,
    num_classes: int,
    hidden: tuple[int, ...],
    rng: np.random.Generator,
  ):
    super().__init__()
    sizes = [inputs, *hidden]
    self.hidden = [
      layers.Dense(before, after, rng)
      for before, after in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    self.out = layers.Dense(sizes[-1], num_classes, rng)

  def logits(self, codes: tf.Tensor) -> tf.Tensor:
    """Shape `[..., B, num_classes]`."""
    x = codes
    for layer in self.hidden:
      x = _elu(layer(x))
    return self.out(x)

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    return tfd.Categorical(logits=self.logits(codes))


def _elu(x):
  # With exp and not, as tf.nn.elu, expm1, which XLA computes slowly.
  return tf.where(x > 0.0, x, tf.exp(tf.minimum(x, 0.0)) - 1.0)


def fit(
  classifier: tf.Module,
  draw: Callable[[int], tf.Tensor],
  labels: np.ndarray,
  settings: Settings,
  title: str = 'classifier',
) -> None:
  """Fits a classifier in place, on inputs drawn afresh for each epoch.

  The whole epoch is one XLA program: at this size, what costs is not the
  arithmetic but the start of each operation.

  Args:
    classifier: Has `logits(inputs)`, `[B, ...]` -> `[B, num_classes]`.
    draw: From the epoch's number to inputs `[N, ...]`.
    labels: int32 `[N]`.
    settings: Of the fit.
    title: For the progress bar.

  Raises:
    UserError: There are fewer examples than a batch, or the loss is not
      finite.
  """
  count, size = len(labels), settings.batch_size
  if size > count:
    raise UserError(
      f'classifier_batch_size {size} is larger than the {count} examples'
    )
  steps = count // size
  epoch = _make_epoch(classifier, size, steps)
  zeros = [tf.zeros_like(v) for v in classifier.trainable_variables]
  moments = (zeros, list(zeros))
  labels = tf.constant(labels, tf.int32)
  bar = tqdm.trange(
    settings.epochs, desc=title, unit=' epochs', disable=None, leave=False
  )
  ahead = futures.ThreadPoolExecutor(1)
  coming = ahead.submit(draw, 0)
  for number in bar:
    inputs = coming.result()
    # The next epoch's codes are drawn while this one is fitted to.
    if number + 1 < settings.epochs:
      coming = ahead.submit(draw, number + 1)
    rng = randomness.generator(settings.seed, 'order of codes', number)
    quarter = 4 * number // settings.epochs
    loss, moments = epoch(
      inputs,
      labels,
      tf.constant(rng.permutation(count)[: steps * size].astype(np.int32)),
      tf.constant(settings.learning_rate * 0.1**quarter),
      tf.constant(number * steps),
      moments,
    )
    loss = float(loss)
    if not math.isfinite(loss):
      raise UserError(
        f'the loss of the {title} is {loss} in epoch {number}; a lower '
        '--classifier_learning_rate may help'
      )
    bar.set_postfix_str(f'C on training codes {loss:.3f}', refresh=False)


def _make_epoch(classifier, size, steps):
  """Compiles `steps` steps of Adam on batches of `size`, in a given order."""
  variables = list(classifier.trainable_variables)

  @tf.function(jit_compile=xla.compiles_here())
  def epoch(inputs, labels, order, rate, first, moments):
    inputs, labels = tf.gather(inputs, order), tf.gather(labels, order)

    def step(i, losses, first_moments, second_moments):
      batch = tf.slice(
        inputs,
        [i * size] + [0] * (len(inputs.shape) - 1),
        [size, *inputs.shape[1:]],
      )
      with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
          tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.slice(labels, [i * size], [size]),
            logits=classifier.logits(batch),
          )
        )
      gradients = tape.gradient(loss, variables)
      new_moments = _adam(
        variables,
        gradients,
        first_moments,
        second_moments,
        rate,
        tf.cast(first + i + 1, tf.float32),
      )
      return i + 1, losses + loss, *new_moments

    _, losses, *moments = tf.while_loop(
      lambda i, *_: i < steps, step, (0, 0.0, *moments)
    )
    return losses / steps, moments

  return epoch


def _adam(variables, gradients, firsts, seconds, rate, step):
  """One step of Adam (Kingma & Ba 2015); returns the new moments.

  Written out, so that XLA fuses it into one pass over each variable.
  """
  beta1, beta2 = 0.9, 0.999
  rate *= tf.sqrt(1.0 - beta2**step) / (1.0 - beta1**step)
  new_firsts, new_seconds = [], []
  for variable, gradient, first, second in zip(
    variables, gradients, firsts, seconds, strict=True
  ):
    first = beta1 * first + (1.0 - beta1) * gradient
    second = beta2 * second + (1.0 - beta2) * gradient**2
    variable.assign_sub(rate * first / (tf.sqrt(second) + 1e-7))
    new_firsts.append(first)
    new_seconds.append(second)
  return new_firsts, new_seconds


def fit_to_codes(
  model,
  train_parameters: np.ndarray,
  labels: np.ndarray,
  num_classes: int,
  settings: Settings,
  title: str = 'classifier',
) -> Mlp:
  """A new `Mlp`, fitted to codes drawn from the encoder's parameters.

  Args:
    model: As `model.build` makes it.
    train_parameters: As `evaluation.encode` makes them, `[N, P]`.
    labels: int32 `[N]`.
    num_classes: Of the task.
    settings: Of the classifier.
    title: For the progress bar.
  """
  encoding = model.encoder.distribution(tf.constant(train_parameters))

  @tf.function
  def draw(epoch):
    return encoding.sample(
      seed=randomness.stateless_seed(settings.seed, 'classifier codes', epoch)
    )

  rng = randomness.generator(settings.seed, 'classifier weights')
  classifier = Mlp(encoding.event_shape[-1], num_classes, settings.hidden, rng)
  fit(
    classifier,
    lambda epoch: draw(tf.constant(epoch, tf.int32)),
    labels,
    settings,
    title,
  )
  return classifier


def save(
  classifier: Mlp,
  folder: Path,
  settings: Settings,
  facts: Mapping[str, float],
) -> None:
  """Writes weights, then `classifier.json`, which makes them complete."""
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'classifier.json').unlink(missing_ok=True)
  try:
    tf.train.Checkpoint(classifier=classifier).write(str(folder / 'weights'))
  except tf.errors.OpError as error:
    raise UserError(
      f'cannot write the classifier to {folder}: {error.message}'
    ) from error
  content = {'settings': dataclasses.asdict(settings), **facts}
  write_atomically(
    folder / 'classifier.json', json.dumps(content, indent=2) + '\n'
  )


def load(
  folder: Path, inputs: int, num_classes: int, step: int
) -> tuple[Mlp, Settings] | None:
  """The classifier in `folder`, or None if there is none for this step.

  A damaged one counts as none: it is made again.
  """
  try:
    content = json.loads((folder / 'classifier.json').read_text())
    stored = content['settings']
    settings = Settings(**{**stored, 'hidden': tuple(stored['hidden'])})
    if content['step'] != step:
      return None
    rng = randomness.generator(settings.seed, 'classifier weights')
    classifier = Mlp(inputs, num_classes, settings.hidden, rng)
    status = tf.train.Checkpoint(classifier=classifier).read(
      str(folder / 'weights')
    )
    status.assert_consumed()
  except FileNotFoundError:
    return None
  except (
    AssertionError,
    LookupError,
    TypeError,
    ValueError,
    tf.errors.OpError,
  ) as error:
    logging.warning('the classifier in %s is damaged: %s', folder, error)
    return None
  return classifier, settings


def fit_for_run(
  run: Path,
  model,
  train_parameters: np.ndarray,
  labels: np.ndarray,
  num_classes: int,
  task: str,
  settings: Settings,
  step: int,
) -> Mlp:
  """Fits the classifier of one task and saves it in the run directory.

  Args:
    run: Finished run directory.
    model: Restored from it.
    train_parameters: As `evaluation.encode` makes them, `[N, P]`.
    labels: int32 `[N]`.
    num_classes: Of the task.
    task: Name of the labels.
    settings: Of the classifier.
    step: Of the model's checkpoint.
  """
  started = time.monotonic()
  classifier = fit_to_codes(
    model,
    train_parameters,
    labels,
    num_classes,
    settings,
    title=f'classifier of {task}',
  )
  seconds = round(time.monotonic() - started, 1)
  folder = run / 'classifiers' / task
  save(classifier, folder, settings, {'step': step, 'seconds': seconds})
  return classifier
