"""What all commands share: flags, and errors printed in one line."""

import functools
import logging as standard_logging
import os
import pathlib
import signal
import sys
import tempfile
import typing
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags, logging

from vae_info.config import CLASSIFIERS
from vae_info.errors import Stopped, UserError

REPOSITORY = pathlib.Path(__file__).parents[1]
# So that `--help` of a command lists the flags that it defines through here.
flags.disclaim_key_flags()


def define_runs_dir() -> None:
  """Defines `--runs_dir`."""
  flags.DEFINE_string(
    'runs_dir', 'runs', 'Folder that holds the run directories.'
  )


def define_results() -> None:
  """Defines `--results`, for commands that read a table of results."""
  flags.DEFINE_string(
    'results',
    str(REPOSITORY / 'plots' / 'results.csv'),
    "Table of results to read. The default is this repository's.",
  )


def define_run(help_text: str) -> None:
  """Defines `--run`, a run directory."""
  flags.DEFINE_string('run', None, help_text)


def parts_named(parts: Mapping[str, Any], only: str | None) -> list[Any]:
  """The parts of a benchmark whose name contains `--only`; None for all.

  Raises:
    UserError: There is none.
  """
  chosen = [part for name, part in parts.items() if (only or '') in name]
  if not chosen:
    raise UserError(f'--only={only} is in no name of {", ".join(parts)}')
  return chosen


def define_data_dir() -> None:
  """Defines `--data_dir`."""
  flags.DEFINE_string(
    'data_dir',
    None,
    'Folder of prepared data; bundled data sets do not need it. The default is '
    "TensorFlow Datasets' own: TFDS_DATA_DIR, or else ~/tensorflow_datasets.",
  )


def define_data_flags() -> None:
  """Defines `--data_dir` and `--cache_dir`."""
  define_data_dir()
  flags.DEFINE_string(
    'cache_dir',
    None,
    'Folder that caches arrays computed from the data. The default is vae_info '
    'in XDG_CACHE_HOME, or else in ~/.cache.',
  )


def define_entropy_estimate() -> None:
  """Defines `--entropy_estimate`."""
  flags.DEFINE_float(
    'entropy_estimate',
    None,
    'H(X) in nats for the table of results, instead of the published estimate '
    'for the data set.',
    lower_bound=0.0,
  )


def define_more_estimates() -> None:
  """Defines `--critics` and `--label_budgets`, which take more time."""
  flags.DEFINE_boolean(
    'critics',
    False,
    'Whether to bound I(X;Z) from below by learned critics too: InfoNCE, NWJ '
    'and DV. This takes minutes for each beta. It is of test images alone.',
  )
  flags.DEFINE_list(
    'label_budgets',
    None,
    'Numbers of labels, of 100, 1000 and 10000, separated by commas. C of a '
    'classifier that is fitted to so few images is reported for each, of test '
    'images alone. Its error is for one choice of these images. The default is '
    'none.',
  )


def numbers(
  name: str, texts: list[str] | None, kind: type = float
) -> tuple | None:
  """Parses a flag that lists numbers, and drops repeated ones.

  Args:
    name: Name of the flag, for errors.
    texts: Value of the flag.
    kind: Type of the numbers.

  Returns:
    The numbers; None if `texts` is None.

  Raises:
    UserError: A text is not a number of this type, or the list is empty.
  """
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
  """Raises `UserError` if the command line has more than flags."""
  if len(argv) > 1:
    raise UserError(
      f'unexpected argument {argv[1]!r}; every option is written --name=value'
    )


def quiet_tensorflow() -> None:
  """Hides TensorFlow's start-up messages; call it before the import."""
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  logging.set_verbosity(logging.WARNING)
  # TensorFlow warns of functions that are traced often. Here that is meant:
  # each run, and each noise, has its own.
  standard_logging.getLogger('tensorflow').setLevel('ERROR')


def import_tensorflow() -> None:
  """Imports TensorFlow and hides its start-up messages.

  No setting of TensorFlow can stop the first of them, so standard error goes to
  a file meanwhile. If the import fails, the messages are shown.

  `tf.keras` is Keras 2, as in TensorFlow Probability, unless the user has set
  TF_USE_LEGACY_KERAS. Keras 3 would also import matplotlib and scikit-learn,
  which takes a quarter of the time.
  """
  os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
  sys.stderr.flush()
  terminal = os.dup(2)
  with tempfile.TemporaryFile() as notes:
    os.dup2(notes.fileno(), 2)
    try:
      import tensorflow  # noqa: F401
    except ImportError:
      notes.seek(0)
      os.write(terminal, notes.read())
      raise
    finally:
      os.dup2(terminal, 2)
      os.close(terminal)


def one_line_errors(main: Callable[[list[str]], None]):
  """Wraps `main`: an error ends it with one line instead of a traceback.

  The exit status says what happened:

    1 or the error's own   a user or I/O error
    130                    Ctrl-C
    42                     SIGTERM; the same command resumes

  A second signal ends the process at once, even if the clean-up after the first
  is not done.
  """

  @functools.wraps(main)
  def wrapped(argv):
    received: list[int] = []

    # This handler ends a command where it stands. While a command has a state
    # to save, it sets a handler of its own.
    def stop(signum, frame):
      del frame
      if received:
        _exit_at_once(Stopped(received[0], saved=False))
      received.append(signum)
      raise Stopped(signum, saved=False)

    _handle_signals(stop)
    try:
      main(argv)
    except Stopped as stopped:
      _end(stopped)
    except Exception as error:
      if received:  # An import turned `Stopped` into another error.
        _end(Stopped(received[0], saved=False))
      if not isinstance(error, (UserError, OSError)):
        raise
      print(f'error: {message(error)}', file=sys.stderr)
      sys.exit(getattr(error, 'status', 1))

  return wrapped


def message(error):
  """What to tell the user; of a file its name and what is wrong."""
  if isinstance(error, OSError) and error.filename and error.strerror:
    return f'{error.filename}: {error.strerror}'
  return str(error)


def _handle_signals(handler: Callable) -> None:
  for signum in (signal.SIGINT, signal.SIGTERM):
    signal.signal(signum, handler)


def _end(stopped: Stopped) -> typing.NoReturn:
  """Prints how to resume, and exits; another signal exits at once."""
  _handle_signals(lambda signum, frame: os._exit(stopped.status))
  print(stopped, file=sys.stderr)
  sys.exit(stopped.status)


def _exit_at_once(stopped: Stopped) -> typing.NoReturn:
  """Prints how to resume, and exits without any clean-up."""
  print(stopped, file=sys.stderr, flush=True)
  os._exit(stopped.status)


def define_classifier_flags() -> None:
  """Defines the settings of c(y|z).

  The defaults are the paper's, where the paper gives a value.
  """
  families = ', '.join(
    f'"{name}" {"-".join(map(str, hidden)) or "none"}'
    for name, hidden in CLASSIFIERS.items()
  )
  flags.DEFINE_enum(
    'classifier',
    'mlp',
    list(CLASSIFIERS),
    f'Family of c(y|z), with the units of its hidden layers: {families}.',
  )
  flags.DEFINE_list(
    'classifier_hidden',
    None,
    'Units of each hidden layer of the classifier, separated by commas, '
    'instead of --classifier.',
  )
  flags.DEFINE_float(
    'classifier_learning_rate',
    1e-4,
    "Adam's learning rate for the classifier. It is divided by 10 after each "
    'quarter of the epochs; batches of the later quarters are larger.',
  )
  flags.DEFINE_integer(
    'classifier_epochs',
    100,
    'Epochs of the classifier; each draws new codes of the training images.',
  )
  flags.DEFINE_integer(
    'classifier_batch_size',
    32,
    "Codes in one of the classifier's training steps, in the first quarter.",
  )


def classifier_settings(values: flags.FlagValues) -> dict[str, Any]:
  """Returns the settings of c(y|z) on the command line, by name.

  Raises:
    UserError: The units of the hidden layers are not integers.
  """
  settings: dict[str, Any] = {
    name: values[f'classifier_{name}'].value
    for name in ('learning_rate', 'epochs', 'batch_size')
    if values[f'classifier_{name}'].present
  }
  units = values.classifier_hidden
  if units is not None:
    try:
      settings['hidden'] = tuple(int(number) for number in units)
    except ValueError as error:
      raise UserError(
        'classifier_hidden must be integers separated by commas, got '
        f'{",".join(units)}'
      ) from error
  elif values['classifier'].present:
    settings['hidden'] = CLASSIFIERS[values.classifier]
  return settings
