"""How far the runs of a folder are, from their directories alone.

    python -m launch.status --runs_dir=runs

Works while a sweep is at them, and from any machine that sees the folder.
"""

from absl import app, flags

from launch import states
from vae_info import cli
from vae_info.config import UserError
from vae_info.paths import open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  runs_dir = open_path(FLAGS.runs_dir)
  if not runs_dir.is_dir():
    raise UserError(f'there is no folder {runs_dir}')
  # A directory of a run has its config, or what a launcher left of trying.
  found = [
    state
    for state in states.read_all(
      runs_dir / run.name for run in sorted(runs_dir.iterdir()) if run.is_dir()
    )
    if state.state != states.PENDING
  ]
  for state in found:
    print(states.line(state))
  print(states.counts(found))


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
