"""Prints which runs of the sweeps a table of results has, in Markdown.

    python -m launch.coverage
    python -m launch.coverage --sweep=figures

By default there is a line for each sweep of which the table has a run. With
`--sweep` there is one for each kind of run, in the order of the sweep.
"""

import csv
import pathlib
from collections.abc import Collection, Sequence

from absl import app, flags

from launch import sweeps
from launch.entries import Entry
from vae_info import cli
from vae_info.baselines.config import BaselineConfig
from vae_info.errors import UserError

FLAGS = flags.FLAGS


def runs_of(path: pathlib.Path) -> set[str]:
  """The names of the runs in a table of results.

  Raises:
    UserError: The file is no table of results.
    OSError: The file cannot be read.
  """
  try:
    with open(path, newline='', encoding='utf-8-sig') as file:
      lines = csv.DictReader(file, strict=True)
      if 'run' in (lines.fieldnames or ()):
        return {line['run'] for line in lines}
  except (csv.Error, UnicodeDecodeError) as error:
    raise UserError(f'{path} is not a CSV file: {error}') from error
  raise UserError(
    f'{path} has no column run; python -m vae_info.results writes a table'
  )


def kind(entry: Entry) -> str:
  """What runs have in common that differ in seed, marginal, task or beta."""
  config = entry.config
  if isinstance(config, BaselineConfig):
    width = '' if config.depth is None else f' of {config.depth} channels'
    return f'{config.dataset}: {config.baseline}{width}'
  parts = [f'{config.dataset}: {config.encoder} {config.decoder}']
  length = (
    (config.steps, 'steps') if config.steps else (config.epochs, 'epochs')
  )
  parts.append(f'{length[0]:g} {length[1]}')
  if config.target_rate is not None:
    parts.append('a target rate')
  else:
    parts.append('a range of β' if config.beta_range else 'one β')
  if config.kl_annealing_epochs:
    parts.append(f'annealed for {config.kl_annealing_epochs:g}')
  parts += [f'{config.architecture} size'] * (config.architecture == 'paper')
  return ', '.join(parts)


def line(name: str, entries: Sequence[Entry], known: Collection[str]) -> str:
  """A row of the table: how many of some runs it has."""
  names = {entry.name for entry in entries}
  return f'| {name} | {len(names & set(known))} | {len(names)} |'


def overview(known: Collection[str]) -> list[str]:
  """The table of all sweeps of which there is a run."""
  result = ['| sweep | runs in the table | of |', '|---|---|---|']
  for name, entries in sweeps.SWEEPS.items():
    if any(entry.name in known for entry in entries):
      result.append(line(f'`{name}`', entries, known))
  return result


def of_sweep(sweep: str, known: Collection[str]) -> list[str]:
  """The table of one sweep, by kind of run.

  Raises:
    UserError: There is no such sweep.
  """
  if sweep not in sweeps.SWEEPS:
    raise UserError(f'--sweep is one of {", ".join(sweeps.SWEEPS)}')
  kinds: dict[str, list[Entry]] = {}
  for entry in sweeps.SWEEPS[sweep]:
    kinds.setdefault(kind(entry), []).append(entry)
  return [
    f'| runs of `{sweep}` | in the table | of |',
    '|---|---|---|',
    *(line(name, entries, known) for name, entries in kinds.items()),
  ]


def main(argv: list[str]) -> None:
  cli.no_arguments(argv)
  known = runs_of(pathlib.Path(FLAGS.results))
  lines = of_sweep(FLAGS.sweep, known) if FLAGS.sweep else overview(known)
  for text in lines:
    print(text)


if __name__ == '__main__':
  cli.define_results()
  flags.DEFINE_string('sweep', None, 'Show this sweep, by kind of run.')
  app.run(cli.one_line_errors(main))
