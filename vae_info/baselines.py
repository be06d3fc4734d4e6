"""The baselines: what the label information of a beta-VAE is compared with.

    python -m vae_info.baselines --dataset=static_mnist --baseline=all

Each is a run directory with its rows in `evaluation.json`, which
`python -m vae_info.results` gathers with those of the beta-VAEs. The same
command again resumes what was stopped, and leaves alone what is finished.

    random_dense, random_conv   classifiers on outputs of untrained networks
    supervised_simple           the classifier on the pixels themselves
    pca                         classifiers on noisy principal components, a row
                                for each number of them and each noise
    supervised_complex          a convolutional network on the pixels
"""

import contextlib
import dataclasses
import itertools
import json
import sys
import typing

from absl import app, flags

from vae_info import cli, results
from vae_info.baseline_config import OPTIONS, BaselineConfig
from vae_info.config import BINARIZATIONS, DATASETS, UserError
from vae_info.paths import Path, open_path, write_atomically

FLAGS = flags.FLAGS


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_enum(
    'baseline', 'all', [*OPTIONS, 'all'], 'Which baseline; "all" is each.'
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
    'How intensities become pixels 0 and 1, as of training; "dynamic" is as '
    '"static" here.',
  )
  flags.DEFINE_string(
    'task', None, "Labels to predict; by default all of the data set's."
  )
  flags.DEFINE_integer('seed', 0, 'What every random draw follows from.')
  for field in _option_fields():
    text, choices = field.metadata['help'], field.metadata['choices']
    if choices:
      flags.DEFINE_enum(field.name, None, choices, text)
    else:
      define = {
        tuple: flags.DEFINE_list,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        bool: flags.DEFINE_boolean,
      }[_type_of(field)]
      define(field.name, None, text)
  cli.define_classifier_flags()
  flags.DEFINE_boolean(
    'search',
    False,
    'Of supervised_complex: train every one of --search_depths with every one '
    'of --search_dropouts, and evaluate the one with the least C on '
    'validation images.',
  )
  flags.DEFINE_list('search_depths', ['32', '64', '128'], 'See --search.')
  flags.DEFINE_list('search_dropouts', ['0', '0.1', '0.3'], 'See --search.')
  cli.define_entropy_estimate()
  cli.define_runs_dir()
  cli.define_run(
    'Run directory, in place of RUNS_DIR/NAME with a name made from the '
    'config; for one baseline and one task.'
  )
  cli.define_data_flags()


def _option_fields():
  """Fields of `BaselineConfig` that are flags here."""
  return [
    field
    for field in dataclasses.fields(BaselineConfig)
    if 'help' in field.metadata
  ]


def _type_of(field):
  """int, float, bool or tuple; fields may be None besides."""
  kind = typing.get_args(field.type)[0]
  return typing.get_origin(kind) or kind


def given_options() -> dict:
  """The options whose flags stand on the command line."""
  given = {}
  for field in _option_fields():
    if FLAGS[field.name].present:
      value = FLAGS[field.name].value
      if _type_of(field) is tuple:
        kind = int if field.name == 'pca_sizes' else float
        value = cli.numbers(field.name, kind)
      given[field.name] = value
  settings = cli.classifier_settings(FLAGS.seed)
  for name in cli.given_classifier_settings():
    given[f'classifier_{name}'] = settings[name]
  return given


def make_config(baseline: str, task: str, **more) -> BaselineConfig:
  """The config that the flags tell.

  Raises:
    UserError: An option is out of its range, or no chosen baseline has it.
  """
  given = given_options() | more
  if FLAGS.baseline == 'all':  # An option is for those that have it.
    given = {k: v for k, v in given.items() if k in OPTIONS[baseline]}
  return BaselineConfig(
    FLAGS.dataset, task, baseline, FLAGS.binarization, FLAGS.seed, **given
  )


def configs_of_task(task: str) -> list[list[BaselineConfig]]:
  """A list for each baseline: one config, or those to choose from."""
  chosen = OPTIONS if FLAGS.baseline == 'all' else [FLAGS.baseline]
  found = []
  for baseline in chosen:
    if FLAGS.search and baseline == 'supervised_complex':
      cells = itertools.product(
        cli.numbers('search_depths', int), cli.numbers('search_dropouts', float)
      )
      found.append(
        [
          make_config(baseline, task, depth=depth, dropout=dropout)
          for depth, dropout in cells
        ]
      )
    else:
      found.append([make_config(baseline, task)])
  return found


def folder_of(config: BaselineConfig) -> Path:
  if FLAGS.run is not None:
    return open_path(FLAGS.run)
  return open_path(FLAGS.runs_dir) / config.run_name


def is_finished(config: BaselineConfig) -> bool:
  run = folder_of(config)
  if not results.has_rows(run):
    return False
  config.check_run(run)
  return True


def run_baseline(config: BaselineConfig, dataset) -> None:
  """Makes a baseline in its run directory, unless it is finished."""
  from vae_info import baseline_methods

  if is_finished(config):
    print(f'{folder_of(config)} is finished')
    return
  with opened(config) as (run, signals):
    facts = known_columns(config, dataset, run)
    method = baseline_methods.METHODS[config.baseline]
    rows = [
      {name: (facts | row).get(name) for name in results.COLUMNS}
      for row in method(config, dataset, run, signals, facts)
    ]
    write_atomically(
      run / results.EVALUATION, json.dumps({'rows': rows}, indent=2) + '\n'
    )
  print(table(rows), flush=True)


@contextlib.contextmanager
def opened(config: BaselineConfig):
  """The run directory, locked, and the signals that may stop the work."""
  from vae_info import checkpoints, interruption, locks

  run = folder_of(config)
  print(f'run directory: {run}', flush=True)
  checkpoints.open_run(run, config)
  with locks.lock(run), interruption.Signals() as signals:
    yield run, signals


def known_columns(config: BaselineConfig, dataset, run: Path) -> dict:
  """The columns that do not depend on what is found."""
  from vae_info import datasets, provenance

  columns = dataclasses.asdict(config)
  return columns | {
    'run': run.name,
    'method': config.baseline,
    'label_entropy': datasets.label_entropy(dataset.test.labels[config.task]),
    'input_entropy': cli.input_entropy(dataset),
    'num_samples': config.num_samples or 1,
    'device': provenance.device(),
    'version': provenance.version(),
  }


def search(configs: list[BaselineConfig], dataset) -> None:
  """Trains them all, and evaluates the one with the least validation C."""
  from vae_info import supervised

  found = []
  for number, config in enumerate(configs, 1):
    print(f'search: {number} of {len(configs)}', flush=True)
    with opened(config) as (run, signals):
      _, facts = supervised.train(config, dataset, run, signals)
    found.append((facts['validation_label_distortion'], config))
  found.sort(key=lambda pair: pair[0])
  for value, config in found:
    print(
      f'  C on validation images {value:.4f}  depth {config.depth}  '
      f'dropout {config.dropout}'
    )
  run_baseline(found[0][1], dataset)


def table(rows: list[dict]) -> str:
  """C of each row as text for a terminal."""
  lines = ['nats per test image, mean ± standard error:']
  for row in rows:
    rate = '' if row['rate'] is None else f'R {row["rate"]:.3f}  '
    lines.append(
      f'  {row["method"]}  {row["task"]}  {rate}'
      f'C {row["label_distortion"]:.3f} ± {row["label_distortion_stderr"]:.3f}'
      f'  accuracy {100 * row["label_accuracy"]:.2f} '
      f'± {100 * row["label_accuracy_stderr"]:.2f} %'
    )
  return '\n'.join(lines)


def main(argv):
  cli.no_arguments(argv)
  configs = configs_of_task(FLAGS.task or 'task')  # Complains at once.
  if FLAGS.search and FLAGS.baseline not in ('supervised_complex', 'all'):
    raise UserError(f'{FLAGS.baseline} has nothing to search')
  if FLAGS.run is not None and (
    FLAGS.task is None or FLAGS.search or FLAGS.baseline == 'all'
  ):
    raise UserError('--run needs --task and one --baseline, and no --search')
  done = FLAGS.task and not FLAGS.search
  if done and all(is_finished(config) for [config] in configs):
    print('finished; next: python -m vae_info.results')
    return
  cli.quiet_tensorflow()
  from vae_info import interruption, provenance

  print(f'device: {provenance.device()}', flush=True)
  dataset = cli.load_dataset(configs[0][0])
  try:
    for task in cli.chosen_tasks(FLAGS.task, dataset):
      for group in configs_of_task(task):
        if len(group) > 1:
          search(group, dataset)
        else:
          run_baseline(group[0], dataset)
  except interruption.Stopped as stopped:
    text, status = interruption.resume_hint(stopped)
    print(text, file=sys.stderr)
    sys.exit(status)
  print('finished; next: python -m vae_info.results')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
