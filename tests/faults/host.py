"""One host of several to which something happens: not a test, a process of one.

  python tests/faults/host.py ACTION:PLACE:TIMES FLAGS...

It is launch.py with these flags, and does ACTION when it comes to PLACE for the
TIMES-th time: kill, stop, term, raise, sleep or leave (with exit code 0).
"""

import os
import pathlib
import signal
import sys
import time

ROOT = pathlib.Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

import launch  # noqa: E402
from vae_jax import console, data, signals  # noqa: E402
from vae_jax.runs import loop  # noqa: E402
from vae_jax.training import feed  # noqa: E402

PLACES = {
  'data': (data, 'load'),
  'compile': (loop, 'compiled_steps'),
  'step': (feed.Resident, '__call__'),
  'test': (loop, 'tested'),
  'save': (loop, 'save'),
}


def fail():
  raise RuntimeError('the cable is out')


ACTIONS = {
  'kill': lambda: os.kill(os.getpid(), signal.SIGKILL),
  'stop': lambda: os.kill(os.getpid(), signal.SIGSTOP),
  'term': lambda: os.kill(os.getpid(), signal.SIGTERM),
  'raise': fail,
  'sleep': lambda: time.sleep(1000),
  'leave': lambda: os._exit(0),
}


def happen(action: str, place: str, times: str):
  """Lets the action happen at the place."""
  owner, name = PLACES[place]
  f, left = getattr(owner, name), [int(times)]

  def disturbed(*args, **options):
    left[0] -= 1
    if not left[0]:
      ACTIONS[action]()
    return f(*args, **options)

  setattr(owner, name, disturbed)


if __name__ == '__main__':
  console.guard()
  signals.catch()
  if sys.argv[1] != 'nothing':
    happen(*sys.argv[1].split(':'))
  sys.argv = [launch.__file__, *sys.argv[2:]]
  launch.command_line()
