"""Prints C of a flow's codes at some rates, as a Markdown table.

    python -m plots.flows --task=digit

PCA is the best of all its sizes and noises, at its rate against a standard
normal, as that of a flow is. The beta-VAEs are the multi-beta models with the
deconvolutional decoder. C is interpolated along each curve.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import app, flags

from plots import flow_lines, seeds, style, table
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
  'vae': ('encoder', 'decoder', 'marginal', 'rate', _LOSS),
}


def lines(rows: Sequence[Row]) -> list[str]:
  """The table of one task, as Markdown; empty without rows of a flow."""
  chosen = table.rows_of_methods(rows, METHODS)
  variants = flow_lines.variants(chosen)
  if not variants:
    return []
  curves = [
    (flow_lines.look(name)[0], *_points(group, 'rate'))
    for name, group in variants.items()
  ]
  pca = [row for row in chosen if row.method == 'pca' and row.rate_variational]
  if pca:
    rates, losses = _points(pca, 'rate_variational')
    best = references.envelope(rates, losses)
    name = 'PCA, the best, R against a standard normal'
    curves.append((name, rates[best], losses[best]))
  curves += _of_models(chosen)
  heads = [f'{rate:g} nats' for rate in RATES]
  result = [
    f'| C at a rate of | {" | ".join(heads)} |',
    f'|{"---|" * (1 + len(heads))}',
  ]
  result += [line(name, _at(*curve)) for name, *curve in curves]
  if pca:
    names = ('label_entropy', 'input_entropy')
    entropies = [pca[0].number(name) for name in names]
    values = [
      float(references.random_discard(rate, *entropies)) for rate in RATES
    ]
    result.append(line('random discarding', values))
  return result


def _points(rows, rate):
  return np.array(column(rows, rate)), np.array(column(rows, _LOSS))


def _of_models(rows):
  """Curves of multi-beta models with the deconvolutional decoder."""
  models: dict[str, list[Row]] = {}
  for row in seeds.averaged(rows):
    if row.beta_trained and row.family[:2] == ('conv', 'deconvolutional'):
      models.setdefault(row.configuration, []).append(row)
  return [
    (
      f'β-VAE, {style.marginal_look(group[0].marginal).name} marginal, '
      f'{group[0].training}',
      *_points(group, 'rate'),
    )
    for _, group in sorted(models.items(), reverse=True)
  ]


def _at(rates, losses):
  return [interpolated(rate, rates.tolist(), losses.tolist()) for rate in RATES]


def line(name: str, values: Sequence[float | None]) -> str:
  """One row of the table."""
  cells = ['–' if value is None else f'{value:.3f}' for value in values]
  return f'| {name} | {" | ".join(cells)} |'


def main(argv):
  cli.no_arguments(argv)
  dataset = DATASETS[FLAGS.task]
  rows = [
    row
    for row in table.read(pathlib.Path(FLAGS.results))
    if (row.dataset, row.task) == (dataset, FLAGS.task)
  ]
  found = lines(rows)
  if not found:
    print(f'*{FLAGS.results} has no flow of {dataset}, {FLAGS.task}, yet.*')
  for text in found:
    print(text)


if __name__ == '__main__':
  flags.DEFINE_string(
    'results', 'plots/results.csv', 'Table of results to read.'
  )
  flags.DEFINE_enum('task', 'digit', list(DATASETS), 'Which labels.')
  app.run(cli.one_line_errors(main))
