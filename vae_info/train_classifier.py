"""Trains c(y|z) on the codes of a finished run, and stores it there.

    python -m vae_info.train_classifier --run=runs/NAME --task=digit

`evaluate` trains the classifiers that are missing. This command trains them in
advance, or with other settings.
"""

from absl import app, flags

from vae_info import cli, evaluation
from vae_info.errors import UserError
from vae_info.evaluation import Options
from vae_info.runs import Run
from vae_info.runs.paths import open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_run('Run directory of a finished training.')
  flags.DEFINE_string(
    'task',
    None,
    'The task, whose labels are predicted. "all" stands for all tasks of the '
    "data set. The default is the data set's default tasks.",
  )
  cli.define_data_flags()
  cli.define_classifier_flags()


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  options = Options(
    task=FLAGS.task,
    data_dir=FLAGS.data_dir,
    cache_dir=FLAGS.cache_dir,
    classifier=cli.classifier_settings(FLAGS),
  )
  if FLAGS.run is None:
    raise UserError('--run is needed: the directory of a finished training')
  run = Run(open_path(FLAGS.run))
  run.check_finished()
  cli.import_tensorflow()
  for folder in evaluation.fit_classifiers(run, options):
    print(
      f'the classifier of {folder.name} is in {folder}; next: '
      f'python -m vae_info.evaluate --run={run}'
    )


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
