"""Trains and evaluates every run of a sweep, or of several.

    python -m launch.sweep --sweep=mnist
    python -m launch.sweep --sweep=figure1_mnist,baselines
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
  flags.DEFINE_list(
    'sweep',
    None,
    'The sweep to run, or several, separated by commas, one after the other: '
    f'{", ".join(sweeps.SWEEPS)}.',
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
    'cluster that this machine is part of, HOST:PORT one of several such.',
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
  if not FLAGS.sweep:
    raise UserError(f'--sweep is one of {", ".join(sweeps.SWEEPS)}; none given')
  # Checks all of them before the first one begins.
  chosen = {
    name: selection.choose(name, argv[1:], FLAGS.filter) for name in FLAGS.sweep
  }
  extra = selection.handed_on(argv[1:])
  values: dict[str, Any] = {
    field.name: FLAGS[field.name].value for field in dataclasses.fields(Options)
  }
  options = Options(**values)
  if options.engine == 'print':
    each = {run.name: run for entries in chosen.values() for run in entries}
    driver.print_commands([*each.values()], extra, options)
    return
  done = True
  for name, entries in chosen.items():
    print(f'sweep {name}: ', end='', flush=True)
    done &= driver.sweep(entries, extra, options)
  if not done:
    sys.exit(1)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
