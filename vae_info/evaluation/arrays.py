"""Codes as arrays: from a run, or from anyone, and their evaluation.

`arrays_file` describes the arrays.
"""

import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from vae_info import datasets
from vae_info.errors import UserError
from vae_info.evaluation import (
  arrays_file,
  bounds,
  budgets,
  classifiers,
  critics,
  curve,
  estimates,
  least,
  sandwich,
)
from vae_info.evaluation.arrays_file import SPLITS
from vae_info.evaluation.information import Bound
from vae_info.evaluation.options import Settings, check_budgets
from vae_info.evaluation.stored import Fitted
from vae_info.runs import Run, provenance, rows as tables


def of_run(
  run: Run,
  split: str = 'all',
  beta: float | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, np.ndarray]:
  """The arrays of a finished run.

  With a flow, `means` and `scales` are those before it, and `codes` after it.
  A file has no place for what a classifier is given beside the code. So labels
  of such a task are left out, and those of a task with one class. A line on
  stderr says so.

  Args:
    run: A finished run.
    split: One of `SPLITS`, or 'all'.
    beta: The beta at which to encode; a multi-beta model needs it.
    data_dir: As in `datasets.load`.
    cache_dir: As in `datasets.load`.

  Raises:
    UserError: The run is unfinished, a beta is missing, or p(z|x) is not
      Gaussian.
  """
  run.check_finished()
  config = run.config
  if config.beta_range and beta is None:
    raise UserError(
      f'{run} is a multi-beta model for {config.beta}; choose a beta with '
      '--beta'
    )
  [point] = curve.load(run, None if beta is None else [beta])
  data = datasets.load(config.dataset, data_dir, cache_dir, config.binarization)
  whys = {task: _left_out(task, data) for task in data.num_classes}
  for why in filter(None, whys.values()):
    print(f'note: {why}', file=sys.stderr, flush=True)
  tasks = [task for task, why in whys.items() if why is None]
  parts: dict[str, list[np.ndarray]] = {}
  for number, name in enumerate(SPLITS):
    if split not in ('all', name):
      continue
    content = _of_split(point.model, config, getattr(data, name), name)
    labels = getattr(data, name).labels
    content |= {f'labels_{task}': labels[task] for task in tasks}
    content['split'] = np.full(len(content['codes']), number, np.int32)
    for key, values in content.items():
      parts.setdefault(key, []).append(values)
  return {key: np.concatenate(values) for key, values in parts.items()}


def _left_out(task, data):
  """Says why a file has no labels of a task; None if it has them."""
  if data.train.given.get(task):
    return (
      f'labels of {task} are left out: its classifier is given more than the '
      'code, which a file of codes cannot hold; python -m vae_info.evaluate '
      f'--task={task} has its C'
    )
  constant = datasets.constant(task, data)
  return constant and f'{constant}; its labels are left out'


def _of_split(model, config, split, name):
  """The codes of one split, as arrays."""
  found = sandwich.encode(
    model,
    estimates.encode(model, split.images),
    config.seed,
    f'codes of {name}',
  )
  if found.gaussians is None:
    raise UserError(
      f'the encoder {config.encoder} is not a diagonal Gaussian, so it has no '
      'means and scales'
    )
  return {
    'means': found.gaussians.means,
    'scales': found.gaussians.scales,
    'codes': found.codes,
  }


def evaluate(
  arrays: Mapping[str, np.ndarray],
  name: str = 'codes',
  settings: Settings | None = None,
  label_budgets: Sequence[int] = (),
) -> list[dict]:
  """Evaluates codes: a row of the table of results for each task.

  R is against a marginal that is fitted to the codes of training images.

  Args:
    arrays: As `arrays_file` describes them.
    name: The value of the column `run`.
    settings: How to fit the paper's classifier; its seed is that of all draws.
    label_budgets: Numbers of labels with which C is measured too.

  Raises:
    UserError: The arrays are not as expected, or a budget has no column.
  """
  check_budgets(label_budgets)
  settings = settings or Settings()
  checked = arrays_file.check(arrays, settings.seed)
  budgets.check_count(len(checked.part('train')), label_budgets)
  facts = {
    'run': name,
    'dataset': 'codes',
    'split': 'test',
    'method': 'codes',
    'latent_size': checked.codes.shape[1],
    'seed': settings.seed,
    'num_samples': 1,
    'classifier': settings.name,
    'device': provenance.device(),
    'version': provenance.version(),
  }
  found = _bounds(checked, settings.seed)
  rows = []
  for task in checked.labels:
    few = budgets.columns(
      functools.partial(checked.labelled, task),
      len(checked.part('train')),
      label_budgets,
      settings,
    )
    rows.append(facts | few | _row(checked, task, found.get(task), settings))
  return [{key: row.get(key) for key in tables.COLUMNS} for row in rows]


def critics_of(arrays: Mapping[str, np.ndarray], seed: int = 0) -> list[Bound]:
  """Lower bounds on I(X;Z) by learned critics.

  Args:
    arrays: As `arrays_file` describes them, with `means` and `scales`: x enters
      through them.
    seed: Of all draws.

  Raises:
    UserError: The arrays are not as expected.
  """
  checked = arrays_file.check(arrays, seed)
  if checked.gaussians is None:
    raise UserError('critics need means and scales; found codes alone')
  known = checked.gaussians
  images = np.concatenate([known.means, np.log(known.scales)], axis=1)
  train, validation, test = (checked.part(name) for name in SPLITS)
  views = critics.Views(
    checked.draw,
    images[train],
    (images[validation], checked.codes[validation]),
    (images[test], checked.codes[test]),
    seed,
  )
  return critics.measure(views)


def _bounds(checked, seed) -> dict[str, bounds.Information]:
  """Task -> its bounds; {} without a density."""
  if checked.gaussians is None:
    return {}
  splits = []
  for name in SPLITS:
    part = checked.part(name)
    labels = {task: values[part] for task, values in checked.labels.items()}
    splits.append(
      bounds.Encodings(checked.gaussians[part], checked.codes[part], labels)
    )
  classes = {
    task: int(values.max()) + 1 for task, values in checked.labels.items()
  }
  return bounds.measure(*splits, num_classes=classes, seed=seed)


def _row(checked, task, found, settings):
  """The columns of one task, whose bounds are `found`."""
  labelled = checked.labelled(task)
  settings = dataclasses.replace(
    settings, batch_size=min(settings.batch_size, len(labelled.train))
  )
  examples = classifiers.Examples(
    checked.draw,
    labelled.train,
    checked.codes.shape[1],
    labelled.num_classes,
  )
  [classifier] = classifiers.fit_together([examples], settings, task)
  codes, labels = labelled.test
  smallest = sandwich.least_of(labelled, Fitted(classifier, settings), found)
  log_probs = least.log_probs(classifier, codes)
  losses, hits = least.losses_and_hits(log_probs, labels)
  rate = {}
  if found:
    against = Bound('', found.uppers[0].values)
    rate = {'rate': against.mean, 'rate_stderr': against.stderr}
  return {
    'task': task,
    'label_entropy': datasets.label_entropy(labels),
    **rate,
    **estimates.columns(label_distortion=losses, label_accuracy=hits),
    **sandwich.columns(labels, smallest, found, None),
  }
