"""Stopping at a good place: signals are remembered until the state is saved."""

import contextlib
import signal
import threading


class Stopped(Exception):
  """A signal asked for an end. `signum` is in args[0]."""


class StoppedAtOnce(Stopped):
  """A second signal did; the state was not saved again."""


class Signals(contextlib.AbstractContextManager):
  """Remembers SIGINT or SIGTERM, so that the loop can end at a good place."""

  def __init__(self):
    self.received = None
    self._before = {}

  def __enter__(self):
    def remember(signum, frame):
      del frame
      if self.received:  # A second one does not wait.
        raise StoppedAtOnce(signum)
      self.received = signum

    # Elsewhere than in the main thread, whoever runs us handles signals.
    if threading.current_thread() is threading.main_thread():
      for signum in (signal.SIGINT, signal.SIGTERM):
        self._before[signum] = signal.signal(signum, remember)
    return self

  def __exit__(self, *exception):
    for signum, handler in self._before.items():
      signal.signal(signum, handler)


def resume_hint(stopped: Stopped) -> tuple[str, int]:
  """What to tell, and the exit status."""
  # 42 is what TensorFlow's own preemption handler exits with.
  status = 42 if stopped.args[0] == signal.SIGTERM else 130
  if isinstance(stopped, StoppedAtOnce):
    text = 'stopped at once. The same command resumes the last saved state.'
  else:
    text = 'stopped; the state is saved. The same command resumes it.'
  return text, status
