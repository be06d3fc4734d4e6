"""Bounds on I(X;Z) and I(Z;Y) of one encoder: chosen on validation images.

Validation images choose the bandwidths of the aggregate posterior, the weights
of mixtures, and the exponent alpha and reference b of the tempered bound. They
also choose which lower bound is reported. Encodings of training images make the
aggregate posterior. Reported numbers use test images alone.

    uppers = rate, refitted marginal, aggregate posterior, mixture of the three
    lowers = InfoNCE, tempered, strata

Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from vae_info import randomness
from vae_info.evaluation import information, mixtures
from vae_info.evaluation.information import Bound
from vae_info.evaluation.pairwise import Gaussians, Kernel
from vae_info.evaluation.sums import LogSums, log_sums

ROWS = 2_500  # Validation codes for choosing; each is paired with all images.
BANDWIDTHS = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)  # Times the encoder's variance.
ALPHAS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Shares of the mixed density in the reference b; the rest is the mean of
# p(z|x)^alpha over training images.
SHARES = (0.01, 0.1, 0.5, 1.0)
# The largest errors of tempered bounds, expected from validation images. One of
# the next level replaces a bound that does not hold on test images.
LEVELS = (0.08, 0.05, 0.025, 0.01)
# Caps: ln M is less than ln of the number of pairs of test images by so much.
CAPS = (5.0, 6.0, 7.0)
CAPPED_ALPHAS = (0.5, 0.7, 1.0)
CAPPED_SHARES = (0.5, 1.0)


@dataclasses.dataclass(frozen=True)
class Encodings:
  """One split: p(z|x) of each image, and a code of each.

  Attributes:
    gaussians: p(z|x), before any flow.
    codes: One draw for each image, before any flow, float `[N, L]`.
    labels: Of each task, by its name, integers `[N]`.
    log_marginals: ln of the density of `codes` that m(z) gives, nats, `[N]`,
      with the flow's volume change; None without a marginal.
  """

  gaussians: Gaussians
  codes: np.ndarray
  labels: Mapping[str, np.ndarray]
  log_marginals: np.ndarray | None = None

  def __len__(self):
    return len(self.codes)

  def __getitem__(self, chosen: slice) -> 'Encodings':
    marginals = self.log_marginals
    return Encodings(
      self.gaussians[chosen],
      self.codes[chosen],
      {task: labels[chosen] for task, labels in self.labels.items()},
      None if marginals is None else marginals[chosen],
    )


@dataclasses.dataclass(frozen=True)
class Choice:
  """A tempered bound: the kernel, and the share in the reference.

  Attributes:
    kernel: p(z|x)^alpha, or another kernel in its place.
    share: The share of the mixed density in b.
    constant: Added to ln of the mixed density's part, nats.
    log_cap: ln M, nats; None for no cap.
    expected: The bound and its error, from validation images.
  """

  kernel: Kernel
  share: float
  constant: float
  log_cap: float | None = None
  expected: tuple[float, float] = (-np.inf, 0.0)

  def log_references(
    self, log_powers: np.ndarray, log_densities: np.ndarray
  ) -> np.ndarray:
    """ln b(z), nats, `[n]`.

    Args:
      log_powers: ln of the mean of the kernel over training images, `[n]`.
      log_densities: ln of the mixed density, `[n]`.
    """
    other = self.kernel.power * log_densities + self.constant
    if self.share == 1.0:
      return other
    return np.logaddexp(
      np.log1p(-self.share) + log_powers, np.log(self.share) + other
    )


@dataclasses.dataclass(frozen=True)
class Against:
  """Codes of some images against the encodings of training images.

  Attributes:
    encodings: The images.
    task: The labels that are used.
    log_refitted: ln of the density of the codes that the marginal refitted to
      codes of training images gives, nats, `[n]`.
    kernels: Kernels of the sums; bandwidths come first.
    sums: Sums over training images.
    priors: Frequency of each class among training images, `[C]`.
  """

  encodings: Encodings
  task: str
  log_refitted: np.ndarray
  kernels: Sequence[Kernel]
  sums: LogSums
  priors: np.ndarray

  @property
  def labels(self) -> np.ndarray:
    """Integers `[n]`."""
    return self.encodings.labels[self.task]

  def averages(self, kernel: Kernel, own: bool = False) -> np.ndarray:
    """ln of the mean of a kernel over training images, `[n]`.

    Args:
      kernel: One of `kernels`.
      own: Whether only images of the code's own class count.
    """
    number = self.kernels.index(kernel)
    if not own:
      return self.sums.total[number]
    priors = np.maximum(self.priors[self.labels], 1e-12)
    return self.sums.own[number] - np.log(priors)

  def densities(self, own: bool = False) -> dict[Kernel | str, np.ndarray]:
    """ln of each known density of the codes, `[n]` each, by name or kernel."""
    known = {'refitted': self.log_refitted}
    if self.encodings.log_marginals is not None:
      known['rate'] = self.encodings.log_marginals
    bandwidths = [k for k in self.kernels if k.is_density]
    return known | {k: self.averages(k, own) for k in bandwidths}

  def mixed(
    self, weights: Mapping[Kernel | str, float], own: bool = False
  ) -> np.ndarray:
    """ln of a mixture of densities, `[n]`."""
    known = self.densities(own)
    logs = np.stack([known[name] for name in weights], axis=1)
    return mixtures.log_mixture(logs, np.array([*weights.values()]))


@dataclasses.dataclass(frozen=True)
class Information:
  """The bounds of one encoder, and of one task's labels.

  Attributes:
    uppers: Bounds on I(X;Z) from above; the last is the mixture.
    lowers: Bounds on I(X;Z) from below: InfoNCE, then the tempered bound.
    conditional: The lower bound on I(X;Z|Y).
    expected: Values and errors on validation images of InfoNCE, the tempered
      bound and the conditional one; (-inf, 0) for one that does not exist.
    validation: The first validation codes against training encodings.
    test: The test codes against training encodings, at some bandwidths.
  """

  uppers: list[Bound]
  lowers: list[Bound]
  conditional: Bound
  expected: tuple[tuple[float, float], ...]
  validation: Against
  test: Against

  @property
  def upper(self) -> Bound:
    return self.uppers[-1]

  def lower(
    self, label_entropy: float, losses: np.ndarray, validation: float
  ) -> Bound:
    """The reported lower bound on I(X;Z).

    It is the one of InfoNCE, the tempered bound and the sum over strata that
    has the greatest value less two errors, on validation images. If it does not
    hold on test images, the next one is reported.

    Args:
      label_entropy: H(Y), nats.
      losses: Label distortion of each test image, nats, `[N]`.
      validation: Mean label distortion of validation images, nats.
    """
    candidates = [*self.lowers, self.strata(label_entropy, losses)]
    known = label_entropy - validation
    infonce, tempered, (conditional, error) = self.expected
    strata = (conditional + known, error)
    ends = [value - 2 * error for value, error in (infonce, tempered, strata)]
    for number in np.argsort(ends)[::-1]:
      if candidates[number].holds and np.isfinite(ends[number]):
        return candidates[number]
    return self.lowers[0]

  def strata(self, label_entropy: float, losses: np.ndarray) -> Bound:
    """H(Y) - C + I(X;Z|Y), a lower bound on I(X;Z)."""
    return information.together(
      'strata', label_entropy - losses, self.conditional
    )

  def label_upper(self, label_entropy: float) -> Bound:
    """The upper bound on I(Z;Y): at most H(Y)."""
    difference = self.upper.values - self.conditional.values
    if difference.mean() >= label_entropy:
      return Bound('H(Y)', np.full(len(difference), label_entropy))
    return Bound('I(X;Z) - I(X;Z|Y)', difference)


def measure(
  train: Encodings,
  validation: Encodings,
  test: Encodings,
  num_classes: Mapping[str, int],
  seed: int = 0,
) -> dict[str, Information]:
  """Bounds the information of an encoder's codes, for the labels of all tasks.

  What does not depend on labels is computed once.

  Args:
    train: Encodings that make the aggregate posterior.
    validation: Encodings on which everything is chosen.
    test: Encodings that give every reported number.
    num_classes: Classes of each task's labels; at least one task.
    seed: Determines the first means of the refitted marginal.

  Returns:
    Task -> its bounds.
  """
  aggregate = _Aggregate.of(train, num_classes, seed)
  chosen = _choose_all(aggregate, validation, len(test))
  seen = aggregate.against(test, chosen.kernels)
  one = next(iter(seen.values()))  # For what does not depend on labels.
  uppers = _uppers(one, chosen.weights)
  infonce = information.infonce(test.codes, test.gaussians)
  tempered, value = _tempered(one, chosen.weights, chosen.choices, False)
  found = {}
  for task, here in seen.items():
    conditional, other = _tempered(
      here, chosen.weights, chosen.of_task[task], True
    )
    if conditional is None:
      conditional = information.infonce(test.codes, test.gaussians, here.labels)
    found[task] = Information(
      uppers,
      [infonce, tempered or infonce],
      conditional,
      (chosen.infonce, value, other),
      chosen.seen[task],
      here,
    )
  return found


@dataclasses.dataclass(frozen=True)
class _Aggregate:
  """The encodings of training images, and what is fitted to them.

  Attributes:
    encodings: Of training images.
    refitted: The marginal refitted to their codes.
    tables: Of each task, p(x_j, y = c), `[N, C]`.
  """

  encodings: Encodings
  refitted: mixtures.GaussianMixture
  tables: Mapping[str, np.ndarray]

  @classmethod
  def of(cls, train, num_classes, seed):
    rng = randomness.generator(seed, 'refitted marginal')
    tables = {
      task: np.eye(count, dtype=np.float32)[train.labels[task]] / len(train)
      for task, count in num_classes.items()
    }
    return cls(train, mixtures.fit_gaussians(train.codes, rng), tables)

  def against(
    self, encodings: Encodings, kernels: Sequence[Kernel]
  ) -> dict[str, Against]:
    """Task -> codes of other images against these."""
    sums = log_sums(
      encodings.codes,
      self.encodings.gaussians,
      kernels,
      [*self.tables.values()],
      [encodings.labels[task] for task in self.tables],
      sum(kernel.is_density for kernel in kernels),
    )
    logs = self.refitted.log_prob(encodings.codes)
    return {
      task: Against(encodings, task, logs, kernels, part, table.sum(axis=0))
      for (task, table), part in zip(self.tables.items(), sums, strict=True)
    }


@dataclasses.dataclass(frozen=True)
class _Chosen:
  """What validation images choose.

  Attributes:
    weights: Of the mixture of densities.
    choices: Tempered bounds on I(X;Z), as in `choose`.
    of_task: The same on I(X;Z|Y), for each task.
    infonce: InfoNCE of validation images, and its error.
    seen: Task -> the first validation codes against training encodings.
    kernels: The kernels that test images need; bandwidths come first.
  """

  weights: Mapping[Kernel | str, float]
  choices: Sequence[Choice]
  of_task: Mapping[str, Sequence[Choice]]
  infonce: tuple[float, float]
  seen: Mapping[str, Against]
  kernels: Sequence[Kernel]


def _choose_all(aggregate, validation, count) -> _Chosen:
  """Chooses everything for `count` test images."""
  size = validation.codes.shape[1]
  kernels = [Kernel.bandwidth(times, size) for times in BANDWIDTHS]
  kernels += [Kernel.tempered(alpha) for alpha in ALPHAS]
  seen = aggregate.against(validation[:ROWS], kernels)
  one = next(iter(seen.values()))
  weights = fit_weights(one)
  choices = choose(validation, one, weights, False, count)
  of_task = {
    task: choose(validation, here, weights, True, count)
    for task, here in seen.items()
  }
  infonce = information.infonce(validation.codes, validation.gaussians)
  used = [k for k in kernels if k in weights or k == best_bandwidth(one)]
  used += [c.kernel for each in (choices, *of_task.values()) for c in each]
  return _Chosen(
    weights,
    choices,
    of_task,
    (infonce.mean, infonce.stderr),
    seen,
    # A sharp posterior's temperature 1 is also a bandwidth, so sort them.
    sorted(dict.fromkeys(used), key=lambda kernel: not kernel.is_density),
  )


def fit_weights(seen: Against) -> dict[Kernel | str, float]:
  """The weights of the mixture of all densities, fitted to these codes."""
  known = seen.densities()
  weights = mixtures.fit_weights(np.stack([*known.values()], axis=1))
  return {
    name: float(weight)
    for name, weight in zip(known, weights, strict=True)
    if weight > 0.0
  }


def best_bandwidth(seen: Against) -> Kernel:
  """The bandwidth at which these codes are most likely."""
  kernels = [kernel for kernel in seen.kernels if kernel.is_density]
  return max(kernels, key=lambda kernel: seen.averages(kernel).mean())


def choose(
  validation: Encodings,
  seen: Against,
  weights: Mapping[Kernel | str, float],
  by_class: bool,
  count: int,
) -> list[Choice]:
  """Chooses tempered bounds by validation images, for `count` test images.

  Args:
    validation: All validation images.
    seen: The first of them.
    weights: Of the mixture of densities.
    by_class: Whether the bound is on I(X;Z|Y).
    count: Test images.

  Returns:
    A choice for each of `LEVELS` that has one, in their order.
  """
  mixed = seen.mixed(weights, by_class)
  powers = {
    kernel: seen.averages(kernel, by_class)
    for kernel in seen.kernels
    if kernel.weight == kernel.power
  }
  # A constant makes the two parts of the reference alike.
  constants = {
    kernel: float(mixtures.log_mean(logs - kernel.power * mixed))
    for kernel, logs in powers.items()
  }
  labels = validation.labels[seen.task] if by_class else None
  choices = []
  for each in _candidates(constants, count):
    references = [
      [choice.log_references(powers[choice.kernel], mixed) for choice in some]
      for some in each
    ]
    caps = [[choice.log_cap for choice in some] for some in each]
    found = information.pairs(
      seen.encodings.codes,
      validation.gaussians,
      [some[0].kernel for some in each],
      np.array(references),
      labels,
      None if caps[0][0] is None else np.array(caps),
    )
    for some, sums in zip(each, found, strict=True):
      choices += _with_expected(some, sums, count)
  return _of_levels(choices)


def _of_levels(choices: Sequence[Choice]) -> list[Choice]:
  """The best choice at each of `LEVELS` that has one."""
  expected = [choice.expected for choice in choices]
  numbers = [information.choose(expected, most) for most in LEVELS]
  return [choices[n] for n in dict.fromkeys(numbers) if n is not None]


def _candidates(
  constants: Mapping[Kernel, float], count: int
) -> list[list[list[Choice]]]:
  """Choices for each kernel, first without caps and then with them."""
  plain = [
    [Choice(kernel, share, constant) for share in SHARES]
    for kernel, constant in constants.items()
  ]
  pairs = np.log(max(2, count)) + np.log(max(2, count - 1))
  capped = [
    [
      Choice(kernel, share, constant, pairs - less)
      for share in CAPPED_SHARES
      for less in CAPS
    ]
    for kernel, constant in constants.items()
    if kernel.power in CAPPED_ALPHAS
  ]
  return [plain, capped]


def _with_expected(choices, sums, count) -> list[Choice]:
  """The choices in which no pair has too large a share, and their values."""
  if not sums.used.any():
    return []
  values, errors = information.expected(sums, count)
  return [
    dataclasses.replace(choice, expected=(float(value), float(error)))
    for choice, value, error, share in zip(
      choices, values, errors, sums.share, strict=True
    )
    if share <= information.MOST_SHARE
  ]


def _tempered(seen, weights, choices, by_class):
  """The first bound of the choices that holds, and its value when chosen.

  None and -inf if there is none.
  """
  encodings = seen.encodings
  labels = seen.labels if by_class else None
  mixed = seen.mixed(weights, by_class)
  for choice in choices:
    powers = seen.averages(choice.kernel, by_class)
    bound = information.tempered(
      encodings.codes,
      encodings.gaussians,
      choice.kernel,
      choice.log_references(powers, mixed),
      labels,
      choice.log_cap,
    )
    if bound.holds:
      return bound, choice.expected
  return None, (-np.inf, 0.0)


def _uppers(seen, weights):
  """The upper bounds; the last is that of the mixture."""
  encodings, known = seen.encodings, seen.densities()
  log_probs = encodings.gaussians.log_prob(encodings.codes)
  kernels = [name for name in known if isinstance(name, Kernel)]
  best = max(kernels, key=lambda kernel: weights.get(kernel, 0.0))
  named = [
    (known[name], name) for name in ('rate', 'refitted') if name in known
  ]
  named += [(known[best], 'aggregate'), (seen.mixed(weights), 'mixture')]
  return [information.upper(log_probs, logs, name) for logs, name in named]
