"""The table of what more epochs change."""

import plots_table
import pytest

from plots import against_epochs, table


def family(row, epochs, lower, **changes):
  """A row of a longer training, whose C is lower."""
  return row | {
    'run': f'{row["run"]}_epochs={epochs}',
    'epochs': epochs,
    'label_distortion': row['label_distortion'] - lower,
    **changes,
  }


@pytest.fixture(scope='module')
def lines(tmp_path_factory):
  made = list(plots_table.rows(('binarized_mnist',)))
  ranged = [
    row
    for row in made
    if row.get('beta_trained')
    and row['decoder'] == 'deconvolutional'
    and row['encoder'] == 'conv'
  ]
  vampprior = [row for row in ranged if row['marginal'] == 'vampprior']
  maf = [row for row in ranged if row['marginal'] == 'maf']
  for row in made:
    row['epochs'] = 8
  made += [family(row, 40, 0.01) for row in vampprior]
  made += [
    family(row, 30, 0.01, architecture='paper', run='large')
    for row in vampprior
  ]
  made += [family(row, 40, 0.01, augmentation='affine') for row in maf]
  made += [
    family(row, 20, 0.01, kl_annealing_epochs=1, run='annealed')
    for row in vampprior
  ]
  path = tmp_path_factory.mktemp('table') / 'r.csv'
  columns = (*plots_table.COLUMNS, 'augmentation')
  return against_epochs.lines(
    table.read(plots_table.write(path, made, columns))
  )


def test_a_family_with_several_trainings_is_there_by_epochs(lines):
  cells = [line.strip('| ').split(' | ') for line in lines[2:]]
  # One with augmentation alone is no reason for a table of its family.
  assert [line[:5] for line in cells] == [
    ['deconvolutional', 'Gaussian', 'conv', '8', '0'],
    ['deconvolutional', 'Gaussian', 'iaf', '8', '0'],
    ['deconvolutional', 'VampPrior', 'conv', '8', '0'],
    ['deconvolutional', 'VampPrior', 'conv', '20', '1'],
    ['deconvolutional', 'VampPrior', 'conv', '40', '0'],
    ['deconvolutional', 'VampPrior', 'conv, paper size', '30', '0'],
    ['autoregressive', 'Gaussian', 'conv', '8', '0'],
    ['autoregressive', 'Gaussian', 'iaf', '8', '0'],
  ]


def test_the_supervised_c_is_subtracted(lines):
  short, long = (
    [float(cell.split()[0]) for cell in line.strip('| ').split(' | ')[7:10]]
    for line in (lines[4], lines[6])
  )
  assert [a - b for a, b in zip(short, long, strict=True)] == pytest.approx(
    [0.01] * 3, abs=1.1e-3
  )
  assert min(short) > 0
