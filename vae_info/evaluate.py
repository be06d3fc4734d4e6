"""Evaluates finished runs on the test split: R, D, and C of every task.

    python -m vae_info.evaluate                  all that have none yet
    python -m vae_info.evaluate --run=runs/NAME  this one, again
    python -m vae_info.evaluate --betas=0.5,1,2  of runs of a range of betas

Prints a table and writes `evaluation.json` into each run directory. Every
number is a mean over all test images, with its standard error, in nats.
"""

import dataclasses
import itertools
import json
import math
import sys
from collections.abc import Sequence

from absl import app, flags

from vae_info import cli, locks, references, results
from vae_info.config import Config, UserError
from vae_info.paths import Path, modified, open_path, write_atomically

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()
  cli.define_run(
    'Run directory to evaluate, even if it has been. By default every '
    'finished run under RUNS_DIR without an evaluation newer than its '
    'checkpoint.'
  )
  flags.DEFINE_string(
    'task', None, "Labels to evaluate; by default all of the data set's."
  )
  flags.DEFINE_list(
    'betas',
    None,
    'Betas at which to evaluate models that were trained for a range of them, '
    'separated by commas. The default is 12, evenly spaced in log beta.',
  )
  cli.define_data_flags()
  flags.DEFINE_integer(
    'num_samples',
    4,
    'Codes drawn for each test image, over which its R, D and C are averaged.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'eval_batch_size',
    500,
    'Images at once; it changes memory and speed, not the numbers.',
    lower_bound=1,
  )
  cli.define_entropy_estimate()
  cli.define_classifier_flags()


def runs_to_evaluate(
  runs_dir: Path,
  task: str | None = None,
  betas: Sequence[float] = (),
) -> list[Path]:
  """Finished runs whose evaluation is missing or older than the training.

  Args:
    runs_dir: Holds them.
    task: If given, an evaluation without it counts as missing.
    betas: Likewise, for runs that were trained for a range of betas.

  Raises:
    UserError: There is no finished run at all.
  """
  todo = []
  for run in cli.finished_runs(runs_dir):
    rows = current_rows(run)
    tasks = {row['task'] for row in rows}
    lacking = {task} - tasks if task else set()
    if rows and rows[0]['beta_trained']:
      there = {(row['task'], row['beta']) for row in rows}
      wanted = itertools.product([task] if task else tasks, betas)
      lacking |= set(wanted) - there
    if not rows or lacking:
      todo.append(run)
  return todo


def current_rows(run: Path) -> list[dict]:
  """The rows of a run's evaluation; none unless it is good and up to date."""
  evaluated = run / results.EVALUATION
  finished = run / cli.FINISHED
  if not (evaluated.exists() and modified(evaluated) >= modified(finished)):
    return []
  try:
    return results.read_run(evaluated)
  except UserError:
    return []  # Damaged, or of another version: it is made again.


def evaluate_run(run: Path) -> list[dict]:
  """Evaluates one run, and fits the classifiers that it lacks.

  Returns:
    A row of the table of results for each beta and task that was asked for.
  """
  from vae_info import checkpoints, classifiers, points

  config = Config.read(run / 'config.json')
  dataset = cli.load_dataset(config)
  tasks = cli.chosen_tasks(FLAGS.task, dataset)
  of_run = points.load(run, config, dataset.train.images, betas_of(config))
  finished = checkpoints.read_finished(run)
  encode = points.make_encode(of_run, dataset.train.images)
  fitted = {
    task: points.stored_or_fitted(
      of_run,
      config,
      dataset,
      task,
      classifiers.Settings(**cli.classifier_settings(config.seed)),
      cli.given_classifier_settings(),
      finished['step'],
      encode,
    )
    for task in tasks
  }
  facts = dataclasses.asdict(config) | finished
  facts |= {
    'run': run.name,
    'method': 'vae',
    'input_entropy': cli.input_entropy(dataset),
    'num_samples': FLAGS.num_samples,
    'beta_trained': config.beta if config.beta_range else None,
  }
  rows = []
  encode = points.make_encode(of_run, dataset.test.images)
  for number, point in enumerate(of_run):
    told = facts | {'beta': point.beta}
    theirs = {task: fitted[task][number] for task in tasks}
    rows += evaluate_point(
      point.model, dataset, encode(point), theirs, told, config.seed
    )
  write(run, rows)
  return rows


def betas_of(config: Config) -> tuple[float, ...] | None:
  """`--betas`, for a run that has a range; None where it is not given.

  Raises:
    UserError: The run that `--run` names has one beta.
  """
  if FLAGS.betas is None or config.beta_range:
    return cli.numbers('betas')
  if FLAGS.run:
    raise UserError(
      f'--betas is for a run of a range of betas; this one has {config.beta:g}'
    )
  return None


def evaluate_point(model, dataset, parameters, fitted, facts: dict, seed: int):
  """The rows of one model: one for each task.

  Args:
    model: A `model.Model`, or one at a beta.
    dataset: Whose test split is evaluated.
    parameters: The encoder's, of that split, `[N, P]`.
    fitted: From each task to its classifier and the settings of that.
    facts: Columns that are known.
    seed: Of the draws.
  """
  from vae_info import datasets, evaluation

  options = (FLAGS.num_samples, FLAGS.eval_batch_size, seed, parameters)
  rates, distortions = evaluation.rate_and_distortion(
    model, dataset.test.images, *options
  )
  facts = facts | estimates(
    rate=rates,
    distortion=distortions,
    rate_plus_distortion=rates + distortions,
  )
  rows = []
  for task, (classifier, settings) in fitted.items():
    labels = dataset.test.labels[task]
    losses, right = evaluation.label_distortion(
      model, classifier, dataset.test.images, labels, *options
    )
    row = facts | {
      'task': task,
      'classifier': settings.family,
      'label_entropy': datasets.label_entropy(labels),
      **estimates(label_distortion=losses, label_accuracy=right),
    }
    row |= preference(row, losses, rates)
    rows.append({name: row.get(name) for name in results.COLUMNS})
  return rows


def write(run: Path, rows: list[dict]) -> None:
  """Writes the evaluation; what --task or --betas left out keeps its rows."""
  if FLAGS.task or FLAGS.betas:
    made = {(row['beta'], row['task']) for row in rows}
    old = [
      row for row in current_rows(run) if (row['beta'], row['task']) not in made
    ]
    rows = sorted(old + rows, key=lambda row: (row['beta'], row['task']))
  write_atomically(
    run / results.EVALUATION, json.dumps({'rows': rows}, indent=2) + '\n'
  )


def estimates(**values) -> dict[str, float]:
  """Columns NAME and NAME_stderr of per-image values, float `[N]` each."""
  from vae_info import evaluation

  columns = {}
  for name, array in values.items():
    estimate = evaluation.Estimate.of(array)
    columns |= {name: estimate.mean, f'{name}_stderr': estimate.stderr}
  return columns


def preference(row: dict, label_distortions, rates) -> dict[str, float]:
  """The columns of the label preference; None where H(X) or R is not known.

  Args:
    row: With `label_entropy` and `input_entropy`.
    label_distortions: Per image, nats, float `[N]`.
    rates: The same, or one number that is exact, or None.
  """
  value, stderr = None, None
  if row['input_entropy'] is not None and rates is not None:
    value, stderr = references.label_preference(
      label_distortions, rates, row['label_entropy'], row['input_entropy']
    )
  return {'label_preference': value, 'label_preference_stderr': stderr}


def table(rows: list[dict]) -> str:
  """The rows as text for a terminal."""
  columns = {
    'R': 'rate',
    'D': 'distortion',
    'D+R': 'rate_plus_distortion',
    'C': 'label_distortion',
  }
  lines = [['run', 'beta', 'task', *columns, 'accuracy']]
  for row in rows:
    cells = [
      ''  # Baselines have no rate, or no distortion.
      if row[name] is None
      else f'{row[name]:.3f} ± {row[f"{name}_stderr"] or 0:.3f}'
      for name in columns.values()
    ]
    accuracy = (
      f'{100 * row["label_accuracy"]:.2f} '
      f'± {100 * row["label_accuracy_stderr"]:.2f} %'
    )
    beta = '' if row['beta'] is None else f'{row["beta"]:.4g}'
    lines.append([row['run'], beta, row['task'], *cells, accuracy])
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return '\n'.join(
    '  '.join(
      cell.ljust(width) for cell, width in zip(line, widths, strict=True)
    )
    for line in lines
  )


def doubts(row: dict) -> list[str]:
  """What cannot be, by more than three standard errors: a cross-check."""
  found = []
  least = row['label_entropy'] - row['rate']
  stderr = math.hypot(row['label_distortion_stderr'], row['rate_stderr'])
  if row['label_distortion'] < least - 3 * stderr:
    found.append(f'C is below H(Y) - R = {least:.3f}')
  total, stderr = (
    row['rate_plus_distortion'],
    row['rate_plus_distortion_stderr'],
  )
  known = row['input_entropy']
  if known is not None and total < known - 3 * stderr:
    found.append(f'D + R is below {known}, the best that is known for H(X)')
  return found


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  cli.classifier_settings(seed=0)  # Complains at once about what it cannot be.
  cli.numbers('betas')
  if FLAGS.run is None:
    runs = runs_to_evaluate(
      open_path(FLAGS.runs_dir),
      FLAGS.task,
      cli.numbers('betas') or (),
    )
    if not runs:
      print('every finished run has its evaluation; --run=DIR does one again')
      return
  else:
    runs = [open_path(FLAGS.run)]
    Config.read(runs[0] / 'config.json')
    cli.check_finished(runs[0])
  rows, status = [], 0
  for number, run in enumerate(runs, 1):
    print(f'evaluating {run} ({number} of {len(runs)})', flush=True)
    try:
      with locks.lock(run):
        rows += evaluate_run(run)
    except UserError as error:  # The other runs may be good.
      print(f'error: {error}', file=sys.stderr)
      status = error.status
  if rows:
    print('nats per test image, mean ± standard error:')
    print(table(rows))
  for row in rows:
    for doubt in doubts(row):
      where = f'{row["run"]}, beta {row["beta"]:.4g}, {row["task"]}'
      print(f'doubtful: {where}: {doubt}')
  if status:
    sys.exit(status)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
