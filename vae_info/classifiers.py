"""Classifiers c(y|z), and the one function that fits them.

The paper's: two fully connected layers with ELU, 200 units here, Adam for 100
epochs from 1e-4, divided by 10 every 25. C bounds I(Z;Y) from below whatever
the family is, H(Y) - C <= I(Z;Y), and is relative to it.

Not reproduced: the paper gives neither width nor batch size.

Many of one shape are fitted together, each to codes of its own, as a `Stack`:
one network whose weights have a further axis. Since the loss is the sum of the
members' losses, and Adam works number by number, each is fitted as if alone.
"""

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
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

# Of one stack, on a CPU: so many, and their gradients and moments, are still in
# a core's cache. 12 classifiers of 1,623 classes take 1.5 times as long in one
# stack as one by one; those of 50 take the same.
MOST_WEIGHTS = 400_000


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
    """As it stands in the table of results: 'linear', 'mlp 200-200'."""
    if not self.hidden:
      return 'linear'
    return f'mlp {"-".join(map(str, self.hidden))}'


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


class Stack(tf.Module):
  """Many `Mlp`s of one shape as one network, `[K, B, L]` -> `[K, B, classes]`.

  It begins with the members' weights, and `unstack` hands them back.
  """

  def __init__(self, members: Sequence[Mlp]):
    super().__init__()
    stacked = [[*m.hidden, m.out] for m in members]
    self.kernels = [
      tf.Variable(tf.stack([layer.kernel for layer in same]))
      for same in zip(*stacked, strict=True)
    ]
    self.biases = [
      tf.Variable(tf.stack([layer.bias for layer in same])[:, None])
      for same in zip(*stacked, strict=True)
    ]

  def logits(self, codes: tf.Tensor) -> tf.Tensor:
    """Shape `[K, B, num_classes]`."""
    x = codes
    for kernel, bias in zip(self.kernels, self.biases, strict=True):
      x = tf.matmul(x, kernel) + bias
      if bias is not self.biases[-1]:
        x = _elu(x)
    return x

  def unstack(self, members: Sequence[Mlp]) -> None:
    """Gives each member its weights."""
    for number, member in enumerate(members):
      for layer, kernel, bias in zip(
        [*member.hidden, member.out], self.kernels, self.biases, strict=True
      ):
        layer.kernel.assign(kernel[number])
        layer.bias.assign(bias[number, 0])


def _elu(x):
  # With exp and not, as tf.nn.elu, expm1, which XLA computes slowly.
  return tf.where(x > 0.0, x, tf.exp(tf.minimum(x, 0.0)) - 1.0)


def fit(
  classifier: tf.Module,
  draw: Callable[[int], tf.Tensor],
  labels: np.ndarray,
  settings: Settings,
  title: str = 'classifier',
  after_epoch: Callable[[int], bool] | None = None,
) -> None:
  """Fits a classifier in place, on inputs drawn afresh for each epoch.

  The whole epoch is one XLA program: at this size, what costs is not the
  arithmetic but the start of each operation.

  Args:
    classifier: Has `logits(inputs)`, `[B, L]` -> `[B, num_classes]`; or is a
      `Stack`.
    draw: From the epoch's number to inputs `[N, L]`; `[K, N, L]` for a `Stack`.
    labels: int32 `[N]`.
    settings: Of the fit.
    title: For the progress bar.
    after_epoch: Is called with the epoch's number; the fit ends where it says
      True.

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
    if after_epoch and after_epoch(number):
      break


def _make_epoch(classifier, size, steps):
  """Compiles `steps` steps of Adam on batches of `size`, in a given order."""
  variables = list(classifier.trainable_variables)

  @tf.function(jit_compile=xla.compiles_here())
  def epoch(inputs, labels, order, rate, first, moments):
    inputs, labels = tf.gather(inputs, order, axis=-2), tf.gather(labels, order)
    *members, _, width = inputs.shape  # `[K]` of a stack, or nothing.

    def step(i, losses, first_moments, second_moments):
      batch = tf.slice(
        inputs, [0] * len(members) + [i * size, 0], [*members, size, width]
      )
      targets = tf.slice(labels, [i * size], [size])
      with tf.GradientTape() as tape:
        losses_ = tf.reduce_mean(
          tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.broadcast_to(targets, [*members, size]),
            logits=classifier.logits(batch),
          ),
          axis=-1,
        )
        loss = tf.reduce_sum(losses_)
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
    return losses / steps / math.prod(members), moments

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


def fit_together(
  classifiers: Sequence[Mlp],
  draws: Sequence[Callable[[int], tf.Tensor]],
  labels: np.ndarray,
  settings: Settings,
  title: str = 'classifiers',
  after_epoch: Callable[[int], bool] | None = None,
) -> None:
  """`fit` for K classifiers of one shape, each with its own inputs.

  On a CPU each core works on stacks of its own, of at most `MOST_WEIGHTS`:
  within one, products this small keep one core busy. Elsewhere there is one
  stack in all.

  Args:
    classifiers: K of them, of one shape.
    draws: For each, from the epoch's number to inputs `[N, L]`.
    labels: int32 `[N]`, the same for all.
    settings: Of the fit. The order of the examples is the same for all.
    title: For the progress bar.
    after_epoch: As of `fit`; is called for each stack.
  """
  cores = len(os.sched_getaffinity(0))
  if tf.config.list_logical_devices('GPU'):
    stacks = 1
  else:
    weights = sum(v.shape.num_elements() for v in classifiers[0].variables)
    of_one = max(1, MOST_WEIGHTS // weights)
    stacks = max(cores, math.ceil(len(classifiers) / of_one))
  parts = [
    (classifiers[first::stacks], draws[first::stacks])
    for first in range(min(stacks, len(classifiers)))
  ]
  with futures.ThreadPoolExecutor(min(cores, len(parts))) as pool:
    fits = [
      pool.submit(_fit_stack, *part, labels, settings, title, after_epoch)
      for part in parts
    ]
    try:
      for one in fits:
        one.result()
    finally:
      pool.shutdown(cancel_futures=True)  # After a failure none is begun.


def _fit_stack(members, draws, labels, *how):
  if len(members) == 1:
    fit(members[0], draws[0], labels, *how)
    return
  stack = Stack(members)
  draw = lambda epoch: tf.stack([draw(epoch) for draw in draws])  # noqa: E731
  fit(stack, draw, labels, *how)
  stack.unstack(members)


def fit_to_codes(
  models: Sequence,
  train_parameters: Sequence[np.ndarray],
  labels: np.ndarray,
  num_classes: int,
  settings: Settings,
  title: str = 'classifier',
) -> list[Mlp]:
  """New `Mlp`s, one for each model, fitted together.

  Args:
    models: Each a `model.Model`, or a `conditioning.ModelAt` one beta.
    train_parameters: Of each, as `evaluation.encode` makes them, `[N, P]`.
    labels: int32 `[N]`.
    num_classes: Of the task.
    settings: Of the classifiers; all begin with the same weights.
    title: For the progress bar.
  """
  classifiers, draws = [], []
  for model, parameters in zip(models, train_parameters, strict=True):
    encoding = model.encoder.distribution(tf.constant(parameters))
    rng = randomness.generator(settings.seed, 'classifier weights')
    size = encoding.event_shape[-1]
    classifiers.append(Mlp(size, num_classes, settings.hidden, rng))
    draws.append(_make_draw(encoding, settings.seed))
  fit_together(classifiers, draws, labels, settings, title)
  return classifiers


def _make_draw(encoding, seed):
  @tf.function
  def draw(epoch):
    return encoding.sample(
      seed=randomness.stateless_seed(seed, 'classifier codes', epoch)
    )

  return lambda epoch: draw(tf.constant(epoch, tf.int32))


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


def fit_and_save(
  folders: Sequence[Path],
  models: Sequence,
  train_parameters: Sequence[np.ndarray],
  labels: np.ndarray,
  num_classes: int,
  task: str,
  settings: Settings,
  step: int,
) -> list[Mlp]:
  """`fit_to_codes`, and keeps each classifier in its folder.

  Args:
    folders: Of each model's classifier.
    models: As of `fit_to_codes`.
    train_parameters: As of `fit_to_codes`.
    labels: int32 `[N]`.
    num_classes: Of the task.
    task: Name of the labels.
    settings: Of the classifiers.
    step: Of the models' checkpoint.
  """
  started = time.monotonic()
  classifiers = fit_to_codes(
    models,
    train_parameters,
    labels,
    num_classes,
    settings,
    title=f'classifier of {task}',
  )
  seconds = round(time.monotonic() - started, 1)
  facts = {'step': step, 'seconds': seconds, 'fitted_together': len(folders)}
  for folder, classifier in zip(folders, classifiers, strict=True):
    save(classifier, folder, settings, facts)
  return classifiers
