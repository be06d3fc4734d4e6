"""Compares models of a range of betas with those trained at one.

    python -m plots.compare [--results=plots/results.csv]

Each run of one beta is put beside the run of a range that has the same data,
networks, task, epochs and seed. D + beta R of the curve is that at the same
beta, R and D being interpolated in log beta; C of the curve is that at the same
rate. Both are in nats, and interpolated by cubics that are monotone where the
points are: C is convex in R, and straight lines would lie above it.
"""

import dataclasses
import math
import operator
from collections.abc import Iterator, Sequence

import numpy as np
from absl import app
from scipy import interpolate

from plots import figures
from plots.table import Row
from vae_info import cli


@dataclasses.dataclass(frozen=True)
class Comparison:
  """One run of one beta, and what the curve has in its place.

  Attributes:
    row: Of the run.
    trained: The range of the curve's betas, and whether these were annealed.
    objective: D + beta R of the curve at the row's beta; None out of its range.
    label_distortion: C of the curve at the row's rate; None out of its rates.
  """

  row: Row
  trained: str
  objective: float | None
  label_distortion: float | None

  @property
  def own_objective(self) -> float:
    return self.row.distortion + self.row.beta * self.row.rate


def comparisons(rows: Sequence[Row]) -> Iterator[Comparison]:
  """One for each run of one beta and each curve that it may stand beside.

  Those of one kind are in the order of their betas.
  """
  curves = {}
  for row in rows:
    if row.beta_trained:
      curves.setdefault((row.run, row.task), []).append(row)
  alone = [row for row in rows if row.method == 'vae' and not row.beta_trained]
  order = operator.attrgetter('dataset', 'task', 'family', 'beta')
  for row in sorted(alone, key=order):
    for curve in curves.values():
      if _same(curve[0]) != _same(row):
        continue
      yield Comparison(
        row,
        curve[0].training,
        _objective(curve, row.beta),
        _interpolated(
          row.rate,
          [point.rate for point in curve],
          [point.label_distortion for point in curve],
        ),
      )


def _same(row):
  names = 'dataset task architecture latent_size epochs seed classifier'
  return row.family + tuple(getattr(row, name) for name in names.split())


def _objective(curve, beta):
  log_betas = [math.log(point.beta) for point in curve]
  rate, distortion = (
    _interpolated(
      math.log(beta), log_betas, [getattr(point, name) for point in curve]
    )
    for name in ('rate', 'distortion')
  )
  return None if rate is None else distortion + beta * rate


def _interpolated(place, places, values):
  """None outside of `places`, but for what rounding does at their ends."""
  if not min(places) - 1e-3 <= place <= max(places) + 1e-3:
    return None
  places, first = np.unique(places, return_index=True)
  curve = interpolate.PchipInterpolator(places, np.array(values)[first])
  return float(curve(np.clip(place, places[0], places[-1])))


def line(found: Comparison) -> str:
  """A row of a Markdown table."""
  row = found.row
  cells = [' '.join((row.encoder, row.decoder, row.marginal)), row.task]
  cells += [f'{row.beta:g}', f'{row.rate:.1f}', f'{found.own_objective:.2f}']
  cells.append(found.trained)
  if found.objective is None:
    cells += ['–', '–']
  else:
    ratio = found.objective / found.own_objective - 1
    cells += [f'{found.objective:.2f}', f'{100 * ratio:+.1f} %']
  cells.append(f'{row.label_distortion:.3f}')
  if found.label_distortion is None:
    cells += ['–', '–']
  else:
    more = found.label_distortion - row.label_distortion
    cells += [f'{found.label_distortion:.3f}', f'{more:+.3f}']
  return f'| {" | ".join(cells)} |'


HEAD = """\
| encoder, decoder, marginal | task | β | R | D + βR | curve | D + βR of the curve | | C | of the curve, at this R | |
|---|---|---|---|---|---|---|---|---|---|---|"""  # noqa: E501


def main(argv):
  cli.no_arguments(argv)
  print(HEAD)
  for found in comparisons(figures.read_table()):
    print(line(found))


if __name__ == '__main__':
  figures.define_table_flags()
  app.run(cli.one_line_errors(main))
