"""Tries a shape of the compact networks: D + beta R of validation images.

    python -m tests.search --epochs=6 --shape=width=48,hidden=512 --beta=1

Each call trains one candidate on `static_mnist`, and prints one line of the
table in `vae_info/networks/README.md`. A range of betas gives D + beta R at
four of them. Test images are never used.
"""

import dataclasses
import pathlib
import tempfile

import numpy as np
from absl import app, flags

from vae_info import cli
from vae_info.config import Config

FLAGS = flags.FLAGS


def define_flags() -> None:
  flags.DEFINE_list('shape', [], 'Fields of compact.Shape, NAME=INTEGER.')
  flags.DEFINE_string('beta', '1', 'A beta, or a range LOW:HIGH.')
  flags.DEFINE_string('decoder', 'deconvolutional', 'Decoder.')
  flags.DEFINE_string('marginal', 'gaussian', 'Marginal.')
  flags.DEFINE_float('epochs', 6.0, 'Passes over the training images.')
  flags.DEFINE_integer('batch_size', 100, 'Images in a step.')
  flags.DEFINE_float('learning_rate', None, "Adam's largest learning rate.")
  flags.DEFINE_float('weight_decay', None, 'As in train.')
  flags.DEFINE_float('kl_annealing_epochs', None, 'As in train.')
  flags.DEFINE_string('precision', 'float32', 'As in train.')


def line(config: Config, shape: dict[str, int], shards: int) -> str:
  """Trains a candidate and describes what came out, in nats per image."""
  from vae_info import datasets, loop, training
  from vae_info.evaluation import curve, estimates
  from vae_info.networks import compact
  from vae_info.runs import Run

  compact.SHAPE = dataclasses.replace(compact.SHAPE, **shape)
  data = datasets.load('static_mnist')
  parts = []
  with tempfile.TemporaryDirectory() as folder:
    run = Run(pathlib.Path(folder, 'run'))
    training.train(config, data, run, loop.Execution(shards=shards))
    betas = [0.6, 1.0, 2.0, 5.0] if config.beta_range else None
    for point in curve.load(run, betas):
      sums = []
      for split in (data.train, data.validation):
        images = split.images[:10_000]
        codes = estimates.Codes.of(point.model, images, 1, 500)
        rates, distortions = estimates.rates_and_distortions(codes, images)
        sums.append(np.mean(distortions + point.beta * rates))
      parts.append(
        f'beta {point.beta:g}: D + beta R {sums[1]:.2f} '
        f'(training images {sums[0]:.2f}), R {rates.mean():.2f}'
      )
    seconds, steps = run.facts['train_seconds'], run.facts['step']
  time = f'{seconds:.0f} s, {1e3 * seconds / steps:.1f} ms a step'
  return '; '.join([time, *parts])


def main(argv):
  cli.no_arguments(argv)
  shape = {n: int(v) for n, v in (field.split('=') for field in FLAGS.shape)}
  config = Config(
    beta=FLAGS.beta,
    decoder=FLAGS.decoder,
    marginal=FLAGS.marginal,
    epochs=FLAGS.epochs,
    batch_size=FLAGS.batch_size,
    learning_rate=FLAGS.learning_rate,
    weight_decay=FLAGS.weight_decay,
    kl_annealing_epochs=FLAGS.kl_annealing_epochs,
    precision=FLAGS.precision,
  )
  cli.quiet_tensorflow()
  from vae_info.devices import share_cores

  print(f'{FLAGS.shape}: {line(config, shape, share_cores())}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
