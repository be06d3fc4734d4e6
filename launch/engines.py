"""Engines run jobs: one after the other here, or wherever Ray has room.

An engine tries a job once. The driver decides what follows a failure.
"""

import contextlib
import logging
import os
import pathlib
import signal
import socket
import time
from collections.abc import Generator, Sequence
from types import ModuleType
from typing import Any, Protocol

from launch import jobs
from launch.jobs import Job, Outcome
from vae_info.errors import Stopped, UserError

CONNECT_SECONDS = 5
TOKEN = pathlib.Path.home() / '.ray' / 'auth_token'  # Where Ray puts it.
# How long Ray waits for stopped runs: the time each has to save its state, and
# some more for Ray itself.
STOP_SECONDS = jobs.GRACE_SECONDS + 10


class Engine(contextlib.AbstractContextManager, Protocol):
  """Runs jobs; leaving the context stops those that still run."""

  def submit(self, job: Job) -> None:
    """Queues a job; the engine starts it now or later."""

  def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
    """Waits until a job ends, or for some seconds.

    Returns:
      Each job that has ended since the last call, and its outcome.
    """


class Serial(contextlib.AbstractContextManager):
  """Runs one job at a time on this machine.

  Args:
    received: Signals, from `driver.listening`; the first one stops the job.
  """

  def __init__(self, received: Sequence[int] = ()):
    self._received = received
    self._jobs: list[Job] = []

  def __exit__(self, *exception):
    pass

  def submit(self, job: Job) -> None:
    self._jobs.append(job)

  def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
    """Runs the next job to its end; sleeps if there is none.

    Raises:
      Stopped: A signal is in `received`; the job's command has ended.
    """
    if not self._jobs:
      time.sleep(seconds)
      return []
    job = self._jobs.pop(0)
    try:
      return [(job, jobs.execute(job, self._received))]
    except OSError as error:  # Of the run's folder, or of a full disk.
      return [(job, Outcome(1, 'start', str(error)))]


def _execute(job: Job) -> Outcome:
  """`jobs.execute` in a process of Ray's."""
  # Ray cancels a task by an interrupt. A process ignores it if the sweep was
  # started in the background.
  if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
  return jobs.execute(job)


class Ray(contextlib.AbstractContextManager):
  """Runs jobs as Ray tasks, on this machine or on a cluster.

  Args:
    address: 'local' starts Ray here, for as long as the sweep lasts; 'auto'
      joins the cluster that this machine is part of, HOST:PORT one of several.
    cpus: CPU cores that Ray reserves for each run.
    gpus: GPUs that Ray reserves for each run.
    tpus: TPU chips that Ray reserves for each run.

  Raises:
    UserError: Ray is not installed, or there is no cluster at the address. Or
      this machine lacks what a run needs.
  """

  def __init__(
    self, address: str, cpus: int = 1, gpus: float = 0, tpus: int = 0
  ):
    # Ray reads these variables when it is imported.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    os.environ.setdefault('RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO', '0')
    if address != 'local' and TOKEN.is_file():
      # A cluster that was started where a token lies demands it. Any other
      # cluster ignores it.
      os.environ.setdefault('RAY_AUTH_MODE', 'token')
    try:
      import ray
      import ray.exceptions
    except ImportError as error:
      raise UserError(
        "Ray is not installed: run pip install -e '.[launch]', or choose "
        '--engine=serial'
      ) from error
    self._ray = ray
    self._running: dict[Any, Job] = {}  # From Ray's reference to the job.
    with _own_handler():
      _connect(ray, address)
    resources: dict[str, float] = {'TPU': tpus} if tpus else {}
    _check_room(ray, {'CPU': cpus, 'GPU': gpus, **resources}, address)
    # The driver retries instead of Ray, which cannot tell a failure from a run
    # that was preempted or is in use.
    self._execute = ray.remote(
      num_cpus=cpus, num_gpus=gpus, resources=resources, max_retries=0
    )(_execute)

  def __exit__(self, *exception):
    """Stops the active runs, waits while they save their state, leaves Ray."""
    ray = self._ray
    for reference in self._running:
      ray.cancel(reference)
    if self._running:
      references = list(self._running)
      ray.wait(references, num_returns=len(references), timeout=STOP_SECONDS)
    ray.shutdown()

  def submit(self, job: Job) -> None:
    self._running[self._execute.options(name=job.name).remote(job)] = job

  def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
    if not self._running:
      time.sleep(seconds)
      return []
    ready, _ = self._ray.wait(list(self._running), timeout=seconds)
    return [
      (self._running.pop(reference), self._outcome(reference))
      for reference in ready
    ]

  def _outcome(self, reference: Any) -> Outcome:
    errors = self._ray.exceptions
    try:
      return self._ray.get(reference)
    except errors.NodeDiedError:
      return Outcome(jobs.LOST, 'machine', 'its machine was lost')
    except errors.RayTaskError as error:
      return Outcome(1, 'start', _first_line(error.cause))
    except errors.RayError as error:
      # A worker was killed, for instance because memory ran out.
      return Outcome(1, 'worker', _first_line(error))


def _first_line(error: BaseException) -> str:
  """The first line of an error; its type if it has no text."""
  return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _own_handler() -> Generator[None, None, None]:
  """Restores our handler of SIGTERM after Ray has installed its own.

  Raises:
    Stopped: SIGTERM came while Ray's handler was installed; that one exits.
  """
  handler = signal.getsignal(signal.SIGTERM)
  try:
    yield
  except SystemExit as error:
    raise Stopped(signal.SIGTERM) from error
  finally:
    signal.signal(signal.SIGTERM, handler)


def _connect(ray: ModuleType, address: str) -> None:
  """Starts Ray, or joins a cluster.

  Raises:
    UserError: It fails; one line replaces Ray's long messages.
  """
  options: dict[str, Any] = {
    'log_to_driver': False,
    'logging_level': logging.ERROR,
  }
  if address == 'local':
    options |= {
      'include_dashboard': False,
      'object_store_memory': 80 * 2**20,  # Jobs and outcomes are small.
      '_node_ip_address': '127.0.0.1',  # Keeps other machines out.
    }
  elif address != 'auto':
    _check_reachable(address)
  for last in (False, True):
    try:
      ray.init(address=address, **options)
      return
    except (
      ConnectionError,
      ValueError,
      RuntimeError,
      OSError,
      ray.exceptions.RayError,
    ) as error:
      # On a busy machine Ray's own processes may time out: tries once more.
      if address == 'local' and not last:
        ray.shutdown()
        continue
      raise UserError(
        f'no Ray cluster at {address!r}: {_first_line(error)}'
      ) from error


def _check_reachable(address: str) -> None:
  host, _, port = address.rpartition(':')
  if not host or not port.isdigit():
    raise UserError(
      f'--ray_address must be local, auto or HOST:PORT, got {address!r}'
    )
  try:
    socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
  except (OSError, OverflowError) as error:
    raise UserError(f'no Ray cluster at {address}: {error}') from error


def _check_room(
  ray: ModuleType, wanted: dict[str, float], address: str
) -> None:
  """Warns if no node of a cluster has what a run needs.

  A cluster that grows may have such a node later.

  Raises:
    UserError: This machine lacks it, and Ray runs here alone.
  """
  nodes = [node['Resources'] for node in ray.nodes() if node['Alive']]
  if not any(
    all(node.get(name, 0) >= amount for name, amount in wanted.items())
    for node in nodes
  ):
    needs = ', '.join(
      f'{amount:g} {name}' for name, amount in wanted.items() if amount
    )
    if address == 'local':
      raise UserError(f'a run needs {needs}, which this machine has not')
    print(
      f'a run needs {needs}, which no machine of the cluster has; waiting for '
      'one that has',
      flush=True,
    )
