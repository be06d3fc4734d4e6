"""Prints what codes of a few nats keep, as Markdown tables.

    python -m plots.few_nats --task=digit

The first two tables have C and D at equal rates, interpolated along each curve.
The curves are clusters of images and of codes, water-filled PCA, and the
multi-beta models with a VampPrior. Then come clusters of codes by their number,
with C of each seed. The last table has trainings at one beta, or at one target
rate, with at most ten nats; those of the decoders for low rates may have more.
Seeds are averaged.
"""

from collections.abc import Sequence

from absl import app, flags

from plots import at_rates, baseline_lines, seeds, table, table_flags
from plots.evidence import DATASETS
from plots.seeds import Mean
from plots.table import Row
from vae_info import cli

FLAGS = flags.FLAGS

RATES = (1.0, 2.5, 3.5, 4.7, 7.0, 8.5)  # Nats.
MOST = 10.0  # Nats.
NUMBERS = ('rate', 'distortion', 'label_distortion')
HEAD_5 = '|---' * 5 + '|'
_SIMPLE = ('kmeans', 'kmeans_deskewed', 'clusters', 'pca_water_filled')
METHODS = {
  **dict.fromkeys(_SIMPLE, ('latent_size', 'rate', 'label_distortion')),
  'vae': (*table.MODEL, *table.with_errors(*NUMBERS)),
}


def lines(rows: Sequence[Row]) -> list[str]:
  """The tables of one task, as Markdown, with a blank line between them."""
  chosen = table.rows_of_methods(rows, METHODS)
  curves = [
    *_simple(chosen),
    *at_rates.models(chosen, lambda row: row.marginal == 'vampprior'),
  ]
  return [
    *_at_rates('C at a rate of', 'label_distortion', curves, 3),
    '',
    *_at_rates('D at a rate of', 'distortion', curves, 1),
    '',
    *_by_number([row for row in chosen if row.method == 'clusters']),
    *_single(seeds.averaged([row for row in chosen if row.method == 'vae'])),
  ]


def _simple(rows) -> at_rates.Curves:
  """The curves of methods that are no β-VAEs; each way to cluster is one."""
  curves = []
  for method in _SIMPLE:
    name = baseline_lines.LINES[method][0]
    groups = baseline_lines.groups(rows, method)
    for group in groups:
      way = f' ({group[0].variant})' if len(groups) > 1 else ''
      curves.append((name + way + at_rates.seeds_text(group), group))
  return curves


def _at_rates(title, name, curves, digits):
  """A table of one column; curves that have it nowhere are left out."""
  values = [
    (key, at_rates.along(group, name, RATES))
    for key, group in curves
    if all(getattr(row, name) is not None for row in group)
  ]
  return at_rates.head(title, RATES) + [
    at_rates.line(key, found, digits)
    for key, found in values
    if any(value is not None for value in found)
  ]


def _by_number(rows):
  """Clusters of codes by their number, and a blank line; [] without rows."""
  ways: dict[tuple, list[Row]] = {}
  for row in rows:
    place = row.variant, row.configuration, row.latent_size
    ways.setdefault(place, []).append(row)
  variants = {variant for variant, *_ in ways}
  trainings = {_codes_of(configuration) for _, configuration, _ in ways}
  result = ['| K clusters of codes | R | D | C | C of each seed |', HEAD_5]
  for place in sorted(ways):
    variant, configuration, number = place
    group = sorted(ways[place], key=lambda row: row.seed or 0)
    [mean] = seeds.averaged(group)
    each = [f'{row.number("label_distortion"):.3f}' for row in group]
    name = f'{number:g}'
    name += f' ({variant})' if len(variants) > 1 else ''
    if len(trainings) > 1:
      name += f' of `{_codes_of(configuration)}`'
    cells = [name]
    cells += [
      seeds.cell(Mean.of_row(mean, name), 1 if name == 'distortion' else 3)
      for name in NUMBERS
    ]
    result.append(f'| {" | ".join([*cells, ", ".join(each)])} |')
  return [*result, ''] if ways else []


def _codes_of(configuration):
  """The training whose codes are clustered, from the name of a run."""
  return configuration.partition('codes_of=')[2]


def _single(rows):
  """The trainings at one beta that have few nats, or a decoder for them."""
  few = [
    row
    for row in rows
    if not row.beta_trained
    and (row.number('rate') <= MOST or row.decoder in table.INVARIANT)
  ]
  result = [
    '| decoder, marginal | augmentation | R | D | C |',
    HEAD_5,
  ]
  for row in sorted(few, key=lambda row: row.number('rate')):
    name = f'{row.decoder}, {row.marginal}'.replace('_', ' ')
    name += f', R held at {row.target_rate:g}' if row.target_rate else ''
    name += '' if row.target_rate else f', β = {row.number("beta"):.3g}'
    name += f', {row.epochs:g} epochs' if row.epochs else ''
    name += '' if row.encoder == 'conv' else f', {row.encoder} encoder'
    name += ''.join(f', {text}' for text in row.unusual if 'augm' not in text)
    name += f', {row.seeds} seeds' if row.seeds > 1 else ''
    cells = [name, row.augmentation or '–']
    cells += [seeds.cell(Mean.of_row(row, name)) for name in NUMBERS]
    result.append(f'| {" | ".join(cells)} |')
  return result if few else []


def main(argv):
  cli.no_arguments(argv)
  rows = at_rates.rows_of_task(FLAGS.results, FLAGS.task, FLAGS.classifier)
  for text in lines(rows):
    print(text)


if __name__ == '__main__':
  table_flags.define_task_flags(DATASETS)
  app.run(cli.one_line_errors(main))
