"""Evaluates finished runs: R, D, C, and bounds on information.

    python -m vae_info.evaluate                  runs without an evaluation
    python -m vae_info.evaluate --run=runs/NAME  this run, even if it has one
    python -m vae_info.evaluate --betas=0.5,1,2  multi-beta models, at these
    python -m vae_info.evaluate --nobounds       without bounds, in less time
    python -m vae_info.evaluate --refit_decoder  also what codes know of pixels
    python -m vae_info.evaluate --label_budgets=100,1000  also C of few labels

The command prints tables and writes `evaluation.json` into each run directory.
Every number is a mean over all test images, with its standard error, in nats.

    python -m vae_info.evaluate --split=validation  for choosing settings

This prints R, D and C of validation images, and writes only classifiers.
"""

import dataclasses
import math
import sys

from absl import app, flags

from vae_info import cli, evaluation
from vae_info.errors import UserError
from vae_info.evaluation import Options, options
from vae_info.runs import Run, finished_runs, rows as tables
from vae_info.runs.paths import open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()
  cli.define_run(
    'Run directory to evaluate, even if it has an evaluation. The default is '
    'every finished run under RUNS_DIR without an evaluation of its training.'
  )
  flags.DEFINE_string(
    'task',
    None,
    'The task, whose labels are evaluated. "all" stands for all tasks of the '
    "data set. The default is the data set's default tasks.",
  )
  flags.DEFINE_enum(
    'split',
    'test',
    options.SPLITS,
    'Images to evaluate. With "validation" the table is only printed: '
    'evaluations in run directories are always of test images.',
  )
  flags.DEFINE_list(
    'betas',
    None,
    'Betas at which to evaluate multi-beta models, separated by commas. The '
    'default is 12 betas, evenly spaced in log beta.',
  )
  flags.DEFINE_boolean(
    'one_trunk',
    False,
    'Whether the classifiers of all tasks share their hidden layers, if all '
    'tasks are evaluated (--task=all). By default those of some tasks do, such '
    "as MNIST's attributes. A task that shares them gets no bounds.",
  )
  cli.define_data_flags()
  flags.DEFINE_integer(
    'num_samples',
    4,
    'Codes drawn for each test image. R, D and C are averages over them.',
    lower_bound=1,
  )
  flags.DEFINE_integer(
    'eval_batch_size',
    500,
    'Images evaluated at once. Memory and speed depend on it; results do not.',
    lower_bound=1,
  )
  _define_more()
  cli.define_entropy_estimate()
  cli.define_classifier_flags()


def _define_more():
  """Defines the flags of what is measured besides R, D and C."""
  flags.DEFINE_boolean(
    'bounds',
    True,
    'Whether to bound I(X;Z) and I(Z;Y), and to fit the mixture of classifiers '
    'that gives the least C. This takes more than half of an evaluation. '
    'Validation images (--split) get no bounds.',
  )
  flags.DEFINE_boolean(
    'refit_decoder',
    False,
    'Whether to fit a decoder with independent pixels to the codes, to measure '
    'what they know of each pixel: equation 6 of the paper. The sums go into '
    'the table, the maps into the run directory. Validation images (--split) '
    'get none.',
  )
  cli.define_more_estimates()


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  chosen = Options(
    task=FLAGS.task,
    betas=cli.numbers('betas', FLAGS.betas),
    num_samples=FLAGS.num_samples,
    batch_size=FLAGS.eval_batch_size,
    split=FLAGS.split,
    one_trunk=FLAGS.one_trunk,
    bounds=FLAGS.bounds,
    refit_decoder=FLAGS.refit_decoder,
    critics=FLAGS.critics,
    label_budgets=cli.numbers('label_budgets', FLAGS.label_budgets, int) or (),
    entropy_estimate=FLAGS.entropy_estimate,
    data_dir=FLAGS.data_dir,
    cache_dir=FLAGS.cache_dir,
    classifier=cli.classifier_settings(FLAGS),
  )
  named = FLAGS.run is not None
  if not named:
    finished = finished_runs(open_path(FLAGS.runs_dir))
    runs = [run for run in finished if not chosen.satisfied_by(run)]
    if not runs:
      _say_there_are_none(finished)
      return
  else:
    runs = [Run(open_path(FLAGS.run))]
  rows, details, sizes, status = [], [], {}, 0
  for number, run in enumerate(runs, 1):
    if not named and chosen.satisfied_by(run):
      continue  # Another process has evaluated it meanwhile.
    print(f'evaluating {run} ({number} of {len(runs)})', flush=True)
    try:
      run.check_finished()
      cli.import_tensorflow()
      new = evaluation.run(run, _meant_for(run, chosen, named))
      rows += new
      sizes[run.name] = math.prod(run.facts['train_images'][1:])
      if chosen.split == 'test':  # Those that are kept are of test images.
        details += _details_of(new, run)
    except (UserError, OSError) as error:  # Go on with the other runs.
      where = '' if str(run) in str(error) else f'{run}: '
      print(f'error: {where}{cli.message(error)}', file=sys.stderr)
      if status != 1:  # A mistake counts more than a run that is in use.
        status = getattr(error, 'status', 1)
  if rows:
    _show(rows, details, sizes, chosen.split)
  if status:
    sys.exit(status)


def _meant_for(run: Run, chosen: Options, named: bool) -> Options:
  """Without --run, --betas is only for the multi-beta models."""
  if named or run.config.beta_range:
    return chosen
  return dataclasses.replace(chosen, betas=None)


def _details_of(rows, run) -> list[dict]:
  """What a run keeps beside some of its rows, with its name."""
  places = {(row['beta'], row['task']) for row in rows}
  return [
    detail | {'run': run.name}
    for detail in run.details
    if (detail['beta'], detail['task']) in places
  ]


def _say_there_are_none(finished) -> None:
  """Says that no run is to be evaluated, and how many lack bounds."""
  lacking = sum(not run.bounded for run in finished)
  more = f' ({lacking} without bounds)' if lacking else ''
  print(f'every finished run has its evaluation{more}; --run=DIR repeats one')


def _show(rows, details, sizes, split) -> None:
  """Prints the tables, and what is doubtful.

  Args:
    rows: Rows of one evaluation, or of several.
    details: Their details, as `rows.bounds_table` takes them.
    sizes: The dimensions of the images, by the name of the run.
    split: The images that were evaluated.
  """
  print(f'nats per {split} image, mean ± standard error:')
  print(tables.table(rows))
  bits = tables.bits_table(rows, sizes)
  if bits:
    print(f'\nbits per dimension of {split} images:')
    print(bits)
  bounds = tables.bounds_table(rows, details)
  if bounds:
    print(f'\nbounds in nats per {split} image, ± standard error:')
    print(bounds)
  known = tables.pixels_table(rows)
  if known:
    print(f'\nwhat codes know of pixels, in nats per {split} image:')
    print(known)
  learned = tables.critics_table(details)
  if learned:
    print(f'\nI(X;Z) ≥ by learned critics, nats per {split} image:')
    print(learned)
  few = tables.budgets_table(rows)
  if few:
    print(f'\nC with few labels, nats per {split} image, ± standard error:')
    print(few)
  for line in tables.doubtful(rows, details):
    print(line)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
