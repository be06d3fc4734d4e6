"""Prints which labels survive as the rate falls, as Markdown tables.

    python -m plots.retained [--brief]

A supervised network gets some information about a label from the pixels. A cell
is the share of it that codes keep, (H(Y) - C) / (H(Y) - C_supervised),
interpolated at a rate. The first label is that of which codes keep half down to
the lowest rate. With --brief there is one table, which has this rate of each
label and marginal.
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
# All sprites together have less than 10 nats.
RATES_OF_SPRITES = (2, 4, 6, 8)


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_results()
  flags.DEFINE_boolean(
    'brief', False, 'Print only the order of the labels, in one table.'
  )


def rates(panel: Panel) -> tuple[int, ...]:
  """The rates of a panel's table, nats."""
  return RATES_OF_SPRITES if panel.world == 'sprites' else RATES


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
  heads = [f'{rate} nats' for rate in rates(panel)]
  result = [
    f'| {panel.title} | marginal | H(Y) | C supervised '
    f'| {" | ".join(heads)} | half at R |',
    f'|{"---|" * (5 + len(heads))}',
  ]
  curves = sorted(panel.curves, key=half)
  return result + [line(curve, rates(panel)) for curve in curves]


def half_text(curve: Curve) -> str:
  """`half` as text; a dash if there is no supervised network."""
  place = half(curve)
  if place == np.inf:
    known = curve.whole(of_pixels=True) is not None
    return f'> {curve.rates.max():.1f}' if known else '–'
  return f'{place:.1f}' if place else f'< {curve.rates.min():.1f}'


def line(curve: Curve, at: Sequence[float]) -> str:
  """One row of the table, with the shares at some rates."""
  shares = [curve.at(rate, of_pixels=True) for rate in at]
  known = curve.supervised is not None
  cells = [
    curve.task,
    style.marginal_look(curve.marginal).name,
    f'{curve.label_entropy:.3f}',
    f'{curve.supervised:.3f}' if known else '–',
    *('–' if share is None else percent(share) for share in shares),
    half_text(curve),
  ]
  return f'| {" | ".join(cells)} |'


def percent(share: float) -> str:
  """A share in whole percent, such as `−1 %`."""
  return f'{round(100 * share)} %'.replace('-', style.MINUS)


def brief(panels: Sequence[Panel]) -> list[str]:
  """One table: the labels of each panel and marginal, the last to go first."""
  marginals = sorted(
    {curve.marginal for panel in panels for curve in panel.curves},
    key=lambda name: style.place(name, style.MARGINALS),
  )
  names = [style.marginal_look(marginal).name for marginal in marginals]
  result = [
    f'| R at half | {" | ".join(names)} |',
    f'|{"---|" * (1 + len(names))}',
  ]
  for panel in panels:
    cells = [order(panel, marginal) for marginal in marginals]
    result.append(f'| {panel.title} | {" | ".join(cells)} |')
  return result


def order(panel: Panel, marginal: str) -> str:
  """The labels of a panel and marginal with their `half`, the lowest first."""
  best: dict[str, Curve] = {}  # Of each label, the run that keeps half longest.
  for curve in sorted(panel.curves, key=half):
    if curve.marginal == marginal and curve.whole(of_pixels=True) is not None:
      best.setdefault(curve.task, curve)
  return ', '.join(f'{task} {half_text(c)}' for task, c in best.items()) or '–'


def text(panels: Sequence[Panel], path: str, short: bool = False) -> str:
  """All tables, or only the brief one, or a sentence if there is none."""
  if not panels:
    return f'*{path} has no run with several labels yet.*'
  if short:
    return '\n'.join(brief(panels))
  return '\n\n'.join('\n'.join(lines(panel)) for panel in panels)


def main(argv):
  cli.no_arguments(argv)
  rows = table.read(pathlib.Path(FLAGS.results))
  print(text(make_panels(rows), FLAGS.results, FLAGS.brief))


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
