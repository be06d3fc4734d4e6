"""Trains one beta-VAE in a run directory.

    python -m vae_info.train --beta=0.5 --decoder=autoregressive

The same command resumes a training that was stopped, and leaves a finished one
alone. The next command is `python -m vae_info.evaluate`.
"""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

from absl import app, flags

from vae_info import cli, config as configs
from vae_info.config import BetaRange, Config
from vae_info.runs import Run
from vae_info.runs.paths import open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command, those of the config first."""
  for field in dataclasses.fields(Config):
    _define_option(field)
  cli.define_runs_dir()
  cli.define_run(
    'Run directory. The default is RUNS_DIR/NAME, where NAME follows from the '
    'config. If the run exists, its config sets the flags that are not given.'
  )
  cli.define_data_flags()
  flags.DEFINE_enum(
    'strategy',
    'auto',
    ['auto', 'one_device', 'mirrored', 'tpu'],
    'Devices to train on, through tf.distribute. "auto" takes the TPU if --tpu '
    'is given, otherwise all GPUs, and the CPU if there are none.',
  )
  flags.DEFINE_string(
    'tpu', '', 'Name or address of a TPU; "local" for the one of this machine.'
  )
  flags.DEFINE_boolean(
    'jit_compile',
    False,
    'Compile the step with XLA. This is faster on GPUs, but slows down '
    'convolutions on CPUs. TPUs always compile it.',
  )
  flags.DEFINE_integer(
    'steps_per_call',
    None,
    'Steps in one call of the device; a signal waits for the end of the call. '
    'The default is as many as take about a second. Results do not depend on '
    'it.',
    lower_bound=1,
  )
  flags.DEFINE_float(
    'checkpoint_minutes',
    1.0,
    'Minutes between checkpoints; 0 writes one after every call.',
    lower_bound=0.0,
  )


def _define_option(field: dataclasses.Field) -> None:
  """Defines the flag of one attribute of the config."""
  text, choices = field.metadata['help'], field.metadata['choices']
  default: Any = field.default
  if choices:
    flags.DEFINE_enum(field.name, default, choices, text)
    return
  define: Callable = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    float | BetaRange: flags.DEFINE_string,  # A number, or a range of them.
  }[_flag_type(field)]
  if define is flags.DEFINE_string and default is not None:
    default = str(default)
  define(field.name, default, text)


def _flag_type(field):
  """The field's type, without `| None`."""
  kinds = [k for k in typing.get_args(field.type) if k is not type(None)]
  return field.type if len(kinds) != 1 else kinds[0]


def config_from_flags(values: flags.FlagValues) -> tuple[Config, Run]:
  """Returns the config that the flags give, and its run directory.

  Raises:
    UserError: A flag is out of bounds, or the run directory of `--run` has
      another config.
  """
  given: dict[str, Any] = {
    field.name: values[field.name].value
    for field in dataclasses.fields(Config)
    if values[field.name].present
  }
  if values.run is None:
    config = Config(**given)
    return config, Run(open_path(values.runs_dir) / config.run_name)
  run = Run(open_path(values.run))
  if not run.exists:
    return Config(**given), run
  stored = run.config
  if 'beta' in given:
    given['beta'] = configs.parse_beta(given['beta'])
  run.check_fields(stored, configs.instead(given))
  return stored, run


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  config, run = config_from_flags(FLAGS)
  if run.finished:
    run.check(config)
    print(f'{run} is finished; next: python -m vae_info.evaluate --run={run}')
    return
  print(f'run directory: {run}')
  # The import takes seconds, so it comes after the checks of the flags.
  cli.import_tensorflow()
  from vae_info import datasets, loop, training
  from vae_info.devices import get_strategy, share_cores
  from vae_info.runs import provenance

  shards = share_cores()
  print(f'device: {provenance.device()}', flush=True)
  dataset = datasets.load(
    config.dataset, FLAGS.data_dir, FLAGS.cache_dir, config.binarization
  )
  execution = loop.Execution(
    strategy=get_strategy(FLAGS.strategy, FLAGS.tpu),
    jit_compile=FLAGS.jit_compile,
    steps_per_call=FLAGS.steps_per_call,
    checkpoint_minutes=FLAGS.checkpoint_minutes,
    shards=shards,
  )
  training.train(config, dataset, run, execution)
  print(f'finished {run}; next: python -m vae_info.evaluate --run={run}')


def run():
  define_flags()
  app.run(cli.one_line_errors(main))


if __name__ == '__main__':
  run()
