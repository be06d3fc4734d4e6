"""Figures of a made-up table: what they draw, and what they refuse."""

import dataclasses
import math

import numpy as np
import plots_table
import pytest

from plots import (
  figures,
  label_distortion,
  label_preference,
  magnified,
  rate_distortion,
  style,
  table,
)
from plots.panels import PANELS
from vae_info import references
from vae_info.errors import UserError

# Of the made-up table: most of its D + R are far above H(X).
HIGH = '28 results have D + R above {} nats and are not in the lower row'


def read(tmp_path, rows, columns=plots_table.COLUMNS):
  return table.read(plots_table.write(tmp_path / 'x.csv', rows, columns))


@pytest.fixture(scope='module')
def rows(tmp_path_factory):
  return read(tmp_path_factory.mktemp('table'), plots_table.rows())


@pytest.fixture(scope='module')
def figure1(rows):
  return label_distortion.label_distortion(label_distortion.make_panels(rows))


def key(figure, number):
  """The texts of one key of a figure."""
  return [text.get_text() for text in figure.legends[number].get_texts()]


def line(axes, label):
  """The only line with this label in an axes."""
  lines = [line for line in axes.lines if line.get_label() == label]
  assert len(lines) == 1, label
  return lines[0]


def test_figure_1_draws_every_result_where_the_table_has_it(rows, figure1):
  grid = np.array(figure1.axes).reshape(3, 2)
  for (left, right), (subject, task) in zip(grid, PANELS, strict=True):
    for axes, name in ((left, 'rate'), (right, 'distortion')):
      fixed, ranged = style.runs(
        row for row in rows if (row.subject, row.task) == (subject, task)
      )
      assert len(fixed) == 6 and len(ranged) == 8
      groups = {' '.join(family): group for family, group in fixed.items()}
      for label, group in {**groups, **ranged}.items():
        drawn = line(axes, label)
        expected = [[getattr(r, name), r.label_distortion] for r in group]
        np.testing.assert_array_equal(drawn.get_xydata(), expected)
        assert (drawn.get_linestyle() == 'None') == (label in groups)
      # All points lie within the axes.
      shown = [
        (getattr(r, name), r.label_distortion)
        for r in rows
        if (r.subject, r.task, r.method) == (subject, task, 'vae')
      ]
      low, high = axes.viewLim.min, axes.viewLim.max
      assert np.all(shown >= low) and np.all(shown <= high)
  assert grid[0, 0].get_title('left') == 'MNIST digit'


def test_markers_show_decoder_marginal_and_encoder(rows, figure1):
  axes = figure1.axes[0]
  looks = {}
  for decoder in ('deconvolutional', 'autoregressive'):
    for marginal in ('gaussian', 'maf', 'vampprior'):
      drawn = line(axes, f'conv {decoder} {marginal}')
      looks[decoder, marginal] = drawn.get_marker(), drawn.get_color()
      is_open = drawn.get_markerfacecolor() == 'white'
      assert is_open == (decoder == 'deconvolutional')
  assert len({marker for marker, _ in looks.values()}) == 3
  assert len({colour for _, colour in looks.values()}) == 3
  rings = [drawn for drawn in axes.lines if 'ring' in drawn.get_label()]
  assert {drawn.get_label() for drawn in rings} == {
    f'ring {row.run}'
    for row in rows
    if row.encoder == 'iaf' and row.subject == 'MNIST'
  }


def test_the_key_names_what_is_there(rows, figure1):
  texts = key(figure1, 0) + key(figure1, 1)
  minus = '\N{MINUS SIGN}'
  assert texts[0] == f'({minus}, {minus}) deconvolutional, Gaussian'
  assert '(+, v) autoregressive, VampPrior' in texts
  assert 'PCA with noise, the best' in texts
  few = [
    row
    for row in rows
    if row.method == 'vae'
    and row.encoder == 'conv'
    and row.marginal == 'maf'
    and not row.beta_trained
  ]
  figure = label_distortion.label_distortion(label_distortion.make_panels(few))
  assert key(figure, 0) == [
    f'({minus}, +) deconvolutional, MAF',
    '(+, +) autoregressive, MAF',
  ]


def test_baselines_and_laws(rows, figure1):
  left, right = figure1.axes[:2]
  expected = 0.35 * (1 + 0.02)  # The mean over three seeds.
  for axes in (left, right):
    mean = line(axes, 'random_dense')
    np.testing.assert_allclose(mean.get_ydata(), expected)
  np.testing.assert_allclose(
    line(left, 'discard').get_xydata(), [[0, 2.3008], [79.78, 0]], atol=1e-12
  )
  np.testing.assert_allclose(
    line(right, 'discard').get_xydata(), [[79.78, 2.3008], [0, 0]], atol=1e-12
  )
  rates, values = line(left, 'pca').get_data()
  pca = [row for row in rows if (row.method, row.task) == ('pca', 'digit')]
  assert np.all(np.diff(rates) > 0) and np.all(np.diff(values) < 0)
  for row in pca:  # No point lies below and left of the line.
    at = rates <= row.rate + 1e-6
    assert row.label_distortion >= values[at].min()
  assert not [x for x in right.lines if x.get_label() == 'pca']


def test_a_baseline_is_shown_by_its_best_flags_alone(tmp_path):
  few = list(plots_table.rows(['binarized_mnist']))
  [best] = [row for row in few if row['method'] == 'supervised_complex']

  def drawn(seeds, factor):
    others = [
      best
      | {
        'run': f'{best["method"]}_seed{seed}_depth=16',
        'seed': seed,
        'label_distortion': factor * best['label_distortion'],
      }
      for seed in range(seeds)
    ]
    rows = read(tmp_path, few + others)
    panels = label_distortion.make_panels(rows)
    figure = label_distortion.label_distortion(panels)
    value = line(figure.axes[0], 'supervised_complex').get_ydata()[0]
    [note] = [text for text in figures.notes(rows) if 'other flags' in text]
    assert note.startswith('not drawn in the panel MNIST digit: ')
    return value / best['label_distortion'], note.split()[7]

  assert drawn(1, 2.0) == (1.0, '1')
  assert drawn(1, 0.5) == (0.5, '1')
  # One seed may be a lucky one.
  assert drawn(3, 2.0) == (2.0, '1')
  assert drawn(3, 0.5) == (0.5, '1')


def test_other_data_have_a_panel_for_each_task(tmp_path):
  made = [
    row | {'dataset': 'tfds:mine'} for row in plots_table.rows(('omniglot',))
  ]
  rows = table.read(plots_table.write(tmp_path / 'r.csv', made))
  panels = label_distortion.make_panels(rows)
  titles = [panel.title for panel in panels]
  assert titles == ['tfds:mine alphabet', 'tfds:mine character']
  [panel] = rate_distortion.make_panels(rows)
  assert panel.title == 'tfds:mine'
  # Of MNIST, an attribute has none.
  slant = [dataclasses.replace(row, task='slant') for row in rows]
  mnist = [dataclasses.replace(row, dataset='static_mnist') for row in slant]
  with pytest.raises(UserError, match='no β-VAE .* they show MNIST digit'):
    label_distortion.make_panels(mnist)


def test_annealed_curves_are_dashed(tmp_path):
  rows = list(plots_table.rows(['binarized_mnist']))
  for row in rows:
    if row.get('beta_trained') and row['marginal'] == 'maf':
      row['kl_annealing_epochs'] = 1.0
  rows = read(tmp_path, rows)
  figure = label_distortion.label_distortion(label_distortion.make_panels(rows))
  for row in rows:
    if row.beta_trained and row.encoder == 'conv':
      dashed = line(figure.axes[0], row.run).is_dashed()
      assert dashed == (row.marginal == 'maf')
  assert 'dashed: β annealed' in key(figure, 0)


def test_envelope():
  assert references.envelope([3, 1, 2, 2, 4], [1, 5, 6, 4, 1]).tolist() == [
    1,
    3,
    0,
  ]


def test_laws_at_known_points():
  assert references.random_discard(8, 2.3008, 79.78) == pytest.approx(
    2.0701, abs=1e-4
  )
  assert references.random_discard(100, 2.3, 79.78) == 0
  assert references.hard_floor([1, 3], 2.3).tolist() == pytest.approx([1.3, 0])


def test_error_bars_are_one_standard_error(rows, figure1):
  segments = np.concatenate(
    [
      np.array(bars.get_segments())
      for bars in figure1.axes[0].collections
      if hasattr(bars, 'get_segments')
    ]
  )
  row = next(row for row in rows if row.method == 'vae')
  x, y = row.rate, row.label_distortion
  for dx, dy in ((row.rate_stderr, 0), (0, row.label_distortion_stderr)):
    bar = [[x - dx, y - dy], [x + dx, y + dy]]
    assert np.isclose(segments, bar).all(axis=(1, 2)).any()


@pytest.fixture(scope='module')
def figure2(rows):
  return magnified.magnified(label_distortion.make_panels(rows)[0])


def test_an_empty_figure_2_is_announced(rows):
  panel = label_distortion.make_panels(rows)[0]
  assert magnified.notes(panel) == []
  weak = [
    dataclasses.replace(row, label_distortion=0.51)
    if row.method == 'vae'
    else row
    for row in panel.rows
  ]
  weakened = dataclasses.replace(panel, rows=weak)
  [note] = magnified.notes(weakened)
  assert 'no β-VAE of MNIST digit has C below 0.5 nats' in note
  assert magnified.within(panel) and not magnified.within(weakened)
  names = [name for name, _ in figures.figures(weak)]
  assert 'figure1' in names and 'figure2' not in names


def test_sums_above_the_axis_are_counted(rows):
  panel = rate_distortion.make_panels(rows)[0]
  [first, *others] = [
    row for row in panel.rows if row.rate_plus_distortion < 110
  ]
  panel = dataclasses.replace(panel, rows=[first, *others])
  assert rate_distortion.notes([panel]) == []
  far = dataclasses.replace(first, rate_plus_distortion=500.0)
  moved = dataclasses.replace(panel, rows=[far, *others])
  [note] = rate_distortion.notes([moved])
  assert '1 results have D + R above' in note
  # The best result is in the lower row, however far it is above H(X).
  alone = dataclasses.replace(panel, rows=[far])
  assert rate_distortion.notes([alone]) == []
  _, below = rate_distortion.rate_distortion([alone]).axes[:2]
  assert below.get_ylim()[0] < 500.0 < below.get_ylim()[1]


def test_figure_2_has_a_column_for_each_decoder(rows, figure2):
  grid = np.array(figure2.axes).reshape(3, 2)
  shown = [row for row in rows if row.subject == 'MNIST' and row.beta_trained]
  names = ('deconvolutional', 'autoregressive')
  for name, (above, _, below) in zip(names, grid.T, strict=True):
    assert above.get_title('left') == f'MNIST digit, {name}'
    for axes, x in ((above, 'rate'), (below, 'distortion')):
      assert axes.get_yscale() == 'log' and axes.get_ylim()[1] == 0.5
      runs = style.runs([row for row in shown if row.decoder == name])[1]
      for run, group in runs.items():
        expected = [[getattr(r, x), r.label_distortion] for r in group]
        np.testing.assert_array_equal(line(axes, run).get_xydata(), expected)
      others = {row.run for row in shown if row.decoder != name}
      assert not others & {drawn.get_label() for drawn in axes.lines}


def test_figure_2_has_differences_to_a_curve_at_equal_rate(rows, figure2):
  left, right = np.array(figure2.axes).reshape(3, 2)[1]
  panel = label_distortion.make_panels(rows)[0]
  curve = magnified.reference(panel.rows)
  assert {row.family for row in curve} == {magnified.FAMILY}
  zeros = line(left, curve[0].run).get_ydata()
  np.testing.assert_allclose(zeros, 0, atol=1e-12)
  # All curves have the same rates, so nothing is interpolated.
  losses = {round(row.rate, 6): row.label_distortion for row in curve}
  runs = style.runs([r for r in panel.rows if r.decoder == 'autoregressive'])[1]
  assert len(runs) == 4
  for run, group in runs.items():
    expected = [r.label_distortion - losses[round(r.rate, 6)] for r in group]
    np.testing.assert_allclose(line(right, run).get_ydata(), expected)
  assert left.get_ylim() == (-magnified.GAP, magnified.GAP)


def test_figure_2_without_the_reference_has_no_differences(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  few = [row for row in made if row.get('marginal') != 'gaussian']
  panel = label_distortion.make_panels(read(tmp_path, few))[0]
  assert magnified.reference(panel.rows) == []
  figure = magnified.magnified(panel)
  assert not any('_beta' in x.get_label() for x in figure.axes[2].lines)


def test_rate_distortion_has_each_result_once(rows):
  figure = rate_distortion.rate_distortion(rate_distortion.make_panels(rows))
  omniglot = figure.axes[1]
  drawn = line(omniglot, 'conv deconvolutional gaussian')
  assert len(drawn.get_xdata()) == 3  # Three seeds, once for both tasks.
  frontier = line(omniglot, 'frontier').get_xydata()
  np.testing.assert_allclose(frontier.sum(axis=1), 89.83)


def test_label_preference(rows):
  panels = label_preference.with_preference(label_distortion.make_panels(rows))
  figure = label_preference.label_preference(panels)
  group = style.runs(panels[0].rows)[0]['conv', 'autoregressive', 'maf']
  drawn = line(figure.axes[0], 'conv autoregressive maf')
  assert drawn.get_ydata().tolist() == [row.label_preference for row in group]
  row = group[0]
  assert row.label_preference == pytest.approx(
    (2.3008 - row.label_distortion) / (2.3008 * row.rate / 79.78)
  )
  assert label_preference.notes(panels) == []


def test_data_with_large_rates_alone_are_drawn(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  large = [
    row | {'rate': row['rate'] + 1000} for row in made if row.get('rate')
  ]
  rows = read(tmp_path, large)
  panels = rate_distortion.make_panels(rows)
  figure = rate_distortion.rate_distortion(panels)
  rates = [row.rate for row in panels[0].of('vae')]
  assert figure.axes[1].get_xlim()[1] > max(rates)
  assert not any(
    'have R above' in note for note in rate_distortion.notes(panels)
  )
  assert label_preference.with_preference(label_distortion.make_panels(rows))
  # Another data set keeps its own axis.
  usual = [row | {'dataset': 'tfds:mine'} for row in made]
  both = label_distortion.make_panels(read(tmp_path, [*large, *usual]))
  figure = label_preference.label_preference(both)
  ends = [axes.get_xlim()[1] for axes in figure.axes[:2]]
  assert ends[0] > 1000 and ends[1] < 100
  # Beside usual rates they are left out, and counted.
  both = rate_distortion.make_panels(
    read(tmp_path, [*large, made[0] | {'run': 'usual'}])
  )
  assert rate_distortion.rate_distortion(both).axes[1].get_xlim()[1] == 60
  assert any('have R above 60' in note for note in rate_distortion.notes(both))


def test_many_data_sets_are_drawn_in_bands_of_three(tmp_path):
  made = [
    row | {'dataset': f'tfds:{name}', 'input_entropy': ''}
    for name in 'abcd'
    for row in plots_table.rows(['binarized_mnist'])
    if row['method'] == 'vae'
  ]
  panels = rate_distortion.make_panels(read(tmp_path, made))
  figure = rate_distortion.rate_distortion(panels)
  names = [axes.get_title('left') for axes in figure.axes]
  assert [*filter(None, names)] == ['tfds:a', 'tfds:b', 'tfds:c', 'tfds:d']
  assert figure.get_size_inches()[1] == 9
  assert len(figure.axes) == 8
  # Without H(X) there is no bound, and no key of it.
  assert len(figure.legends) == 1


def test_a_baseline_with_one_result_has_a_marker(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  pca = [row for row in made if row['method'] == 'pca']
  others = [row for row in made if row['method'] != 'pca']
  for kept, marker in ((pca[:1], '.'), (pca, '')):
    panels = label_distortion.make_panels(read(tmp_path, [*others, *kept]))
    figure = label_distortion.label_distortion(panels)
    assert line(figure.axes[0], 'pca').get_marker() == marker


def test_names_of_a_users_own_networks_are_drawn(tmp_path):
  row = plots_table.rows(['binarized_mnist'])[0]
  row |= {'marginal': 'my.networks:Learned', 'decoder': 'other:Decoder'}
  row |= {'encoder': 'mine:Encoder'}
  panels = label_distortion.make_panels(read(tmp_path, [row]))
  figure = label_distortion.label_distortion(panels)
  texts = key(figure, 0)
  assert texts[0] == '(?, ?) Decoder, Learned'
  assert texts[-1] == 'ring: Encoder encoder'
  style.save(figure, tmp_path, 'x')


def test_without_an_entropy_of_the_input(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  for row in made:
    row |= {'input_entropy': '', 'label_preference': ''}
  panels = label_distortion.make_panels(read(tmp_path, made))
  figure = label_distortion.label_distortion(panels)
  labels = [x.get_label() for x in figure.axes[0].lines]
  assert 'discard' not in labels and 'pca' in labels
  assert label_preference.with_preference(panels) == []


@pytest.mark.parametrize(
  'seeds', ['1', pytest.param('12', marks=pytest.mark.slow)]
)
def test_command_writes_the_same_bytes_again(tmp_path, seeds):
  made = plots_table.rows(['binarized_mnist'])
  results = plots_table.write(tmp_path / 'x.csv', made)
  names = ('figure1', 'figure2', 'rate_distortion', 'label_preference')
  files = [f'{name}.{kind}' for name in names for kind in ('pdf', 'png')]
  for seed in seeds:
    output = plots_table.run(
      'figures',
      f'--results={results}',
      f'--output_dir={tmp_path / seed}',
      seed=seed,
    )
    assert output.split('\n')[:-1] == [
      f'rate and distortion of MNIST: {HIGH.format(119.8)}',
      *(f'wrote {tmp_path / seed / file}' for file in files),
    ]
  for file in files:
    first = (tmp_path / seeds[0] / file).read_bytes()
    assert len(first) > 10_000
    assert first == (tmp_path / seeds[-1] / file).read_bytes()
    assert b'CreationDate' not in first


def test_bad_classifiers_stay_in_the_picture(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  for method, loss in (('random_dense', 9), ('random_conv', 3), ('vae', 4)):
    for row in made:
      if row['method'] == method:
        row['label_distortion'] = loss
  panels = label_distortion.make_panels(read(tmp_path, made))
  figure = label_distortion.label_distortion(panels)
  assert 4 < figure.axes[0].get_ylim()[1] < 4.2
  assert label_distortion.notes(panels) == [
    'above the panel MNIST digit: random, fully connected, C = 9.000 nats'
  ]


@pytest.mark.parametrize(('rate', 'count'), [(0.0, 2), (-0.001, 2), (12.0, 3)])
def test_one_result_is_enough(tmp_path, rate, count):
  row = plots_table.rows(['binarized_mnist'])[0] | {'rate': rate}
  names = [name for name, _ in figures.figures(read(tmp_path, [row]))]
  assert len(names) == count
  # Without rate, label preference is 0 over 0.
  assert ('label_preference' in names) == (rate > 0)


def test_one_data_set_alone(rows):
  omniglot = table.choose(rows, ['omniglot'])
  assert len(label_distortion.make_panels(omniglot)) == 2
  assert figures.notes(omniglot) == [
    f'rate and distortion of Omniglot: {HIGH.format(129.8)}',
  ]


def test_a_task_without_results_is_named(rows):
  alphabets = [
    row for row in rows if row.subject == 'Omniglot' and row.task == 'alphabet'
  ]
  assert figures.notes(alphabets)[0] == (
    'no panel Omniglot character: the table has no β-VAE of it'
  )


def drawn(rows):
  """The data of all figures with default flags, as numbers."""
  chosen = table.choose(rows)
  panels = label_distortion.make_panels(chosen)
  data_panels = rate_distortion.make_panels(chosen)
  preferences = label_preference.with_preference(panels)
  return [
    (panel.title, panel.input_entropy, len(panel.beaten), *panel.rows)
    for panel in (*panels, *data_panels, *preferences)
  ]


def test_rows_of_other_figures_are_left_out_without_a_word(tmp_path, rows):
  made = plots_table.rows()
  vae = made[0]
  baseline = next(row for row in made if row['method'] == 'supervised_simple')
  others = [
    vae | {'dataset': 'static_mnist'},
    vae | {'dataset': 'omniglot_lake', 'task': 'alphabet'},
    vae | {'dataset': 'tfds:kmnist', 'task': 'label'},
    vae | {'task': 'slant', 'rate': 1000, 'label_entropy': 3},
    # This one lacks columns, is damaged, and is in the table twice.
    {'run': 'x', 'dataset': 'binarized_mnist', 'task': 'digit', 'method': 'ib'}
    | {'rate': 'fast', 'classifier': 'linear', 'label_entropy': 9},
    baseline | {'method': 'supervised_deep', 'label_distortion': 1e-3},
  ]
  read_again = read(tmp_path, [*made, *others, *others])
  assert drawn(read_again) == drawn(rows)
  assert figures.notes(table.choose(read_again)) == figures.notes(rows)


def test_other_data_sets_are_drawn_when_chosen(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  both = made + [row | {'dataset': 'static_mnist'} for row in made]
  rows = table.choose(read(tmp_path, both), ['static_mnist'])
  assert len(rows) == len(made)
  [panel] = label_distortion.make_panels(rows)
  assert {row.dataset for row in panel.rows} == {'static_mnist'}
  assert len(dict(figures.figures(rows))) == 4
  # They are the default if the paper's are not in the table.
  assert table.choose(rows) == rows
  with pytest.raises(UserError) as error:
    table.choose(rows, table.DATASETS)
  assert str(error.value) == (
    'the table has no row of binarized_mnist or omniglot, but of static_mnist; '
    'choose with --datasets'
  )
  with pytest.raises(UserError, match='no row of omnigloot, but of static'):
    table.choose(rows, ['static_mnist', 'omnigloot'])


# Changes to the third line of a table, which is drawn, and the error of each.
DAMAGES = [
  ({'rate': 'fast'}, "line 3 (run {run}): rate is 'fast', and must be"),
  ({'rate': 'nan'}, "line 3 (run {run}): rate is 'nan', and must be"),
  ({'distortion': 'inf'}, "line 3 (run {run}): distortion is 'inf'"),
  ({'distortion': ''}, 'line 3 (run {run}): distortion is empty, and must be'),
  ({'rate_stderr': -1}, 'line 3 (run {run}): rate_stderr is negative'),
  ({'decoder': ''}, 'line 3 (run {run}): decoder is empty'),
  ({'beta': ''}, 'line 3 (run {run}): beta is empty, and must be'),
  ({'label_preference': 'x'}, "line 3 (run {run}): label_preference is 'x'"),
  ({'run': ''}, 'line 3 (run ): run is empty'),
  ({'method': ''}, 'line 3 (run {run}): method is empty'),
]


@pytest.mark.parametrize('change,message', DAMAGES)
def test_a_damaged_row_is_named(tmp_path, change, message):
  made = plots_table.rows(['binarized_mnist'])
  message = message.format(run=made[1]['run'])
  made[1] = made[1] | change
  with pytest.raises(UserError) as error:
    list(figures.figures(read(tmp_path, made)))
  assert message in str(error.value) and '\n' not in str(error.value)


def test_a_repeated_row_is_named(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  with pytest.raises(UserError, match=r'line 5 \(run .*\) repeats line 2'):
    rows = read(tmp_path, [*made[:3], made[0] | {'rate': 3}, *made[3:]])
    label_distortion.make_panels(rows)


@pytest.mark.parametrize('column', ['rate', 'beta_trained', 'noise'])
def test_a_missing_column_is_named(tmp_path, column):
  columns = [name for name in plots_table.COLUMNS if name != column]
  with pytest.raises(UserError, match=f"line 1, has no column '{column}'"):
    read(tmp_path, plots_table.rows(['omniglot']), columns)


def test_what_is_no_table_is_reported(tmp_path):
  path = tmp_path / 'x.csv'
  good = plots_table.write(path, plots_table.rows(['omniglot'])).read_text()
  for text, message in (
    ('', 'has no column'),
    (good.split('\n')[0] + '\n', 'has no rows'),
    ('\n'.join(good.split('\n')[:2])[:-9], 'fields, not'),
    (b'\x89PNG\xff', 'is not a CSV file'),
  ):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message):
      table.read(path)


def test_a_panel_does_not_mix_data_sets_or_classifiers(tmp_path):
  made = plots_table.rows(['binarized_mnist'])
  other = [made[0] | {'dataset': 'static_mnist', 'run': 'other'}]
  mixed = read(tmp_path, made + other)
  message = (
    rf'line {len(made) + 2} \(run other\): dataset is static_mnist, but '
    'binarized_mnist in line 2, .* choose one with --datasets'
  )
  with pytest.raises(UserError, match=message):
    label_distortion.make_panels(mixed)
  assert label_distortion.make_panels(table.choose(mixed, ['static_mnist']))
  linear = read(tmp_path, made + [made[0] | {'classifier': 'linear'}])
  with pytest.raises(UserError, match='choose one with --classifier'):
    label_distortion.make_panels(linear)
  assert label_distortion.make_panels(table.choose(linear, classifier='linear'))
  with pytest.raises(UserError, match="no C by 'large', but by linear, mlp"):
    table.choose(linear, classifier='large')
  off = read(tmp_path, [made[0], made[1] | {'label_entropy': math.log(10)}])
  with pytest.raises(UserError, match='label_entropy is 2.302'):
    label_distortion.make_panels(off)


def test_command_reports_mistakes_in_one_line(tmp_path):
  made = plots_table.rows(['omniglot'])
  made[0]['rate'] = 'nan'
  results = plots_table.write(tmp_path / 'x.csv', made)
  for flags, message in (
    ([f'--results={results}'], "rate is 'nan'"),
    ([f'--results={tmp_path / "none.csv"}'], 'none.csv: No such file or dir'),
  ):
    errors = plots_table.run(
      'figures', *flags, f'--output_dir={tmp_path}', status=1
    )
    assert errors.startswith('error: ') and errors.count('\n') == 1
    assert message in errors
  assert not list(tmp_path.glob('*.png'))
