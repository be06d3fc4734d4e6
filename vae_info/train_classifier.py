"""Trains c(y|z) on the codes of a finished run, and keeps it there.

    python -m vae_info.train_classifier --run=runs/NAME --task=digit

`evaluate` does this by itself where it is missing; this command is for other
settings, or to make it beforehand.
"""

import pathlib

from absl import app, flags

from vae_info import cli
from vae_info.config import Config, UserError

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_run('Run directory of a finished training; required.')
  flags.DEFINE_string(
    'task', None, "Labels to predict; by default all of the data set's."
  )
  cli.define_data_flags()
  cli.define_classifier_flags()


def main(argv):
  cli.no_arguments(argv)
  if FLAGS.run is None:
    raise UserError('--run is required: the directory of a finished run')
  run = pathlib.Path(FLAGS.run)
  config = Config.read(run / 'config.json')
  cli.check_finished(run)
  cli.quiet_tensorflow()
  from vae_info import checkpoints, classifiers, model as models

  settings = classifiers.Settings(**cli.classifier_settings(config.seed))
  dataset = cli.load_dataset(config)
  tasks = cli.chosen_tasks(FLAGS.task, dataset)
  model = models.build(config, dataset.train.images)
  checkpoints.restore_model(model, run)
  step = checkpoints.read_finished(run)['step']
  for task in tasks:
    classifiers.fit_for_run(
      run,
      model,
      dataset.train,
      dataset.num_classes[task],
      task,
      settings,
      step,
    )
    print(
      f'the classifier of {task} is in {run / "classifiers" / task}; next: '
      f'python -m vae_info.evaluate --run={run}'
    )


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
