"""Makes the bundled `static_mnist.npz` from MNIST, the same bytes every time.

    python -m vae_info.datasets.build_static_mnist --data_dir=DIR

The command reads MNIST through TensorFlow Datasets, which downloads it if DIR
lacks it.
"""

import pathlib

import numpy as np
from absl import app, flags

from vae_info import cli
from vae_info.datasets import binarized_mnist, static_mnist, tfds_source
from vae_info.datasets.binarize import binarize
from vae_info.runs.paths import open_output

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_data_dir()
  flags.DEFINE_string(
    'output',
    str(static_mnist.PATH),
    'File to write. The default is the one inside the package.',
  )
  flags.DEFINE_integer('seed', 0, 'Seed of the binarisation.')


def main(argv: list[str]) -> None:
  cli.no_arguments(argv)
  path = pathlib.Path(open_output(FLAGS.output))
  cli.quiet_tensorflow()
  cli.import_tensorflow()
  mnist = binarized_mnist.read_mnist(tfds_source.find('mnist', FLAGS.data_dir))
  images, digits = (
    np.concatenate([mnist[split][part] for split in ('train', 'test')])
    for part in (0, 1)
  )
  static_mnist.write(binarize(images, FLAGS.seed), digits, path)
  print(f'wrote {path}: {len(images)} images, {path.stat().st_size} bytes')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
