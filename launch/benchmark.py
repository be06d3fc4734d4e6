"""Measures what a sweep costs, and how runs best share a machine's cores.

    python -m launch.benchmark [--only=empty|overhead|threads]

Each line of the output is a ratio of two times, both measured by one call. The
machine must be otherwise idle.
"""

import heapq
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import app, flags

from launch import driver, engines, jobs, selection
from launch.display import Display
from vae_info import cli, machine
from vae_info.runs.directory import FINISHED

FLAGS = flags.FLAGS

EMPTY_SECONDS = 1.0
# A stub of a training: sleeps, then marks its run directory as finished.
EMPTY = (
  'import pathlib, sys, time; run = pathlib.Path(sys.argv[1]); '
  f'run.mkdir(parents=True, exist_ok=True); time.sleep({EMPTY_SECONDS}); '
  f'(run / "{FINISHED}").write_text("{{}}")'
)

Row = tuple[str, float, str, str]  # What is measured, value, goal, details.


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_string(
    'only', None, 'Run only the parts whose name contains this text.'
  )
  flags.DEFINE_integer(
    'steps', 1500, 'Steps of each training; the default takes about a minute.'
  )


def empty_job(folder: str, name: str) -> jobs.Job:
  """A job that runs `EMPTY` in the run directory `folder`/`name`."""
  directory = str(Path(folder) / name)
  return jobs.Job(name, directory, ('-c', EMPTY, directory), evaluate=None)


def drive(engine: engines.Engine, todo: Sequence[jobs.Job]) -> float:
  """Runs the jobs in the sweep's own loop; returns the seconds it took."""
  started = time.perf_counter()
  with Display([job.run for job in todo]) as display:
    ends = driver.drive(todo, engine, 0, display)
  took = time.perf_counter() - started
  assert all(outcome.status == 0 for outcome in ends.values()), ends
  return took


def empty(steps: int) -> Iterator[Row]:
  """Measures Ray's overhead on fifty runs that only sleep for a second."""
  del steps
  count, cores = 50, machine.cores()
  with tempfile.TemporaryDirectory() as folder:
    todo = [empty_job(folder, f'run{i}') for i in range(count)]
    started = time.perf_counter()
    with engines.Ray('local') as engine:
      joined = time.perf_counter() - started
      took = drive(engine, todo)
  ideal = count * EMPTY_SECONDS / cores
  yield (
    f'{count} empty runs of {EMPTY_SECONDS:g} s: time over the ideal',
    took / ideal,
    '<= 1.2',
    f'{took:.1f} s, ideal {ideal:.1f} s; starting Ray {joined:.1f} s before',
  )


def packed(seconds: Sequence[float], cores: int) -> float:
  """The shortest time for runs in this order, one on each core at a time.

  Args:
    seconds: The time of each run, in the order in which they start.
    cores: How many runs go at once.

  Returns:
    Seconds until the last run ends, if a free core starts the next run at once.
  """
  busy_until = [0.0] * cores
  for each in seconds:
    heapq.heapreplace(busy_until, busy_until[0] + each)
  return max(busy_until)


def overhead(steps: int) -> Iterator[Row]:
  """Compares a sweep's time with the ideal time of its own runs.

  It starts a sweep of four trainings, each of a minute or more, and reads the
  time of each run from what the sweep prints. `packed` gives the ideal.
  """
  chosen = 'encoder=conv,decoder=deconvolutional'
  longer = f'--steps={2 * steps}'
  with tempfile.TemporaryDirectory() as folder:
    words = ['--sweep=smoke', f'--runs_dir={folder}', '--cpus_per_run=1']
    words += [f'--filter={chosen}', '--', longer]
    started = time.perf_counter()
    process = subprocess.run(
      [sys.executable, '-m', 'launch.sweep', *words],
      capture_output=True,
      text=True,
      check=True,
    )
    took = time.perf_counter() - started
  own = {}
  for line in process.stdout.splitlines():
    if ': done in ' in line:
      name, _, length = line.split(maxsplit=1)[1].partition(': done in ')
      minutes, seconds = length.split(':')[-2:]
      own[name] = 60 * int(minutes) + int(seconds)
  # The sweep starts its runs in this order, and `packed` depends on it.
  entries = selection.choose('smoke', (longer,), chosen)
  seconds = [own[entry.name] for entry in entries]
  cores = machine.cores()
  ideal = packed(seconds, cores)
  yield (
    "a sweep over its runs' own times, packed onto the cores",
    took / ideal,
    '<= 1.05',
    f'{took:.0f} s over {ideal:.0f} s on {cores} cores; runs of '
    f'{", ".join(map(str, seconds))} s',
  )


def threads(steps: int) -> Iterator[Row]:
  """Compares two one-thread runs, at once, with one two-thread run."""
  for decoder in ('deconvolutional', 'autoregressive'):
    words = ('-m', 'vae_info.train', f'--decoder={decoder}')
    words += (f'--steps={steps}', '--precision=bfloat16')
    rates = {
      count: count * steps / side_by_side(words, count, each)
      for count, each in ((2, 1), (1, 2))
    }
    yield (
      f'{decoder}: throughput of two one-thread runs over one two-thread run',
      rates[2] / rates[1],
      '',
      f'{rates[2]:.1f} and {rates[1]:.1f} steps a second, start included',
    )


def side_by_side(words: Sequence[str], count: int, each: int) -> float:
  """Seconds for `count` trainings at once, each with `each` threads."""
  environment = {
    **os.environ,
    'TF_NUM_INTRAOP_THREADS': str(each),
    'OMP_NUM_THREADS': str(each),
  }
  with tempfile.TemporaryDirectory() as folder:
    started = time.perf_counter()
    processes = [
      subprocess.Popen(
        [sys.executable, *words, f'--run={folder}/{number}'],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
      )
      for number in range(count)
    ]
    for process in processes:
      assert process.wait() == 0
    return time.perf_counter() - started


PARTS = {'empty': empty, 'overhead': overhead, 'threads': threads}


def main(argv: list[str]) -> None:
  cli.no_arguments(argv)
  parts = cli.parts_named(PARTS, FLAGS.only)
  rows: list[Row] = [row for part in parts for row in part(FLAGS.steps)]
  print(f'{"value":>8}  {"goal":8}what')
  for what, value, goal, details in rows:
    print(f'{value:8.2f}  {goal:8}{what}  [{details}]')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
