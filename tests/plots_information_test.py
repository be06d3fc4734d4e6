"""The figure of the bounds: drawn where the table has them, and only there."""

import dataclasses

import plots_table
import pytest

from plots import (
  explore_records,
  figures,
  information,
  label_distortion,
  style,
  table,
)
from vae_info import references

COLUMNS = (*plots_table.COLUMNS, *information.NEEDED, 'label_information_lower')


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
  made = plots_table.rows(('binarized_mnist',))
  for row in made:
    if row['method'] == 'vae' and row['encoder'] == 'conv':
      rate, loss = row['rate'], row['label_distortion']
      row |= {
        'information_lower': 0.7 * rate,
        'information_upper': 0.95 * rate,
        'label_distortion_least': 0.8 * loss,
        'label_information_lower': 2.3008 - 0.8 * loss,
        'label_information_upper': min(2.3008, 0.95 * rate),
      }
  path = tmp_path_factory.mktemp('table') / 'results.csv'
  return table.read(plots_table.write(path, made, COLUMNS))


def test_a_table_without_bounds_has_no_such_figure(tmp_path):
  made = plots_table.rows(('binarized_mnist',))
  read = table.read(plots_table.write(tmp_path / 'x.csv', made))
  names = [name for name, _ in figures.figures(read)]
  assert 'information' not in names and 'figure1' in names
  assert {row.information_lower for row in read} == {None}


def test_each_result_is_between_its_bounds(rows, tmp_path):
  drawn = dict(figures.figures(rows))
  figure = drawn['information']
  left, right = figure.axes[:2]
  bars = [
    tuple(line.get_ydata())
    for line in left.lines
    if line.get_label() == 'between the bounds'
  ]
  bounded = [row for row in rows if information.drawable(row)]
  assert bars == [
    (row.information_lower, row.information_upper)
    for row in label_distortion.make_panels(rows)[0].rows
    if information.drawable(row)
  ]
  assert len(bars) == len(bounded) > 20
  labels = [line.get_label() for line in right.lines]
  assert labels.count('floor') == len(bounded)
  [signal] = [x for x in right.lines if x.get_label() == 'discard signal']
  rate, loss = signal.get_xdata()[50], signal.get_ydata()[50]
  left_of_it = 79.78 - references.MNIST_NOISE
  assert loss == pytest.approx(2.3008 * (1 - rate / left_of_it))
  style.save(figure, tmp_path, 'information')


def test_seeds_without_bounds_are_not_drawn(rows):
  name, beta = 'information_upper', rows[0].beta
  ranged = [row for row in rows if row.beta_trained and row.encoder == 'conv']
  second = [
    dataclasses.replace(
      row, run=row.run.replace('seed0', 'seed1'), rate=9.0, **{name: None}
    )
    for row in ranged
  ]
  figure = dict(figures.figures([*rows, *second]))['information']
  drawn = [
    line
    for line in figure.axes[0].lines
    if line.get_label() == 'between the bounds'
  ]
  assert len(drawn) == len(list(filter(information.drawable, rows)))
  first = next(row for row in ranged if row.beta == beta)
  expected = [first.information_lower, first.information_upper]
  assert expected in [list(line.get_ydata()) for line in drawn]


def test_the_explorer_shows_the_bounds(rows):
  row = next(row for row in rows if information.drawable(row))
  shown = explore_records.record(row, 'MNIST digit')
  assert shown['information_text'] == (
    f'{row.information_lower:.3f} and {row.information_upper:.3f} nats'
  )
  assert shown['least_text'].startswith(
    f'{row.label_distortion_least:.3f} nats'
  )
  other = next(row for row in rows if row.method == 'pca')
  assert explore_records.record(other, 'x')['information_text'] == '–'
