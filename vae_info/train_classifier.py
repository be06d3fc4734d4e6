"""Trains c(y|z) on the codes of a finished run, and keeps it there.

    python -m vae_info.train_classifier --run=runs/NAME --task=digit

`evaluate` does this by itself where it is missing; this command is for other
settings, or to make it beforehand.
"""

from absl import app, flags

from vae_info import cli, locks
from vae_info.config import Config
from vae_info.paths import Path, open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()
  cli.define_run(
    'Run directory of a finished training; by default every one under RUNS_DIR.'
  )
  flags.DEFINE_string(
    'task', None, "Labels to predict; by default all of the data set's."
  )
  cli.define_data_flags()
  cli.define_classifier_flags()


def train_for_run(run: Path) -> None:
  """Fits the classifiers of one run, anew if it has any."""
  from vae_info import checkpoints, classifiers, points

  config = Config.read(run / 'config.json')
  settings = classifiers.Settings(**cli.classifier_settings(config.seed))
  dataset = cli.load_dataset(config)
  of_run = points.load(run, config, dataset.train.images)
  step = checkpoints.read_finished(run)['step']
  encode = points.make_encode(of_run, dataset.train.images)
  for task in cli.chosen_tasks(FLAGS.task, dataset):
    points.fit_classifiers(of_run, dataset, task, settings, step, encode)
    print(
      f'the classifier of {task} is in {run / "classifiers" / task}; next: '
      f'python -m vae_info.evaluate --run={run}'
    )


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  cli.classifier_settings(seed=0)  # Complains at once about what it cannot be.
  if FLAGS.run is None:
    runs = cli.finished_runs(open_path(FLAGS.runs_dir))
  else:
    runs = [open_path(FLAGS.run)]
    Config.read(runs[0] / 'config.json')
    cli.check_finished(runs[0])
  for run in runs:
    with locks.lock(run):
      train_for_run(run)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
