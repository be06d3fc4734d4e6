"""Prints C of a flow's codes at some rates, as a Markdown table.

    python -m plots.flows --task=digit

PCA is the best of all its sizes and noises, at its rate against a standard
normal, as that of a flow is. The beta-VAEs are the multi-beta models with the
deconvolutional decoder. C is interpolated along each curve.
"""

from collections.abc import Sequence

import numpy as np
from absl import app, flags

from plots import at_rates, flow_lines, table, table_flags
from plots.curves import interpolated
from plots.evidence import DATASETS
from plots.table import Row, column
from vae_info import cli, references

FLAGS = flags.FLAGS

RATES = (4.0, 8.0, 16.0, 24.0, 40.0)  # Nats.
_LOSS = 'label_distortion'
METHODS = {
  'flow': ('variant', 'rate', _LOSS),
  'pca': (_LOSS, 'label_entropy', 'input_entropy'),
  'vae': (*table.MODEL, 'rate', _LOSS),
}


def lines(rows: Sequence[Row]) -> list[str]:
  """The table of one task, as Markdown; empty without rows of a flow."""
  chosen = table.rows_of_methods(rows, METHODS)
  variants = flow_lines.variants(chosen)
  if not variants:
    return []
  curves = [(flow_lines.look(n)[0], group) for n, group in variants.items()]
  models = at_rates.models(chosen, lambda row: row.decoder == 'deconvolutional')
  pca = [row for row in chosen if row.method == 'pca' and row.rate_variational]
  return [
    *at_rates.head('C at a rate of', RATES),
    *_lines_of(curves),
    *_lines_of_pca(pca),
    *_lines_of(models),
    *_line_of_discarding(pca),
  ]


def _lines_of(curves):
  """A line for each curve."""
  return [
    at_rates.line(name, at_rates.along(group, _LOSS, RATES))
    for name, group in curves
  ]


def _lines_of_pca(rows):
  """The best of PCA against a standard normal; empty without rows."""
  if not rows:
    return []
  rates = np.array(column(rows, 'rate_variational'))
  losses = np.array(column(rows, _LOSS))
  best = references.envelope(rates, losses)
  curve = rates[best].tolist(), losses[best].tolist()
  name = 'PCA, the best, R against a standard normal'
  return [at_rates.line(name, [interpolated(rate, *curve) for rate in RATES])]


def _line_of_discarding(rows):
  """Random discarding; empty without rows that have H(X)."""
  if not rows:
    return []
  entropies = [rows[0].number(n) for n in ('label_entropy', 'input_entropy')]
  values = [
    float(references.random_discard(rate, *entropies)) for rate in RATES
  ]
  return [at_rates.line('random discarding', values)]


def main(argv):
  cli.no_arguments(argv)
  rows = at_rates.rows_of_task(FLAGS.results, FLAGS.task, FLAGS.classifier)
  found = lines(rows)
  if not found:
    print(f'*{FLAGS.results} has no flow of the task {FLAGS.task} yet.*')
  for text in found:
    print(text)


if __name__ == '__main__':
  table_flags.define_task_flags(DATASETS)
  app.run(cli.one_line_errors(main))
