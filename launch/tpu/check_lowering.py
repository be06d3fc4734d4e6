"""Checks, without a TPU, that every training step compiles for one.

    python -m launch.tpu.check_lowering [--architecture=paper]

TensorFlow's TPU wheel can lower a graph on any machine: it knows which
operations its compiler for TPUs (`XLA_TPU_JIT`) takes. This command lowers the
step of every encoder x decoder x marginal to HLO, gradients included. The HLO
must have only static shapes.

It does not check Adam's update of the variables, which cannot be lowered
without a device. Nor does it check that a TPU runs the HLO, its numbers, or its
speed.

It needs `tensorflow-tpu`, which cannot be installed beside `tensorflow`.
launch/README.md shows how to make a virtual environment for it.
"""

import importlib.metadata
import os
import sys
import time
from collections.abc import Iterable

from absl import app, flags

from vae_info import cli, config as configs
from vae_info.config import Config
from vae_info.errors import UserError

FLAGS = flags.FLAGS

# Without these, libtpu asks a metadata server for its TPU, for minutes.
os.environ['TPU_SKIP_MDS_QUERY'] = '1'
os.environ['TPU_LIBRARY_PATH'] = '/nonexistent'


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_enum(
    'architecture', 'compact', configs.ARCHITECTURES, 'Size of the networks.'
  )
  flags.DEFINE_enum(
    'precision', 'bfloat16', configs.PRECISIONS, 'Number format in training.'
  )


class Kept:
  """Stands in for Adam, and keeps the gradients.

  The step then returns them, so that the compiler cannot drop them as unused.
  """

  def apply_gradients(self, pairs: Iterable[tuple], **kwargs: object) -> None:
    del kwargs
    self.gradients = [gradient for gradient, _ in pairs]


def lower(config: Config) -> str:
  """The HLO of a training step, as text.

  Raises:
    Exception: Whatever the compiler raises if an operation is not supported.
  """
  import numpy as np
  import tensorflow as tf
  from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
  )

  from vae_info import loop, steps
  from vae_info.networks import model as models

  pixels = np.random.default_rng(0).random([1000, 28, 28, 1]) < 0.2
  images = tf.Variable(pixels.astype(np.uint8), trainable=False)
  model = models.build(config, images.numpy())
  kept = Kept()
  replica_step = steps.make_replica_step(
    config, model, kept, images, loop.Execution()
  )

  def step(number, indices):
    return replica_step(number, indices), kept.gradients

  concrete = tf.function(step).get_concrete_function(
    tf.TensorSpec([], tf.int32), tf.TensorSpec([config.batch_size], tf.int32)
  )
  # Without a device there are no variables, so they become constants.
  frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False)
  arguments = (tf.constant(0), tf.range(config.batch_size))
  compiled = tf.function(lambda *a: frozen(*a), jit_compile=True)
  return compiled.experimental_get_compiler_ir(*arguments)(
    stage='hlo', platform_name='TPU'
  )


def main(argv: list[str]) -> None:
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  try:
    version = importlib.metadata.version('tensorflow-tpu')
  except importlib.metadata.PackageNotFoundError as error:
    raise UserError(
      'tensorflow-tpu is not installed here; launch/README.md has the command '
      'that makes a virtual environment for this check'
    ) from error
  print(f'tensorflow-tpu {version}, {FLAGS.architecture}, {FLAGS.precision}')
  failed = 0
  for encoder, decoder, marginal in configs.families():
    name = f'{encoder} {decoder} {marginal}'
    config = Config(
      encoder=encoder,
      decoder=decoder,
      marginal=marginal,
      architecture=FLAGS.architecture,
      precision=FLAGS.precision,
    )
    started = time.monotonic()
    try:
      text = lower(config)
    except Exception as error:  # Of any kind; the next one may compile.
      print(f'FAILED  {name}: {str(error).strip().splitlines()[0]}')
      failed += 1
      continue
    took = time.monotonic() - started
    # HLO writes a bounded dynamic shape as f32[<=100].
    dynamic = '<=' in text
    failed += dynamic
    print(
      f'{"DYNAMIC" if dynamic else "ok":7} {name}: {len(text) / 1e6:.1f} MB of '
      f'HLO in {took:.0f} s',
      flush=True,
    )
  if failed:
    sys.exit(1)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
