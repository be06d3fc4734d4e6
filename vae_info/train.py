"""Trains one beta-VAE in a run directory.

    python -m vae_info.train --beta=0.5 --decoder=autoregressive

The same command again resumes a run that was stopped, and leaves a finished
one alone. Next: `python -m vae_info.evaluate`.
"""

import dataclasses
import sys
import typing

from absl import app, flags

from vae_info import cli
from vae_info.config import Config
from vae_info.paths import Path, open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command; the first are the config's."""
  for field in dataclasses.fields(Config):
    text, choices = field.metadata['help'], field.metadata['choices']
    if choices:
      flags.DEFINE_enum(field.name, field.default, choices, text)
    else:
      define = {
        str: flags.DEFINE_string,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        float | str: flags.DEFINE_string,  # A number, or a range of them.
      }[_flag_type(field)]
      default = field.default
      if define is flags.DEFINE_string and default is not None:
        default = str(default)
      define(field.name, default, text)
  cli.define_runs_dir()
  cli.define_run(
    'Run directory, in place of RUNS_DIR/NAME with a name made from the '
    'config. Where it exists, flags that are not given are as it was begun.'
  )
  cli.define_data_flags()
  flags.DEFINE_enum(
    'strategy',
    'auto',
    ['auto', 'one_device', 'mirrored', 'tpu'],
    'Devices, through tf.distribute: "auto" takes all GPUs if there are any, '
    'a TPU if --tpu is given, and otherwise the CPU.',
  )
  flags.DEFINE_string(
    'tpu', '', 'Name or address of a TPU; "local" for the one of this machine.'
  )
  flags.DEFINE_boolean(
    'jit_compile',
    False,
    'Compile the step with XLA. It helps GPUs; on CPUs convolutions become '
    'slower. TPUs always do.',
  )
  flags.DEFINE_integer(
    'steps_per_call',
    50,
    'Steps that the device makes on its own; stopping waits for their end.',
    lower_bound=1,
  )
  flags.DEFINE_float(
    'checkpoint_minutes',
    1.0,
    'Minutes between checkpoints; 0 writes one after every call.',
    lower_bound=0.0,
  )


def _flag_type(field):
  """The field's type, without `| None`."""
  kinds = [k for k in typing.get_args(field.type) if k is not type(None)]
  return field.type if len(kinds) != 1 else kinds[0]


def config_from_flags() -> tuple[Config, Path]:
  """The config that the flags tell, and its run directory.

  Raises:
    UserError: A flag's value is out of its range, or `--run` has another
      config.
  """
  given = {
    field.name: FLAGS[field.name].value
    for field in dataclasses.fields(Config)
    if FLAGS[field.name].present
  }
  if FLAGS.run is None:
    config = Config(**given)
    return config, open_path(FLAGS.runs_dir) / config.run_name
  run = open_path(FLAGS.run)
  if not (run / 'config.json').is_file():
    return Config(**given), run
  stored = Config.read(run / 'config.json')
  dataclasses.replace(stored, **given).check_run(run)
  return stored, run


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  config, run = config_from_flags()
  if (run / cli.FINISHED).is_file():
    print(f'{run} is finished; next: python -m vae_info.evaluate --run={run}')
    return
  print(f'run directory: {run}')
  # Only now: flags are checked, and importing TensorFlow takes seconds.
  from vae_info import interruption, provenance, training

  print(f'device: {provenance.device()}', flush=True)
  dataset = cli.load_dataset(config)
  try:
    training.train(
      config,
      dataset,
      run,
      training.get_strategy(FLAGS.strategy, FLAGS.tpu),
      FLAGS.jit_compile,
      FLAGS.steps_per_call,
      FLAGS.checkpoint_minutes,
    )
  except interruption.Stopped as stopped:
    text, status = interruption.resume_hint(stopped)
    print(text, file=sys.stderr)
    sys.exit(status)
  print(f'finished {run}; next: python -m vae_info.evaluate --run={run}')


def run():
  define_flags()
  app.run(cli.one_line_errors(main))


if __name__ == '__main__':
  run()
