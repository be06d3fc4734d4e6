"""Which beta-VAEs the paper's figures draw, out of all in the table.

A family is an encoder, a decoder and a marginal. The table may have several
multi-beta models of one family, which were trained for different times, over
different ranges, or at another size. One configuration, with all its seeds,
represents the family. The others are in the tables of the pages. So are
trainings at one beta that lasted shorter or longer than their family's, or that
were annealed in another way.

Decoders that marginalise small transformations are not the paper's. They have a
figure of their own, `low_rate`.
"""

from collections.abc import Sequence

from plots.table import INVARIANT, Row
from vae_info.config import Config

AUTO = 'autoregressive'


def preference(row: Row, seeds: int) -> tuple:
  """The larger, the better a configuration represents its family.

  The compact size comes first, then codes of the default size, then images as
  they are. Then counts the default annealing: for half of the epochs with an
  autoregressive decoder, and none with others. Then the most seeds count, and
  last the longest training.

  Args:
    row: Any row of the configuration.
    seeds: The number of its seeds.
  """
  return (
    row.architecture != 'paper',
    row.latent_size == Config.latent_size,
    not row.augmentation,
    row.annealing == ('annealed' if row.decoder == AUTO else ''),
    seeds,
    row.epochs or 0,
    0 if row.epochs else row.step or 0,
  )


def representatives(rows: Sequence[Row]) -> list[Row]:
  """The rows with one configuration of multi-beta models for each family.

  Those of other methods all stay. Trainings at one beta stay if they had as
  many epochs as the configuration, and were annealed and sized like it, or if
  the family has none. Those whose rate was held all stay.

  Args:
    rows: Rows of any data sets and tasks, before seeds are averaged.
  """
  runs: dict[tuple, dict[str, dict[str, Row]]] = {}
  for row in filter(_ranged, rows):
    place = row.data, row.task, row.family
    configurations = runs.setdefault(place, {})
    configurations.setdefault(row.configuration, {})[row.run] = row
  best = {
    (*place, max(found, key=lambda name: _key(found[name])))
    for place, found in runs.items()
  }
  usual = {
    (row.data, row.task, row.family): kind(row)
    for row in filter(_ranged, rows)
    if (row.data, row.task, row.family, row.configuration) in best
  }

  def represents(row):
    place = row.data, row.task, row.family
    if row.method != 'vae' or place not in usual or row.target_rate:
      return True
    if row.beta_trained:
      return (*place, row.configuration) in best
    return kind(row) == usual[place]

  return list(filter(represents, rows))


def of_paper(rows: Sequence[Row]) -> list[Row]:
  """The representatives without decoders that the paper does not have.

  A data set and task that has no others keeps them.
  """
  rows = representatives(rows)
  others = {
    (row.data, row.task)
    for row in rows
    if row.method == 'vae' and row.decoder not in INVARIANT
  }
  return [
    row
    for row in rows
    if row.method != 'vae'  # Clusters of such codes stay.
    or row.decoder not in INVARIANT
    or (row.data, row.task) not in others
  ]


def kind(row: Row) -> tuple:
  """What a training at one beta must share with a curve to be drawn beside it.

  The encoder, decoder and marginal are the family's.
  """
  networks = row.architecture, row.latent_size, row.augmentation
  return _length(row), row.annealing, *networks


def _length(row):
  """How long a training was: its epochs, or its steps if they were given."""
  return (row.epochs, None) if row.epochs else (None, row.step)


def _ranged(row):
  return row.method == 'vae' and bool(row.beta_trained)


def _key(seeds):
  """`preference` of a configuration, from a row of each of its runs."""
  return preference(next(iter(seeds.values())), len(seeds))


def note(rows: Sequence[Row]) -> list[str]:
  """Counts the results that are left out, in a line; [] if there are none."""
  lost = len(rows) - len(of_paper(rows))
  if not lost:
    return []
  return [
    f'{lost} results are of further trainings of a family, or of decoders in '
    'the figure low_rate, and are not drawn in the others'
  ]
