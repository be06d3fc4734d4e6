"""Runs the baselines that the beta-VAEs are compared with.

    python -m vae_info.baselines --dataset=static_mnist --baseline=all

Each baseline has a run directory, with its rows in `evaluation.json`.
`python -m vae_info.results` gathers them with the rows of the beta-VAEs. The
same command resumes a baseline that was stopped, and leaves finished ones
alone. After one that cannot be, the others follow, and the status is 1.

    random_dense, random_conv   classifiers on outputs of untrained networks
    supervised_simple           the classifier on the pixels themselves
    pca                         classifiers on noisy principal components; a row
                                for each number of components and each noise
    pca_water_filled            the same, where noise depends on the component
    kmeans, kmeans_deskewed     clusters of images
    clusters                    clusters of the codes of a finished training,
                                --codes_of=NAME; not among "all"
    supervised_complex          a convolutional network on the pixels
    flow                        classifiers on noisy codes of a flow, which it
                                trains first; not among "all"
"""

import dataclasses
import itertools
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import app, flags

from vae_info import baselines, cli
from vae_info.baselines.config import ALL, BINARY, OPTIONS, BaselineConfig
from vae_info.config import BINARIZATIONS, DATASETS, levels
from vae_info.errors import UserError
from vae_info.runs import Run, rows
from vae_info.runs.paths import open_path

FLAGS = flags.FLAGS
SEARCHED = 'supervised_complex'
# Type of an option -> function that defines its flag.
DEFINE: Mapping[Any, Callable[..., Any]] = {
  tuple: flags.DEFINE_list,
  int: flags.DEFINE_integer,
  float: flags.DEFINE_float,
  str: flags.DEFINE_string,
  bool: flags.DEFINE_boolean,
}


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_enum(
    'baseline',
    None,
    [*OPTIONS, 'all'],
    'Baseline to run; "all" runs each but flow and clusters. Required.',
  )
  flags.DEFINE_string(
    'dataset',
    'static_mnist',
    f'Data set: {", ".join(DATASETS)}, or tfds:NAME.',
  )
  flags.DEFINE_enum(
    'binarization',
    'static',
    BINARIZATIONS,
    'How intensities become pixels 0 and 1, as for training. Here "dynamic" '
    'has the effect of "static".',
  )
  flags.DEFINE_string(
    'task',
    None,
    'The task, whose labels are predicted. "all" stands for all tasks of the '
    "data set. The default is the data set's default tasks.",
  )
  flags.DEFINE_integer('seed', 0, 'Seed of all random draws.')
  _define_options()
  cli.define_classifier_flags()
  flags.DEFINE_boolean(
    'search',
    False,
    'For supervised_complex: train each pair of --search_depths and '
    '--search_dropouts, and evaluate the one with the least C on validation '
    'images.',
  )
  flags.DEFINE_list(
    'search_depths', ['32', '64', '128'], 'Depths that --search tries.'
  )
  flags.DEFINE_list(
    'search_dropouts', ['0', '0.1', '0.3'], 'Dropouts that --search tries.'
  )
  cli.define_entropy_estimate()
  cli.define_runs_dir()
  cli.define_run(
    'Run directory, for one baseline and one task. The default is '
    'RUNS_DIR/NAME, where NAME follows from the config.'
  )
  cli.define_data_flags()


def _define_options() -> None:
  """Defines a flag for each option that has a help text."""
  for field in _option_fields():
    text, choices = field.metadata['help'], field.metadata['choices']
    if choices:
      flags.DEFINE_enum(field.name, None, choices, text)
      continue
    define = DEFINE[typing.get_origin(field.type) or field.type]
    define(field.name, None, text)


def _option_fields() -> list[dataclasses.Field]:
  fields = dataclasses.fields(BaselineConfig)
  return [field for field in fields if field.metadata.get('help')]


def options_from_flags(values: flags.FlagValues) -> dict[str, Any]:
  """Returns the options on the command line, by name.

  Raises:
    UserError: A list has an entry that is not a number.
  """
  options = {}
  for field in _option_fields():
    name, value = field.name, values[field.name].value
    if values[name].present:
      number, *_ = typing.get_args(field.type) or (None,)  # A tuple's.
      options[name] = cli.numbers(name, value, number) if number else value
  settings = cli.classifier_settings(values)
  return options | {f'classifier_{k}': v for k, v in settings.items()}


@dataclasses.dataclass(frozen=True)
class Request:
  """The baselines that the command line asks for.

  Attributes:
    baselines: Names of the baselines.
    common: Attributes that all configs share.
    options: Options, each for the baselines that have it.
    searched: Options of `supervised_complex` to choose from; empty without a
      search.
  """

  baselines: Sequence[str]
  common: Mapping[str, Any]
  options: Mapping[str, Any]
  searched: Sequence[Mapping[str, Any]] = ()

  def configs(self, task: str) -> list[list[BaselineConfig]]:
    """Returns for each baseline its config, or the candidates of a search.

    Raises:
      UserError: An option is out of bounds, or the only baseline lacks it.
    """
    return [
      [self._config(task, baseline, more) for more in self._more(baseline)]
      for baseline in self.baselines
    ]

  def _more(self, baseline):
    return (baseline == SEARCHED and self.searched) or [{}]

  def _config(self, task, baseline, more):
    options = {**self.options, **more}
    if len(self.baselines) > 1:  # Each takes the options it has.
      options = {k: v for k, v in options.items() if k in OPTIONS[baseline]}
    return BaselineConfig(
      task=task, baseline=baseline, **self.common, **options
    )


def request_from_flags(values: flags.FlagValues) -> Request:
  """Returns the baselines that the flags ask for.

  Raises:
    UserError: The flags contradict each other.
  """
  if values.baseline is None:
    raise UserError(
      f'--baseline is needed: one of {", ".join(OPTIONS)}, or all'
    )
  if values.search and values.baseline not in (SEARCHED, 'all'):
    raise UserError(f'{values.baseline} has nothing to search')
  if values.run is not None and (
    values.task in (None, 'all') or values.search or values.baseline == 'all'
  ):
    raise UserError(
      '--run needs one --task and one --baseline, and no --search'
    )
  _check_search(values)
  searched = itertools.product(
    cli.numbers('search_depths', values.search_depths, int) or (),
    cli.numbers('search_dropouts', values.search_dropouts) or (),
  )
  binary = levels(values.binarization) == 2
  every = [name for name in ALL if binary or name not in BINARY]
  return Request(
    every if values.baseline == 'all' else (values.baseline,),
    {name: values[name].value for name in ('dataset', 'binarization', 'seed')},
    options_from_flags(values),
    [{'depth': depth, 'dropout': dropout} for depth, dropout in searched]
    if values.search
    else (),
  )


def _check_search(values: flags.FlagValues) -> None:
  """Raises `UserError` for flags that would have no effect."""
  if values.search:
    unused = {'depth': 'search_depths', 'dropout': 'search_dropouts'}
    for name, instead in unused.items():
      if values[name].present:
        raise UserError(f'with --search give --{instead} instead of --{name}')
  else:
    for name in ('search_depths', 'search_dropouts'):
      if values[name].present:
        raise UserError(f'--{name} needs --search')


def is_finished(config: BaselineConfig, run: Run) -> bool:
  """Whether a run directory has the rows of this config.

  Raises:
    UserError: The directory has another config.
  """
  if not run.exists:
    return False
  run.check(config)
  return bool(run.rows)


def has_all(
  config: BaselineConfig, run: Run, entropy_estimate: float | None
) -> bool:
  """Whether a directory has the rows of a config, and this H(X) if named."""
  if not is_finished(config, run):
    return False
  return entropy_estimate in (None, run.rows[0]['input_entropy'])


def run_baseline(config: BaselineConfig, run: Run, dataset) -> None:
  """Runs one baseline and prints its rows, unless it is finished."""
  if is_finished(config, run):
    print(f'{run} is finished')
    known, wanted = run.rows[0]['input_entropy'], dataset.entropy_estimate
    if wanted is not None and known != wanted:
      print(
        f'note: its H(X) is {known}, not {wanted}; delete {run} to run it anew'
      )
    return
  print(f'run directory: {run}', flush=True)
  made = baselines.run(config, dataset, run)
  print('nats per test image, mean ± standard error:')
  print(rows.table(made))
  bounds = rows.bounds_table(made)
  if bounds:
    print(f'\nbounds in nats per test image, ± standard error:\n{bounds}')
  for line in rows.doubtful(made):
    print(line)


def run_best(candidates: Sequence[tuple[BaselineConfig, Run]], dataset) -> None:
  """Trains all candidates; evaluates the one with the least validation C."""
  from vae_info.baselines import supervised

  ranking = supervised.search(candidates, dataset)
  for value, config, _ in ranking:
    print(
      f'  C on validation images {value:.4f}  depth {config.depth}  '
      f'dropout {config.dropout}'
    )
  _, config, run = ranking[0]
  run_baseline(config, run, dataset)


def main(argv):
  cli.no_arguments(argv)
  cli.quiet_tensorflow()
  request = request_from_flags(FLAGS)

  runs_dir = open_path(FLAGS.runs_dir)
  given = None if FLAGS.run is None else Run(open_path(FLAGS.run))
  folder = runs_dir if given is None else given.path.parent
  end = f'finished; next: python -m vae_info.results --runs_dir={folder}'

  def with_runs(configs):
    return [(c, given or Run(runs_dir / c.run_name)) for c in configs]

  # Checks all options before the slow import; the task is known only later.
  groups = request.configs(FLAGS.task or 'task')
  if FLAGS.task and not FLAGS.search:
    pairs = [pair for configs in groups for pair in with_runs(configs)]
    if all(has_all(*pair, FLAGS.entropy_estimate) for pair in pairs):
      print(end)
      return
  # The import takes seconds, so it comes after these checks.
  cli.import_tensorflow()
  from vae_info import datasets
  from vae_info.runs import provenance

  print(f'device: {provenance.device()}', flush=True)
  dataset = datasets.load(
    FLAGS.dataset, FLAGS.data_dir, FLAGS.cache_dir, FLAGS.binarization
  )
  if FLAGS.entropy_estimate is not None:
    dataset = dataclasses.replace(
      dataset, entropy_estimate=FLAGS.entropy_estimate
    )
  status = 0
  for task in datasets.chosen_tasks(FLAGS.task, dataset):
    for configs in request.configs(task):
      try:
        if len(configs) > 1:
          run_best(with_runs(configs), dataset)
        else:
          run_baseline(*with_runs(configs)[0], dataset)
      except UserError as error:  # Go on with the other baselines.
        print(f'error: {configs[0].baseline}: {error}', file=sys.stderr)
        status = error.status
  if status:
    sys.exit(status)
  print(end)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
