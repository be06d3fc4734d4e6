"""Writes an interactive page of the results: one file that works offline.

    python -m plots.explore --results=plots/results.csv --output=explore.html

Point at a result to see its numbers. Drag, or click a run, to highlight it in
both panels. Needs `pip install -e '.[explore]'`.
"""

import html
import json
import math
import pathlib
import warnings
from collections.abc import Sequence

from absl import app, flags

from plots import label_distortion, style, table, table_flags
from plots.baseline_lines import CLUSTERS, LINES
from plots.flow_lines import FLOWS
from plots.label_distortion import BASELINES
from plots.panels import Panel
from plots.table import Row
from vae_info import cli
from vae_info.errors import UserError

FLAGS = flags.FLAGS

TITLE = 'Label information in the codes of β-VAEs'
HELP = (
  'Point at a result to see its numbers. Drag across results to highlight them '
  'in both panels. Click one to highlight its whole run; Shift adds a run. '
  'Double-click to undo. A line joins the βs of one multi-beta model. '
  'Open markers: deconvolutional decoder. Ring: flow encoder. Dashed: random '
  'discarding. Ticks: PCA and k-means. Grey lines: codes of a normalizing '
  'flow.'
)
STYLE = """
  body { font: 14px sans-serif; margin: 2em; max-width: 1100px; }
  h1 { font-size: 20px; }
  #vis.vega-embed { flex-direction: column-reverse; }
  .vega-bindings { display: flex; flex-wrap: wrap; gap: 1.2em; margin: 1em 0; }
  #vg-tooltip-element { font-size: 12px; }
"""
ALL = 'all'
WIDTH, HEIGHT = 430, 400
# matplotlib's marker -> Vega's shape, and a character for the key.
SHAPES = {
  'o': ('circle', '●'),
  's': ('square', '■'),
  '^': ('triangle-up', '▲'),
  'D': ('diamond', '◆'),
  'P': ('cross', '✚'),
}
# Baselines that have a rate, which are ticks, and their names.
TICKS = {
  'pca': 'PCA',
  'pca_water_filled': 'PCA, water-filled',
  'kmeans': 'k-means',
  'kmeans_deskewed': 'k-means, deskewed',
  'clusters': 'clusters of codes',
}
NAMES = {method: name for method, (name, _) in BASELINES.items()} | TICKS
BASELINE_COLOURS = {
  **{name: line['color'] for name, line in BASELINES.values()},
  **{name: LINES[method][1]['color'] for method, name in TICKS.items()},
  **{name: style.GREY for name, *_ in FLOWS.values()},
  'random discard': style.BLACK,
}
FLOW_DASHES = ([1, 0], [6, 3], [2, 2], [6, 2, 2, 2])  # In the order of FLOWS.
TOOLTIP = {  # Column of `record` -> its name in the tooltip.
  'run': 'run',
  'family': 'family',
  'beta_text': 'β',
  'rate_text': 'R',
  'distortion_text': 'D',
  'label_distortion_text': 'C',
  'least_text': 'least C',
  'information_text': 'I(X;Z) between',
  'label_information_text': 'I(Z;Y) between',
  'accuracy_text': 'accuracy',
  'preference_text': 'label preference',
  'classifier': 'C by',
}


def define_flags() -> None:
  """Defines every flag of this command."""
  table_flags.define_table_flags()
  flags.DEFINE_string('output', 'explore.html', 'HTML file to write.')


def record(row: Row, panel: str) -> dict:
  """A row as the page stores it: numbers to draw, and texts to show.

  Args:
    row: The result.
    panel: Title of the panel that shows it.
  """
  is_vae = row.method == 'vae'
  name = NAMES.get(row.method, row.method)
  if is_vae:
    family = style.family_name(row.decoder, row.marginal)
    family += f'; {row.encoder} encoder'
  else:
    if row.method == 'flow':
      name = FLOWS.get(row.variant, (f'flow, {row.variant}',))[0]
    family = name
    if row.noise is not None and row.method != 'flow':
      family += f', {row.latent_size:g} dimensions, noise {row.noise:.3g}'
    elif row.method in CLUSTERS:
      family += f', {row.latent_size:g} clusters'
  beta = '' if row.beta is None else f'{row.beta:g}'
  if row.beta_trained:
    beta += f' (trained over {row.training})'
  accuracy, preference = row.label_accuracy, row.label_preference
  return {
    'panel': panel,
    'is': 'vae' if is_vae else row.method,
    'line': style.marginal_look(row.marginal).name if is_vae else name,
    'run': row.run,
    'encoder': row.encoder,
    'decoder': row.decoder,
    'marginal': row.marginal,
    'ranged': bool(row.beta_trained),
    'beta': row.beta,
    'rate': row.rate,
    'distortion': row.distortion,
    'label_distortion': row.label_distortion,
    'family': family,
    'beta_text': beta or '–',
    'rate_text': with_error(row, 'rate'),
    'distortion_text': with_error(row, 'distortion'),
    'label_distortion_text': with_error(row, 'label_distortion'),
    'least_text': with_error(row, 'label_distortion_least'),
    'information_text': between(row, 'information'),
    'label_information_text': between(row, 'label_information'),
    'accuracy_text': '–' if accuracy is None else f'{100 * accuracy:.2f} %',
    'preference_text': '–' if preference is None else f'{preference:.2f}',
    'classifier': row.classifier,
  }


def with_error(row: Row, name: str) -> str:
  """A column with its standard error, as text, in nats and in bits."""
  value, error = getattr(row, name), getattr(row, f'{name}_stderr')
  if value is None:
    return '–'
  spread = '' if error is None else f' ± {error:.3f}'
  return f'{value:.3f}{spread} nats ({value / style.NATS_PER_BIT:.3f} bits)'


def between(row: Row, name: str) -> str:
  """The two bounds NAME_lower and NAME_upper, as text, in nats."""
  ends = [getattr(row, f'{name}_{end}') for end in ('lower', 'upper')]
  if ends == [None, None]:
    return '–'
  texts = ['–' if end is None else f'{end:.3f}' for end in ends]
  return f'{texts[0]} and {texts[1]} nats'


def discard(panel: Panel) -> list[dict]:
  """The two ends of the line of random discarding; none without H(X)."""
  known = panel.input_entropy
  if known is None:
    return []
  ends = ((0, known, panel.label_entropy), (known, 0, 0))
  return [
    {
      'panel': panel.title,
      'is': 'discard',
      'line': 'random discard',
      'rate': rate,
      'distortion': distortion,
      'label_distortion': loss,
    }
    for rate, distortion, loss in ends
  ]


def chart(panels: Sequence[Panel]):
  """All results as two plots with controls, an `altair.HConcatChart`."""
  import altair as alt  # Optional, and slow to import.

  records = [record(row, p.title) for p in panels for row in p.rows]
  vaes = [vae for vae in records if vae['is'] == 'vae']
  records += [end for panel in panels for end in discard(panel)]
  # Both plots share these selections, so each highlights what the other does.
  picked = alt.selection_point(name='picked', fields=['run'])
  brushes = {
    x: alt.selection_interval(name=f'brush_{x}') for x in ('rate', 'distortion')
  }
  bright = alt.condition(
    picked & brushes['rate'] & brushes['distortion'],
    alt.value(1),
    alt.value(0.1),
  )
  entropies = {panel.title: panel.label_entropy for panel in panels}
  up = alt.Y(
    'label_distortion_shown:Q',
    title='label distortion C',
    scale=_scale(alt, f'{json.dumps(entropies)}[shown] * top / 100'),
  )
  sides = []
  for x, brush in brushes.items():
    across = alt.X(
      f'{x}_shown:Q',
      title=x,
      scale=_scale(alt, f'{1.05 * max(vae[x] for vae in vaes)}'),
    )
    side = alt.layer(
      *_baselines(alt, across, up, [*TICKS] if x == 'rate' else CLUSTERS),
      *_vaes(alt, vaes, across, up, bright),
    )
    # The markers are the last layer: the reader selects among them.
    side.layer[-1] = side.layer[-1].add_params(brush, picked)
    sides.append(
      side.resolve_scale(color='independent').properties(
        width=WIDTH,
        height=HEIGHT,
        title=alt.TitleParams(text=alt.expr(f"'C against {x}, in ' + units")),
      )
    )
  highest = max(
    vae['label_distortion'] / entropies[vae['panel']] for vae in vaes
  )
  controls = _controls(alt, panels, vaes, max(106, math.ceil(103 * highest)))
  data = alt.InlineData(values=records)
  return alt.hconcat(*sides, data=data).add_params(*controls)


def _controls(alt, panels, vaes, top) -> list:
  """The controls of the page; `top` is the highest C, in % of H(Y)."""
  titles = [panel.title for panel in panels]
  controls = [('shown', titles[0], 'data and task', titles)]
  for part in ('decoder', 'marginal', 'encoder'):
    names = sorted({vae[part] for vae in vaes})
    controls.append((f'chosen_{part}', ALL, part, [ALL, *names]))
  select, radio = alt.binding_select, alt.binding_radio
  return [
    *(
      alt.param(
        name=name, value=value, bind=select(options=options, name=label)
      )
      for name, value, label, options in controls
    ),
    alt.param(
      name='baselines',
      value=True,
      bind=alt.binding_checkbox(name='baselines'),
    ),
    alt.param(
      name='units',
      value='nats',
      bind=radio(options=['nats', 'bits'], name='unit'),
    ),
    alt.param(
      name='top',
      value=top,
      bind=alt.binding_range(
        min=4, max=max(top, 130), step=2, name='C up to, % of H(Y)'
      ),
    ),
  ]


def _in_units(number: str) -> str:
  """A Vega expression that converts `number` from nats to the chosen unit."""
  return f"({number}) / (units == 'bits' ? {style.NATS_PER_BIT} : 1)"


def _scale(alt, limit: str):
  """A scale from 0 to `limit`, which is an expression in nats."""
  # Fixed instead of fitted, so that a filter that leaves nothing draws empty
  # axes.
  return alt.Scale(domain=[0, alt.expr(_in_units(limit))], nice=False)


def _rows(alt):
  """A chart of the chosen panel's rows, with numbers in the chosen unit."""
  numbers = ('rate', 'distortion', 'label_distortion')
  return (
    alt.Chart()
    .transform_filter('datum.panel == shown')
    .transform_calculate(
      **{
        f'{name}_shown': f'isValid(datum.{name}) ? '
        f'{_in_units(f"datum.{name}")} : null'
        for name in numbers
      }
    )
  )


def _tooltip(alt) -> list:
  return [
    alt.Tooltip(f'{name}:N', title=title) for name, title in TOOLTIP.items()
  ]


def _baselines(alt, across, up, ticks: Sequence[str]) -> list:
  """Layers: baselines as lines with names or ticks, discarding dashed."""
  rows = _rows(alt).transform_filter('baselines')
  colour = alt.Color(
    'line:N',
    legend=None,
    scale=alt.Scale(
      domain=[*BASELINE_COLOURS], range=[*BASELINE_COLOURS.values()]
    ),
  )
  flat = rows.transform_filter(f'indexof({[*BASELINES]}, datum.is) >= 0')
  layers = [
    flat.mark_rule(strokeWidth=1.5, clip=True).encode(
      y=up, color=colour, tooltip=_tooltip(alt)
    ),
    flat.transform_aggregate(
      label_distortion_shown='mean(label_distortion_shown)', groupby=['line']
    )
    .mark_text(align='right', dy=-6, fontSize=10, clip=True)
    .encode(x=alt.value(WIDTH - 4), y=up, color=colour, text='line:N'),
    rows.transform_filter("datum.is == 'discard'")
    .mark_line(strokeDash=[6, 4], clip=True)
    .encode(x=across, y=up, color=colour),
    *(
      rows.transform_filter(f"datum.line == '{name}'")
      .mark_line(strokeDash=dashes, point={'size': 25}, clip=True)
      .encode(
        x=across, y=up, color=colour, order='rate:Q', tooltip=_tooltip(alt)
      )
      for (name, *_), dashes in zip(FLOWS.values(), FLOW_DASHES, strict=True)
    ),
  ]
  layers.append(
    rows.transform_filter(f'indexof({[*ticks]}, datum.is) >= 0')
    .mark_tick(thickness=2, size=8, clip=True)
    .encode(x=across, y=up, color=colour, tooltip=_tooltip(alt))
  )
  return layers


def _vaes(alt, vaes, across, up, bright) -> list:
  """Layers: lines of multi-beta models, rings of flow encoders, markers."""
  rows = _rows(alt).transform_filter("datum.is == 'vae'")
  for part in ('decoder', 'marginal', 'encoder'):
    rows = rows.transform_filter(
      f"chosen_{part} == '{ALL}' || datum.{part} == chosen_{part}"
    )
  looks = {
    look.name: look
    for look in map(style.marginal_look, {vae['marginal']: 0 for vae in vaes})
  }
  colours = alt.Scale(
    domain=[*looks], range=[look.colour for look in looks.values()]
  )
  colour = alt.Stroke('line:N', legend=None, scale=colours)
  shape = alt.Shape(
    'line:N',
    legend=None,
    scale=alt.Scale(
      domain=[*looks],
      range=[SHAPES[look.marker][0] for look in looks.values()],
    ),
  )
  fill = alt.Fill('line:N', legend=None, scale=colours)
  open_or_full = alt.condition(
    "datum.decoder == 'deconvolutional'", alt.value('white'), fill
  )
  places = {'x': across, 'y': up, 'opacity': bright}
  # Markers come last, so that they lie on top and get the pointer.
  return [
    rows.transform_filter('datum.ranged')
    .mark_line(strokeWidth=1, clip=True)
    .encode(**places, detail='run:N', order='beta:Q', stroke=colour),
    rows.transform_filter("datum.encoder != 'conv'")
    .mark_point(
      shape='circle', size=170, stroke='#333333', strokeWidth=0.7, clip=True
    )
    .encode(**places),
    rows.mark_point(size=60, strokeWidth=1.5, clip=True).encode(
      **places,
      stroke=colour,
      fill=open_or_full,
      shape=shape,
      tooltip=_tooltip(alt),
    ),
  ]


def key(panels: Sequence[Panel]) -> str:
  """The key of the marginals, as HTML."""
  names = {row.marginal: 0 for panel in panels for row in panel.of('vae')}
  return 'Marginals: ' + ', '.join(
    f'<span style="color: {look.colour}">{SHAPES[look.marker][1]}</span> '
    f'{html.escape(look.name)}'
    for look in map(style.marginal_look, names)
  )


def page(panels: Sequence[Panel]) -> str:
  """The whole page as HTML, with scripts and data in it.

  Args:
    panels: From `label_distortion.make_panels`; the reader chooses one of them.

  Raises:
    ImportError: Altair or vl-convert is not installed.
  """
  with warnings.catch_warnings():
    # Altair warns that both plots share a selection; here they should.
    warnings.filterwarnings('ignore', 'Automatically deduplicated')
    text = chart(panels).to_html(
      inline=True, embed_options={'renderer': 'svg', 'actions': False}
    )
  head = f'<head>\n<title>{TITLE}</title>\n<style>{STYLE}</style>'
  text = text.replace('<head>', head, 1)
  # The scripts contain this tag too, so take the last one: the page's own.
  before, tag, after = text.rpartition('<body>')
  return (
    f'{before}{tag}\n<h1>{TITLE}</h1>\n<p>{HELP}<br>{key(panels)}</p>{after}'
  )


def main(argv):
  cli.no_arguments(argv)
  rows = table.choose(
    table.read(pathlib.Path(FLAGS.results)), FLAGS.datasets, FLAGS.classifier
  )
  panels = label_distortion.make_panels(rows)
  try:
    text = page(panels)
  except ImportError as error:
    raise UserError(
      f"{error}; install it with pip install -e '.[explore]'"
    ) from error
  output = pathlib.Path(FLAGS.output)
  output.write_text(text, encoding='utf-8')
  print(f'wrote {output}: {sum(len(panel.rows) for panel in panels)} results')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
