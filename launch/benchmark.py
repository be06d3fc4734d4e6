"""How much a sweep costs, and how runs best share a machine's cores.

    python -m launch.benchmark [--only=empty|overhead|threads]

Each line is a ratio of times taken in one run, on a machine that does nothing
else meanwhile.
"""

import heapq
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

from launch import engines, jobs, selection, sweep
from launch.display import Display
from vae_info import cli

FLAGS = flags.FLAGS

EMPTY_SECONDS = 1.0
# Does nothing for a while, then says that it is done.
EMPTY = (
  'import pathlib, sys, time; run = pathlib.Path(sys.argv[1]); '
  f'run.mkdir(parents=True, exist_ok=True); time.sleep({EMPTY_SECONDS}); '
  '(run / "config.json").write_text(\'{"baseline": "empty"}\'); '
  '(run / "finished.json").write_text("{}")'
)


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_string('only', None, 'Run the parts whose name contains this.')
  flags.DEFINE_integer(
    'steps', 1500, 'Steps of each training; a minute or so in all.'
  )


def make_job(folder, name, words, threads=1):
  directory = str(Path(folder) / name)
  return jobs.Job(
    name=name,
    directory=directory,
    train=(*words, directory),
    evaluate=None,
    threads=threads,
  )


def drive(engine, todo, folder):
  """Seconds that the jobs took together, by the sweep's own loop."""
  started = time.perf_counter()
  with Display(Path(folder), [job.name for job in todo]) as display:
    ends = sweep.drive(todo, engine, 0, display)
  took = time.perf_counter() - started
  assert all(outcome.status == 0 for outcome in ends.values()), ends
  return took, sum(outcome.seconds for outcome in ends.values())


def empty():
  """Fifty runs that do nothing for a second, Ray's start included."""
  count, cores = 50, len(os.sched_getaffinity(0))
  with tempfile.TemporaryDirectory() as folder:
    todo = [make_job(folder, f'run{i}', ('-c', EMPTY)) for i in range(count)]
    started = time.perf_counter()
    with engines.Ray('local') as engine:
      joined = time.perf_counter() - started
      took, _ = drive(engine, todo, folder)
  ideal = count * EMPTY_SECONDS / cores
  yield (
    f'{count} empty runs of {EMPTY_SECONDS:g} s: time over the ideal',
    took / ideal,
    '<= 1.2',
    f'{took:.1f} s, ideal {ideal:.1f} s; starting Ray {joined:.1f} s before',
  )


def packed(seconds, cores):
  """When the last run is done, if each core takes up the next at once."""
  busy_until = [0.0] * cores
  for each in seconds:
    heapq.heapreplace(busy_until, busy_until[0] + each)
  return max(busy_until)


def overhead():
  """Four trainings of some minutes, against their own times packed."""
  chosen = 'encoder=conv,decoder=deconvolutional'
  steps = f'--steps={2 * FLAGS.steps}'
  with tempfile.TemporaryDirectory() as folder:
    words = ['--sweep=smoke', f'--runs_dir={folder}', '--cpus_per_run=1']
    words += [f'--filter={chosen}', '--', steps]
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
  # In the order of the sweep, in which they are started.
  runs = selection.choose('smoke', (steps,), chosen)
  seconds = [own[run.name] for run in runs]
  cores = len(os.sched_getaffinity(0))
  ideal = packed(seconds, cores)
  yield (
    "a sweep over its runs' own times, packed onto the cores",
    took / ideal,
    '<= 1.05',
    f'{took:.0f} s over {ideal:.0f} s on {cores} cores; runs of '
    f'{", ".join(map(str, seconds))} s',
  )


def threads():
  """Two runs of one thread side by side, against one run of two."""
  for decoder in ('deconvolutional', 'autoregressive'):
    words = ('-m', 'vae_info.train', f'--decoder={decoder}')
    words += (f'--steps={FLAGS.steps}', '--precision=bfloat16')
    rates = {}
    for count, each in ((2, 1), (1, 2)):
      with tempfile.TemporaryDirectory() as folder:
        processes, started = [], time.perf_counter()
        for number in range(count):
          environment = {
            **os.environ,
            'TF_NUM_INTRAOP_THREADS': str(each),
            'OMP_NUM_THREADS': str(each),
          }
          process = subprocess.Popen(
            [sys.executable, *words, f'--run={folder}/{number}'],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
          )
          processes.append(process)
        for process in processes:
          assert process.wait() == 0
        rates[count] = count * FLAGS.steps / (time.perf_counter() - started)
    yield (
      f'{decoder}: throughput of two one-thread runs over one two-thread run',
      rates[2] / rates[1],
      '',
      f'{rates[2]:.1f} and {rates[1]:.1f} steps a second, start included',
    )


PARTS = {'empty': empty, 'overhead': overhead, 'threads': threads}


def main(argv):
  cli.no_arguments(argv)
  rows = []
  for name, part in PARTS.items():
    if FLAGS.only and FLAGS.only not in name:
      continue
    rows += part()
  print(f'{"value":>8}  {"goal":8}what')
  for what, value, goal, details in rows:
    print(f'{value:8.2f}  {goal:8}{what}  [{details}]')


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
