"""The store's server as a process of its own, so that it outlives host 0: jax
has it in host 0's process, and where that is killed every other one is aborted
in the midst of pages of C++ before it can say who is gone.

This file is also that process: it needs neither jax nor vae_jax.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

STAY_S = 30.0  # after host 0: until all others have noticed
RETRY_S = 2 * STAY_S  # for the server of a run before to leave the port
DONE = b'q'


class Server:
  """The server, as host 0 holds it."""

  def __init__(self, *args, **options):
    command = [sys.executable, __file__, json.dumps([args, options])]
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
    # Not our stderr: who reads it would wait for this process too.
    self.process = subprocess.Popen(command, **pipes, stderr=subprocess.DEVNULL)
    line = self.process.stdout.readline().decode(errors='replace').strip()
    if line != 'ready':
      raise RuntimeError(line or 'the server of the hosts did not start')

  def shutdown(self):
    """Lets it end with this process, which its end would abort: nobody else
    needs it any more."""
    with contextlib.suppress(OSError):
      self.process.stdin.write(DONE)
      self.process.stdin.flush()


@contextlib.contextmanager
def outlives_host_0():
  """In here jax.distributed.initialize starts this server, and keeps it."""
  from jax._src.lib import _jax

  name = 'get_distributed_runtime_service'
  before = getattr(_jax, name)
  setattr(_jax, name, Server)
  try:
    yield
  finally:
    setattr(_jax, name, before)


def serve(args, options):
  """Runs the server until host 0 is gone, and for a while after that if it has
  not said that it is done; takes no signal that is meant for host 0."""
  from jaxlib import _jax

  for name in ('SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGXCPU'):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
  until, server = time.monotonic() + RETRY_S, None
  while server is None:
    try:
      server = _jax.get_distributed_runtime_service(*args, **options)
    except Exception as error:  # of a type that jaxlib does not name
      if time.monotonic() > until:
        print(' '.join(str(error).split())[:300], flush=True)
        os._exit(1)
      time.sleep(1)
  print('ready', flush=True)
  done = os.read(0, 1) == DONE  # or host 0 is gone
  if done:
    os.read(0, 1)
  else:
    time.sleep(STAY_S)
  os._exit(0)


if __name__ == '__main__':
  serve(*json.loads(sys.argv[1]))
