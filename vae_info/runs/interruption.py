"""Remembers signals until a loop has saved its state."""

import contextlib
import signal
import threading

from vae_info.errors import Stopped


class Signals(contextlib.AbstractContextManager):
  """Remembers SIGINT or SIGTERM, so that a loop can save before it stops.

  Attributes:
    received: The signal's number, or None.
  """

  def __init__(self):
    self.received = None
    self._before = {}

  def __enter__(self):
    def remember(signum, frame):
      del frame
      if self.received:  # A second signal stops at once.
        raise Stopped(signum, saved=False)
      self.received = signum

    # Python lets only the main thread set handlers. In any other thread, the
    # program that calls us has to handle signals.
    if threading.current_thread() is threading.main_thread():
      for signum in (signal.SIGINT, signal.SIGTERM):
        self._before[signum] = signal.signal(signum, remember)
    return self

  def __exit__(self, *exception):
    for signum, handler in self._before.items():
      signal.signal(signum, handler)

  def check(self) -> None:
    """Raises `Stopped` if a signal was received; save the state before."""
    if self.received:
      raise Stopped(self.received)
