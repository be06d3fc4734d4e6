"""Tests for the table of the baselines."""

from plots import baselines, table
from plots.evidence import Evidence
from tests import plots_table


def test_supervised_networks_differ_by_layers_and_dropout(tmp_path):
  [given] = [
    row
    for row in plots_table.rows(['binarized_mnist'])
    if row['method'] == 'supervised_complex'
  ]
  runs = {
    'complex_digit_seed0_depth=128': 'conv 5x128',
    'complex_digit_seed0_depth=16': 'conv 5x16',
    'complex_digit_seed0_depth=16_dropout=0.0_epochs=4': 'conv 5x16',
    'complex_digit_seed1_depth=16': 'conv 5x16',
  }
  rows = [
    given | {'run': name, 'classifier': network, 'label_distortion': loss}
    for loss, (name, network) in enumerate(runs.items(), 1)
  ]
  path = plots_table.write(tmp_path / 'r.csv', rows)
  lines = baselines.lines(Evidence(table.read(path), 'digit'))
  assert [tuple(line.split(' | ')[:3:2]) for line in lines] == [
    ('| `supervised_complex`, conv 5x16, dropout 0', '3.000 ± 0.005'),
    (
      '| `supervised_complex`, conv 5x16, dropout 0.3',
      '2.000 to 4.000 ± 0.005',
    ),
    ('| `supervised_complex`, conv 5x128, dropout 0.3', '1.000 ± 0.005'),
  ]
