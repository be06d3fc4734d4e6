"""Draws codes, reconstructions and samples of trained models.

    python -m plots.pictures --runs_dir=runs --output_dir=figures

Only these figures read run directories instead of the table of results. The
rate comes from a run's evaluation. Maps of pixels come from `evaluate
--refit_decoder`. All else is computed from checkpoints.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from absl import app, flags
from matplotlib.figure import Figure

from plots import picture_figures, style
from plots.picture_figures import Pictures
from plots.pixels import Map, maps
from plots.table import data
from vae_info import cli
from vae_info.config import Config
from vae_info.errors import UserError
from vae_info.runs import directory
from vae_info.runs.directory import Run
from vae_info.runs.paths import Path, open_path

if TYPE_CHECKING:  # At run time this would import TensorFlow too early.
  from vae_info.datasets import Dataset

FLAGS = flags.FLAGS

CODES = 3000  # Test images whose codes are shown.
DRAWS = 16  # Codes drawn for each image, to average them.
COLUMNS = 10  # Images in a row.
PLANES = 4  # Rates at which codes are shown.
MAP_RATES = (5.0, 10.0, 17.0, 25.0)  # Nats, about which maps are shown.


@dataclasses.dataclass(frozen=True)
class Rated:
  """A trained model at one beta, and its rate.

  Attributes:
    run: The run directory.
    config: The config of the training.
    beta: The beta of the evaluation; a multi-beta model has several.
    rate: R at that beta, nats, from the evaluation.
  """

  run: Run
  config: Config
  beta: float
  rate: float


AtRate = TypeVar('AtRate', Rated, Pictures)


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()
  cli.define_data_flags()
  flags.DEFINE_string('output_dir', 'figures', 'Folder for the pictures.')
  flags.DEFINE_string(
    'dataset',
    None,
    'Draw the runs of this data set: its name, or with the kind of its '
    'images if there are several kinds. Needed only if there are several.',
  )
  flags.DEFINE_integer(
    'rates',
    6,
    'Number of rates to show for each decoder, at most. They are spread over '
    'the rates of its runs.',
    lower_bound=1,
  )


def rated(runs_dir: Path, dataset: str | None) -> list[Rated]:
  """All evaluated models of one data set, a multi-beta model at each beta.

  Args:
    runs_dir: The folder of the run directories.
    dataset: The data set, or a name of `table.data`; None if all runs are of
      one.

  Raises:
    UserError: There is no evaluated run, or they are of several data sets.
  """
  points = {}
  configs = {run: run.config for run in directory.finished_runs(runs_dir)}
  known = {*map(_data, configs.values())}
  for run, config in configs.items():
    # 'tfds:mnist' is also the name of its binary images.
    name = _data(config) if dataset in known else config.dataset
    if dataset not in (None, name):
      continue
    rows = run.rows
    if not rows:
      print(f'left out: {run} has no evaluation')
    for row in rows:
      point = Rated(run, config, row['beta'], row['rate'])
      points[run, point.beta] = point  # Rows of several tasks count once.
  datasets = sorted({_data(point.config) for point in points.values()})
  if not datasets:
    what = f'run of {dataset}' if dataset else 'run'
    raise UserError(
      f'no evaluated {what} in {runs_dir}; first run '
      f'python -m vae_info.evaluate --runs_dir={runs_dir}'
    )
  if len(datasets) > 1:
    raise UserError(
      f'{runs_dir} holds runs of {" and ".join(map(repr, datasets))}; choose '
      'one with --dataset, or another folder with --runs_dir'
    )
  return list(points.values())


def _data(config):
  return data(config.dataset, config.binarization)


def spread(points: Sequence[AtRate], count: int) -> list[AtRate]:
  """At most `count` of the points, by falling rate.

  They are spread evenly in log(1 + R), since rates differ by large factors.
  """
  ordered = sorted(points, key=lambda point: -point.rate)
  if len(ordered) <= count:
    return ordered
  rates = np.log1p([max(point.rate, 0) for point in ordered])
  wanted = np.linspace(rates[0], rates[-1], count)
  nearest = {int(np.argmin(np.abs(rates - rate))) for rate in wanted}
  return [ordered[number] for number in sorted(nearest)]


def examples(labels: np.ndarray, count: int) -> np.ndarray:
  """The positions of the first image of each of the first `count` classes.

  Args:
    labels: Int `[N]`.
    count: How many classes.

  Returns:
    Int `[M]`, with M at most `count`.
  """
  _, first = np.unique(labels, return_index=True)
  return first[:count]


def draw(point: Rated, dataset: Dataset, task: str) -> Pictures:
  """Computes codes, reconstructions and samples of one model.

  Args:
    point: The model.
    dataset: Its data set.
    task: The labels of the codes.
  """
  import tensorflow as tf  # Slow, so it comes after the checks of the flags.

  from vae_info import randomness
  from vae_info.evaluation import estimates
  from vae_info.runs import summaries

  model = point.run.model()
  if point.config.beta_range:
    model = model.at(point.beta)
  labels = dataset.test.labels[task]
  shown = dataset.test.images[examples(labels, COLUMNS)]
  largest = point.config.levels - 1
  seeds = [
    randomness.stateless_seed(point.config.seed, 'pictures', number)
    for number in range(4)
  ]

  @tf.function
  def decode(images):
    codes = model.encoder(images).sample(seed=seeds[0])
    new = model.marginal().sample(len(images), seed=seeds[1])
    return [
      summaries.picture(model.decoder(codes), seeds[2]),
      summaries.picture(model.decoder(new), seeds[3]),
    ]

  decoded = decode(tf.constant(shown, tf.float32))
  parameters = estimates.encode(model, dataset.test.images[:CODES])
  next_codes = estimates.make_draw(
    model, parameters, point.config.seed, 'picture codes'
  )
  codes = np.stack([next_codes(number).numpy() for number in range(DRAWS)])
  return Pictures(
    decoder=point.config.decoder,
    marginal=point.config.marginal,
    rate=point.rate,
    components=principal_components(codes),
    labels=labels[:CODES],
    images=shown / largest,
    reconstructions=decoded[0].numpy() / largest,
    samples=decoded[1].numpy() / largest,
  )


def principal_components(codes: np.ndarray) -> np.ndarray:
  """Projects one code of each image onto the plane where images differ most.

  The first two principal components of each image's average code span the
  plane. Averages are used because noise dominates some dimensions of a single
  code, and averaging removes it.

  Args:
    codes: Float `[draws, N, L]`.

  Returns:
    Float `[N, 2]`; the second column is 0 if L is 1.
  """
  averages = codes.mean(axis=0)
  middle = averages.mean(axis=0)
  axes = np.linalg.svd(averages - middle, full_matrices=False)[2][:2]
  plane = (codes[0] - middle) @ axes.T
  return np.pad(plane, [(0, 0), (0, 2 - plane.shape[1])])


def usual(points: Sequence[Rated]) -> list[Rated]:
  """The points with the usual encoder, size, code and images, of one seed.

  All of one seed, if none is usual.
  """
  seed = min((point.config.seed for point in points), default=0)
  of_seed = [point for point in points if point.config.seed == seed]
  names = 'encoder', 'architecture', 'latent_size', 'augmentation'
  found = [
    point
    for point in of_seed
    if all(getattr(point.config, x) == getattr(Config, x) for x in names)
  ]
  return of_one_training(found or of_seed)


def of_one_training(points: Sequence[Rated]) -> list[Rated]:
  """The points of one multi-beta model for each decoder and marginal.

  It is one with the default annealing if there is any, and of these the one
  that was trained longest. Without a multi-beta model all points stay.
  """
  groups: dict[tuple[str, str], list[Rated]] = {}
  for point in points:
    place = point.config.decoder, point.config.marginal
    groups.setdefault(place, []).append(point)
  kept = []
  for group in groups.values():
    ranged = [point for point in group if point.config.beta_range]
    if ranged:
      best = max(ranged, key=lambda point: _preference(point.config))
      group = [point for point in group if point.run.path == best.run.path]
    kept += group
  return kept


def _preference(config: Config) -> tuple:
  """The larger, the better a training stands for its networks."""
  usual = dataclasses.replace(config, kl_annealing_epochs=None)
  return (
    config.kl_annealing_epochs == usual.kl_annealing_epochs,
    config.epochs or 0,
    config.steps or 0,
  )


def of_one_marginal(points: Sequence[Rated]) -> dict[str, list[Rated]]:
  """The points of each decoder with one marginal, so that these compare.

  It is the marginal that the most decoders have, and of these the first of
  `style.MARGINALS`. The decoders are in the order of `style.DECODERS`.
  """
  found: dict[str, dict[str, list[Rated]]] = {}
  for point in usual(points):
    of_marginal = found.setdefault(point.config.marginal, {})
    of_marginal.setdefault(point.config.decoder, []).append(point)
  names = sorted(found, key=lambda name: style.place(name, style.MARGINALS))
  decoders = max((found[name] for name in names), key=len, default={})
  order = sorted(decoders, key=lambda name: style.place(name, style.DECODERS))
  return {name: decoders[name] for name in order}


def notes(points: Sequence[Rated]) -> list[str]:
  """Names what is not drawn, a line for each case; [] if all is."""
  drawn = {
    point.config.marginal
    for group in of_one_marginal(points).values()
    for point in group
  }
  chosen = usual(points)
  lost = {point.config.marginal for point in chosen} - drawn
  lines = [f'left out: marginal {name}' for name in sorted(lost)]
  others = len({point.run.path for point in points if point not in chosen})
  if others:
    lines.append(
      f'left out: {others} runs of other encoders, sizes or seeds, augmented, '
      'or trained otherwise'
    )
  return lines


def pixel_maps(points: Sequence[Rated]) -> list[list[Map]]:
  """Maps of pixels for each decoder with one marginal, at about equal rates.

  Maps in a column are those that agree best in rate, near one of `MAP_RATES`.
  There are none if no run has maps.
  """
  decoders = [
    [one for point in group if (one := _map(point))]
    for group in of_one_marginal(
      [point for point in points if point.run.pixels.exists()]
    ).values()
  ]
  decoders = list(filter(None, decoders))
  if not decoders:
    return []

  def log_rate(one):
    return np.log(max(one.rate, 1e-3))

  def nearest(group, first):
    return min(group, key=lambda one: abs(log_rate(one) - log_rate(first)))

  def mismatch(column, rate):
    logs = [log_rate(one) for one in column]
    return np.ptp(logs) + abs(np.mean(logs) - np.log(rate))

  pairings = [
    [first, *(nearest(group, first) for group in decoders[1:])]
    for first in decoders[0]
  ]
  columns = [
    min(pairings, key=lambda column: mismatch(column, rate))
    for rate in sorted(MAP_RATES, reverse=True)
  ]
  distinct = {tuple(one.rate for one in column): column for column in columns}
  return [list(row) for row in zip(*distinct.values(), strict=True)]


def _map(point: Rated) -> Map | None:
  """The map of a point; None if its run has none at its beta."""
  with point.run.pixels.open('rb') as file, np.load(file) as stored:
    for beta, values in zip(stored['betas'], stored['maps'], strict=True):
      if np.isclose(beta, point.beta):
        config = point.config
        total = values.sum(axis=-1)
        return Map(config.decoder, config.marginal, point.rate, total)
  return None


def figures(
  points: Sequence[Rated], dataset: Dataset, count: int
) -> Iterator[tuple[str, Figure]]:
  """The name of the file, and the figure, of each figure.

  Args:
    points: Models of one data set.
    dataset: That data set; its first task colours the codes.
    count: How many rates to show for each decoder, at most.
  """
  task = next(iter(dataset.num_classes))
  pictures = {}
  for decoder, chosen in of_one_marginal(points).items():
    pictures[decoder] = [
      draw(point, dataset, task) for point in spread(chosen, count)
    ]
    name = f'reconstructions_{style.decoder_look(decoder)[1]}'
    yield name, picture_figures.reconstructions(pictures[decoder])
  if dataset.num_classes[task] <= len(picture_figures.COLOURS):
    rows = [spread(column, PLANES) for column in pictures.values()]
    yield 'codes', picture_figures.codes(rows)
  else:
    print(
      f'codes are not drawn: {dataset.name} has {dataset.num_classes[task]} '
      f'classes of {task}, more than can be coloured'
    )


def main(argv):
  cli.no_arguments(argv)
  points = rated(open_path(FLAGS.runs_dir), FLAGS.dataset)
  cli.quiet_tensorflow()
  cli.import_tensorflow()
  from vae_info import datasets

  config = points[0].config
  dataset = datasets.load(
    config.dataset, FLAGS.data_dir, FLAGS.cache_dir, config.binarization
  )
  for text in notes(points):
    print(text)
  folder = pathlib.Path(FLAGS.output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  rows = pixel_maps(points)
  drawn = [('pixel_maps', maps(rows))] if rows else []
  more = figures(points, dataset, FLAGS.rates)
  for name, figure in itertools.chain(drawn, more):  # Each is saved at once.
    for path in style.save(figure, folder, name):
      print(f'wrote {path}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
