"""Where jobs run: one after the other here, or wherever Ray has room.

Each engine takes jobs by `submit` and tells by `wait` which have ended. It
tries a job once: what to do after a failure is the sweep's affair.
"""

import contextlib
import logging
import os
import pathlib
import socket
import time
from collections.abc import Sequence

from launch import jobs
from launch.jobs import Job, Outcome
from vae_info.config import UserError

CONNECT_SECONDS = 5
TOKEN = pathlib.Path.home() / '.ray' / 'auth_token'  # Of Ray.
# For runs to save their state and end; their own grace, and some for Ray.
STOP_SECONDS = jobs.GRACE_SECONDS + 10


class Serial(contextlib.AbstractContextManager):
  """One job at a time; a signal in `received` stops it."""

  def __init__(self, received: Sequence[int] = ()):
    self._received = received
    self._jobs = []

  def __exit__(self, *exception):
    pass

  def submit(self, job: Job) -> None:
    self._jobs.append(job)

  def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
    """Runs the next job to its end; sleeps where there is none."""
    if not self._jobs:
      time.sleep(seconds)
      return []
    job = self._jobs.pop(0)
    return [(job, jobs.execute(job, self._received))]


class Ray(contextlib.AbstractContextManager):
  """Ray tasks, on this machine or on a cluster.

  Args:
    address: 'local' starts Ray here, for as long as the sweep lasts; 'auto'
      joins the cluster that this machine is part of; HOST:PORT joins another.
    cpus: Of each run, as Ray counts them.
    gpus: Of each run.
    tpus: Chips of each run.

  Raises:
    UserError: Ray is not installed, or there is no cluster at the address.
  """

  def __init__(
    self, address: str, cpus: int = 1, gpus: float = 0, tpus: int = 0
  ):
    # Before Ray is imported, which reads them.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    os.environ.setdefault('RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO', '0')
    if address != 'local' and TOKEN.is_file():
      # A cluster that was started beside a token asks for it; another does not
      # mind.
      os.environ.setdefault('RAY_AUTH_MODE', 'token')
    try:
      import ray
    except ImportError as error:
      raise UserError(
        "Ray is not installed: pip install -e '.[launch]', or --engine=serial"
      ) from error
    self._ray = ray
    self._running = {}  # Ray's reference -> job.
    _connect(ray, address)
    resources = {'TPU': tpus} if tpus else {}
    _check_room(ray, {'CPU': cpus, 'GPU': gpus, **resources})
    # Tried once: Ray knows neither a preempted run nor one in use.
    self._execute = ray.remote(
      num_cpus=cpus, num_gpus=gpus, resources=resources, max_retries=0
    )(jobs.execute)

  def __exit__(self, *exception):
    """Stops what runs, gives it time to save its state, and leaves Ray."""
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
    """The jobs that have ended since; returns when one has, or in time."""
    if not self._running:
      time.sleep(seconds)
      return []
    ready, _ = self._ray.wait(list(self._running), timeout=seconds)
    return [
      (self._running.pop(reference), self._outcome(reference))
      for reference in ready
    ]

  def _outcome(self, reference):
    errors = self._ray.exceptions
    try:
      return self._ray.get(reference)
    except errors.NodeDiedError:
      return Outcome(jobs.LOST, 'machine', 'its machine was lost')
    except errors.RayTaskError as error:
      return Outcome(1, 'start', str(error.cause).splitlines()[0])
    except errors.RayError as error:
      # A worker that was killed, for instance for want of memory.
      return Outcome(1, 'worker', str(error).strip().splitlines()[0])


def _connect(ray, address):
  """Raises `UserError` in one line where Ray would tell a long story."""
  options = {'log_to_driver': False, 'logging_level': logging.ERROR}
  if address == 'local':
    options |= {
      'include_dashboard': False,
      'object_store_memory': 80 * 2**20,  # Next to nothing goes through it.
      '_node_ip_address': '127.0.0.1',  # Else others could reach it.
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
      # On a busy machine its parts may not find each other in time.
      if address == 'local' and not last:
        ray.shutdown()
        continue
      reason = str(error).strip().splitlines()[0]
      raise UserError(f'no Ray cluster at {address!r}: {reason}') from error


def _check_reachable(address):
  host, _, port = address.rpartition(':')
  if not host or not port.isdigit():
    raise UserError(
      f'--ray_address must be local, auto or HOST:PORT, got {address!r}'
    )
  try:
    socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
  except (OSError, OverflowError) as error:
    raise UserError(f'no Ray cluster at {address}: {error}') from error


def _check_room(ray, wanted):
  """Warns of what no node has now: a cluster that grows may have it later."""
  nodes = [node['Resources'] for node in ray.nodes() if node['Alive']]
  if not any(
    all(node.get(name, 0) >= amount for name, amount in wanted.items())
    for node in nodes
  ):
    told = ', '.join(f'{amount} {name}' for name, amount in wanted.items())
    print(
      f'no machine of the cluster has {told} for a run; waiting for one that '
      'has',
      flush=True,
    )
