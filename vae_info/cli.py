"""What the commands share: flags, and errors in one line."""

import functools
import logging as standard_logging
import os
import sys
from collections.abc import Callable

from absl import flags, logging

from vae_info.config import CLASSIFIERS, Config, UserError
from vae_info.paths import Path

FINISHED = 'finished.json'  # Only a run that ended has this file.


def check_finished(run: Path) -> None:
  """Raises `UserError` if the training in `run` has not ended."""
  if not (run / FINISHED).is_file():
    raise UserError(
      f'{run} is not finished; python -m vae_info.train --run={run} resumes it'
    )


def finished_runs(runs_dir: Path) -> list[Path]:
  """The directories of finished runs, by name.

  Raises:
    UserError: There is none.
  """
  finished = sorted(path.parent for path in runs_dir.glob(f'*/{FINISHED}'))
  if not finished:
    raise UserError(
      f'no finished run in {runs_dir}; first python -m vae_info.train '
      f'--runs_dir={runs_dir}'
    )
  return finished


def define_runs_dir() -> None:
  """`--runs_dir`."""
  flags.DEFINE_string(
    'runs_dir', 'runs', 'Folder that holds the run directories.'
  )


def define_run(help_text: str) -> None:
  """`--run`, a run directory."""
  flags.DEFINE_string('run', None, help_text)


def define_data_flags() -> None:
  """`--data_dir` and `--cache_dir`."""
  flags.DEFINE_string(
    'data_dir',
    None,
    'Folder with prepared data, for data sets that are not bundled. The '
    "default is TensorFlow Datasets' own: TFDS_DATA_DIR, or else "
    '~/tensorflow_datasets.',
  )
  flags.DEFINE_string(
    'cache_dir',
    None,
    'Folder to keep what takes long to compute from data. The default is '
    'vae_info in XDG_CACHE_HOME, or else in ~/.cache.',
  )


def define_entropy_estimate() -> None:
  """`--entropy_estimate`."""
  flags.DEFINE_float(
    'entropy_estimate',
    None,
    'H(X) in nats for the table of results, in place of the published estimate '
    'for the data set.',
    lower_bound=0.0,
  )


def input_entropy(dataset) -> float | None:
  """H(X) of a `datasets.Dataset`, told or published; None if not known."""
  told = flags.FLAGS.entropy_estimate
  return dataset.entropy_estimate if told is None else told


def load_dataset(config: Config):
  """The `datasets.Dataset` of a config, from where the flags say."""
  from vae_info import datasets  # Later than the flags' own checks.

  values = flags.FLAGS
  return datasets.load(
    config.dataset, values.data_dir, values.cache_dir, config.binarization
  )


def chosen_tasks(task: str | None, dataset) -> list[str]:
  """The one task that `--task` names, or all of the `datasets.Dataset`'s.

  Raises:
    UserError: It has no such task.
  """
  if task is None:
    return list(dataset.num_classes)
  if task not in dataset.num_classes:
    raise UserError(
      f'unknown task {task!r} of {dataset.name}; expected one of '
      f'{", ".join(dataset.num_classes)}'
    )
  return [task]


def numbers(name: str, kind: type = float) -> tuple | None:
  """The numbers of a flag that lists them, each once; None if not given.

  Raises:
    UserError: One is not of that kind, or there is none.
  """
  texts = flags.FLAGS[name].value
  if texts is None:
    return None
  try:
    numbers = tuple(dict.fromkeys(kind(text) for text in texts))
  except ValueError as error:
    raise UserError(
      f'{name} must be numbers separated by commas, got {",".join(texts)}'
    ) from error
  if not numbers:
    raise UserError(f'{name} must be numbers separated by commas, got none')
  return numbers


def no_arguments(argv: list[str]) -> None:
  """Raises `UserError` on words that are not flags."""
  if len(argv) > 1:
    raise UserError(
      f'unexpected argument {argv[1]!r}; every option is written --name=value'
    )


def quiet_tensorflow() -> None:
  """Keeps TensorFlow's start-up notes off the terminal; call before import."""
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  logging.set_verbosity(logging.WARNING)
  # It takes a function for each run, or each noise, for a mistake.
  standard_logging.getLogger('tensorflow').setLevel('ERROR')


def one_line_errors(main: Callable[[list[str]], None]):
  """Shows a user's mistake, or the disk's refusal, as one line; status 1."""

  @functools.wraps(main)
  def wrapped(argv):
    try:
      main(argv)
    except (UserError, OSError) as error:
      print(f'error: {error}', file=sys.stderr)
      sys.exit(getattr(error, 'status', 1))

  return wrapped


def define_classifier_flags() -> None:
  """The settings of c(y|z); the defaults are the paper's where it has them."""
  families = ', '.join(
    f'"{name}" {"-".join(map(str, hidden)) or "none"}'
    for name, hidden in CLASSIFIERS.items()
  )
  flags.DEFINE_enum(
    'classifier',
    'mlp',
    list(CLASSIFIERS),
    f'Family of c(y|z), by the units of its hidden layers: {families}.',
  )
  flags.DEFINE_list(
    'classifier_hidden',
    None,
    'Units of each hidden layer of the classifier, separated by commas, in '
    'place of --classifier.',
  )
  flags.DEFINE_float(
    'classifier_learning_rate',
    1e-4,
    "Adam's learning rate for the classifier; it is divided by 10 after each "
    'quarter of the epochs.',
  )
  flags.DEFINE_integer(
    'classifier_epochs',
    100,
    'Passes of the classifier over the training codes, drawn afresh for each.',
  )
  flags.DEFINE_integer(
    'classifier_batch_size', 32, 'Codes in one step of the classifier.'
  )


def classifier_settings(seed: int) -> dict:
  """The attributes of `classifiers.Settings`, as the flags tell them."""
  values = flags.FLAGS
  try:
    hidden = (
      CLASSIFIERS[values.classifier]
      if values.classifier_hidden is None
      else tuple(int(units) for units in values.classifier_hidden)
    )
  except ValueError as error:
    raise UserError(
      'classifier_hidden must be integers separated by commas, got '
      f'{",".join(values.classifier_hidden)}'
    ) from error
  return {
    'hidden': hidden,
    'learning_rate': values.classifier_learning_rate,
    'epochs': values.classifier_epochs,
    'batch_size': values.classifier_batch_size,
    'seed': seed,
  }


def given_classifier_settings() -> list[str]:
  """Names of the settings whose flags stand on the command line."""
  names = [
    name
    for name in classifier_settings(seed=0)
    if name != 'seed' and flags.FLAGS[f'classifier_{name}'].present
  ]
  return names + ['hidden'] * bool(flags.FLAGS['classifier'].present)
