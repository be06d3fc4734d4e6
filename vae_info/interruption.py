"""Stopping at a good place: signals are remembered until the state is saved."""

import contextlib
import signal
import threading


class Stopped(Exception):
  """A signal asked for an end; the state is saved. `signum` is in args[0]."""


class Signals(contextlib.AbstractContextManager):
  """Remembers SIGINT or SIGTERM, so that the loop can end at a good place."""

  def __init__(self):
    self.received = None
    self._before = {}

  def __enter__(self):
    def remember(signum, frame):
      del frame
      if self.received:  # A second one does not wait.
        raise Stopped(signum)
      self.received = signum

    # Elsewhere than in the main thread, whoever runs us handles signals.
    if threading.current_thread() is threading.main_thread():
      for signum in (signal.SIGINT, signal.SIGTERM):
        self._before[signum] = signal.signal(signum, remember)
    return self

  def __exit__(self, *exception):
    for signum, handler in self._before.items():
      signal.signal(signum, handler)


def resume_hint(signum: int) -> tuple[str, int]:
  """What to tell after `Stopped`, and the exit status."""
  # 42 is what TensorFlow's own preemption handler exits with.
  status = 42 if signum == signal.SIGTERM else 130
  return 'stopped; the state is saved. The same command resumes it.', status
