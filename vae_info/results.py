"""The table of results: one row for each run and task, all in nats.

python -m vae_info.results --runs_dir=runs --output=results.csv
"""

import csv
import json
from collections.abc import Iterable, Mapping

from absl import app, flags

from vae_info import cli
from vae_info.config import UserError
from vae_info.paths import Path, open_path

FLAGS = flags.FLAGS

EVALUATION = 'evaluation.json'

COLUMNS = (
  'run',  # Name of the run directory.
  'dataset',
  'binarization',
  'task',  # Which labels: `digit` for MNIST.
  'method',  # `vae`, or a baseline's name.
  'encoder',
  'decoder',
  'marginal',
  'architecture',
  'latent_size',
  'noise',  # Standard deviation, of PCA alone.
  'beta',
  'beta_trained',  # 'LOW:HIGH' of a model trained over a range.
  'seed',
  'epochs',
  'kl_annealing_epochs',
  'step',  # Of the checkpoint that was evaluated.
  'precision',  # Of training; evaluation is in float32.
  'rate',
  'rate_stderr',
  'rate_variational',  # Of PCA: against a standard normal.
  'rate_variational_stderr',
  'distortion',
  'distortion_stderr',
  'rate_plus_distortion',
  'rate_plus_distortion_stderr',
  'classifier',  # The family that C is relative to.
  'label_distortion',
  'label_distortion_stderr',
  'label_accuracy',
  'label_accuracy_stderr',
  'label_entropy',  # H(Y) of the test labels.
  'input_entropy',  # H(X), published or told; empty where nobody knows.
  'label_preference',  # (H(Y) - C) / (H(Y) R / H(X)); see references.py.
  'label_preference_stderr',
  'num_samples',  # Codes for each test image.
  'train_seconds',
  'device',
  'version',  # Of the training.
)


def read_run(path: Path) -> list[dict]:
  """The rows in one `evaluation.json`.

  Raises:
    UserError: It is damaged or of another version.
  """
  try:
    rows = json.loads(path.read_text())['rows']
    for row in rows:
      missing = set(COLUMNS) - set(row)
      if missing:
        raise KeyError(f'no {sorted(missing)[0]}')
  except (ValueError, KeyError, TypeError) as error:
    raise UserError(
      f'{path} is damaged ({error}); make it again with '
      f'python -m vae_info.evaluate --run={path.parent}, or for a baseline '
      'with the command that made it'
    ) from error
  return rows


def has_rows(run: Path) -> bool:
  """Whether a run directory has rows, all of this version of the table."""
  path = run / EVALUATION
  try:
    return path.is_file() and bool(read_run(path))
  except UserError:
    return False  # Damaged, or of another version: it is made again.


def gather(runs_dir: Path) -> list[dict]:
  """All rows under a folder, in the order of the runs' names.

  Raises:
    UserError: There are none.
  """
  paths = sorted(runs_dir.glob(f'*/{EVALUATION}'))
  if not paths:
    raise UserError(
      f'no {EVALUATION} in the folders of {runs_dir}; first '
      f'python -m vae_info.evaluate --runs_dir={runs_dir}'
    )
  return [row for path in paths for row in read_run(path)]


def write(rows: Iterable[Mapping], path: Path) -> None:
  """Writes a CSV with `COLUMNS`; a row's None becomes an empty field."""
  with path.open('w') as file:
    table = csv.DictWriter(file, COLUMNS, lineterminator='\n')
    table.writeheader()
    table.writerows(rows)


def define_flags() -> None:
  """Defines every flag of this command."""
  cli.define_runs_dir()
  flags.DEFINE_string('output', 'results.csv', 'CSV file to write.')


def main(argv):
  cli.no_arguments(argv)
  rows = gather(open_path(FLAGS.runs_dir))
  write(rows, open_path(FLAGS.output))
  print(f'wrote {FLAGS.output}: {len(rows)} rows')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
