"""Lists the commands: python -m vae_info.

Each command is listed with the first line of its docstring. Neither the
commands nor TensorFlow are imported.
"""

import ast
import pathlib

from absl import app

from vae_info import cli

# In the order in which a user needs them.
COMMANDS = (
  'vae_info.train',
  'vae_info.evaluate',
  'vae_info.results',
  'vae_info.baselines',
  'vae_info.encode',
  'vae_info.evaluate_codes',
  'vae_info.train_classifier',
  'vae_info.examples.minimal',
  'vae_info.datasets.recover_labels',
  'vae_info.datasets.build_static_mnist',
  'vae_info.datasets.measure_digits',
  'plots',
  'plots.figures',
  'plots.explore',
  'plots.pictures',
  'plots.claims',
  'plots.goals',
  'plots.against_epochs',
  'plots.pixel_lines',
  'plots.compare',
  'plots.baselines',
  'plots.sandwiches',
  'plots.trainings',
  'plots.retained',
  'plots.flows',
  'plots.few_nats',
  'launch.sweep',
  'launch.status',
  'launch.coverage',
  'launch.benchmark',
  'launch.tpu.check_lowering',
)
ROOT = pathlib.Path(__file__).parents[1]


def path(command: str) -> pathlib.Path:
  """The file that `python -m COMMAND` runs."""
  place = ROOT.joinpath(*command.split('.'))
  file = place.with_suffix('.py')
  return file if file.is_file() else place / '__main__.py'


def title(command: str) -> str:
  """The first line of a command's docstring, read without an import."""
  text = ast.get_docstring(ast.parse(path(command).read_text())) or ''
  return text.partition('\n')[0]


def main(argv):
  cli.no_arguments(argv)
  print('All but the example take --help.\n')
  width = max(map(len, COMMANDS))
  for command in COMMANDS:
    print(f'python -m {command:{width}}  {title(command)}')


if __name__ == '__main__':
  app.run(cli.one_line_errors(main))
