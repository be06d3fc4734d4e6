"""Writes the table of results: a row for each run, task and beta, in nats.

python -m vae_info.results --runs_dir=runs --output=results.csv
"""

from absl import app, flags

from vae_info import cli
from vae_info.runs import gather, rows, unevaluated
from vae_info.runs.paths import open_output, open_path

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()
  flags.DEFINE_string('output', 'results.csv', 'CSV file to write.')


def main(argv):
  cli.no_arguments(argv)
  runs_dir = open_path(FLAGS.runs_dir)
  output = open_output(FLAGS.output)
  table = gather(runs_dir)
  rows.write(table, output)
  print(f'wrote {FLAGS.output}: {len(table)} row{"s" * (len(table) != 1)}')
  lacking = unevaluated(runs_dir)
  if lacking:
    print(
      f'not in it: {lacking} finished without an evaluation; next: python -m '
      f'vae_info.evaluate --runs_dir={FLAGS.runs_dir}'
    )


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
