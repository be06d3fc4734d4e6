"""Does every run of a sweep once: trains it, then evaluates it.

    python -m launch.sweep --sweep=mnist
    python -m launch.sweep --sweep=mnist --filter='decoder=deconvolutional'
    python -m launch.sweep --sweep=mnist -- --epochs=2

It can be stopped at any moment; the same command goes on, and leaves alone what
is finished. Meanwhile, and from anywhere: `python -m launch.status`.
"""

import collections
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterable, Sequence

from absl import app, flags

from launch import engines, jobs, selection, states, sweeps
from launch.display import Display
from launch.jobs import Job, Outcome
from launch.sweeps import Run
from vae_info import cli, evaluate, interruption
from vae_info.config import UserError
from vae_info.paths import is_remote, open_path

FLAGS = flags.FLAGS

PAUSE_SECONDS = 1.0  # Before a run that was preempted starts again.
IN_USE_SECONDS = 10.0  # Before a run that another process has is tried again.


def define_flags() -> None:
  """Defines every flag of this command."""
  flags.DEFINE_string('sweep', None, f'Which runs: {", ".join(sweeps.SWEEPS)}.')
  cli.define_runs_dir()
  cli.define_data_flags()
  flags.DEFINE_enum(
    'engine',
    'ray',
    ['ray', 'serial', 'print'],
    'Where runs go: "ray" does as many at once as there is room for, "serial" '
    'one after the other, "print" only writes the commands, one line for each '
    'run.',
  )
  flags.DEFINE_string(
    'ray_address',
    'local',
    'Where Ray is: "local" starts it on this machine, "auto" joins the cluster '
    'that this machine is part of, HOST:PORT another one.',
  )
  flags.DEFINE_integer(
    'cpus_per_run',
    1,
    "CPU cores for each run; also its number of threads, on which a result's "
    'last bits depend.',
    lower_bound=1,
  )
  flags.DEFINE_float(
    'gpus_per_run', 0, 'GPUs for each run, or a part of one.', lower_bound=0.0
  )
  flags.DEFINE_integer(
    'tpus_per_run',
    0,
    'TPU chips for each run; any makes it train on them.',
    lower_bound=0,
  )
  flags.DEFINE_integer(
    'max_retries',
    3,
    'How often a run that failed is started again, from its last checkpoint. '
    'One that was preempted (exit status 42) always is.',
    lower_bound=0,
  )
  flags.DEFINE_string(
    'filter',
    '',
    'Do only runs with these attributes, for instance '
    '"decoder=autoregressive,beta<1".',
  )


def make_job(run: Run, extra: Sequence[str]) -> Job:
  """The commands of a run, as the flags tell."""
  runs_dir = FLAGS.runs_dir
  if not is_remote(runs_dir):
    runs_dir = os.path.abspath(runs_dir)
  directory = f'{runs_dir}/{run.name}'
  shared = [f'--run={directory}']
  for name in ('data_dir', 'cache_dir'):
    if FLAGS[name].value is not None:
      shared.append(f'--{name}={FLAGS[name].value}')
  train = ['-m', run.module, *shared, *_words(run.flags)]
  training = run.module == sweeps.TRAIN
  if training:
    if FLAGS.tpus_per_run:
      train += ['--strategy=tpu', '--tpu=local']
    train += extra
  evaluation = ['-m', 'vae_info.evaluate', *shared, *_words(run.evaluation)]
  return Job(
    name=run.name,
    directory=directory,
    train=tuple(train),
    evaluate=tuple(evaluation) if training else None,
    folder=os.getcwd(),
    threads=FLAGS.cpus_per_run,
  )


def _words(values):
  return [f'--{name}={value}' for name, value in values.items()]


def print_commands(todo: Iterable[Job]) -> None:
  """One line of shell for each job."""
  for job in todo:
    lines = [shlex.join(['python', *words]) for _, words in jobs.commands(job)]
    if lines:
      print(' && '.join(lines))


def drive(
  todo: Sequence[Job],
  engine,
  max_retries: int,
  display: Display,
  received: Sequence[int] = (),
) -> dict[str, Outcome]:
  """Does the jobs, and what failed again.

  Args:
    todo: The jobs.
    engine: Where they go.
    max_retries: For each, after failures.
    display: Is told what happens.
    received: Signals, as `listen` adds them.

  Returns:
    How each ended at last, by name.

  Raises:
    Stopped: A signal was received.
  """
  ends = {}
  failures = collections.Counter()
  later = []  # (when, job)
  for job in todo:
    engine.submit(job)
  while len(ends) < len(todo):
    if received:
      raise interruption.Stopped(received[0])
    now = time.monotonic()
    for when, job in [item for item in later if item[0] <= now]:
      later.remove((when, job))
      engine.submit(job)
    for job, outcome in engine.wait(seconds=1.0):
      if outcome.status == 0:
        ends[job.name] = outcome
        text = f'done in {states.duration(outcome.seconds)}'
      elif outcome.status in (jobs.PREEMPTED, jobs.LOST):
        later.append((time.monotonic() + PAUSE_SECONDS, job))
        text = 'was preempted; it goes on'
      elif outcome.status == jobs.IN_USE:
        later.append((time.monotonic() + IN_USE_SECONDS, job))
        text = 'is in use by another process; waiting'
      else:
        failures[job.name] += 1
        told = f'{outcome.stage} failed ({outcome.status}): {outcome.message}'
        if failures[job.name] > max_retries:
          ends[job.name] = outcome
          _give_up(job, outcome, failures[job.name])
          text = f'{told}; given up'
        else:
          later.append((time.monotonic() + PAUSE_SECONDS, job))
          text = f'{told}; tried again'
      display.tell(f'{len(ends)}/{len(todo)}  {job.name}: {text}')
    display.refresh()
  return ends


def _give_up(job, outcome, attempts):
  facts = {
    'message': f'{outcome.stage} ({outcome.status}): {outcome.message}',
    'stage': outcome.stage,
    'status': outcome.status,
    'attempts': attempts,
  }
  states.mark_failed(open_path(job.directory), facts)


def report(names: Iterable[str]) -> bool:
  """Prints what has become of the runs; returns whether all are done."""
  runs_dir = open_path(FLAGS.runs_dir)
  found = states.read_all(runs_dir / name for name in names)
  rows = []
  for state in found:
    print(states.line(state))
    if state.state == states.DONE:
      rows += evaluate.current_rows(runs_dir / state.name)
  if rows:
    print('nats per test image, mean ± standard error:')
    print(evaluate.table(rows))
  print(states.counts(found))
  print(f'as a file: python -m vae_info.results --runs_dir={FLAGS.runs_dir}')
  return all(state.state == states.DONE for state in found)


def make_engine(received: Sequence[int]):
  """As the flags tell."""
  if FLAGS.engine == 'serial':
    return engines.Serial(received)
  return engines.Ray(
    FLAGS.ray_address,
    FLAGS.cpus_per_run,
    FLAGS.gpus_per_run,
    FLAGS.tpus_per_run,
  )


def listen() -> list[int]:
  """A list to which signals that ask for an end are added as they come.

  Not raised as exceptions, which Ray does not survive in the midst of a call.
  """
  received = []

  def remember(signum, frame):
    del frame
    if not received:
      print('stopping; what runs saves its state', file=sys.stderr, flush=True)
    received.append(signum)

  for signum in (signal.SIGINT, signal.SIGTERM):
    signal.signal(signum, remember)
  return received


def main(argv):
  cli.quiet_tensorflow()
  if FLAGS.sweep is None:
    raise UserError(f'--sweep is one of {", ".join(sweeps.SWEEPS)}')
  chosen = selection.choose(FLAGS.sweep, argv[1:], FLAGS.filter)
  extra = selection.handed_on(argv[1:])
  runs_dir = open_path(FLAGS.runs_dir)
  names = [run.name for run in chosen]
  todo = [make_job(run, extra) for run in chosen]
  if FLAGS.engine == 'print':
    print_commands(todo)
    return
  found = states.read_all(runs_dir / name for name in names)
  todo = [
    job
    for job, state in zip(todo, found, strict=True)
    if state.state != states.DONE
  ]
  print(f'{FLAGS.sweep}: {len(names)} runs, {len(todo)} of them to do')
  for state in found:
    if state.state == states.FAILED:
      states.clear_failed(runs_dir / state.name)
  if todo:
    received = listen()
    try:
      with make_engine(received) as engine, Display(runs_dir, names) as display:
        drive(todo, engine, FLAGS.max_retries, display, received)
    except interruption.Stopped as stopped:
      text, status = interruption.resume_hint(stopped.args[0])
      print(text, file=sys.stderr)
      sys.exit(status)
  if not report(names):
    sys.exit(1)


if __name__ == '__main__':
  define_flags()
  app.run(cli.one_line_errors(main))
