"""The plots of the interactive page, as an Altair chart; see `explore`."""

import json
import math
from collections.abc import Sequence

from plots import style
from plots.baseline_lines import CLUSTERS, LINES
from plots.explore_records import TICKS, TOOLTIP, discard, record
from plots.flow_lines import FLOWS
from plots.label_distortion import BASELINES
from plots.panels import Panel

ALL = 'all'
# Decoders whose pixels are independent given the code have open markers.
OPEN = ['deconvolutional', 'deconvolutional_invariant']
WIDTH, HEIGHT = 430, 400
# matplotlib's marker -> Vega's shape, and a character for the key.
SHAPES = {
  'o': ('circle', '●'),
  's': ('square', '■'),
  '^': ('triangle-up', '▲'),
  'D': ('diamond', '◆'),
  'P': ('cross', '✚'),
}
BASELINE_COLOURS = {
  **{name: line['color'] for name, line in BASELINES.values()},
  **{name: LINES[method][1]['color'] for method, name in TICKS.items()},
  **{name: style.GREY for name, *_ in FLOWS.values()},
  'random discard': style.BLACK,
}
FLOW_DASHES = ([1, 0], [6, 3], [2, 2], [6, 2, 2, 2])  # In the order of FLOWS.


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
        x=across,
        y=up,
        color=colour,
        detail='run:N',
        order='rate:Q',
        tooltip=_tooltip(alt),
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
    f'indexof({OPEN}, datum.decoder) >= 0', alt.value('white'), fill
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
