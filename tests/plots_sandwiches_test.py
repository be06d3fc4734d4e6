"""The table of bounds: the nearest betas, their numbers, what is left out."""

import dataclasses

import plots_table
import pytest

from plots import information, sandwiches, table

COLUMNS = (
  *plots_table.COLUMNS,
  *information.NEEDED,
  *(f'{name}_stderr' for name in information.NEEDED),
)


@pytest.fixture(scope='module')
def row(tmp_path_factory):
  [made, *_] = [
    row
    for row in plots_table.rows(('binarized_mnist',))
    if row['method'] == 'vae'
  ]
  made |= dict.fromkeys(COLUMNS[-4:], 0.125)
  made |= dict.fromkeys(information.NEEDED, 1.0)
  made |= {'label_entropy': 2.3, 'label_information_upper': 2.2}
  path = tmp_path_factory.mktemp('table') / 'results.csv'
  [read] = table.read(plots_table.write(path, [made], COLUMNS))
  return read


def at(row, rate, **changes):
  return dataclasses.replace(row, rate=rate, **changes)


def test_each_round_rate_has_the_nearest_beta(row):
  rows = [at(row, rate, beta=rate) for rate in (4.5, 5.2, 9.0, 24.1)]
  found = [line.split(' | ')[1] for line in sandwiches.lines(rows)]
  assert found == ['5.2', '9', '24.1']  # 24.1 is near 30; none is near 17.
  assert sandwiches.nearest(rows, 17.0) is None
  assert sandwiches.nearest([], 17.0) is None


def test_a_line_has_the_bounds_and_the_floor(row):
  line = sandwiches.line(at(row, 5.0, rate_stderr=0.25, label_distortion=0.5))
  cells = line.strip('| ').split(' | ')
  assert cells[2:4] == ['5.000 ± 0.250†', '1.000 ± 0.125†']
  assert cells[6] == '1.000 ± 0.125†'
  assert cells[7] == '0.100'
  above = at(row, 5.0, label_information_upper=2.5)
  assert sandwiches.line(above).endswith('| 0.000 |')
