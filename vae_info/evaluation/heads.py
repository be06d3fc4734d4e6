"""Classifiers of many tasks: one trunk, and a head c(y|z) for each task.

    c_t(y|z) = softmax(trunk(z) W_t + b_t)_y

Trunk and heads are one `Mlp`, whose outputs are those of all heads, side by
side. Its loss is the sum of the heads' losses. So one fit takes about as long
as for one task. H(Y_t) - C_t <= I(Z; Y_t) holds for each head as for any
classifier.

A data set names the tasks that share a trunk. They share it if all of them are
evaluated together. Otherwise each has a classifier of its own. `one_trunk` lets
all tasks of a data set share it.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import datasets, objectives
from vae_info.datasets import Dataset
from vae_info.evaluation.classifiers import Losses, Mlp, cross_entropy
from vae_info.evaluation.estimates import Codes

tfd = tfp.distributions

SHARED = 'shared'  # Takes the place of a task: all that share a trunk.


@dataclasses.dataclass(frozen=True)
class Target:
  """What a network is fitted to predict.

  Attributes:
    labels: int32 `[N]`: labels of one task; for shared tasks, row numbers.
    num_classes: Outputs of the network.
    losses: From outputs and labels to the loss of each example, nats.
  """

  labels: np.ndarray
  num_classes: int
  losses: Losses = cross_entropy


@dataclasses.dataclass(frozen=True)
class Head:
  """One task's classifier: some outputs of a network that others share.

  Attributes:
    network: Trunk and all heads.
    first: The first of its outputs.
    num_classes: How many outputs it has.
  """

  network: Mlp
  first: int
  num_classes: int

  def of(self, logits: tf.Tensor) -> tfd.Distribution:
    """All outputs of the network -> this task's c(y|z)."""
    last = self.first + self.num_classes
    return tfd.Categorical(logits=logits[..., self.first : last])

  def __call__(self, codes: tf.Tensor) -> tfd.Distribution:
    return self.of(self.network.logits(codes))


def one_trunk(dataset: Dataset) -> Dataset:
  """The same data, where all tasks share one trunk.

  A task whose classifier is given more than the code keeps its own. One with a
  single class has none.
  """
  tasks = [
    task
    for task in datasets.varied_tasks(dataset)
    if not dataset.train.given.get(task)
  ]
  return dataclasses.replace(dataset, shared=tuple(tasks))


def shared(dataset: Dataset, tasks: Sequence[str]) -> list[str]:
  """The tasks that share a trunk: all shared ones of the data set, or none.

  Args:
    dataset: The data set.
    tasks: The tasks to evaluate.
  """
  together = len(dataset.shared) > 1 and set(dataset.shared) <= set(tasks)
  return [*dataset.shared] if together else []


def networks(dataset: Dataset, tasks: Sequence[str]) -> list[str]:
  """The networks to fit for some tasks: names of tasks, and `SHARED`."""
  together = shared(dataset, tasks)
  alone = [task for task in tasks if task not in together]
  return [*alone, SHARED] if together else alone


def tasks_of(dataset: Dataset, name: str) -> list[str]:
  """The tasks of one of `networks`, in the order of its outputs."""
  return [*dataset.shared] if name == SHARED else [name]


def target(dataset: Dataset, name: str) -> Target:
  """What the network of a task, or of all shared tasks, is fitted to.

  Args:
    dataset: The data set; its training labels are the target.
    name: A task, or `SHARED`.
  """
  if name != SHARED:
    labels = dataset.train.labels[name]
    return Target(labels, dataset.num_classes[name])
  sizes = [dataset.num_classes[task] for task in dataset.shared]
  table = np.stack(
    [dataset.train.labels[task] for task in dataset.shared], axis=-1
  )
  rows = np.arange(len(table), dtype=np.int32)
  return Target(rows, sum(sizes), sum_of_losses(sizes, table))


def sum_of_losses(sizes: Sequence[int], table: np.ndarray) -> Losses:
  """A function from outputs of all heads and row numbers to summed losses.

  Args:
    sizes: Number of classes of each task.
    table: Labels of each example and task, int32 `[N, T]`.
  """
  labels = tf.constant(table)
  # Neighbours with equally many classes are one operation.
  groups = [(size, len([*same])) for size, same in itertools.groupby(sizes)]

  def losses(logits, rows):
    targets = tf.gather(labels, rows)
    parts = tf.split(logits, [size * count for size, count in groups], axis=-1)
    wanted = tf.split(targets, [count for _, count in groups], axis=-1)
    total = tf.zeros(rows.shape)
    for (size, count), part, want in zip(groups, parts, wanted, strict=True):
      part = tf.reshape(part, [*part.shape[:-1], count, size])
      total += tf.reduce_sum(cross_entropy(part, want), axis=-1)
    return total

  return losses


def split(dataset: Dataset, network: Mlp) -> dict[str, Head]:
  """Task -> its head, for a network that was fitted to `target(SHARED)`."""
  sizes = [dataset.num_classes[task] for task in dataset.shared]
  firsts = np.cumsum([0, *sizes]).tolist()
  return {
    task: Head(network, first, size)
    for task, first, size in zip(dataset.shared, firsts, sizes, strict=False)
  }


def label_distortions_and_hits(
  codes: Codes, heads: Mapping[str, Head], labels: Mapping[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """`estimates.label_distortions_and_hits` of all heads, in one pass.

  Args:
    codes: The codes of the images.
    heads: Task -> its head, all of one network.
    labels: Task -> labels of the images, int32 `[N]`.

  Returns:
    Task -> (label distortions, shares of codes that hit), float64 `[N]` each.
  """
  network = next(iter(heads.values())).network

  @tf.function(autograph=False)
  def all_of_them(codes, labels):
    logits = network.logits(codes)
    values = []
    for head, wanted in zip(
      heads.values(), tf.unstack(labels, axis=-1), strict=True
    ):
      classes = head.of(logits)
      hits = tf.cast(tf.equal(classes.mode(), wanted), tf.float32)
      values += [objectives.label_distortion(wanted, classes), hits]
    return tf.stack(values, axis=-1)

  table = np.stack([labels[task] for task in heads], axis=-1)
  values = codes.mean(all_of_them, table)
  return {
    task: (values[2 * number], values[2 * number + 1])
    for number, task in enumerate(heads)
  }
