"""The figure of annealing: which trainings it has, and how they look."""

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
      made += [trained(row, 0, 25), trained(row, 12.5, 25)]
  path = tmp_path_factory.mktemp('table') / 'r.csv'
  return table.read(plots_table.write(path, made))


def test_a_marginal_needs_a_training_with_constant_beta(rows):
  found = annealing.by_marginal(rows)
  assert list(found) == ['vampprior']
  first, *others = found['vampprior']
  assert first.curves[0].first.decoder == 'deconvolutional'
  assert sorted((one.annealing, one.epochs) for one in others) == [
    (0.0, 25.0),
    (3.0, 6.0),
    (12.5, 25.0),
  ]


def test_colour_shows_annealing_and_the_marker_epochs(rows):
  figure = dict(figures.figures(rows))['annealing']
  left, right = figure.axes
  legends = [
    text.get_text() for key in figure.legends for text in key.get_texts()
  ]
  assert legends == [
    'constant β, 25 epochs',
    'β annealed for 3, 6 epochs',
    'β annealed for 12.5, 25 epochs',
    'same marginal, most epochs',
  ]
  for axes in (left, right):
    lines = {
      line.get_marker(): line
      for container in axes.containers
      for line in [container.lines[0]]
    }
    assert len(axes.containers) == 3 and len(lines) == 2
    colours = {str(one.lines[0].get_color()) for one in axes.containers}
    assert len(colours) == 3
  [constant] = [
    one for one in right.containers if 'annealed' not in one.get_label()
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
