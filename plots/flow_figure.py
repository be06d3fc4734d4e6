"""Codes of a normalizing flow: C and D against rate, beside PCA and beta-VAEs.

The noise that limits the rate is of four kinds; see `flow_lines`. PCA is the
best of all its sizes and noises, at its rate against a standard normal. It has
no distortion. Of the beta-VAEs, those with a deconvolutional decoder are there.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure

from plots import baseline_lines, flow_lines, label_distortion, pairs, style
from plots.evidence import DECONV
from plots.panels import Panel
from plots.table import column

LARGEST = 60.0  # Nats: no larger rate is shown.
# What it has besides the methods of figure 1, and the columns of its rows.
METHODS = {
  'flow': (
    'variant',
    'rate',
    'rate_stderr',
    'distortion',
    *label_distortion.LOSSES,
  ),
}


def with_flows(panels: Sequence[Panel]) -> list[Panel]:
  """The panels that have codes of a flow.

  Args:
    panels: Panels with `METHODS`.
  """
  return [panel for panel in panels if panel.of('flow')]


@style.styled
def flows(panels: Sequence[Panel]) -> Figure:
  """The figure, with a row of two plots for each panel.

  Args:
    panels: From `with_flows`.
  """
  figure, grid = pairs.make(panels, LARGEST)
  shown = []
  for (left, right), panel in zip(grid, panels, strict=True):
    vaes = [row for row in panel.of('vae') if row.decoder == DECONV]
    shown += vaes
    label_distortion.draw_discard(left, panel)
    # R of a flow is against a standard normal too.
    baseline_lines.draw(left, panel, 'rate_variational', 'label_distortion')
    for axes, name in ((left, 'label_distortion'), (right, 'distortion')):
      flow_lines.draw(axes, panel.rows, 'rate', name)
      style.draw_runs(axes, vaes, 'rate', name)
    left.set_ylim(0, 1.06 * panel.label_entropy)
    values = column([*vaes, *panel.of('flow')], 'distortion')
    right.set_ylim(0.9 * min(values), 1.05 * max(values))
  style.key(figure, style.run_key(shown), 'left', 'β-VAEs (decoder, marginal)')
  rows = [row for panel in panels for row in panel.rows]
  lines = [
    *label_distortion.discard_key(panels),
    *baseline_lines.key(rows),
    *flow_lines.key([panel.rows for panel in panels]),
  ]
  style.key(figure, lines, 'right', 'Baselines')
  return figure
