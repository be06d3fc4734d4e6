"""The tables of what codes of a few nats keep."""

import plots_table
import pytest

from plots import at_rates, few_nats, table
from vae_info.errors import UserError

COMMON = {
  'dataset': 'binarized_mnist',
  'task': 'digit',
  'classifier': 'mlp 200-200',
  'label_entropy': 2.3008,
  'input_entropy': 79.78,
  'rate_stderr': 0.1,
  'distortion_stderr': 0.4,
  'label_distortion_stderr': 0.01,
}


def clustered(method, seed, distortion=True, variant=''):
  """Rows of clusters: C = 1 - 0.1 R, and 0.02 more for each further seed."""
  for size, rate in ((4, 1.0), (16, 3.0), (64, 5.0)):
    yield COMMON | {
      'run': f'binarized_mnist_{method}_digit_seed{seed}{variant}',
      'variant': variant,
      'method': method,
      'seed': seed,
      'latent_size': size,
      'rate': rate,
      'distortion': 200 - 10 * rate if distortion else '',
      'label_distortion': 1 - 0.1 * rate + 0.02 * seed,
    }


def trained(seed, rate):
  """A training at one target rate."""
  return COMMON | {
    'run': f'local_seed{seed}',
    'method': 'vae',
    'encoder': 'conv',
    'decoder': 'local_autoregressive',
    'marginal': 'vampprior',
    'seed': seed,
    'beta': 1.0,
    'rate': rate,
    'distortion': 80.0,
    'label_distortion': 0.2 + 0.02 * seed,
  }


def printed(folder, made):
  """The lines of a table of results."""
  columns = (*plots_table.COLUMNS, 'variant')
  rows = table.read(plots_table.write(folder / 'r.csv', made, columns))
  return few_nats.lines([row for row in rows if row.task == 'digit'])


@pytest.fixture(scope='module')
def text(tmp_path_factory):
  made = [
    *plots_table.rows(('binarized_mnist',)),
    *clustered('kmeans', 0),
    *clustered('clusters', 0),
    *clustered('clusters', 1),
    *clustered('pca_water_filled', 0, distortion=False),
    trained(0, 8.4),
    trained(1, 8.6),
    trained(0, 12.0) | {'run': 'other', 'decoder': 'autoregressive'},
    trained(0, 13.0) | {'run': 'many_nats_seed0', 'beta': 2.0},
  ]
  return printed(tmp_path_factory.mktemp('table'), made)


def cells(text, name):
  """The cells of all lines whose first cell begins with a name."""
  rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text]
  return [row[1:] for row in rows if row and row[0].startswith(name)]


def test_c_and_d_are_interpolated_along_each_curve(text):
  losses, distortions = cells(text, 'k-means')
  # At 1, 2.5, 3.5, 4.7, 7 and 8.5 nats; the curve ends at 5.
  assert losses == ['0.900', '0.750', '0.650', '0.530', '–', '–']
  assert distortions == ['190.0', '175.0', '165.0', '153.0', '–', '–']


def test_seeds_of_clusters_are_averaged(text):
  losses, _ = cells(text, 'clusters of codes, 2 seeds')
  assert losses[0] == '0.910'


def test_a_method_without_distortion_has_one_line(text):
  assert len(cells(text, 'PCA, water-filled')) == 1


def test_trainings_with_few_nats_are_listed_with_errors(text):
  [line] = cells(text, 'local autoregressive, vampprior, β = 1, 2 seeds')
  assert line == [
    '–',
    '8.500 ± 0.100',
    '80.000 ± 0.000',
    '0.210 ± 0.010',
  ]
  assert not cells(text, 'local autoregressive, vampprior, β = 1 |')
  assert all('12.0' not in line for line in text)
  # Trainings for low rates are listed whatever rate they reached.
  [line] = cells(text, 'local autoregressive, vampprior, β = 2')
  assert line[1].startswith('13.000')


def test_each_way_to_cluster_is_a_curve(tmp_path):
  ways = 'graph', 'kmeans'
  made = [row for way in ways for row in clustered('clusters', 0, variant=way)]
  text = printed(tmp_path, made)
  for way in ways:
    losses, _ = cells(text, f'clusters of codes ({way})')
    assert losses[0] == '0.900'


def test_clusters_of_two_trainings_have_their_names(tmp_path):
  made = [
    row | {'run': f'clusters_seed0_codes_of={name}'}
    for name in ('long', 'short')
    for row in clustered('clusters', 0)
  ]
  text = printed(tmp_path, made)
  for name in ('long', 'short'):
    assert cells(text, f'16 of `{name}`') == [
      ['3.000 ± 0.100†', '170.0 ± 0.4†', '0.700 ± 0.010†', '0.700']
    ]


def test_one_training_represents_a_family(tmp_path):
  made = [
    row
    for row in plots_table.rows(('binarized_mnist',))
    if row['method'] == 'vae' and row['beta_trained']
  ]
  large = [
    row | {'architecture': 'paper', 'run': f'large_{row["run"]}'}
    for row in made
  ]
  text = printed(tmp_path, [*large, *made])
  assert len([line for line in text if line.startswith('| β-VAE')]) == 2 * 2
  assert not any('paper size' in line for line in text)
  text = printed(tmp_path, large)
  assert sum('paper size' in line for line in text) == 2 * 2


def test_an_unknown_classifier_is_named(tmp_path):
  path = tmp_path / 'r.csv'
  plots_table.write(path, plots_table.rows(('binarized_mnist',)))
  with pytest.raises(UserError, match='by .x.; it has C by .*mlp 200-200'):
    at_rates.rows_of_task(str(path), 'digit', 'x')
