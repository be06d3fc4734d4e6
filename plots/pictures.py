"""Draws what trained models see: codes, reconstructions and samples.

python -m plots.pictures --runs_dir=runs --output_dir=figures

The only figures that read run directories, and not the table: each run's rate
is from its evaluation, the rest is drawn anew from its checkpoint.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from absl import app, flags

from plots import picture_figures, style
from plots.picture_figures import Pictures
from vae_info import cli, results
from vae_info.config import Config, UserError
from vae_info.paths import open_path

FLAGS = flags.FLAGS

CODES = 3000  # Test images whose codes are shown.
DRAWS = 16  # Codes of an image over which their average is taken.
COLUMNS = 10  # Images in a row.
PLANES = 4  # Rates whose codes are shown.


@dataclasses.dataclass(frozen=True)
class Rated:
  """A trained model at a beta, and its rate.

  Attributes:
    beta: What it was evaluated at: one of several, if it was trained over a
      range.
    rate: R there, nats, from the evaluation.
  """

  run: pathlib.Path
  config: Config
  beta: float
  rate: float


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()
  cli.define_data_flags()
  flags.DEFINE_string('output_dir', 'figures', 'Folder for the pictures.')
  flags.DEFINE_string(
    'dataset',
    None,
    'Data set whose runs to draw; needed only where there are runs of several.',
  )
  flags.DEFINE_integer(
    'rates',
    6,
    'Rates to show of each decoder, at most, spread over those there are.',
    lower_bound=1,
  )


def rated(runs_dir: pathlib.Path, dataset: str | None) -> list[Rated]:
  """All evaluated points of one data set.

  Raises:
    UserError: There is none, or they are of two data sets.
  """
  found = {}
  for run in cli.finished_runs(runs_dir):
    config = Config.read(run / 'config.json')
    if dataset is not None and config.dataset != dataset:
      continue
    evaluation = run / results.EVALUATION
    if not evaluation.is_file():
      print(f'left out: {run} has no evaluation')
      continue
    for row in results.read_run(evaluation):
      point = Rated(run, config, row['beta'], row['rate'])
      found[run, point.beta] = point  # Once, and not for each task.
  datasets = sorted({point.config.dataset for point in found.values()})
  if not datasets:
    what = f'run of {dataset}' if dataset else 'run'
    raise UserError(
      f'no evaluated {what} in {runs_dir}; first python -m vae_info.evaluate '
      f'--runs_dir={runs_dir}'
    )
  if len(datasets) > 1:
    raise UserError(
      f'{runs_dir} holds runs of {" and ".join(datasets)}; choose one with '
      '--dataset'
    )
  return list(found.values())


def spread(
  points: Sequence[Rated | Pictures], count: int
) -> list[Rated | Pictures]:
  """At most `count`, evenly spread in log(1 + R), by falling rate."""
  ordered = sorted(points, key=lambda point: -point.rate)
  if len(ordered) <= count:
    return ordered
  rates = np.log1p([max(point.rate, 0) for point in ordered])
  wanted = np.linspace(rates[0], rates[-1], count)
  nearest = {int(np.argmin(np.abs(rates - rate))) for rate in wanted}
  return [ordered[number] for number in sorted(nearest)]


def examples(labels: np.ndarray, count: int) -> np.ndarray:
  """The first image of each of the first `count` classes: positions."""
  _, first = np.unique(labels, return_index=True)
  return first[:count]


def draw(point: Rated, dataset, task: str) -> Pictures:
  """Codes, reconstructions and samples of one model."""
  import tensorflow as tf  # Later than the flags' own checks.

  from vae_info import evaluation, points, randomness, summaries

  betas = [point.beta] if point.config.beta_range else None
  images = dataset.train.images
  model = points.load(point.run, point.config, images, betas)[0].model
  labels = dataset.test.labels[task]
  shown = dataset.test.images[examples(labels, COLUMNS)]
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
  parameters = evaluation.encode(model, dataset.test.images[:CODES])
  next_codes = evaluation.make_draw(
    model, parameters, point.config.seed, 'picture codes'
  )
  codes = np.stack([next_codes(number).numpy() for number in range(DRAWS)])
  return Pictures(
    decoder=point.config.decoder,
    marginal=point.config.marginal,
    rate=point.rate,
    components=principal_components(codes),
    labels=labels[:CODES],
    images=shown,
    reconstructions=decoded[0].numpy(),
    samples=decoded[1].numpy(),
  )


def principal_components(codes: np.ndarray) -> np.ndarray:
  """One code of each image, in the plane where images differ most.

  The plane is that of the first two principal components of the codes'
  averages: in it, and not in single codes, dimensions that are noise count
  little.

  Args:
    codes: `[draws, N, L]`.

  Returns:
    Float `[N, 2]`; of a code of one dimension the second is 0.
  """
  averages = codes.mean(axis=0)
  middle = averages.mean(axis=0)
  axes = np.linalg.svd(averages - middle, full_matrices=False)[2][:2]
  plane = (codes[0] - middle) @ axes.T
  return np.pad(plane, [(0, 0), (0, 2 - plane.shape[1])])


def main(argv):
  cli.no_arguments(argv)
  every = rated(open_path(FLAGS.runs_dir), FLAGS.dataset)
  cli.quiet_tensorflow()
  dataset = cli.load_dataset(every[0].config)
  task = next(iter(dataset.num_classes))
  folder = pathlib.Path(FLAGS.output_dir)
  folder.mkdir(parents=True, exist_ok=True)
  by_decoder = {}
  decoders = {point.config.decoder for point in every}
  for decoder in sorted(
    decoders, key=lambda name: style.place(name, style.DECODERS)
  ):
    chosen = [point for point in every if point.config.decoder == decoder]
    by_decoder[decoder] = [
      draw(point, dataset, task) for point in spread(chosen, FLAGS.rates)
    ]
  figures = {
    f'reconstructions_{style.decoder_look(decoder)[1]}': (
      picture_figures.reconstructions(pictures)
    )
    for decoder, pictures in by_decoder.items()
  }
  if dataset.num_classes[task] <= len(picture_figures.COLOURS):
    figures['codes'] = picture_figures.codes(
      [spread(pictures, PLANES) for pictures in by_decoder.values()]
    )
  else:
    print(
      f'codes are not drawn: {dataset.name} has {dataset.num_classes[task]} '
      f'classes of {task}, more than can be coloured'
    )
  for name, figure in figures.items():
    for path in style.save(figure, folder, name):
      print(f'wrote {path}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
