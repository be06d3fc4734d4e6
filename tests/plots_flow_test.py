"""Codes of flows are lines of their own in the figures and in the explorer."""

import dataclasses

import numpy as np
import plots_table
import pytest
from matplotlib.figure import Figure

from plots import (
  baseline_lines,
  explore_chart,
  explore_records,
  figures,
  flow_figure,
  flow_lines,
  flows,
  label_distortion,
  table,
)
from plots.panels import Panel

RATES = (2.0, 12.0, 6.0)


def flow_rows():
  """Two variants at some rates, which are not in order."""
  common = {
    'run': 'binarized_mnist_flow_digit_seed0',
    'dataset': 'binarized_mnist',
    'task': 'digit',
    'method': 'flow',
    'classifier': 'mlp 200-200',
    'label_entropy': 2.3008,
    'input_entropy': 79.78,
    'latent_size': 40,
    'seed': 0,
    'rate_stderr': 0.1,
    'label_distortion_stderr': 0.01,
  }
  for shift, variant in enumerate(('untrained', 'all')):
    for rate in RATES:
      yield common | {
        'variant': variant,
        'noise': 1 / rate,
        'rate': rate,
        'distortion': 200 - rate,
        'rate_plus_distortion': 200 + shift,
        'label_distortion': 2.3 - 0.1 * rate + 0.01 * shift,
      }


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
  columns = (*plots_table.COLUMNS, 'variant')
  made = [*plots_table.rows(('binarized_mnist',)), *flow_rows()]
  for row in made:
    if row.get('method') == 'pca':
      row['rate_variational'] = 1.5 * row['rate']
  path = plots_table.write(
    tmp_path_factory.mktemp('table') / 'r.csv', made, columns
  )
  return table.read(path)


def test_a_line_joins_the_rates_of_a_variant_in_order(rows):
  figure = dict(figures.figures(rows))['flows']
  left, right = figure.axes[:2]
  rates = np.sort(RATES)
  for variant, shift in (('all', 0.01), ('untrained', 0.0)):
    for axes, expected in (
      (left, 2.3 - 0.1 * rates + shift),
      (right, 200 - rates),
    ):
      [line] = [
        each for each in axes.lines if each.get_label() == f'flow {variant}'
      ]
      np.testing.assert_allclose(
        line.get_xydata(), np.stack([rates, expected], 1)
      )
  [pca] = [line for line in left.lines if line.get_label() == 'pca']
  known = [row.rate_variational for row in rows if row.method == 'pca']
  assert len(pca.get_xdata()) > 1
  assert set(pca.get_xdata()) <= {round(rate, 6) for rate in known}
  assert not any(line.get_label() == 'pca' for line in right.lines)
  names = [
    text.get_text() for key in figure.legends for text in key.get_texts()
  ]
  assert 'flow, all dimensions' in names
  assert 'flow, learned noise' not in names


def test_each_seed_of_a_flow_has_a_line(rows):
  flow = [row for row in rows if row.method == 'flow']
  again = [
    dataclasses.replace(row, run=row.run.replace('seed0', 'seed1'), seed=1)
    for row in flow
  ]
  axes = Figure().subplots()
  flow_lines.draw(axes, [*flow, *again], 'rate', 'label_distortion')
  assert len(axes.lines) == 4
  for line in axes.lines:
    assert [*line.get_xdata()] == sorted(RATES)


def test_a_baseline_s_row_without_a_column_is_left_out(rows):
  pca = [row for row in rows if row.method == 'pca']
  for lacking in (0, len(pca) - 1):
    some = list(pca)
    some[lacking] = dataclasses.replace(some[lacking], rate_variational=None)
    axes = Figure().subplots()
    panel = Panel('x', some, None)
    baseline_lines.draw(axes, panel, 'rate_variational', 'label_distortion')
    [line] = axes.lines
    assert len(line.get_xdata()) > 1


def test_only_deconvolutional_models_stand_beside_a_flow(rows):
  left = dict(figures.figures(rows))['flows'].axes[0]
  labels = [line.get_label() for line in left.lines]
  assert any('deconvolutional' in label for label in labels)
  assert not any('autoregressive' in label for label in labels)


def test_figure_1_has_no_flow(rows):
  panels = label_distortion.make_panels(rows)
  assert not flow_figure.with_flows(panels)
  axes = label_distortion.label_distortion(panels).axes[0]
  assert not any('flow' in line.get_label() for line in axes.lines)


def test_the_known_variants_come_in_one_order(rows):
  assert list(flow_lines.variants(rows)) == ['all', 'untrained']


def test_the_explorer_names_the_variant(rows):
  row = next(row for row in rows if row.variant == 'untrained')
  record = explore_records.record(row, 'MNIST digit')
  assert record['line'] == record['family'] == 'flow, untrained'
  assert len(explore_chart.FLOW_DASHES) == len(flow_lines.FLOWS)


def test_the_table_interpolates_c_of_each_variant_and_of_models(rows):
  chosen = [row for row in rows if row.task == 'digit']
  text = flows.lines(chosen)
  cells = {line.split(' | ')[0]: line.split(' | ')[1:] for line in text}
  # 2.3 - 0.1 R, and 0.01 more; no variant has a rate of 16 nats.
  assert cells['| flow, untrained'][:3] == ['1.900', '1.500', '–']
  assert cells['| flow, all dimensions'][1] == '1.510'
  # No run hides another: one line for each configuration.
  models = {
    row.configuration
    for row in chosen
    if row.beta_trained and row.family[:2] == ('conv', 'deconvolutional')
  }
  assert sum('β-VAE' in line for line in text) == len(models) > 0
  assert flows.lines([row for row in chosen if row.method != 'flow']) == []
