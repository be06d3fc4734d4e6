"""Shares of many labels against the rate, from made-up rows."""

import math

import numpy as np
import plots_table
import pytest
from commands import call

from plots import attributes, figures, retained, table
from vae_info.errors import UserError

SLOPES = {
  task: 0.02 * 1.6**number
  for _, tasks in attributes.WORLDS.values()
  for number, task in enumerate(tasks)
}
DATASETS = ('binarized_mnist', 'omniglot_lake', 'sprites')
ENTROPY, BEST = 2.3, 0.3


def made(datasets=DATASETS):
  """Rows of two decoders and two marginals, and of supervised networks.

  A label's codes keep (H(Y) - C_supervised) (1 - exp(-slope R)) of it.
  """
  vaes = [
    row
    for row in plots_table.rows(['binarized_mnist'])
    if row['method'] == 'vae'
    and row['encoder'] == 'conv'
    and row['marginal'] != 'maf'
    and row['beta_trained']
  ]
  for names, tasks in attributes.WORLDS.values():
    if names[0] not in datasets:
      continue
    for task in tasks:
      common = {'dataset': names[0], 'task': task, 'label_entropy': ENTROPY}
      for row in vaes:
        kept = 1 - math.exp(-SLOPES[task] * row['rate'])
        loss = ENTROPY - (ENTROPY - BEST) * kept
        run = row['run'].replace('binarized_mnist', names[0])
        yield row | common | {'run': run, 'label_distortion': loss}
      for method, factor in (('simple', 1.5), ('complex', 1)):
        for seed in range(2):
          yield common | {
            'run': f'{names[0]}_{task}_{method}_seed{seed}',
            'method': f'supervised_{method}',
            'seed': seed,
            'label_distortion': BEST * factor + (0.01 if seed else -0.01),
            'label_distortion_stderr': 0.005,
          }


def read(tmp_path, rows):
  return table.read(plots_table.write(tmp_path / 'x.csv', rows))


def test_c_by_two_classifiers_is_refused(tmp_path):
  rows = [*made(('sprites',))]
  more = [
    row | {'classifier': 'linear'} for row in rows if row['method'] == 'vae'
  ]
  with pytest.raises(UserError, match='linear, but .*in the panel of shape'):
    attributes.make_panels(read(tmp_path, rows + more))


def test_every_share_is_drawn_where_the_table_has_it(tmp_path):
  rows = read(tmp_path, made())
  panels = attributes.make_panels(rows)
  assert [panel.title for panel in panels] == [
    f'{world}, {decoder}'
    for world in ('MNIST', 'Omniglot', 'sprites')
    for decoder in ('deconvolutional', 'autoregressive')
  ]
  figure = attributes.attributes(panels)
  grid = np.array(figure.axes).reshape(6, 2)
  for panel, (left, right) in zip(panels, grid, strict=True):
    tasks = attributes.WORLDS[panel.world][1]
    assert [*dict.fromkeys(curve.task for curve in panel.curves)] == [*tasks]
    assert len(panel.curves) == 2 * len(tasks)
    for axes, of_pixels in ((left, False), (right, True)):
      containers = axes.containers
      assert len(containers) == len(panel.curves)
      for curve, container in zip(panel.curves, containers, strict=True):
        rates, shares = container.lines[0].get_data()
        expected = 1 - np.exp(-SLOPES[curve.task] * rates)
        if not of_pixels:
          expected *= (ENTROPY - BEST) / ENTROPY
        np.testing.assert_allclose(shares, expected, atol=1e-9)
    texts = [text.get_text() for text in right.get_legend().get_texts()]
    assert texts == [*tasks]
  assert attributes.notes(panels) == []


def test_labels_differ_in_colour_and_marker_and_marginals_in_dashes(tmp_path):
  [panel, *_] = attributes.make_panels(read(tmp_path, made(DATASETS[:1])))
  looks = [
    attributes.look('MNIST', task)
    for task in SLOPES
    if task in (attributes.WORLDS['MNIST'][1])
  ]
  assert len({colour for colour, _ in looks}) == len(looks) == 7
  assert len({marker for _, marker in looks}) == 7
  figure = attributes.attributes([panel])
  styles = {
    curve.marginal: container.lines[0].get_linestyle()
    for curve, container in zip(
      panel.curves, figure.axes[0].containers, strict=True
    )
  }
  assert styles == {'gaussian': '-', 'vampprior': '--'}
  [key] = figure.legends
  assert [text.get_text() for text in key.get_texts()] == [
    'Gaussian',
    'VampPrior',
  ]


def test_the_best_supervised_network_is_the_mean_of_its_seeds(tmp_path):
  [panel, *_] = attributes.make_panels(read(tmp_path, made()))
  for curve in panel.curves:
    assert curve.supervised == pytest.approx(BEST)


def test_without_a_supervised_network_only_the_left_is_drawn(tmp_path):
  rows = [
    row
    for row in made(DATASETS[:1])
    if row['method'] == 'vae' or row['task'] != 'slant'
  ]
  panels = attributes.make_panels(read(tmp_path, rows))
  figure = attributes.attributes(panels)
  left, right = figure.axes[:2]
  assert len(left.containers) - len(right.containers) == 2
  [note] = attributes.notes(panels)
  assert note.startswith('MNIST slant is not on the right')
  lines = retained.lines(panels[0])
  assert any('| slant' in line and '–' in line for line in lines)


def test_runs_of_one_label_are_no_curves(tmp_path):
  assert attributes.make_panels(read(tmp_path, plots_table.rows())) == []
  rows = [row for row in made() if row['task'] == 'digit']
  assert attributes.make_panels(read(tmp_path, rows)) == []
  # Beside runs of all labels, those of digits alone are left out.
  one = [row for row in made() if row['task'] == 'digit']
  for row in one:
    row['run'] += '_alone'
  [panel, *_] = attributes.make_panels(read(tmp_path, [*made(), *one]))
  assert len(panel.curves) == 14


def test_a_damaged_row_is_named(tmp_path):
  rows = [*made()]
  rows[1]['rate'] = 'fast'
  with pytest.raises(UserError, match="line 3 .*: rate is 'fast'"):
    attributes.make_panels(read(tmp_path, rows))


def test_the_table_says_what_stays_last(tmp_path):
  panels = attributes.make_panels(read(tmp_path, made()))
  _, _, *lines = retained.lines(panels[0])
  names = [line.split(' | ')[0].removeprefix('| ') for line in lines]
  # The steeper the slope, the longer it stays.
  steep = [*reversed(attributes.WORLDS['MNIST'][1])]
  assert [*dict.fromkeys(names)] == steep
  [curve, *_] = panels[0].curves
  expected = np.log(2) / SLOPES['digit']
  assert retained.half(curve) == pytest.approx(expected, abs=0.1)
  cells = retained.line(curve, retained.RATES).split(' | ')
  for rate, cell in zip(retained.RATES, cells[4:], strict=False):
    share = 100 * (1 - math.exp(-SLOPES['digit'] * rate))
    assert abs(float(cell.removesuffix(' %')) - share) < 1.1


def test_the_brief_table_has_the_order_of_each_panel_and_marginal(tmp_path):
  panels = attributes.make_panels(read(tmp_path, made()))
  head, _, *lines = retained.brief(panels)
  assert head == '| R at half | Gaussian | VampPrior |'
  assert len(lines) == len(panels) == 6
  for panel, line in zip(panels, lines, strict=True):
    title, *cells = line.strip('| ').split(' | ')
    assert title == panel.title
    steep = [*reversed(attributes.WORLDS[panel.world][1])]
    for cell in cells:
      entries = [entry.split(' ', 1) for entry in cell.split(', ')]
      assert [task for task, _ in entries] == steep
      for task, place in entries:
        expected, bound = np.log(2) / SLOPES[task], place.lstrip('<> ')
        if place.startswith('<'):
          assert expected < float(bound) + 0.1
        elif place.startswith('>'):
          assert expected > float(bound) - 0.1
        else:
          assert float(place) == pytest.approx(expected, abs=0.3)


def test_commands_draw_and_print_them(tmp_path):
  rows = [*plots_table.rows(), *made(DATASETS[1:])]
  path = plots_table.write(tmp_path / 'x.csv', rows)
  printed = call('plots.retained', f'--results={path}')
  assert '| Omniglot, deconvolutional |' in printed
  assert '| 2 nats | 4 nats | 6 nats | 8 nats |' in printed
  short = call('plots.retained', f'--results={path}', '--brief')
  assert len(short.splitlines()) == 2 + 4
  whole = table.read(path)
  assert [name for name, _ in figures.attribute_figures(whole)] == [
    'attributes'
  ]
  assert [*figures.attribute_figures(table.choose(whole))] == []
  few = plots_table.write(tmp_path / 'few.csv', plots_table.rows())
  assert 'no run with several labels yet' in call(
    'plots.retained', f'--results={few}'
  )


def test_seeds_are_averaged_and_other_sizes_left_out(tmp_path):
  rows = [*made(['sprites'])]
  vaes = [row for row in rows if row['method'] == 'vae']
  more = [
    row
    | {
      'run': row['run'].replace('seed0', 'seed1'),
      'seed': 1,
      'rate': row['rate'] + 1.0,
    }
    for row in vaes
  ]
  large = [
    row | {'run': f'{row["run"]}_paper', 'architecture': 'paper'}
    for row in vaes
  ]
  [before], [after] = (
    [
      panel
      for panel in attributes.make_panels(read(tmp_path, chosen))
      if panel.decoder == 'deconvolutional'
    ]
    for chosen in (rows, [*rows, *more, *large])
  )
  assert len(before.curves) == len(after.curves)
  for old, new in zip(before.curves, after.curves, strict=True):
    assert {row.seeds for row in new.rows} == {2}
    np.testing.assert_allclose(new.rates, old.rates + 0.5)
