"""Which runs of a sweep, and with which flags of the user's own."""

import dataclasses
import operator
import re
import typing
from collections.abc import Sequence

from launch import sweeps
from launch.sweeps import Run
from vae_info.config import UserError

OPERATORS = {
  '<=': operator.le,
  '>=': operator.ge,
  '!=': operator.ne,
  '<': operator.lt,
  '>': operator.gt,
  '=': operator.eq,
}
# Flags of `train` that are not its config's, and that a sweep may hand on.
TRAIN_FLAGS = (
  'strategy',
  'tpu',
  'jit_compile',
  'nojit_compile',
  'steps_per_call',
  'checkpoint_minutes',
)


def choose(name: str, extra: Sequence[str], filter_text: str) -> list[Run]:
  """The runs of the sweep `name` that pass the filter, with `extra` flags.

  Flags of the config change the run, and so its name; two runs that become the
  same are one.

  Raises:
    UserError: There is no such sweep, flag or attribute, or no run is left.
  """
  if name not in sweeps.SWEEPS:
    raise UserError(
      f'unknown sweep {name!r}; expected one of {", ".join(sweeps.SWEEPS)}'
    )
  changed = config_flags(extra)
  runs = [
    dataclasses.replace(run, flags={**run.flags, **changed})
    if run.module == sweeps.TRAIN
    else run
    for run in sweeps.SWEEPS[name]
  ]
  runs = list({run.name: run for run in runs}.values())
  chosen = filtered(runs, filter_text)
  if not chosen:
    raise UserError(
      f'--filter={filter_text} leaves none of the {len(runs)} runs of {name}'
    )
  return chosen


def config_flags(extra: Sequence[str]) -> dict:
  """Those of the extra flags that are attributes of the training's config.

  Raises:
    UserError: One is no flag of `train`, or not for here, or of another type.
  """
  fields = {
    field.name: field
    for field in dataclasses.fields(sweeps.CONFIGS[sweeps.TRAIN])
  }
  found = {}
  for text in extra:
    match = re.fullmatch(r'--(\w+)(?:=(.*))?', text)
    if not match:
      raise UserError(
        f'unexpected argument {text!r}; every option is written --name=value, '
        'and those for train come after --'
      )
    name, value = match.groups()
    if name in ('data_dir', 'cache_dir', 'runs_dir', 'run'):
      raise UserError(f'--{name} is not for train alone: write it before --')
    if name in fields and value is not None:
      found[name] = _parse(fields[name], value)
    elif name not in TRAIN_FLAGS:
      raise UserError(f'train has no flag --{name}=VALUE to hand on')
  return found


def handed_on(extra: Sequence[str]) -> tuple[str, ...]:
  """The other extra flags, for `train` as they are."""
  names = config_flags(extra)
  return tuple(
    text for text in extra if text[2:].partition('=')[0] not in names
  )


def _parse(field, text):
  kinds = typing.get_args(field.type) or (field.type,)
  for kind in (int, float, str):
    if kind in kinds:
      try:
        return kind(text)
      except ValueError:
        continue
  raise UserError(f'{field.name} must be a number, got {text!r}')


def filtered(runs: Sequence[Run], text: str) -> list[Run]:
  """The runs of which each condition holds, as in 'encoder=iaf,beta<1'.

  A run that has no such attribute does not pass; nor does a value that is no
  number where a number is asked for.

  Raises:
    UserError: A condition is none, or no run has its attribute.
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


def _holds(run, name, sign, wanted):
  attributes = dataclasses.asdict(run.config)
  if name not in attributes:
    return False
  value, number = attributes[name], _number(wanted)
  if number is not None and _number(value) is not None:
    return OPERATORS[sign](_number(value), number)
  if sign in ('=', '!='):
    return OPERATORS[sign](str(value), wanted)
  return False


def _number(value):
  try:
    return float(value)
  except (TypeError, ValueError):
    return None
