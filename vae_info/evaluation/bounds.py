"""Bounds on I(X;Z) and I(Z;Y) of one encoder: chosen on validation images.

Validation images choose the bandwidths of the aggregate posterior, the weights
of mixtures, and the exponent alpha and reference b of the tempered bound. They
also choose which lower bound is reported, except that InfoNCE is compared by
its value on test images. Encodings of training images make the aggregate
posterior. Reported numbers use test images alone.

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
from vae_info.evaluation.mixtures import GaussianMixture
from vae_info.evaluation.pairwise import Gaussians, Kernel, LogSums, log_sums

ROWS = 2_500  # Validation codes for choosing; each is paired with all images.
BANDWIDTHS = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)  # Times the encoder's variance.
ALPHAS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Shares of the mixed density in the reference b; the rest is the mean of
# p(z|x)^alpha over training images.
SHARES = (0.01, 0.1, 0.5, 1.0)
# The largest errors of tempered bounds, expected from validation images. One of
# the next level replaces a bound that does not hold on test images.
LEVELS = (0.05, 0.025, 0.01)


@dataclasses.dataclass(frozen=True)
class Encodings:
  """One split: p(z|x) of each image, and a code of each.

  Attributes:
    gaussians: p(z|x), before any flow.
    codes: One draw for each image, before any flow, float `[N, L]`.
    labels: Of one task, integers `[N]`.
    log_marginals: ln of the density of `codes` that m(z) gives, nats, `[N]`,
      with the flow's volume change; None without a marginal.
  """

  gaussians: Gaussians
  codes: np.ndarray
  labels: np.ndarray
  log_marginals: np.ndarray | None = None

  def __len__(self):
    return len(self.codes)

  def __getitem__(self, chosen: slice) -> 'Encodings':
    marginals = self.log_marginals
    return Encodings(
      self.gaussians[chosen],
      self.codes[chosen],
      self.labels[chosen],
      None if marginals is None else marginals[chosen],
    )


@dataclasses.dataclass(frozen=True)
class Choice:
  """A tempered bound: the exponent, and the share in the reference.

  Attributes:
    alpha: The exponent.
    share: The share of the mixed density in b.
    constant: Added to ln of the mixed density's part, nats.
    expected: The bound and its error, from validation images.
  """

  alpha: float
  share: float
  constant: float
  expected: tuple[float, float]

  def log_references(
    self, log_powers: np.ndarray, log_densities: np.ndarray
  ) -> np.ndarray:
    """ln b(z), nats, `[n]`.

    Args:
      log_powers: ln of the mean of p(z|x)^alpha over training images, `[n]`.
      log_densities: ln of the mixed density, `[n]`.
    """
    other = self.alpha * log_densities + self.constant
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
    refitted: The marginal refitted to the codes of training images.
    kernels: Kernels of the sums; bandwidths come first.
    sums: Sums over training images.
    priors: Frequency of each class among training images, `[C]`.
  """

  encodings: Encodings
  refitted: GaussianMixture
  kernels: Sequence[Kernel]
  sums: LogSums
  priors: np.ndarray

  def averages(self, kernel: Kernel, own: bool = False) -> np.ndarray:
    """ln of the mean of a kernel over training images, `[n]`.

    Args:
      kernel: One of `kernels`.
      own: Whether only images of the code's own class count.
    """
    number = self.kernels.index(kernel)
    if not own:
      return self.sums.total[number]
    priors = np.maximum(self.priors[self.encodings.labels], 1e-12)
    return self.sums.own[number] - np.log(priors)

  def densities(self, own: bool = False) -> dict[Kernel | str, np.ndarray]:
    """ln of each known density of the codes, `[n]` each, by name or kernel."""
    known = {'refitted': self.refitted.log_prob(self.encodings.codes)}
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
    hold on test images, InfoNCE is reported.

    Args:
      label_entropy: H(Y), nats.
      losses: Label distortion of each test image, nats, `[N]`.
      validation: Mean label distortion of validation images, nats.
    """
    candidates = [*self.lowers, self.strata(label_entropy, losses)]
    known = label_entropy - validation
    infonce, tempered, (conditional, error) = self.expected
    strata = (conditional + known, error)
    best = candidates[information.choose([infonce, tempered, strata]) or 0]
    return best if best.holds else self.lowers[0]

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
  num_classes: int,
  seed: int = 0,
) -> Information:
  """Bounds the information of an encoder's codes.

  Args:
    train: Encodings that make the aggregate posterior.
    validation: Encodings on which everything is chosen.
    test: Encodings that give every reported number.
    num_classes: Classes of the labels.
    seed: Determines the first means of the refitted marginal.
  """
  size = train.codes.shape[1]
  refitted = mixtures.fit_gaussians(
    train.codes, randomness.generator(seed, 'refitted marginal')
  )

  def against(encodings, kernels):
    keep = sum(kernel.is_density for kernel in kernels)
    classes = np.eye(num_classes, dtype=np.float32)[train.labels] / len(train)
    sums = log_sums(
      encodings.codes, train.gaussians, kernels, classes, encodings.labels, keep
    )
    return Against(encodings, refitted, kernels, sums, classes.sum(axis=0))

  # Choose on validation images.
  kernels = [Kernel.bandwidth(times, size) for times in BANDWIDTHS]
  kernels += [Kernel.tempered(alpha) for alpha in ALPHAS if alpha < 1.0]
  some = against(validation[:ROWS], kernels)
  weights = fit_weights(some)
  choices = [
    choose(validation, some, weights, by_class, len(test))
    for by_class in (False, True)
  ]
  # Measure on test images.
  used = [k for k in kernels if k in weights or k == best_bandwidth(some)]
  used += [Kernel.tempered(c.alpha) for both in choices for c in both]
  seen = against(test, [*dict.fromkeys(used)])
  infonce = information.infonce(validation.codes, validation.gaussians)
  return Information(
    _uppers(seen, weights),
    *_lowers(seen, weights, choices, (infonce.mean, infonce.stderr)),
    some,
    seen,
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
  codes = seen.encodings.codes
  mixed = seen.mixed(weights, by_class)
  labels = validation.labels if by_class else None
  choices = []
  for kernel in seen.kernels:
    alpha = kernel.power
    if kernel.weight != alpha:
      continue
    powers = seen.averages(kernel, by_class)
    constant = float(mixtures.log_mean(powers - alpha * mixed))
    each = [Choice(alpha, share, constant, (0.0, 0.0)) for share in SHARES]
    references = np.stack([c.log_references(powers, mixed) for c in each])
    sums = information.pairs(
      codes, validation.gaussians, alpha, references, labels
    )
    if not sums.used.any():
      return []
    values, errors = information.expected(sums, count)
    choices += [
      dataclasses.replace(choice, expected=(float(value), float(error)))
      for choice, value, error, share in zip(
        each, values, errors, sums.share, strict=True
      )
      if share <= information.MOST_SHARE
    ]
  expected = [choice.expected for choice in choices]
  numbers = [information.choose(expected, most) for most in LEVELS]
  return [choices[n] for n in dict.fromkeys(numbers) if n is not None]


def _lowers(seen, weights, choices, infonce):
  """The attributes `lowers`, `conditional` and `expected` of `Information`.

  `infonce` is the value of InfoNCE on validation images, and its error.
  """
  encodings = seen.encodings
  codes, gaussians = encodings.codes, encodings.gaussians
  found, expected = [], [infonce]
  for by_class, some in zip((False, True), choices, strict=True):
    labels = encodings.labels if by_class else None
    best, value = None, (-np.inf, 0.0)
    for choice in some:
      powers = seen.averages(Kernel.tempered(choice.alpha), by_class)
      references = choice.log_references(powers, seen.mixed(weights, by_class))
      bound = information.tempered(
        codes, gaussians, choice.alpha, references, labels
      )
      if bound.holds:
        best, value = bound, choice.expected
        break
    found.append(best or information.infonce(codes, gaussians, labels))
    expected.append(value)
  lowers = [information.infonce(codes, gaussians), found[0]]
  return lowers, found[1], tuple(expected)


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
