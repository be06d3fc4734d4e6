"""Chooses the entries of a sweep, and adds the user's own flags to them."""

import dataclasses
import operator
import re
import typing
from collections.abc import Callable, Sequence
from typing import Any

from launch import sweeps
from launch.entries import CONFIGS, TRAIN, Entry
from vae_info.config import BetaRange, instead, parse_beta
from vae_info.errors import UserError

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
  '<=': operator.le,
  '>=': operator.ge,
  '!=': operator.ne,
  '<': operator.lt,
  '>': operator.gt,
  '=': operator.eq,
}
# Flags of `train` that are not in its config; a sweep passes them on.
TRAIN_FLAGS = (
  'strategy',
  'tpu',
  'jit_compile',
  'nojit_compile',
  'steps_per_call',
  'checkpoint_minutes',
)


def choose(name: str, extra: Sequence[str], filter_text: str) -> list[Entry]:
  """The entries of a sweep that pass the filter, with the user's flags.

  A flag of the config changes an entry and so its run's name. Of entries that
  become equal, the first counts.

  Args:
    name: The sweep, a key of `sweeps.SWEEPS`.
    extra: The user's flags for `train`, as '--name=value'.
    filter_text: Conditions, as for `filtered`.

  Raises:
    UserError: There is no such sweep, flag or attribute, or no entry is left.
  """
  if name not in sweeps.SWEEPS:
    raise UserError(
      f'unknown sweep {name!r}; expected one of {", ".join(sweeps.SWEEPS)}'
    )
  changed = config_flags(extra)
  runs = _changed(sweeps.SWEEPS[name], changed, filter_text)
  chosen = filtered(runs, filter_text)
  if not chosen:
    raise UserError(
      f'--filter={filter_text} leaves none of the {len(runs)} runs of {name}'
    )
  if changed and not any(run.module == TRAIN for run in chosen):
    raise UserError(
      'flags after -- are those of train, but none of the chosen runs of '
      f'{name} is a training'
    )
  return chosen


def _changed(
  entries: Sequence[Entry], changed: dict, filter_text: str
) -> list[Entry]:
  """The entries with changed attributes of their configs.

  An entry that they do not suit is left out if it does not pass the filter.

  Raises:
    UserError: They do not suit an entry that passes it.
  """
  if not changed:
    return list(entries)
  passing = filtered(entries, filter_text)
  runs: dict[str, Entry] = {}
  for entry in entries:
    if entry.module == TRAIN:
      try:
        new = _with(entry, changed)
        runs.setdefault(new.name, new)
      except UserError as error:
        if entry in passing:
          raise UserError(f'{entry.name}: {error}') from error
    else:
      runs.setdefault(entry.name, entry)
  return list(runs.values())


def _with(entry: Entry, changed: dict) -> Entry:
  """An entry with changed attributes of its config.

  The betas of its evaluation are of its own range.
  """
  evaluation = dict(entry.evaluation)
  if 'beta' in changed:
    evaluation.pop('betas', None)
  flags = {**entry.flags, **instead(changed)}
  flags = {name: value for name, value in flags.items() if value is not None}
  return dataclasses.replace(entry, flags=flags, evaluation=evaluation)


def config_flags(extra: Sequence[str]) -> dict:
  """The values of those extra flags that are attributes of the config.

  Raises:
    UserError: A word is not a flag of `train`, is a flag that all commands
      share, or has a value of the wrong type.
  """
  fields = {field.name: field for field in dataclasses.fields(CONFIGS[TRAIN])}
  flags: dict[str, object] = {}
  for text in extra:
    match = re.fullmatch(r'--(\w+)(?:=(.*))?', text)
    if not match:
      raise UserError(
        f'unexpected argument {text!r}; write every option as --name=value, '
        'and options for train after --'
      )
    name, value = match.groups()
    if name in ('data_dir', 'cache_dir', 'runs_dir', 'run'):
      raise UserError(f'--{name} is not for train alone: write it before --')
    if name in fields and value is not None:
      flags[name] = _parse(fields[name], value)
    elif name not in fields and name not in TRAIN_FLAGS:
      raise UserError(f'train has no flag --{name}=VALUE for a sweep to set')
    elif value is None and not name.endswith('jit_compile'):
      raise UserError(f'--{name} needs a value: --{name}=VALUE')
  return flags


def handed_on(extra: Sequence[str]) -> tuple[str, ...]:
  """The extra flags that are not of the config; `train` gets them unchanged.

  Raises:
    UserError: As `config_flags`.
  """
  names = config_flags(extra)
  return tuple(
    text for text in extra if text[2:].partition('=')[0] not in names
  )


def _parse(field: dataclasses.Field, text: str) -> object:
  kinds = typing.get_args(field.type) or (field.type,)
  if BetaRange in kinds:
    return parse_beta(text)
  for kind in (int, float, str):
    if kind in kinds:
      try:
        return kind(text)
      except ValueError:
        continue
  raise UserError(f'{field.name} must be a number, got {text!r}')


def filtered(runs: Sequence[Entry], text: str) -> list[Entry]:
  """The entries that meet every condition.

  An entry without the attribute does not pass. Nor does a value that is not a
  number, if the condition orders numbers.

  Args:
    runs: The entries.
    text: Conditions joined by commas, for instance 'encoder=iaf,beta<1'.

  Raises:
    UserError: A condition cannot be read, or no entry has its attribute.
  """
  runs = list(runs)
  known = {
    name: None for run in runs for name in dataclasses.asdict(run.config)
  }
  for condition in filter(None, text.split(',')):
    match = re.fullmatch(r'\s*(\w+)\s*(<=|>=|!=|<|>|=)\s*(.+?)\s*', condition)
    if not match:
      raise UserError(
        f'--filter: {condition!r} is not a condition such as decoder=iaf or '
        'beta<1; several are joined by commas'
      )
    name, sign, wanted = match.groups()
    if name not in known:
      raise UserError(
        f'--filter: no run has {name!r}; expected one of {", ".join(known)}'
      )
    if sign in ('<', '<=', '>', '>=') and _number(wanted) is None:
      raise UserError(f'--filter: {wanted!r} in {condition!r} is not a number')
    runs = [run for run in runs if _holds(run, name, sign, wanted)]
  return runs


def _holds(run: Entry, name: str, sign: str, wanted: str) -> bool:
  attributes = dataclasses.asdict(run.config)
  if name not in attributes:
    return False
  value = attributes[name]
  number, limit = _number(value), _number(wanted)
  if number is not None and limit is not None:
    return OPERATORS[sign](number, limit)
  if sign in ('=', '!='):
    return OPERATORS[sign](str(value), wanted)
  return False


def _number(value: object) -> float | None:
  try:
    return float(str(value))
  except (TypeError, ValueError):
    return None
