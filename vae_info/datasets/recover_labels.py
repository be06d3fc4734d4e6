"""Reports how well the labels of binarised MNIST are recovered.

    python -m vae_info.datasets.recover_labels
    python -m vae_info.datasets.recover_labels --dataset=static_mnist

The first command recovers the labels of `binarized_mnist`, whose true labels
are unknown. It reports the counts of digits, the margins, and how many
originals were matched more than once. The second recovers the labels of the
bundled data set. Its true labels are known, so it also reports the accuracy.
"""

import time

import numpy as np
from absl import app, flags

from vae_info import cli
from vae_info.datasets import (
  binarized_mnist,
  cache,
  naive_bayes,
  static_mnist,
  tfds_source,
)

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_enum(
    'dataset',
    'binarized_mnist',
    ['binarized_mnist', 'static_mnist'],
    'Images whose labels are recovered.',
  )
  cli.define_data_flags()


def recover_static_mnist(
  data_dir: str | None, cache_dir: str | None
) -> cache.Arrays:
  """Like `binarized_mnist.recovered`, for the bundled images, without bits."""
  mnist = tfds_source.find('mnist', data_dir)

  def make():
    images = {name: pair[0] for name, pair in static_mnist.read().items()}
    return binarized_mnist.recover(images, binarized_mnist.read_mnist(mnist))

  key = {
    'version': binarized_mnist.VERSION,
    'clip': naive_bayes.CLIP,
    'static_mnist': cache.digests([static_mnist.PATH]),
    'mnist': tfds_source.fingerprint(mnist),
  }
  return cache.load_or_make(cache_dir, 'static_mnist_labels', key, make)


def report(arrays: cache.Arrays, mnist_digits: dict[str, np.ndarray]) -> str:
  """Describes recovered labels: counts, margins and matches.

  Args:
    arrays: The result of `binarized_mnist.recover`.
    mnist_digits: MNIST's split name -> its labels.
  """
  lines = []
  for source, splits in binarized_mnist.SOURCES.items():
    digits, best, margins = (
      np.concatenate([arrays[f'{split}/{name}'] for split in splits])
      for name in ('digit', 'original', 'margin')
    )
    expected = mnist_digits[source]
    wrong = binarized_mnist.count_mismatch(digits, expected)
    uses = np.bincount(best, minlength=len(expected))
    quantiles = np.quantile(margins, [0, 0.01, 0.5])
    lines += [
      f'{" and ".join(splits)}: {len(digits)} images, matched with '
      f"{len(expected)} of MNIST's {source}",
      f'  counts of digits 0 to 9: {" ".join(map(str, np.bincount(digits)))}',
      "  they are MNIST's"
      if not wrong
      else f"  {wrong} of them disagree with MNIST's counts",
      '  nats by which the best original beats the second best: least '
      f'{quantiles[0]:.2f}, 1 in 100 below {quantiles[1]:.2f}, median '
      f'{quantiles[2]:.2f}',
      f'  originals matched more than once: {np.sum(uses > 1)}, never: '
      f'{np.sum(uses == 0)}',
    ]
  return '\n'.join(lines)


def accuracy(arrays: cache.Arrays) -> str:
  """Compares labels and originals of `static_mnist` with the truth."""
  lines = []
  truth = static_mnist.read()
  # The bundled images are in MNIST's order: validation follows train.
  starts = {'train': 0, 'validation': len(truth['train'][1]), 'test': 0}
  for split, (_, digits) in truth.items():
    right = int(np.sum(arrays[f'{split}/digit'] == digits))
    originals = starts[split] + np.arange(len(digits))
    same = int(np.sum(arrays[f'{split}/original'] == originals))
    lines.append(
      f'{split}: {right} of {len(digits)} labels are true '
      f'({100 * right / len(digits):.3f} %), {same} originals'
    )
  return '\n'.join(lines)


def main(argv: list[str]) -> None:
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  cli.import_tensorflow()
  started = time.monotonic()
  recover = {
    'binarized_mnist': binarized_mnist.recovered,
    'static_mnist': recover_static_mnist,
  }[FLAGS.dataset]
  arrays = recover(FLAGS.data_dir, FLAGS.cache_dir)
  took = time.monotonic() - started
  mnist = binarized_mnist.read_mnist(tfds_source.find('mnist', FLAGS.data_dir))
  digits = {split: labels for split, (_, labels) in mnist.items()}
  print(report(arrays, digits))
  if FLAGS.dataset == 'static_mnist':
    print(accuracy(arrays))
  print(f'{took:.1f} s; the labels are in {cache.folder(FLAGS.cache_dir)}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
