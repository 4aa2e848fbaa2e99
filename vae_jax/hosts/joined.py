"""How a process becomes one of several, and how it leaves."""

import contextlib
import os
import re
import socket
import threading
import time

import jax

from vae_jax import console
from vae_jax.hosts import service, store, together, watch
from vae_jax.hosts.together import HostsError

LINGER_S = 4 * watch.PERIOD_S  # until all have heard of the end
START_S = 5.0  # times the patience: for the others to start


def join(
  address: str | None = None,
  processes: int | None = None,
  process: int | None = None,
  patience: float = 60.0,
):
  """Joins the other processes of this command; before any device is used.

  The three are found by jax where it knows the cluster: TPU pods, SLURM, Open
  MPI, Kubernetes. HostsError in one line if the others do not come.
  """
  if not named():
    console.say(
      f'note: {socket.gethostname()}, as this machine is called, has no '
      'address, which collectives of CPUs need: give it one in /etc/hosts'
    )
  # Its own notifier would take SIGTERM from us.
  jax.config.update('jax_enable_preemption_service', False)
  seconds = START_S * patience
  # jax would end in pages of C++.
  late = threading.Timer(
    seconds,
    watch.end_here,
    [f'--distributed: not all processes have come within {seconds:.0f} s'],
  )
  late.daemon = True
  late.start()
  try:
    with service.outlives_host_0():
      jax.distributed.initialize(
        coordinator_address=address,
        num_processes=processes,
        process_id=process,
        local_device_ids=own_devices(os.environ),
        initialization_timeout=int(seconds) + 60,
      )
  except (RuntimeError, ValueError, LookupError) as error:
    why = ' '.join(str(error).split())[:300]
    raise HostsError(
      f'--distributed: {why}: where jax does not know the cluster, all of '
      '--coordinator_address=HOST:PORT --num_processes=N --process_id=I say it'
    ) from error
  finally:
    late.cancel()
  if not together.several():
    return
  mine, n = together.index(), together.count()
  end = _end_first if mine == 0 else watch.end_here
  watch.Now.thread = watch.Watch(mine, n, patience, end)
  watch.Now.thread.start()
  if mine:
    console.mute()
  tell_who()


def named() -> bool:
  """Whether the name of this machine has an address."""
  try:
    return bool(socket.getaddrinfo(socket.gethostname(), None))
  except OSError:
    return False


def _end_first(line: str):
  watch.end_here(line, LINGER_S, store.close)


def own_devices(environment) -> list[int] | None:
  """Which of the GPUs that it sees a task of SLURM takes: its share of its
  node's, where jax would take one. None anywhere else: what jax takes."""
  seen = environment.get('CUDA_VISIBLE_DEVICES', '')
  local = environment.get('SLURM_LOCALID', '')
  tasks = environment.get('SLURM_STEP_TASKS_PER_NODE', '')  # as '4(x2)'
  if not (seen and local.isdecimal()):
    return None
  count = len(seen.split(','))
  n = int(re.match('[0-9]*', tasks)[0] or 1)
  all_of_node = environment.get('SLURM_GPUS_ON_NODE', '')
  if count < n or all_of_node.isdecimal() and count < int(all_of_node):
    return list(range(count))  # SLURM has divided them already
  each = count // n
  start = int(local) % n * each
  return list(range(start, start + each))


def tell_who():
  """A line for each process: its host and its devices."""
  own = jax.local_devices()
  store.put(
    f'who/{together.index()}',
    f'{os.uname().nodename}, process {os.getpid()}, {len(own)} '
    f'{own[0].device_kind}',
  )
  if together.first():
    for i in range(together.count()):
      console.say(f'host {i}: {store.wait_for(f"who/{i}")}')


def failed(line: str):
  """Tells the others why this host ends; it may then be left."""
  own = watch.Now.thread
  if own is None:
    return
  own.line, own.over = line, True
  with contextlib.suppress(Exception):
    own.say()
    if together.first():
      store.put('verdict/line', f'host 0: {line}')
      time.sleep(LINGER_S)
      store.close()


def blamed(error: Exception) -> str:
  """What a collective's error is told as: waits for the watch, which knows who
  is gone and ends this process; the error's first line if it knows nothing."""
  time.sleep(2 * watch.SILENT_S)
  return str(error).partition('\n')[0][:300]


def finish(code: int) -> int:
  """Waits for all others at the end of a command; host 0's exit code."""
  own = watch.Now.thread
  if own is None:
    return code
  watch.mark('the end')
  code = together.told(code)
  store.barrier('end')
  own.over = True
  if together.first():  # it keeps the store that the others still read
    time.sleep(LINGER_S / 2)
    store.close()
  return code
