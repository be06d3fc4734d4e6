"""Prints what codes of a few nats keep, as Markdown tables.

    python -m plots.few_nats --task=digit

The first two tables have C and D at equal rates, interpolated along each curve:
k-means of images, clusters of codes, water-filled PCA, and the multi-beta
models with a VampPrior. The last has trainings at one beta, or at one target
rate, with at most ten nats. Methods with several seeds are averaged.
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from plots import at_rates, baseline_lines, seeds, table
from plots.evidence import DATASETS
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS

RATES = (1.0, 2.5, 3.5, 4.7, 7.0, 8.5)  # Nats.
MOST = 10.0  # Nats.
NUMBERS = ('rate', 'distortion', 'label_distortion')
_SIMPLE = ('kmeans', 'kmeans_deskewed', 'clusters', 'pca_water_filled')
METHODS = {
  **dict.fromkeys(_SIMPLE, ('rate', 'label_distortion')),
  'vae': (*at_rates.MODEL, 'beta', 'distortion'),
}


def lines(rows: Sequence[Row]) -> list[str]:
  """The tables of one task, as Markdown, with a blank line between them."""
  chosen = table.rows_of_methods(rows, METHODS)
  averaged = seeds.averaged(chosen)
  curves = {}
  for method in _SIMPLE:
    group = [row for row in averaged if row.method == method]
    if group:
      count = f', {group[0].seeds} seeds' if group[0].seeds > 1 else ''
      curves[baseline_lines.LINES[method][0] + count] = group
  curves |= at_rates.models(chosen, lambda row: row.marginal == 'vampprior')
  return [
    *_at_rates('C at a rate of', 'label_distortion', curves, 3),
    '',
    *_at_rates('D at a rate of', 'distortion', curves, 1),
    '',
    *_single([row for row in averaged if row.method == 'vae']),
  ]


def _at_rates(title, name, curves, digits):
  """A table of one column; curves that have it nowhere are left out."""
  values = {
    key: at_rates.along(group, name, RATES)
    for key, group in curves.items()
    if all(getattr(row, name) is not None for row in group)
  }
  return at_rates.head(title, RATES) + [
    at_rates.line(key, found, digits)
    for key, found in values.items()
    if any(value is not None for value in found)
  ]


def _single(rows):
  """The trainings that have no range of betas, and few nats."""
  few = [r for r in rows if not r.beta_trained and r.number('rate') <= MOST]
  result = [
    '| decoder, marginal | augmentation | R | D | C |',
    '|---' * 5 + '|',
  ]
  for row in sorted(few, key=lambda row: row.number('rate')):
    name = f'{row.decoder}, {row.marginal}'.replace('_', ' ')
    count = f', {row.seeds} seeds' if row.seeds > 1 else ''
    cells = [f'{name}{count}', row.augmentation or '–']
    cells += [
      f'{row.number(n):.3f} ± {row.number(f"{n}_stderr"):.3f}' for n in NUMBERS
    ]
    result.append(f'| {" | ".join(cells)} |')
  return result if few else []


def main(argv):
  cli.no_arguments(argv)
  dataset = DATASETS[FLAGS.task]
  rows = [
    row
    for row in table.read(pathlib.Path(FLAGS.results))
    if (row.dataset, row.task) == (dataset, FLAGS.task)
  ]
  for text in lines(rows):
    print(text)


if __name__ == '__main__':
  flags.DEFINE_string(
    'results', 'plots/results.csv', 'Table of results to read.'
  )
  flags.DEFINE_enum('task', 'digit', list(DATASETS), 'Which labels.')
  app.run(cli.one_line_errors(main))
