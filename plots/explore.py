"""Writes an interactive page of the results: one file that works offline.

    python -m plots.explore --results=results.csv --output=explore.html

Point at a result to see its numbers. Drag, or click a run, to highlight it in
both panels. Needs `pip install -e '.[explore]'`.
"""

import html
import pathlib
import warnings
from collections.abc import Sequence

from absl import app, flags

from plots import (
  flow_figure,
  label_distortion,
  low_rate,
  style,
  table,
  table_flags,
)
from plots.explore_chart import SHAPES, chart
from plots.panels import Panel
from vae_info import cli
from vae_info.errors import UserError
from vae_info.runs.paths import open_output

FLAGS = flags.FLAGS

TITLE = 'Label information in the codes of β-VAEs'
HELP = (
  'Point at a result to see its numbers. Drag across results to highlight them '
  'in both panels. Click one to highlight its whole run; Shift adds a run. '
  'Double-click to undo. A line joins the βs of one multi-beta model. '
  'Open markers: deconvolutional decoders. Ring: flow encoder. Dashed: random '
  'discarding. Ticks: PCA and clusters. Grey lines: codes of a normalizing '
  'flow.'
)
STYLE = """
  body { font: 14px sans-serif; margin: 2em; max-width: 1100px; }
  h1 { font-size: 20px; }
  #vis.vega-embed { flex-direction: column-reverse; }
  .vega-bindings { display: flex; flex-wrap: wrap; gap: 1.2em; margin: 1em 0; }
  #vg-tooltip-element { font-size: 12px; }
"""


def define_flags() -> None:
  """Defines every flag of this command."""
  table_flags.define_table_flags()
  flags.DEFINE_string('output', 'explore.html', 'HTML file to write.')


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
  output = open_output(FLAGS.output)
  rows = table.choose(
    table.read(pathlib.Path(FLAGS.results)), FLAGS.datasets, FLAGS.classifier
  )
  panels = label_distortion.make_panels(
    rows, {**low_rate.METHODS, **flow_figure.METHODS}
  )
  try:
    text = page(panels)
  except ImportError as error:
    raise UserError(
      f"{error}; install it with pip install -e '.[explore]'"
    ) from error
  output.write_text(text, encoding='utf-8')
  print(f'wrote {output}: {sum(len(panel.rows) for panel in panels)} results')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
