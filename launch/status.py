"""Shows the progress of the runs in a folder.

    python -m launch.status --runs_dir=runs

It reads only the run directories. So it works while a sweep runs, and from any
machine that sees the folder. It does not know which runs a sweep will begin.
"""

from absl import app, flags

from launch import states
from vae_info import cli
from vae_info.errors import UserError
from vae_info.runs import Run
from vae_info.runs.paths import open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()


def main(argv: list[str]) -> None:
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  runs_dir = open_path(FLAGS.runs_dir)
  if not runs_dir.is_dir():
    raise UserError(f'there is no folder {runs_dir}')
  folders = sorted(path.name for path in runs_dir.iterdir() if path.is_dir())
  # Leaves out folders that are no run directories: they have neither a config
  # nor a record of a failed attempt.
  begun = [
    state
    for state in states.read_all(Run(runs_dir / name) for name in folders)
    if state.state != states.PENDING
  ]
  for state in begun:
    print(states.line(state))
  print(f'{states.counts(begun)}, of the runs in this folder')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
