"""The figure of annealing: which trainings it has, and how they look."""

import dataclasses

import plots_table
import pytest

from plots import annealing, figures, table


def trained(row, annealed, epochs):
  """A row of another training, with D + R of its own."""
  name = f'annealed{annealed:g}_epochs{epochs:g}_{row["run"]}'
  changes = {'kl_annealing_epochs': annealed, 'epochs': epochs, 'run': name}
  return row | changes


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
  made = []
  for row in plots_table.rows(('binarized_mnist',)):
    ranged = row['method'] == 'vae' and row['beta_trained']
    if not ranged or row['decoder'] != 'autoregressive':
      made.append(row)
      continue
    made.append(trained(row, 3, 6))
    if row['marginal'] == 'vampprior':
      low = trained(row, 0, 25) | {'beta_trained': '0.1:40', 'run': 'low_seed0'}
      made += [trained(row, 0, 25), trained(row, 12.5, 25), low]
  one = next(
    row
    for row in made
    if row.get('decoder') == 'autoregressive'
    and row['marginal'] == 'vampprior'
    and row['encoder'] == 'conv'
  )
  held = {'beta_trained': '', 'target_rate': 8.5, 'run': 'held_seed0'}
  made.append(one | held | {'rate': 8.4})
  simple = {'decoder': 'deconvolutional', 'run': 'simple_seed0'}
  made.append(one | held | {'rate': 8.3} | simple)
  augmented = {'augmentation': 'affine', 'run': 'augmented_seed0'}
  made.append(one | held | {'rate': 8.2} | augmented)
  path = tmp_path_factory.mktemp('table') / 'r.csv'
  columns = (*plots_table.COLUMNS, 'target_rate', 'augmentation')
  return table.read(plots_table.write(path, made, columns))


def test_a_marginal_needs_two_ways_of_annealing_with_equal_epochs(rows):
  found = annealing.by_marginal(rows)
  assert list(found) == ['vampprior']
  trainings = found['vampprior']
  assert trainings.simple.curves[0].first.decoder == 'deconvolutional'
  assert sorted((one.annealing, one.epochs) for one in trainings.strong) == [
    (0.0, 25.0),
    (0.0, 25.0),
    (3.0, 6.0),
    (12.5, 25.0),
  ]
  assert [row.rate for row in trainings.held] == [8.4, 8.3]


def test_colour_shows_annealing_and_the_marker_epochs(rows):
  figure = dict(figures.figures(rows))['annealing']
  left, right = figure.axes
  legends = [
    text.get_text() for key in figure.legends for text in key.get_texts()
  ]
  assert legends == [
    '25 epochs, constant β in 0.1:40',
    '25 epochs, constant β',
    '6 epochs, β annealed for 3',
    '25 epochs, β annealed for 12.5',
    'R held from the first epochs on',
    'as in figure 1',
    'R held from the first epochs on',
  ]
  for axes in (left, right):
    lines = [container.lines[0] for container in axes.containers]
    assert len(lines) == 4
    assert len({line.get_marker() for line in lines}) == 2
    assert len({str(line.get_color()) for line in lines}) == 3
    assert sum(line.get_linestyle() == ':' for line in lines) == 1
    held = {
      line.get_label().split()[1]: list(line.get_xdata())
      for line in axes.lines
      if line.get_label().startswith('held')
    }
    assert held == {'autoregressive': [8.4], 'deconvolutional': [8.3]}
  [constant] = [
    one for one in right.containers if '0.2:40, 25' in one.get_label()
  ]
  assert sorted(constant.lines[0].get_ydata()) == sorted(
    row.rate_plus_distortion
    for row in rows
    if row.run.startswith('annealed0_') and row.encoder == 'conv'
  )


def test_a_table_without_constant_beta_has_no_such_figure(rows):
  assert not annealing.by_marginal([])
  usual = [row for row in rows if row.kl_annealing_epochs != 0]
  assert not annealing.by_marginal(usual)
  assert 'annealing' not in dict(figures.figures(usual))


def test_clusters_alone_are_no_reason_for_the_figure(rows):
  others = [dataclasses.replace(row, method='kmeans') for row in rows]
  assert annealing.by_marginal(others) == {}
