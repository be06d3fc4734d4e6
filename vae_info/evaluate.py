"""Evaluates finished runs on the test split: R, D, and C of every task.

    python -m vae_info.evaluate                  all that have none yet
    python -m vae_info.evaluate --run=runs/NAME  this one, again

Prints a table and writes `evaluation.json` into each run directory. Every
number is a mean over all test images, with its standard error, in nats.
"""

import dataclasses
import functools
import json
import math
import sys

from absl import app, flags

from vae_info import cli, locks, results
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
  flags.DEFINE_float(
    'entropy_estimate',
    None,
    'H(X) in nats for the table of results, in place of the published estimate '
    'for the data set.',
    lower_bound=0.0,
  )
  cli.define_classifier_flags()


def runs_to_evaluate(runs_dir: Path, task: str | None = None) -> list[Path]:
  """Finished runs whose evaluation is missing or older than the training.

  Args:
    runs_dir: Holds them.
    task: If given, an evaluation without it counts as missing.

  Raises:
    UserError: There is no finished run at all.
  """
  todo = []
  for run in cli.finished_runs(runs_dir):
    rows = current_rows(run)
    if not rows or (task and task not in [row['task'] for row in rows]):
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
    A row of the table of results for each task that was asked for.
  """
  from vae_info import checkpoints, datasets, evaluation

  config = Config.read(run / 'config.json')
  dataset = cli.load_dataset(config)
  tasks = cli.chosen_tasks(FLAGS.task, dataset)
  model = evaluation.load_model(run, config, dataset.train.images)
  options = (FLAGS.num_samples, FLAGS.eval_batch_size, config.seed)
  rates, distortions = evaluation.rate_and_distortion(
    model, dataset.test.images, *options
  )
  given = FLAGS.entropy_estimate
  facts = dataclasses.asdict(config) | checkpoints.read_finished(run)
  facts |= {
    'run': run.name,
    'method': 'vae',
    'input_entropy': dataset.entropy_estimate if given is None else given,
    'num_samples': FLAGS.num_samples,
    **estimates(
      rate=rates,
      distortion=distortions,
      rate_plus_distortion=rates + distortions,
    ),
  }
  # Once for all tasks, and not at all where every classifier is there.
  encode_train = functools.cache(
    lambda: evaluation.encode(model, dataset.train.images)
  )
  rows = []
  for task in tasks:
    classifier, settings = stored_or_fitted(
      run, config, model, dataset, task, encode_train
    )
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
    rows.append({name: row[name] for name in results.COLUMNS})
  write(run, rows)
  return rows


def write(run: Path, rows: list[dict]) -> None:
  """Writes the evaluation; tasks that `--task` left out keep their rows."""
  if FLAGS.task:
    old = [row for row in current_rows(run) if row['task'] != FLAGS.task]
    rows = old + rows
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


def stored_or_fitted(run, config, model, dataset, task, encode_train):
  """The run's classifier of `task` and its settings.

  It is fitted where there is none, where the model has been trained further,
  and where the flags that were given ask for another.
  """
  from vae_info import checkpoints, classifiers

  step = checkpoints.read_finished(run)['step']
  num_classes = dataset.num_classes[task]
  stored = classifiers.load(
    run / 'classifiers' / task, config.latent_size, num_classes, step
  )
  wanted = classifiers.Settings(**cli.classifier_settings(config.seed))
  if stored and all(
    getattr(wanted, name) == getattr(stored[1], name)
    for name in cli.given_classifier_settings()
  ):
    return stored
  classifier = classifiers.fit_for_run(
    run,
    model,
    encode_train(),
    dataset.train.labels[task],
    num_classes,
    task,
    wanted,
    step,
  )
  return classifier, wanted


def table(rows: list[dict]) -> str:
  """The rows as text for a terminal."""
  columns = {
    'R': 'rate',
    'D': 'distortion',
    'D+R': 'rate_plus_distortion',
    'C': 'label_distortion',
  }
  lines = [['run', 'task', *columns, 'accuracy']]
  for row in rows:
    cells = [
      f'{row[name]:.3f} ± {row[f"{name}_stderr"]:.3f}'
      for name in columns.values()
    ]
    accuracy = (
      f'{100 * row["label_accuracy"]:.2f} '
      f'± {100 * row["label_accuracy_stderr"]:.2f} %'
    )
    lines.append([row['run'], row['task'], *cells, accuracy])
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
  if FLAGS.run is None:
    runs = runs_to_evaluate(open_path(FLAGS.runs_dir), FLAGS.task)
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
      print(f'doubtful: {row["run"]}, {row["task"]}: {doubt}')
  if status:
    sys.exit(status)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
