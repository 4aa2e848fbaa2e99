"""Signals, from a command's first line to its last: remembered, and obeyed as
soon as nothing is lost by it."""

import contextlib
import functools
import os
import signal
import sys
import threading
import time

# Of a user, a scheduler, a closed terminal; batch systems warn with the rest.
NAMES = 'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGXCPU'
AGAIN_S = 0.01
TWICE_S = 1.0  # a second Ctrl-C after so long is meant: it leaves at once


class Stop(KeyboardInterrupt):
  """A signal asks the command to end; its text is the signal's name."""

  def __init__(self, number: signal.Signals):
    super().__init__(number.name)
    self.signal = number

  @staticmethod
  def number(error: KeyboardInterrupt) -> signal.Signals:
    """The signal of this one, or of Python's own for SIGINT."""
    return getattr(error, 'signal', signal.SIGINT)


class _Remembered:
  """What has come, when, and how many blocks hold it back."""

  caught, at, held, catching = None, 0.0, 0, False


def catch():
  """Takes the signals over that are not ignored, as nohup's SIGHUP is."""
  _Remembered.catching = True
  for name in NAMES:
    number = getattr(signal, name)
    if signal.getsignal(number) != signal.SIG_IGN:
      signal.signal(number, _handle)
  hook = sys.unraisablehook
  if getattr(hook, 'func', None) is not _once_more:
    sys.unraisablehook = functools.partial(_once_more, hook)


def _once_more(hook, unraisable):
  """Sends a signal again whose Stop Python has dropped, as it does with all
  that is raised in a callback of the garbage collector."""
  if not isinstance(unraisable.exc_value, Stop):
    hook(unraisable)
    return
  _Remembered.caught = None
  again = os.getpid(), unraisable.exc_value.signal
  threading.Timer(AGAIN_S, os.kill, again).start()


def ignore():
  """Nothing stops the command from here on: it is at its end."""
  for name in NAMES:
    signal.signal(getattr(signal, name), signal.SIG_IGN)


@contextlib.contextmanager
def remembered():
  """Signals are caught in here, as in a whole command; not in a thread."""
  if (
    _Remembered.catching
    or threading.current_thread() != threading.main_thread()
  ):
    yield
    return
  before = {name: signal.getsignal(getattr(signal, name)) for name in NAMES}
  catch()
  try:
    yield
  finally:
    for name, handler in before.items():
      signal.signal(getattr(signal, name), handler)
    _Remembered.caught, _Remembered.held = None, 0
    _Remembered.catching = False


def _handle(number, frame):
  del frame
  if _Remembered.caught:
    late = time.monotonic() - _Remembered.at > TWICE_S
    if number == signal.SIGINT and late:
      os._exit(128 + number)
    return
  _Remembered.caught = signal.Signals(number)
  _Remembered.at = time.monotonic()
  if not _Remembered.held:
    raise Stop(_Remembered.caught)


def caught() -> signal.Signals | None:
  """The first signal that has come."""
  return _Remembered.caught


def _check():
  if _Remembered.caught and not _Remembered.held:
    raise Stop(_Remembered.caught)


@contextlib.contextmanager
def held():
  """A signal is only remembered in here, for who asks `caught`; it stops the
  command at the end of the block, if that ends well."""
  _check()
  _Remembered.held += 1
  try:
    yield
  finally:
    _Remembered.held -= 1
  _check()


@contextlib.contextmanager
def finishing():
  """No signal, one that has come before neither, stops what is done in here:
  what a command must do at its end, whatever ended it."""
  _Remembered.held += 1
  try:
    yield
  finally:
    _Remembered.held -= 1
