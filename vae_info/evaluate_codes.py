"""Evaluates codes of any framework: R, C, and bounds on information.

    python -m vae_info.evaluate_codes --codes=codes.npz --output=codes.csv

The file has these arrays, of N images in any order:

    means, scales    float [N, L]: p(z|x) is a diagonal Gaussian
    codes            float [N, L]: draws; used only without the two above
    labels           int [N], of the task "label"; or labels_TASK for each task
    split            int [N]: 0 training, 1 validation, 2 test

R is against a mixture of Gaussians that is fitted to the codes of training
images. With `codes` alone there are C and the least C, but no R and no bound on
I(X;Z).

The table has the columns of results.csv. Figures do not draw its rows: they are
of no data set and no network that the figures know.
"""

import pathlib

from absl import app, flags

from vae_info import cli
from vae_info.errors import UserError
from vae_info.evaluation import Settings, options
from vae_info.runs import rows as tables
from vae_info.runs.paths import open_output

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_string(
    'codes', None, 'The .npz file of arrays to evaluate. Required.'
  )
  flags.DEFINE_string(
    'output',
    None,
    'CSV file to write or to replace, with the columns of results.csv.',
  )
  flags.DEFINE_string(
    'task', None, 'The task to evaluate. The default is every task of the file.'
  )
  flags.DEFINE_integer(
    'seed',
    0,
    'Seed of all random draws.',
    lower_bound=0,
    upper_bound=2**31 - 1,
  )
  cli.define_more_estimates()
  cli.define_classifier_flags()


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  if FLAGS.codes is None:
    raise UserError('--codes is needed: an .npz file of arrays')
  settings = Settings(**cli.classifier_settings(FLAGS), seed=FLAGS.seed)
  budgets = cli.numbers('label_budgets', FLAGS.label_budgets, int) or ()
  options.check_budgets(budgets)
  output = open_output(FLAGS.output) if FLAGS.output else None
  cli.import_tensorflow()
  from vae_info.evaluation import arrays, arrays_file

  given = arrays_file.read(FLAGS.codes)
  if FLAGS.task:
    given = arrays_file.of_task(given, FLAGS.task)
  note = arrays_file.spread_note(arrays_file.check(given, settings.seed))
  if note:
    print(note, flush=True)
  name, learned = pathlib.PurePath(FLAGS.codes).stem, []
  if FLAGS.critics:
    from vae_info.evaluation import critics

    found = arrays.critics_of(given, settings.seed)
    learned = [*map(critics.described, found)]
  rows = arrays.evaluate(given, name, settings, budgets)
  print('nats per test image, mean ± standard error:')
  print(tables.table(rows))
  print('\nbounds in nats per test image, ± standard error:')
  print(tables.bounds_table(rows))
  details = [
    {'run': name, 'beta': None, 'task': row['task'], 'critics': learned}
    for row in rows
    if learned
  ]
  if details:
    print('\nI(X;Z) ≥ by learned critics, nats per test image:')
    print(tables.critics_table(details))
  if budgets:
    print('\nC with few labels, nats per test image, ± standard error:')
    print(tables.budgets_table(rows))
  for line in tables.doubtful(rows, details):
    print(line)
  if output:
    tables.write(rows, output)
    print(f'wrote {FLAGS.output}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
