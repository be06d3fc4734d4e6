"""Draws every figure of a table of results, as PDF and PNG.

    python -m plots.figures

By default of the table in this repository, into the folder beside it.
"""

import pathlib
from collections.abc import Iterator

from absl import app, flags
from matplotlib.figure import Figure

from plots import (
  label_distortion,
  label_preference,
  rate_distortion,
  style,
  table as tables,
)
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  define_table_flags()
  flags.DEFINE_string('output_dir', 'plots/figures', 'Folder for the pictures.')


def define_table_flags() -> None:
  """What to read, and which of it; `explore` shares these."""
  flags.DEFINE_string(
    'results', 'plots/results.csv', 'Table of results to read.'
  )
  flags.DEFINE_list(
    'datasets',
    [],
    'Draw these data sets alone: names as in the table, separated by commas. '
    'A panel cannot show two.',
  )
  flags.DEFINE_string(
    'classifier',
    None,
    'Draw C by this classifier alone: its name in the table. A panel cannot '
    'show two. Supervised networks stay.',
  )


def read_table() -> list[Row]:
  """The rows that the flags ask for."""
  rows = tables.read(pathlib.Path(FLAGS.results))
  return tables.choose(rows, FLAGS.datasets, FLAGS.classifier)


def figures(rows: list[Row]) -> Iterator[tuple[str, Figure]]:
  """Names of files, and figures."""
  panels = tables.panels(rows)
  yield 'figure1', label_distortion.label_distortion(panels)
  for note in label_distortion.notes(panels):
    print(note)
  for panel in panels:
    if panel.title.startswith('MNIST'):
      yield 'figure2', label_distortion.magnified(panel)
  of_data = rate_distortion.panels(rows)
  yield 'rate_distortion', rate_distortion.rate_distortion(of_data)
  preferring = label_preference.panels(panels)
  if preferring:
    figure = label_preference.label_preference(preferring)
    yield 'label_preference', figure
    for note in label_preference.notes(preferring):
      print(note)


def main(argv):
  cli.no_arguments(argv)
  rows = read_table()
  for note in tables.notes(rows):
    print(note)
  folder = pathlib.Path(FLAGS.output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  for name, figure in figures(rows):
    for path in style.save(figure, folder, name):
      print(f'wrote {path}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
