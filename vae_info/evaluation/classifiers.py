"""Classifiers c(y|z), and the one function that fits them.

The paper's classifier has two fully connected layers with ELU. It is fitted by
Adam for 100 epochs, at a rate of 1e-4 that is divided by 10 every 25 epochs.
Not reproduced: the paper gives neither width nor batch size. Here the layers
have 200 units by default. Batches have 32 codes, and 256 after the first
division of the rate. Then the rate is larger by the root of their ratio, which
leaves drift and noise of Adam's steps as they were [1], in less time.

H(Y) - C <= I(Z;Y) holds for any family of classifiers. How tight the bound is
depends on the family.

Many classifiers of one shape are fitted together, each to its own codes, as a
`Stack`: one network whose weights have one more axis. Its loss is the sum of
its members' losses, and Adam treats each weight by itself. So each member is
fitted as if alone.

#### References

[1]: Sadhika Malladi et al. On the SDEs and Scaling Rules for Adaptive Gradient
     Algorithms. _NeurIPS_, 2022.
"""

import dataclasses
import math
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import TypeAlias

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tqdm

from vae_info import machine, randomness
from vae_info.errors import UserError
from vae_info.evaluation.options import Settings as Settings
from vae_info.networks import layers, xla

tfd = tfp.distributions

# The most in one stack on a CPU. With their gradients and moments they still
# fit into a core's cache, and the codes of an epoch need little memory. 12
# classifiers of 1,623 classes take 1.5 times as long in one stack as one by
# one.
MOST_WEIGHTS = 200_000
LARGE_BATCH = 256  # Codes in a step, once the learning rate has fallen.

# Outputs `[..., B, num_classes]` and labels `[..., B]` -> nats, `[..., B]`.
Losses: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
  """-log c(y|z) of each example, nats: see `Losses`."""
  return tf.nn.sparse_softmax_cross_entropy_with_logits(
    labels=labels, logits=logits
  )


@dataclasses.dataclass(frozen=True)
class Examples:
  """What one classifier is fitted to.

  Attributes:
    draw: A function from an epoch's number to its codes `[N, size]`. The
      number is an integer, or in a stack an int32 scalar tensor: there the draw
      becomes part of a graph.
    labels: int32 `[N]`, in `[0, num_classes)`.
    size: Dimensions of a code.
    num_classes: Number of classes.
    losses: What each example adds to the loss.
  """

  draw: Callable[[tf.Tensor | int], tf.Tensor]
  labels: np.ndarray
  size: int
  num_classes: int
  losses: Losses = cross_entropy


class Mlp(tf.Module):
  """Codes `[..., B, L]` -> c(y|z), a `tfd.Categorical` of batch `[..., B]`."""

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
    """Codes `[..., B, L]` -> `[..., B, num_classes]`."""
    return self.out(self.last_hidden(codes))

  def last_hidden(self, codes: tf.Tensor) -> tf.Tensor:
    """Codes `[..., B, L]` -> the last hidden layer, `[..., B, units]`."""
    x = codes
    for layer in self.hidden:
      x = _elu(layer(x))
    return x

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    return tfd.Categorical(logits=self.logits(codes))


class Stack(tf.Module):
  """Many `Mlp`s of one shape as one network, `[K, B, L]` -> `[K, B, classes]`.

  It starts from copies of the members' weights. `unstack` copies them back.
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
    """Codes `[K, B, L]` -> `[K, B, num_classes]`."""
    x = codes
    for kernel, bias in zip(self.kernels, self.biases, strict=True):
      x = tf.matmul(x, kernel) + bias
      if bias is not self.biases[-1]:
        x = _elu(x)
    return x

  def unstack(self, members: Sequence[Mlp]) -> None:
    """Copies the weights back into the members."""
    for number, member in enumerate(members):
      for layer, kernel, bias in zip(
        [*member.hidden, member.out], self.kernels, self.biases, strict=True
      ):
        layer.kernel.assign(kernel[number])
        layer.bias.assign(bias[number, 0])


def _elu(x):
  # exp instead of the expm1 of tf.nn.elu, which XLA computes slowly.
  return tf.where(x > 0.0, x, tf.exp(tf.minimum(x, 0.0)) - 1.0)


def new(examples: Examples, settings: Settings) -> Mlp:
  """A new classifier. Its first weights follow from the settings' seed."""
  rng = randomness.generator(settings.seed, 'classifier weights')
  return Mlp(examples.size, examples.num_classes, settings.hidden, rng)


def fit(
  classifier: Mlp | Stack,
  examples: Examples,
  settings: Settings,
  title: str = 'classifier',
  after_epoch: Callable[[int], bool] | None = None,
) -> None:
  """Fits a classifier in place, on codes drawn afresh for each epoch.

  Args:
    classifier: Has `logits(codes)`.
    examples: What to fit it to. For a `Stack` of K, codes are `[K, N, size]`
      and labels `[K, N]`.
    settings: How to fit it.
    title: Its name in the progress bar and in errors.
    after_epoch: Called after each epoch with its number. The fit ends if it
      returns True.

  Raises:
    UserError: There are fewer examples than a batch, or the loss is not
      finite.
  """
  bar = tqdm.tqdm(
    _epochs(classifier, examples, settings),
    title,
    settings.epochs,
    unit=' epochs',
    disable=None,
    leave=False,
  )
  for number, loss in enumerate(bar):
    if not math.isfinite(loss):
      raise UserError(
        f'the loss of the {title} is {loss} in epoch {number}; a lower '
        '--classifier_learning_rate may help'
      )
    bar.set_postfix_str(f'loss on training codes {loss:.3f}', refresh=False)
    if after_epoch and after_epoch(number):
      break


def _epochs(classifier, examples, settings):
  """Fits a classifier, and yields the mean loss of each epoch, nats."""
  count, size = examples.labels.shape[-1], settings.batch_size
  if size > count:
    raise UserError(
      f'classifier_batch_size {size} is larger than the {count} examples'
    )
  taken = 0
  labels = tf.constant(examples.labels, tf.int32)
  drawn = _drawn_ahead(examples.draw, settings.epochs)
  moments = [
    [tf.Variable(tf.zeros_like(v), trainable=False) for _ in range(2)]
    for v in classifier.trainable_variables
  ]
  epoch = _make_epoch(classifier, moments, examples.losses)
  for number, codes in enumerate(drawn):
    rng = randomness.generator(settings.seed, 'order of codes', number)
    batch, rate = _batch_and_rate(settings, number, count)
    order = rng.permutation(count)[: count // batch * batch].astype(np.int32)
    loss = epoch(
      codes,
      labels,
      tf.constant(order.reshape(-1, batch)),
      tf.constant(rate),
      tf.constant(taken),
    )
    taken += count // batch
    yield float(loss)


def _batch_and_rate(
  settings: Settings, number: int, count: int
) -> tuple[int, float]:
  """Codes in a step of an epoch, and Adam's learning rate there."""
  quarter = 4 * number // settings.epochs
  growth = min(LARGE_BATCH, count) // settings.batch_size if quarter else 1
  growth = max(1, growth)
  rate = settings.learning_rate * 0.1**quarter * math.sqrt(growth)
  return growth * settings.batch_size, rate


def _drawn_ahead(draw, epochs):
  """Yields the codes of each epoch. Meanwhile a thread draws the next ones."""
  with futures.ThreadPoolExecutor(1) as ahead:
    coming = ahead.submit(draw, 0)
    for number in range(1, epochs + 1):
      codes = coming.result()
      if number < epochs:
        coming = ahead.submit(draw, number)
      yield codes


def _make_epoch(classifier, moments, losses_of):
  """Compiles an epoch: a step of Adam for each row of an order of examples."""
  variables = list(classifier.trainable_variables)

  # The whole epoch is one XLA program. At this size, starting an operation
  # takes longer than its arithmetic.
  @tf.function(jit_compile=xla.compiles_here(), autograph=False)
  def epoch(codes, labels, order, rate, first):
    steps, size = order.shape
    order = tf.reshape(order, [-1])
    codes = tf.gather(codes, order, axis=-2)
    labels = tf.gather(labels, order, axis=-1)
    *stack, _, width = codes.shape  # `[K]` for a stack, else empty.
    start = [0] * len(stack)

    def step(i, losses):
      batch = tf.slice(codes, [*start, i * size, 0], [*stack, size, width])
      targets = tf.slice(labels, [*start, i * size], [*stack, size])
      with tf.GradientTape() as tape:
        each = losses_of(classifier.logits(batch), targets)
        loss = tf.reduce_sum(tf.reduce_mean(each, axis=-1))
      gradients = tape.gradient(loss, variables)
      taken = tf.cast(first + i + 1, tf.float32)
      _adam(variables, moments, gradients, rate, taken)
      return i + 1, losses + loss

    _, losses = tf.while_loop(lambda i, _: i < steps, step, (0, 0.0))
    return losses / steps / math.prod(stack)

  return epoch


def _adam(variables, moments, gradients, rate, step):
  """Takes a step of Adam (Kingma & Ba 2015) by one kernel for each variable."""
  beta1, beta2 = 0.9, 0.999
  for variable, (first, second), gradient in zip(
    variables, moments, gradients, strict=True
  ):
    tf.raw_ops.ResourceApplyAdam(
      var=variable.handle,
      m=first.handle,
      v=second.handle,
      beta1_power=beta1**step,
      beta2_power=beta2**step,
      lr=rate,
      beta1=beta1,
      beta2=beta2,
      epsilon=1e-7,
      grad=gradient,
    )


def fit_together(
  examples: Sequence[Examples],
  settings: Settings,
  title: str = 'classifiers',
  after_epoch: Callable[[int], bool] | None = None,
) -> list[Mlp]:
  """Makes classifiers of one shape, and fits each to its own examples.

  On a CPU each core fits its own stacks, of at most `MOST_WEIGHTS` each: the
  products in one are too small for several cores. A GPU fits one stack in all.

  If one fails, or at a signal, all end after the current epoch.

  Args:
    examples: What to fit each to, with the same N, size and num_classes.
    settings: How to fit all. First weights and order of examples are the same.
    title: For the progress bar.
    after_epoch: As in `fit`, called for each stack.

  Raises:
    UserError: For the same reasons as in `fit`.
  """
  classifiers = [new(each, settings) for each in examples]
  cores = machine.cores()
  stacks = _count_stacks(classifiers, cores)
  ended = threading.Event()

  def ends(number):
    return ended.is_set() or bool(after_epoch and after_epoch(number))

  with futures.ThreadPoolExecutor(min(cores, stacks)) as pool:
    fits = [
      pool.submit(
        _fit_stack,
        classifiers[first::stacks],
        examples[first::stacks],
        settings,
        title,
        ends,
      )
      for first in range(stacks)
    ]
    try:
      futures.wait(fits, return_when=futures.FIRST_EXCEPTION)
    finally:
      ended.set()
      pool.shutdown(cancel_futures=True)
  for one in fits:  # One that failed comes before those that were cancelled.
    one.result()
  return classifiers


def _count_stacks(classifiers, cores):
  """How many stacks to divide the classifiers into."""
  if tf.config.list_logical_devices('GPU'):
    return 1
  weights = sum(v.shape.num_elements() for v in classifiers[0].variables)
  in_one = max(1, MOST_WEIGHTS // weights)
  wanted = max(cores, math.ceil(len(classifiers) / in_one))
  return min(wanted, len(classifiers))


def _fit_stack(classifiers, examples, settings, title, after_epoch):
  """Fits classifiers in place, as one stack."""
  if len(classifiers) == 1:
    fit(classifiers[0], examples[0], settings, title, after_epoch)
    return
  stack = Stack(classifiers)

  # In one graph, what the draws have in common is computed once. For the points
  # of one run this is the noise, most of the work.
  @tf.function(autograph=False)
  def draw(epoch):
    return tf.stack([each.draw(epoch) for each in examples])

  together = Examples(
    lambda epoch: draw(tf.constant(epoch)),
    np.stack([each.labels for each in examples]),
    examples[0].size,
    examples[0].num_classes,
    examples[0].losses,
  )
  fit(stack, together, settings, title, after_epoch)
  stack.unstack(classifiers)
