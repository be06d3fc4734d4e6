"""Draws every figure from the table of results, as PDF and PNG.

    python -m plots.figures

By default it reads the table of this repository, and writes to plots/figures.
"""

import pathlib
from collections.abc import Iterator, Sequence

from absl import app, flags
from matplotlib.figure import Figure

from plots import (
  annealing,
  attributes,
  flow_figure,
  information,
  label_distortion,
  label_preference,
  low_rate,
  magnified,
  pixels,
  rate_distortion,
  representatives,
  seeds,
  style,
  table,
  table_flags,
)
from plots.panels import Panel, left_out
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  table_flags.define_table_flags()
  flags.DEFINE_string('output_dir', 'plots/figures', 'Folder for the pictures.')


def averaged(panels: Sequence[Panel]) -> list[Panel]:
  """The panels with their β-VAEs averaged over seeds."""
  return [seeds.averaged_panel(panel) for panel in panels]


def figures(rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
  """The name of the file, and the figure, of each figure of the table.

  Raises:
    UserError: A row that a figure draws is damaged, or there is no row to draw.
  """
  # Checks all rows before the first figure, so that damage stops the command
  # before it writes any.
  drawn = representatives.of_paper(rows)
  of_seeds = label_distortion.make_panels(drawn)
  panels = averaged(of_seeds)
  data_panels = averaged(rate_distortion.make_panels(drawn))
  few, flows = (averaged(made) for made in _further_panels(rows).values())
  preferences = label_preference.with_preference(panels)
  bounded = averaged(information.with_bounds(of_seeds))
  refitted = pixels.with_pixels(panels)
  yield 'figure1', label_distortion.label_distortion(panels)
  for panel in filter(_of_mnist, panels):
    if magnified.within(panel):
      yield 'figure2', magnified.magnified(panel)
  yield 'rate_distortion', rate_distortion.rate_distortion(data_panels)
  if preferences:
    yield 'label_preference', label_preference.label_preference(preferences)
  if bounded:
    yield 'information', information.information(bounded)
  if refitted:
    yield 'pixels', pixels.pixels(refitted)
  if few:
    yield 'low_rate', low_rate.low_rate(few)
  if flows:
    yield 'flows', flow_figure.flows(flows)
  if trainings := annealing.by_marginal(rows):
    yield 'annealing', annealing.annealing(trainings)


def _of_mnist(panel):
  """Whether a panel is drawn magnified."""
  return panel.title.startswith('MNIST')


def _further_panels(rows):
  """The panels of each figure of further methods, before seeds are averaged."""
  everything = representatives.representatives(rows)
  drawn = representatives.of_paper(rows)
  return {
    'low_rate': low_rate.with_low_rates(
      label_distortion.make_panels(everything, low_rate.METHODS)
    ),
    'flows': flow_figure.with_flows(
      label_distortion.make_panels(drawn, flow_figure.METHODS)
    ),
  }


def attribute_figures(rows: Sequence[Row]) -> Iterator[tuple[str, Figure]]:
  """`attributes`, if the table has runs with several labels.

  Args:
    rows: The whole table: its data sets are not those of the other figures.

  Raises:
    UserError: A row that it draws is damaged.
  """
  panels = attributes.make_panels(rows)
  if panels:
    yield 'attributes', attributes.attributes(panels)


def notes(rows: Sequence[Row]) -> list[str]:
  """Describes what the figures leave out, a line for each case."""
  drawn = representatives.of_paper(rows)
  panels = label_distortion.make_panels(drawn)
  further = [
    f'{name}: {note}'
    for name, made in _further_panels(rows).items()
    for note in seeds.notes(made, averaged(made))
  ]
  return [
    *representatives.note(rows),
    *left_out(panels, drawn),
    *seeds.notes(panels, averaged(panels)),
    *further,
    *label_distortion.notes(panels),
    *(
      note
      for panel in filter(_of_mnist, panels)
      for note in magnified.notes(panel)
    ),
    *rate_distortion.notes(rate_distortion.make_panels(drawn)),
    *label_preference.notes(label_preference.with_preference(panels)),
  ]


def _notes_of_codes(rows):
  """Counts the rows of `evaluate_codes`, which no figure draws."""
  count = sum(row.method == 'codes' for row in rows)
  return [f'not drawn: {count} rows of other codes'] if count else []


def main(argv):
  cli.no_arguments(argv)
  whole = table.read(pathlib.Path(FLAGS.results))
  rows = table.choose(whole, FLAGS.datasets, FLAGS.classifier)
  for note in [
    *notes(rows),
    *attributes.notes(attributes.make_panels(whole)),
    *_notes_of_codes(whole),
  ]:
    print(note)
  folder = pathlib.Path(FLAGS.output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  for name, figure in (*figures(rows), *attribute_figures(whole)):
    for path in style.save(figure, folder, name):
      print(f'wrote {path}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
