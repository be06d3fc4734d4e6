"""Bounds on I(X;Z) and I(Z;Y), and the least C, of a model and a data set.

The bounds need p(z|x) as a diagonal Gaussian. It may go through one flow that
is the same for every image: I(X;Z) is that of the codes before the flow. For
any other encoder there are only the rate, from above, and the least C.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from vae_info import datasets, randomness
from vae_info.datasets import Dataset, sprites
from vae_info.evaluation import bounds, estimates, information, least, truth
from vae_info.evaluation.bounds import Encodings, Information
from vae_info.evaluation.critics import Views
from vae_info.evaluation.information import Bound
from vae_info.evaluation.least import Labelled, Least, Pair
from vae_info.evaluation.pairwise import Gaussians
from vae_info.evaluation.stored import Fitted
from vae_info.networks.protocols import FlowEncoder, Networks, before_flow

tfd = tfp.distributions

# A dimension is active if the mean of its code varies more than this; Burda,
# Grosse and Salakhutdinov, Importance Weighted Autoencoders, ICLR 2016.
ACTIVE = 0.01


@dataclasses.dataclass(frozen=True)
class Encoded:
  """p(z|x) and one code of each image of a split.

  Attributes:
    gaussians: p(z|x) before any flow; None if it is not Gaussian.
    base: The codes before any flow, float32 `[N, L]`.
    codes: The codes, float32 `[N, L]`.
    log_marginals: ln of the density of `base` that m(z) gives, nats, `[N]`.
    rates: ln p(z|x) / m(z), nats, `[N]`.
  """

  gaussians: Gaussians | None
  base: np.ndarray
  codes: np.ndarray
  log_marginals: np.ndarray
  rates: np.ndarray

  def of(self, labels: Mapping[str, np.ndarray]) -> Encodings:
    """Adds the labels of some tasks. The encoder must be Gaussian."""
    assert self.gaussians is not None
    return Encodings(self.gaussians, self.base, labels, self.log_marginals)


def encode(
  model: Networks, parameters: np.ndarray, seed: int, purpose: str
) -> Encoded:
  """Draws a code of each image.

  Args:
    model: The networks at one beta.
    parameters: The encoder's parameters, `[N, P]`.
    seed: Determines the draws, together with `purpose`.
    purpose: What the codes are for.
  """
  encoder, _ = before_flow(model.encoder)
  whole = encoder.distribution(tf.constant(parameters))
  base = whole.sample(seed=randomness.stateless_seed(seed, purpose, 0))
  values = _make_push(model)(base, parameters)
  return Encoded(
    gaussians(whole), base.numpy(), values[:, :-2], values[:, -2], values[:, -1]
  )


def _make_push(model) -> Callable[..., np.ndarray]:
  """A function from draws before any flow, `[N, L]`, and parameters `[N, P]`.

  It returns codes, `log_marginals` and `rates` of `Encoded`, `[N, L + 2]`.
  """

  @tf.function(autograph=False)
  def push(base, parameters):
    codes, marginals, rates = estimates.rates_of_base(model, base, parameters)
    return tf.concat([codes, marginals[:, None], rates[:, None]], axis=1)

  return functools.partial(estimates.map_batches, push, 500)


def gaussians(encoding: tfd.Distribution) -> Gaussians | None:
  """Means and scales of diagonal Gaussians; None if it is anything else."""
  inner = getattr(encoding, 'distribution', None)
  independent = isinstance(encoding, tfd.Independent) and isinstance(
    inner, tfd.Normal
  )
  if not independent and not isinstance(encoding, tfd.MultivariateNormalDiag):
    return None
  return Gaussians(encoding.mean().numpy(), encoding.stddev().numpy())


@dataclasses.dataclass(frozen=True)
class Point:
  """A model at one beta, and the encodings of all splits.

  Attributes:
    model: The networks at one beta.
    parameters: The encoder's parameters of each split, `[N, P]`, by its name.
    splits: The encodings of each split, by its name.
    dataset: Its labels are used.
    seed: Determines all draws.
  """

  model: Networks
  parameters: Mapping[str, np.ndarray]
  splits: Mapping[str, Encoded]
  dataset: Dataset
  seed: int

  @classmethod
  def of(
    cls,
    model: Networks,
    parameters: Mapping[str, np.ndarray],
    dataset: Dataset,
    seed: int,
  ) -> 'Point':
    """Draws codes of all splits from the encoder's parameters of each."""
    purposes = {
      'train': 'classifier codes',
      'validation': 'validation codes',
      'test': 'evaluation codes',  # The first of those that give R and C.
    }
    splits = {
      name: encode(model, parameters[name], seed, purpose)
      for name, purpose in purposes.items()
    }
    return cls(model, parameters, splits, dataset, seed)

  def labels(self, split: str, task: str) -> np.ndarray:
    return getattr(self.dataset, split).labels[task]

  def bound(self, tasks: Sequence[str]) -> dict[str, Information]:
    """Task -> its bounds; {} if the encoder is not Gaussian."""
    if not tasks or any(one.gaussians is None for one in self.splits.values()):
      return {}
    train, validation, test = (
      one.of({task: self.labels(name, task) for task in tasks})
      for name, one in self.splits.items()
    )
    classes = {task: self.dataset.num_classes[task] for task in tasks}
    return bounds.measure(train, validation, test, classes, self.seed)

  def least(
    self, task: str, fitted: Fitted, found: Information | None
  ) -> Least:
    """The least C of a task.

    Args:
      task: The labels.
      fitted: The paper's classifier, which is part of the mixture.
      found: The bounds, whose aggregate posteriors are part of it too; None if
        the encoder is not Gaussian.
    """
    return least_of(self.labelled(task), fitted, found)

  def labelled(self, task: str, some: np.ndarray | None = None) -> Labelled:
    """Codes of all splits, with what is given beside them, and labels.

    Args:
      task: The labels.
      some: Indices of the training images to use, with repetitions; None for
        all.
    """
    data, chosen = self.dataset, slice(None) if some is None else some
    draw = estimates.make_draw(
      self.model,
      self.parameters['train'][chosen],
      self.seed,
      'codes of larger classifiers',
      [values[chosen] for values in data.train.given.get(task, ())],
    )

    def seen(name, rows):
      given = getattr(data, name).given.get(task, ())
      parts = [self.splits[name].codes, *given]
      codes = np.concatenate([part[rows] for part in parts], axis=-1)
      return codes, self.labels(name, task)[rows]

    return Labelled(
      draw,
      self.labels('train', task)[chosen],
      seen('validation', slice(0, bounds.ROWS)),
      seen('test', slice(None)),
      data.num_classes[task],
    )

  def views(self) -> Views:
    """What critics see: the encoder's parameters, and codes."""
    return Views(
      estimates.make_draw(
        self.model, self.parameters['train'], self.seed, 'codes of critics'
      ),
      self.parameters['train'],
      (self.parameters['validation'], self.splits['validation'].codes),
      (self.parameters['test'], self.splits['test'].codes),
      self.seed,
    )


def least_of(
  labelled: Labelled, fitted: Fitted, found: Information | None
) -> Least:
  """The least C from a fitted classifier and from bounds.

  Args:
    labelled: Codes and labels.
    fitted: The paper's classifier, which is part of the mixture.
    found: The bounds, whose aggregate posteriors are part of it too; None if
      the encoder is not Gaussian.
  """
  network = least.of_network(fitted.classifier, labelled)
  known = {fitted.settings.family: network}
  if found is not None:
    known |= posteriors(found)
  return least.fit(labelled, known, fitted.settings)


def posteriors(found: Information) -> dict[str, Pair]:
  """Components of the least C: the label's posterior at each used bandwidth."""
  seen, asked = found.validation, found.test
  return {
    f'aggregate posterior, variance times {1 / kernel.power:g}': (
      least.posterior(seen.sums.classes[seen.kernels.index(kernel)]),
      least.posterior(asked.sums.classes[asked.kernels.index(kernel)]),
    )
    for kernel in asked.kernels
    if kernel.is_density
  }


def columns(
  labels: np.ndarray,
  smallest: Least,
  found: Information | None,
  rates: np.ndarray | None,
) -> dict[str, float | str | None]:
  """The columns of the bounds and of the least C.

  Args:
    labels: Of the test images, int `[N]`.
    smallest: The least C.
    found: The bounds; None if the encoder is not Gaussian.
    rates: ln p(z|x) / m(z), nats, `[N]`, for an encoder that is not Gaussian;
      None without a marginal.
  """
  entropy = datasets.label_entropy(labels)
  result: dict[str, float | str | None] = {}
  result |= _column(
    'label_distortion_least', Bound('', smallest.losses)
  ) | _column('label_information_lower', Bound('', entropy - smallest.losses))
  if found is None:
    if rates is not None:
      result |= _column('information_upper', Bound('rate', rates))
    return result
  lower = found.lower(entropy, smallest.losses, smallest.validation)
  result |= _column('information_lower', lower)
  result |= {'information_lower_by': lower.name}
  result |= _column('information_upper', found.upper)
  result |= _column('label_information_upper', found.label_upper(entropy))
  return result


def _column(name, bound):
  return {name: bound.mean, f'{name}_stderr': bound.stderr}


def details(
  labels: np.ndarray, smallest: Least, found: Information | None
) -> dict:
  """Each estimator's value, and the weights of the mixture with the least C."""
  result: dict = {'least_weights': smallest.weights}
  if found is not None:
    entropy = datasets.label_entropy(labels)
    lowers = [*found.lowers, found.strata(entropy, smallest.losses)]
    result |= {
      'information_upper': [_described(bound) for bound in found.uppers],
      'information_lower': [_described(bound) for bound in lowers],
      'information_lower_given_label': _described(found.conditional),
    }
  return result


def _described(bound: information.Bound) -> dict:
  return {
    'estimator': bound.name,
    'nats': bound.mean,
    'stderr': bound.stderr,
    'largest_share_of_a_pair': bound.share,
  }


def true_values(point: Point) -> dict[str, truth.Exact]:
  """The truth about a point on sprites; {} on other data sets.

  See `truth.measure` for its names.
  """
  if point.dataset.name != 'sprites' or point.splits['test'].gaussians is None:
    return {}
  everything = sprites.world()
  parameters = estimates.encode(point.model, everything.images)
  encoder, _ = before_flow(point.model.encoder)
  whole = gaussians(encoder.distribution(tf.constant(parameters)))
  assert whole is not None
  push = _make_push(point.model)
  return truth.measure(
    whole,
    everything.probabilities,
    everything.joint,
    randomness.generator(point.seed, 'codes of all images'),
    lambda codes: push(codes.astype(np.float32), parameters)[:, -2],
  )


def truth_of(found: Mapping[str, truth.Exact], task: str) -> dict:
  """The truth about a task, as `evaluation.json` keeps it."""
  if not found:
    return {}
  names = {
    'information': 'information',
    'divergence': 'divergence',
    'label_information': f'information {task}',
    'label_distortion': f'label_distortion {task}',
  }
  values = {name: found[key].mean for name, key in names.items()}
  errors = {f'{name}_stderr': found[key].stderr for name, key in names.items()}
  return {'truth': values | errors}


def dimensions(point: Point) -> dict:
  """How many dimensions are active; the rate of each, if they are independent.

  Dimensions are independent if both p(z|x) and m(z) are diagonal Gaussians.
  """
  test = point.splits['test']
  if test.gaussians is None:
    return {}
  result: dict = {
    'active_dimensions': int(np.sum(test.gaussians.means.var(axis=0) > ACTIVE))
  }
  marginal = gaussians(point.model.marginal())
  if marginal is not None and not isinstance(point.model.encoder, FlowEncoder):
    encoding = tfd.Normal(test.gaussians.means, test.gaussians.scales)
    prior = tfd.Normal(marginal.means, marginal.scales)
    rates = encoding.log_prob(test.base) - prior.log_prob(test.base)
    result['rates_of_dimensions'] = rates.numpy().mean(axis=0).tolist()
  return result
