"""From a finished run to its rows of the table of results."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
import tqdm

from vae_info import datasets
from vae_info.config import check_binary
from vae_info.datasets import Dataset
from vae_info.errors import UserError
from vae_info.evaluation import (
  budgets,
  critics,
  curve,
  estimates,
  heads,
  pixels,
  sandwich,
  stored,
  unfinished,
)
from vae_info.evaluation.options import Options
from vae_info.runs import Run, rows as tables, summaries
from vae_info.runs.paths import Path


def measure(run: Run, options: Options) -> list[dict]:
  """Evaluates a run, and returns its rows. Those of test images are written.

  The caller must hold the run's lock; see `evaluation.run`.
  """
  if options.refit_decoder:
    check_binary('refit_decoder', run.config.binarization)
    pixels.check_shape(run.facts['train_images'][1:])
  store, tasks = open_store(run, options)
  budgets.check_count(len(store.dataset.train.images), options.label_budgets)
  if options.critics:
    check_critics(store.dataset, tasks)
  fitted = store.load_or_fit_all(tasks, options.classifier)
  split = getattr(store.dataset, options.split)
  facts = known_columns(run, store.dataset, options)
  codes = _codes(store, split, options)
  of_test = options.split == 'test'

  def at(beta):
    classifiers = {task: fitted[task][beta] for task in tasks}
    columns = facts | {'beta': beta} | known.get(str(beta), {})
    rows = rows_of_codes(codes[beta], split, classifiers, columns)
    more = (rows, store, codes[beta], classifiers, options)
    return {'rows': rows, 'details': add_more(*more) if of_test else []}

  kept = unfinished.Parts(run, options).kept_or_made if of_test else _made
  known = kept('pixels', lambda: known_pixels(store, codes, options))
  found = [
    kept(str(beta), functools.partial(at, beta))
    for beta in tqdm.tqdm(
      codes, 'measuring', unit=' betas', disable=None, leave=False
    )
  ]
  rows = [row for part in found for row in part['rows']]
  if of_test:
    details = [detail for part in found for detail in part['details']]
    write(run, rows, details, options, datasets.varied_tasks(store.dataset))
    unfinished.remove(run)
  return rows


def _codes(store, split, options) -> dict[float, estimates.Codes]:
  """The codes of a split's images by beta."""
  # At all betas together, since their encoders share some layers.
  parameters = curve.encode(store.points, split.images)
  return {
    point.beta: estimates.Codes(
      point.model,
      parameters[point.beta],
      options.num_samples,
      options.batch_size,
      store.run.config.seed,
    )
    for point in store.points
  }


def _made(name, make):
  """The value of `make`, where no part is kept."""
  del name
  return make()


def check_critics(dataset: Dataset, tasks: Sequence[str]) -> None:
  """Raises `UserError` if no task has bounds, beside which critics stand."""
  together = heads.shared(dataset, tasks)
  alone = set(tasks).difference(together, dataset.test.given)
  if not alone:
    raise UserError(
      'critics need a task with a classifier of its own, but there is none '
      f'for {", ".join(tasks)}; choose one with --task, or leave out --critics'
    )


def fit_classifiers(run: Run, options: Options) -> list[Path]:
  """Fits the classifiers of a run; see `evaluation.fit_classifiers`.

  The caller must hold the run's lock.
  """
  store, tasks = open_store(run, options)
  names = heads.networks(store.dataset, tasks)
  for name in names:
    store.fit(name, store.points)
  return [run.classifiers / name for name in names]


def open_store(run: Run, options: Options) -> tuple[stored.Store, list[str]]:
  """The store of a run's classifiers at the options' betas, and the tasks."""
  config = run.config
  dataset = datasets.load(
    config.dataset, options.data_dir, options.cache_dir, config.binarization
  )
  if options.one_trunk:
    dataset = heads.one_trunk(dataset)
  tasks = datasets.chosen_tasks(options.task, dataset)
  points = curve.load(run, options.betas)
  settings = options.settings(config.seed)
  return stored.Store(run, points, dataset, settings), tasks


def known_columns(run: Run, dataset: Dataset, options: Options) -> dict:
  """Columns that are the same in all rows of a run."""
  config = run.config
  entropy = options.entropy_estimate
  return {
    **dataclasses.asdict(config),
    **run.facts,
    'run': run.name,
    'method': 'vae',
    'split': options.split,
    'input_entropy': dataset.entropy_estimate if entropy is None else entropy,
    'num_samples': options.num_samples,
    'beta_trained': str(config.beta) if config.beta_range else None,
  }


def known_pixels(
  store: stored.Store, codes: Mapping[float, estimates.Codes], options: Options
) -> dict[str, dict[str, float]]:
  """What the codes of test images know of pixels, if the options ask for it.

  The maps are written into the run directory.

  Args:
    store: Has the points and the encoder's parameters of training images.
    codes: The codes of the test images by beta.
    options: What to evaluate.

  Returns:
    The columns of each beta, whose name is its text.
  """
  if not options.refit_decoder or options.split != 'test':
    return {}
  known = pixels.measure_points(
    store.points, store.parameters, codes, store.dataset
  )
  pixels.save(store.run, known)
  return {str(beta): one.columns for beta, one in known.items()}


def rows_of_codes(
  codes: estimates.Codes,
  split: datasets.Split,
  classifiers: Mapping[str, stored.Fitted],
  facts: Mapping,
) -> list[dict]:
  """Evaluates a model at one beta, and returns a row for each task.

  Args:
    codes: The codes of the split's images.
    split: The images and labels to evaluate.
    classifiers: The classifier of each task, at this beta.
    facts: Columns that are already known.
  """
  rates, distortions = estimates.rates_and_distortions(codes, split.images)
  columns = {
    **facts,
    **estimates.columns(
      rate=rates,
      distortion=distortions,
      rate_plus_distortion=rates + distortions,
    ),
  }
  rows = []
  values = label_values(codes, split, classifiers)
  for task, fitted in classifiers.items():
    labels = split.labels[task]
    losses, hits = values[task]
    row = columns | {
      'task': task,
      'classifier': fitted.family,
      'label_entropy': datasets.label_entropy(labels),
      **estimates.columns(label_distortion=losses, label_accuracy=hits),
    }
    row |= estimates.preference(row, losses, rates)
    rows.append({name: row.get(name) for name in tables.COLUMNS})
  return rows


def label_values(
  codes: estimates.Codes,
  split: datasets.Split,
  classifiers: Mapping[str, stored.Fitted],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
  """Task -> label distortions and hits of each image, as in `estimates`."""
  values, shared = {}, {}
  for task, fitted in classifiers.items():
    if isinstance(fitted.classifier, heads.Head):
      shared[task] = fitted.classifier
      continue
    values[task] = estimates.label_distortions_and_hits(
      codes, fitted.classifier, split.labels[task], split.given.get(task, ())
    )
  if shared:
    values |= heads.label_distortions_and_hits(codes, shared, split.labels)
  return values


def add_more(
  rows: list[dict],
  store: stored.Store,
  codes: estimates.Codes,
  classifiers: Mapping[str, stored.Fitted],
  options: Options,
) -> list[dict]:
  """Adds the columns that not every evaluation has to the rows of one beta.

  Args:
    rows: A row for each task.
    store: Has the encoder's parameters of training images.
    codes: The codes of the test images.
    classifiers: The classifier of each task, at this beta.
    options: Which columns to add.

  Returns:
    What `evaluation.json` keeps beside some rows.
  """
  if not options.bounds and not options.label_budgets:
    return []
  point = _point(store, codes, rows[0]['beta'])
  for row in rows:
    row |= budgets.columns(
      functools.partial(point.labelled, row['task']),
      len(store.dataset.train.images),
      options.label_budgets,
      store.settings,
    )
  if not options.bounds:
    return []
  details = add_bounds(rows, point, classifiers)
  if options.critics and details:
    found = [*map(critics.described, critics.measure(point.views()))]
    details = [detail | {'critics': found} for detail in details]
  return details


def _point(store, codes, beta) -> sandwich.Point:
  """Encodes all splits at one beta; `codes` are of the test images."""
  dataset = store.dataset
  [here] = [point for point in store.points if point.beta == beta]
  images = dataset.validation.images
  parameters = {
    'train': store.parameters[beta],
    'validation': estimates.encode(here.model, images, codes.batch_size),
    'test': codes.parameters,
  }
  return sandwich.Point.of(here.model, parameters, dataset, codes.seed)


def add_bounds(
  rows: list[dict],
  point: sandwich.Point,
  classifiers: Mapping[str, stored.Fitted],
) -> list[dict]:
  """Adds the columns of bounds and of least C to the rows of one beta.

  They stay empty for a task that shares its classifier, and for one whose
  classifier is given more than the code.

  Args:
    rows: A row for each task.
    point: The encodings of all splits at this beta.
    classifiers: The classifier of each task, at this beta.

  Returns:
    For each such row, what `evaluation.json` keeps beside it.
  """
  dataset = point.dataset
  details, exact = [], sandwich.true_values(point)
  bounded = [row for row in rows if _alone(row['task'], dataset, classifiers)]
  # Once for all tasks: most of it does not depend on labels.
  each = point.bound([row['task'] for row in bounded])
  for row in bounded:
    task = row['task']
    found = each.get(task)
    smallest = point.least(task, classifiers[task], found)
    labels = dataset.test.labels[task]
    row |= sandwich.columns(labels, smallest, found, point.splits['test'].rates)
    details.append(
      {'beta': row['beta'], 'task': task}
      | sandwich.dimensions(point)
      | sandwich.details(labels, smallest, found)
      | sandwich.truth_of(exact, task)
    )
  return details


def _alone(task, dataset, classifiers):
  """Whether the task's classifier is its own, and is given the code alone."""
  shared = isinstance(classifiers[task].classifier, heads.Head)
  return not shared and not dataset.test.given.get(task)


def write(
  run: Run,
  rows: list[dict],
  details: list[dict],
  options: Options,
  tasks: Sequence[str],
) -> None:
  """Writes rows, details, and what all tasks are into the run directory.

  Rows of other tasks stay. If the options name a task or betas, so do those of
  other betas.
  """
  new = {(row['beta'], row['task']) for row in rows}
  evaluated = {task for _, task in new}
  old = [row for row in run.rows if (row['beta'], row['task']) not in new]
  if not (options.task or options.betas):
    old = [row for row in old if row['task'] not in evaluated]
  rows = sorted(old + rows, key=lambda row: (row['beta'], row['task']))
  kept = {(row['beta'], row['task']) for row in old}
  before = [d for d in run.details if (d.get('beta'), d.get('task')) in kept]
  details = before + details
  run.write_rows(rows, details, tasks)
  summaries.write_dimensions(run, details)
