"""Trains and evaluates every run of a sweep.

    python -m launch.sweep --sweep=mnist
    python -m launch.sweep --sweep=mnist --filter='decoder=deconvolutional'
    python -m launch.sweep --sweep=mnist -- --epochs=2

You can stop it at any moment. The same command then resumes the sweep, and
skips runs that are done. `python -m launch.status` shows the progress.
"""

import dataclasses
import sys
from typing import Any

from absl import app, flags

from launch import driver, selection, sweeps
from launch.driver import Options
from vae_info import cli
from vae_info.errors import UserError

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_string(
    'sweep', None, f'The sweep to run: {", ".join(sweeps.SWEEPS)}.'
  )
  flags.DEFINE_string(
    'filter',
    '',
    'Only do runs that meet these conditions, for instance '
    '"decoder=autoregressive,beta<1".',
  )
  cli.define_runs_dir()
  cli.define_data_flags()
  flags.DEFINE_enum(
    'engine',
    Options.engine,
    ['ray', 'serial', 'print'],
    'How to run: "ray" does as many runs at once as there is room for, '
    '"serial" does one after the other, "print" only prints the commands, one '
    'line for each run.',
  )
  flags.DEFINE_string(
    'ray_address',
    Options.ray_address,
    'Where Ray runs: "local" starts it on this machine, "auto" joins the '
    'cluster that this machine is part of, HOST:PORT joins another cluster.',
  )
  flags.DEFINE_integer(
    'max_retries',
    Options.max_retries,
    'How often to restart a run that failed, from its last checkpoint. A run '
    'that was preempted (exit status 42) always restarts.',
    lower_bound=0,
  )
  _define_resources()


def _define_resources():
  flags.DEFINE_integer(
    'cpus_per_run',
    Options.cpus_per_run,
    'CPU cores of each run, and its number of threads. The last bits of a '
    'result depend on the number of threads.',
    lower_bound=1,
  )
  flags.DEFINE_float(
    'gpus_per_run',
    Options.gpus_per_run,
    'GPUs of each run; may be a fraction, so that runs share a GPU.',
    lower_bound=0.0,
  )
  flags.DEFINE_integer(
    'tpus_per_run',
    Options.tpus_per_run,
    'TPU chips of each run. Above 0, runs train on TPUs.',
    lower_bound=0,
  )


def main(argv: list[str]) -> None:
  cli.quiet_tensorflow()
  if FLAGS.sweep is None:
    raise UserError(f'--sweep is one of {", ".join(sweeps.SWEEPS)}; none given')
  entries = selection.choose(FLAGS.sweep, argv[1:], FLAGS.filter)
  extra = selection.handed_on(argv[1:])
  values: dict[str, Any] = {
    field.name: FLAGS[field.name].value for field in dataclasses.fields(Options)
  }
  options = Options(**values)
  if options.engine == 'print':
    driver.print_commands(
      driver.make_job(entry, extra, options) for entry in entries
    )
  elif not driver.sweep(entries, extra, options):
    sys.exit(1)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
