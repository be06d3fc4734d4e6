"""The flags with which commands choose rows of the table of results."""

from collections.abc import Iterable

from absl import flags

from plots import table
from vae_info import cli

# `--help` lists these flags with those of the command that defines them.
flags.disclaim_key_flags()


def define_table_flags() -> None:
  """Defines `--results`, `--datasets` and `--classifier`."""
  cli.define_results()
  flags.DEFINE_list(
    'datasets',
    None,
    'Use only these data sets: names as in the table, separated by commas. A '
    f'panel cannot show two. The default is {", ".join(table.DATASETS)}, or '
    'all if the table has neither. Figures of attributes have their own.',
  )
  flags.DEFINE_string(
    'classifier',
    None,
    'Use only C by this classifier: its name in the table. A panel cannot show '
    'two. Supervised networks always stay.',
  )


def define_task_flags(tasks: Iterable[str]) -> None:
  """Defines `--results`, `--task` and `--classifier`, for tables of one task.

  Args:
    tasks: The tasks to choose from; the first is the default.
  """
  tasks = [*tasks]
  cli.define_results()
  flags.DEFINE_enum('task', tasks[0], tasks, 'Which labels.')
  flags.DEFINE_string(
    'classifier',
    'mlp 200-200',
    'Use C by this classifier: its name in the table.',
  )
