"""Prints which labels survive as the rate falls, as Markdown tables.

    python -m plots.retained

A supervised network gets some information about a label from the pixels. A cell
is the share of it that codes keep, (H(Y) - C) / (H(Y) - C_supervised),
interpolated at a rate. The first label is that of which codes keep half down to
the lowest rate.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import app, flags

from plots import style, table
from plots.attributes import Curve, Panel, make_panels
from plots.curves import crossing
from vae_info import cli

FLAGS = flags.FLAGS
RATES = (4, 8, 16, 24)  # Nats.


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_string(
    'results', 'plots/results.csv', 'Table of results to read.'
  )


def half(curve: Curve) -> float:
  """The lowest rate that keeps half of what the supervised network gets, nats.

  It is 0 if all points keep more. It is infinite if no point keeps half, or if
  there is no supervised network.
  """
  shares = curve.shares(of_pixels=True)
  if shares is None or len(shares) < 2:
    return np.inf
  if shares[0] >= 0.5:
    return 0.0
  return crossing(0.5, curve.rates.tolist(), shares.tolist())


def lines(panel: Panel) -> list[str]:
  """The table of one data set and decoder, as Markdown."""
  heads = [f'{rate} nats' for rate in RATES]
  result = [
    f'| {panel.title} | marginal | H(Y) | C supervised '
    f'| {" | ".join(heads)} | half at R |',
    f'|{"---|" * (5 + len(heads))}',
  ]
  return result + [line(curve) for curve in sorted(panel.curves, key=half)]


def line(curve: Curve) -> str:
  """One row of the table."""
  shares = [curve.at(rate, of_pixels=True) for rate in RATES]
  place = half(curve)
  if place == np.inf:
    text = '–' if curve.supervised is None else f'> {curve.rates.max():.1f}'
  else:
    text = f'{place:.1f}' if place else f'< {curve.rates.min():.1f}'
  known = curve.supervised is not None
  cells = [
    curve.task,
    style.marginal_look(curve.marginal).name,
    f'{curve.label_entropy:.3f}',
    f'{curve.supervised:.3f}' if known else '–',
    *('–' if share is None else f'{100 * share:.0f} %' for share in shares),
    text,
  ]
  return f'| {" | ".join(cells)} |'


def text(panels: Sequence[Panel], path: str) -> str:
  """All tables, or a sentence if there is none."""
  if not panels:
    return f'*{path} has no run with several labels yet.*'
  return '\n\n'.join('\n'.join(lines(panel)) for panel in panels)


def main(argv):
  cli.no_arguments(argv)
  rows = table.read(pathlib.Path(FLAGS.results))
  print(text(make_panels(rows), FLAGS.results))


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
