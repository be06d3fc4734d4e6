"""Prints the results of the baselines as a Markdown table.

    python -m plots.baselines --task=digit

Of several configurations of a baseline, the one with the most seeds and then
the least C counts; the complex supervised network has a row for each. Where
there are several seeds, a row gives the least and the largest value. For PCA,
it gives the best number of dimensions at each rate.
"""

import pathlib
import re
from collections.abc import Sequence

from absl import app, flags

from plots import table
from plots.evidence import DATASETS, Evidence
from plots.panels import best_configurations
from plots.table import Row
from vae_info import cli
from vae_info.baselines.config import BaselineConfig

FLAGS = flags.FLAGS

NAMES = ('random_dense', 'random_conv', 'supervised_simple')
DROPOUT = re.compile(r'_dropout=([\d.]+)')
HEAD = """\
| `--baseline` | R | C | accuracy | seconds |
|---|---|---|---|---|"""


def lines(evidence: Evidence) -> list[str]:
  """The rows of the table, as Markdown."""
  best = best_configurations(evidence.rows)
  groups = [
    (f'`{name}`', [row for row in best if row.method == name]) for name in NAMES
  ]
  networks: dict[str, list[Row]] = {}
  for row in evidence.of('supervised_complex'):
    networks.setdefault(f'`supervised_complex`, {_network(row)}', []).append(
      row
    )
  groups += sorted(networks.items(), key=lambda group: _numbers(group[0]))
  result = [line(name, rows) for name, rows in groups if rows]
  rates = sorted({round(row.number('rate'), 2) for row in evidence.of('pca')})
  for rate in rates:
    best = min(
      (r for r in evidence.of('pca') if round(r.number('rate'), 2) == rate),
      key=lambda row: row.number('label_distortion'),
    )
    result.append(line(f'`pca`, k = {best.latent_size:g}', [best]))
  return result


def _network(row):
  """A network's layers and dropout, which a run's name has if it is unusual."""
  found = DROPOUT.search(row.run)
  usual = BaselineConfig(row.dataset, row.task, row.method).dropout
  dropout = float(found[1]) if found else usual
  return f'{row.classifier}, dropout {dropout:g}'


def _numbers(text):
  return [int(digits) for digits in re.findall(r'\d+', text)]


def line(name: str, rows: Sequence[Row]) -> str:
  """One row of the table, as Markdown: C in nats, accuracy in percent.

  Args:
    name: What the first cell says.
    rows: One result, or the same baseline with several seeds.
  """
  rate = rows[0].rate
  error = max(row.number('label_distortion_stderr') for row in rows)
  losses = span([row.number('label_distortion') for row in rows], '{:.3f}')
  shares = [100 * row.label_accuracy for row in rows if row.label_accuracy]
  seconds = [row.train_seconds for row in rows if row.train_seconds]
  cells = [
    name,
    '–' if rate is None else f'{rate:.1f}',
    f'{losses} ± {error:.3f}',
    f'{span(shares, "{:.1f}")} %' if shares else '–',
    span(seconds, '{:,.0f}') if seconds else '–',
  ]
  return f'| {" | ".join(cells)} |'


def span(values: Sequence[float], form: str) -> str:
  """The least and the largest value, such as `0.1 to 0.2`.

  One number if both read the same in the format `form`.
  """
  texts = [form.format(value) for value in (min(values), max(values))]
  return ' to '.join(dict.fromkeys(texts))


def main(argv):
  cli.no_arguments(argv)
  rows = table.read(pathlib.Path(FLAGS.results))
  for text in (HEAD, *lines(Evidence(rows, FLAGS.task))):
    print(text)


if __name__ == '__main__':
  cli.define_results()
  flags.DEFINE_enum('task', 'digit', list(DATASETS), 'Which labels.')
  app.run(cli.one_line_errors(main))
