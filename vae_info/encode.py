"""Writes the codes of a finished run: means, scales, draws, labels and splits.

    python -m vae_info.encode --run=runs/NAME --output=codes.npz

`python -m vae_info.evaluate_codes` reads such a file. Labels of a task whose
classifier is given more than the code are left out, with a note.
"""

import io
from typing import Any

import numpy as np
from absl import app, flags

from vae_info import cli
from vae_info.errors import UserError
from vae_info.runs import Run
from vae_info.runs.paths import open_output, open_path, write_atomically

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_run('Run directory of a finished training.')
  flags.DEFINE_string('output', 'codes.npz', 'File to write.')
  flags.DEFINE_enum(
    'split',
    'all',
    ['all', 'train', 'validation', 'test'],
    'Images to encode.',
  )
  flags.DEFINE_float(
    'beta', None, 'The beta at which to encode; a multi-beta model needs it.'
  )
  cli.define_data_flags()


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  if FLAGS.run is None:
    raise UserError('--run is needed: the directory of a finished training')
  run = Run(open_path(FLAGS.run))
  run.check_finished()
  output = open_output(FLAGS.output)
  cli.import_tensorflow()
  from vae_info.evaluation import arrays

  found: dict[str, Any] = {
    **arrays.of_run(
      run, FLAGS.split, FLAGS.beta, FLAGS.data_dir, FLAGS.cache_dir
    )
  }
  file = io.BytesIO()
  np.savez_compressed(file, **found)
  write_atomically(output, file.getvalue())
  shape = ' x '.join(map(str, found['means'].shape))
  print(f'wrote {FLAGS.output}: codes of {shape}')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
