"""Exceptions that end a command: mistakes of the user, and signals."""

import signal


class UserError(ValueError):
  """A mistake of the user, which a command prints without a traceback."""

  status = 1  # Exit status of the command.


class Stopped(BaseException):
  """The process received SIGINT or SIGTERM.

  A signal can come inside a library that catches every `Exception`. So this is
  a `BaseException`, like KeyboardInterrupt.

  Attributes:
    signum: Number of the signal.
    saved: Whether the state was saved before.
    status: Exit status of the command.
  """

  def __init__(self, signum: int, saved: bool = True):
    super().__init__(signum, saved)
    self.signum = signum
    self.saved = saved

  @property
  def status(self) -> int:
    # TensorFlow's own preemption handler also exits with 42.
    return 42 if self.signum == signal.SIGTERM else 130

  def __str__(self):
    if self.saved:
      return 'stopped; the state is saved. The same command resumes it.'
    return 'stopped at once. The same command resumes what is saved.'
