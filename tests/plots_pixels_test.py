"""The figure and the maps of what codes know of pixels."""

import numpy as np
import plots_table
import pytest

from plots import figures, pictures, pixel_lines, pixels, style, table
from plots.pictures import Rated
from vae_info.config import Config
from vae_info.runs import Run

COLUMNS = (
  *plots_table.COLUMNS,
  'pixel_information',
  'pixel_information_stderr',
)


def made():
  for row in plots_table.rows(('binarized_mnist',)):
    if row['method'] == 'vae' and row['encoder'] == 'conv':
      row |= {
        'pixel_information': 3 * row['rate'],
        'pixel_information_stderr': 0.5,
      }
    yield row


def test_every_result_is_drawn_against_rate_and_c(tmp_path):
  rows = table.read(plots_table.write(tmp_path / 'x.csv', made(), COLUMNS))
  figure = dict(figures.figures(rows))['pixels']
  left, right = figure.axes
  ranged = style.runs([row for row in rows if pixels.drawable(row)])[1]
  assert len(ranged) == 6
  for run, group in ranged.items():
    [line] = [x for x in left.lines if x.get_label() == run]
    np.testing.assert_allclose(line.get_ydata(), 3 * line.get_xdata())
    [line] = [x for x in right.lines if x.get_label() == run]
    expected = [[3 * row.rate, row.label_distortion] for row in group]
    np.testing.assert_allclose(line.get_xydata(), expected)
  style.save(figure, tmp_path, 'pixels')


def test_a_table_without_them_has_no_such_figure(tmp_path):
  rows = plots_table.rows(('binarized_mnist',))
  names = [
    name
    for name, _ in figures.figures(
      table.read(plots_table.write(tmp_path / 'x.csv', rows))
    )
  ]
  assert 'pixels' not in names


def test_the_table_has_each_family_at_equal_rate_and_at_equal_sum(tmp_path):
  rows = table.read(plots_table.write(tmp_path / 'x.csv', made(), COLUMNS))
  text = pixel_lines.lines(rows)
  assert len(text) == 2 + 2 * 3
  for line in text[2:]:
    _, _, total, loss, at_sum = line.strip('| ').split(' | ')
    assert total == '51.0 ± 0.5†'  # Three nats for each of 17.
    # A sum of 120 nats is at a rate of 40, where C is lower.
    assert float(at_sum.split()[0]) < float(loss.split()[0])


def test_a_table_without_sums_has_dashes(tmp_path):
  rows = plots_table.rows(('binarized_mnist',))
  lines = pixel_lines.lines(
    table.read(plots_table.write(tmp_path / 'x.csv', rows))
  )
  for line in lines[2:]:
    _, _, total, loss, at_sum = line.strip('| ').split(' | ')
    assert (total, at_sum) == ('–', '–')
    assert '±' in loss


@pytest.fixture
def points(tmp_path):
  """Two decoders, with two marginals each, of which one has no maps."""
  result = []
  for decoder in ('autoregressive', 'deconvolutional'):
    for marginal in ('gaussian', 'maf'):
      config = Config(decoder=decoder, marginal=marginal, beta='1:4')
      run = Run(tmp_path / config.run_name)
      run.path.mkdir()
      result += [Rated(run, config, beta, 30 / beta) for beta in (1.0, 2.0)]
      if marginal == 'maf':
        maps = np.stack([np.full([4, 4, 1], beta) for beta in (2.0, 1.0)])
        np.savez(run.pixels, betas=[2.0, 1.0], maps=maps)
  return result


def test_maps_are_at_about_the_same_rates_for_each_decoder(points, tmp_path):
  rows = pictures.pixel_maps(points)
  assert [[one.decoder for one in row] for row in rows] == [
    ['deconvolutional'] * 2,
    ['autoregressive'] * 2,
  ]
  for row in rows:
    assert [(one.marginal, one.rate) for one in row] == [
      ('maf', 30.0),
      ('maf', 15.0),
    ]
    for one, value in zip(row, (1.0, 2.0), strict=True):
      np.testing.assert_array_equal(one.values, np.full([4, 4], value))
  figure = pixels.maps(rows)
  assert '(+, +)  R = 15.0\nΣ = 32.0' in [
    axes.get_title() for axes in figure.axes
  ]
  style.save(figure, tmp_path, 'maps')


def test_without_maps_there_is_nothing_to_draw(points):
  without = [point for point in points if point.config.marginal == 'gaussian']
  assert pictures.pixel_maps(without) == []
