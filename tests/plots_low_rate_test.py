"""Which trainings the figures draw, and the figure of few nats."""

import numpy as np
import plots_table
import pytest
from matplotlib.collections import PolyCollection

from plots import figures, label_distortion, table
from plots.representatives import note, representatives

DATASET = 'binarized_mnist'


def first(rows, decoder, **other):
  """A made-up row of a multi-beta model with a Gaussian marginal."""
  family = ('conv', decoder, 'gaussian')
  return next(
    row | other
    for row in rows
    if row['method'] == 'vae'
    and row['beta_trained']
    and (row['encoder'], row['decoder'], row['marginal']) == family
  )


@pytest.fixture(scope='module')
def made():
  return list(plots_table.rows((DATASET,)))


def read(tmp_path, rows):
  columns = (*plots_table.COLUMNS, 'augmentation', 'target_rate')
  return table.read(plots_table.write(tmp_path / 'x.csv', rows, columns))


@pytest.mark.parametrize(
  ('decoder', 'changes', 'better'),
  [
    ('deconvolutional', {'epochs': 90.0}, True),
    ('deconvolutional', {'epochs': 90.0, 'kl_annealing_epochs': 1.0}, False),
    ('autoregressive', {'epochs': 2.0, 'kl_annealing_epochs': 1.0}, True),
    ('autoregressive', {'epochs': 90.0, 'kl_annealing_epochs': 1.0}, True),
    ('autoregressive', {'epochs': 8.0, 'kl_annealing_epochs': 0.0}, False),
    ('deconvolutional', {'epochs': 90.0, 'architecture': 'paper'}, False),
    ('deconvolutional', {'epochs': 90.0, 'augmentation': 'affine'}, False),
  ],
)
def test_one_configuration_represents_a_family(
  tmp_path, made, decoder, changes, better
):
  known = [row | {'epochs': 8.0} for row in made]
  old = first(known, decoder)
  new = old | {'run': 'other_seed0', **changes}
  kept = {row.run for row in representatives(read(tmp_path, [*known, new]))}
  assert ('other_seed0' in kept) == better
  assert (old['run'] in kept) != better


def test_more_seeds_count_before_longer_training(tmp_path, made):
  old = first(made, 'deconvolutional', epochs=90.0)
  several = [
    old | {'run': f'short_seed{seed}', 'seed': seed, 'epochs': 8.0}
    for seed in range(2)
  ]
  rows = read(tmp_path, [old, *several])
  assert {row.run for row in representatives(rows)} == {
    'short_seed0',
    'short_seed1',
  }
  assert note(rows)[0].startswith('1 results')


@pytest.mark.parametrize(('epochs', 'annealed'), [(8, 0), (90, 0), (90, 1)])
def test_trainings_at_one_beta_stand_beside_curves_of_equal_epochs(
  tmp_path, made, epochs, annealed
):
  long = [
    row | {'epochs': 90.0} if row.get('beta_trained') else row for row in made
  ]
  alone = first(made, 'deconvolutional', beta_trained='', epochs=epochs)
  alone |= {'run': 'alone_seed0', 'kl_annealing_epochs': annealed}
  kept = {row.run for row in representatives(read(tmp_path, [*long, alone]))}
  assert ('alone_seed0' in kept) == (epochs == 90 and not annealed)
  # One whose rate was held stays.
  held = alone | {'run': 'held_seed0', 'target_rate': 5.0}
  kept = {row.run for row in representatives(read(tmp_path, [*long, held]))}
  assert 'held_seed0' in kept
  # A family without a curve keeps them all.
  kept = {row.run for row in representatives(read(tmp_path, [alone]))}
  assert kept == {'alone_seed0'}


def test_decoders_for_low_rates_have_their_own_figure(tmp_path, made):
  old = first(made, 'deconvolutional', rate=5.0, label_distortion=0.4)
  name = 'deconvolutional_invariant'
  special = old | {'decoder': name, 'run': f'{name}_seed0'}
  # Clusters of its codes are in that figure alone, too.
  clustered = special | {
    'method': 'clusters',
    'beta_trained': '',
    'latent_size': 50,
    'run': f'clusters_{name}_seed0',
  }
  rows = read(tmp_path, [*made, special, clustered])
  drawn = dict(figures.figures(rows))
  for one in ('figure1', 'low_rate'):
    labels = [line.get_label() for line in drawn[one].axes[0].lines]
    assert labels.count('clusters') == (one == 'low_rate')
  for one in ('figure1', 'low_rate'):
    lines = [
      line for line in drawn[one].axes[0].lines if name in line.get_label()
    ]
    assert len(lines) == (one == 'low_rate')
  [line] = lines
  np.testing.assert_allclose(line.get_xydata(), [[5.0, 0.4]])
  # C < H(Y) - R is shaded: up to R = H(Y), where C is 0.
  [floor] = [
    area
    for area in drawn['low_rate'].axes[0].collections
    if isinstance(area, PolyCollection)
  ]
  corners = floor.get_paths()[0].vertices
  np.testing.assert_allclose(corners.max(axis=0), 2.3008)


@pytest.mark.parametrize('step, stays', [(700.0, True), (70.0, False)])
def test_trainings_by_steps_stand_beside_curves_of_equal_steps(
  tmp_path, made, step, stays
):
  curve = first(made, 'deconvolutional', epochs='', step=700.0)
  more = {'run': 'one_beta', 'beta_trained': '', 'step': step}
  kept = representatives(read(tmp_path, [curve, curve | more]))
  assert any(row.run == 'one_beta' for row in kept) == stays


def test_without_other_decoders_they_are_drawn_everywhere(tmp_path, made):
  only = first(made, 'deconvolutional') | {'decoder': 'local_autoregressive'}
  rows = read(tmp_path, [only])
  assert representatives(rows) == rows and not note(rows)


@pytest.mark.parametrize(
  'change', [{'architecture': 'paper'}, {'latent_size': 8}]
)
def test_trainings_of_another_size_do_not_represent_a_family(
  tmp_path, made, change
):
  long = [
    row | {'epochs': 90.0} if row.get('beta_trained') else row for row in made
  ]
  other = first(made, 'deconvolutional', epochs=100.0, **change)
  other |= {'run': 'other_seed0'}
  alone = other | {'epochs': 90.0, 'beta_trained': '', 'run': 'alone_seed0'}
  rows = representatives(read(tmp_path, [*long, other, alone]))
  assert not {'other_seed0', 'alone_seed0'} & {row.run for row in rows}


def test_grey_images_have_a_family_and_a_panel_of_their_own(tmp_path, made):
  columns = (*plots_table.COLUMNS, 'augmentation')
  vaes = [row | {'dataset': 'tfds:mnist'} for row in made if row.get('decoder')]
  grey = [
    row | {'binarization': 'none', 'run': f'grey_{row["run"]}', 'epochs': 99.0}
    for row in vaes
  ]
  path = plots_table.write(tmp_path / 'x.csv', [*vaes, *grey], columns)
  rows = representatives(table.read(path))
  assert len(rows) == len(vaes) + len(grey)
  titles = {panel.title for panel in label_distortion.make_panels(rows)}
  assert titles == {'tfds:mnist digit', 'tfds:mnist, 8 bits digit'}


def test_augmented_trainings_alone_give_no_such_figure(tmp_path, made):
  columns = (*plots_table.COLUMNS, 'augmentation')
  changes = {'decoder': 'deconvolutional_invariant', 'run': 'x_seed0'}
  special = first(made, 'deconvolutional', rate=5.0, augmentation='affine')
  path = plots_table.write(tmp_path / 'x.csv', [special | changes], columns)
  assert 'low_rate' not in dict(figures.figures(table.read(path)))
