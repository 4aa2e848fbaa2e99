"""What jax is told, and what this machine lets it do: caches and devices."""

import contextlib
import glob
import os
import re
import warnings

import jax

from vae_jax import hosts
from vae_jax.console import counted, say
from vae_jax.runs.directory import Refused
from vae_jax.runs.settings import of_jax, versions

# Flags of one process of several, and those that each may have its own of.
SEVERAL = 'coordinator_address', 'num_processes', 'process_id', 'patience'
OWN = 'process_id', 'data_dir', 'patience'
DAMAGED = "Error reading persistent compilation cache entry for '([^']+)'"


def prepare_jax():
  """Sets for this process what must be set before jax runs anything."""
  # Float32 means float32: the default is TF32 on GPUs, bfloat16 on TPUs.
  jax.config.update('jax_default_matmul_precision', 'highest')
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    if cache := usable(f'{home}/vae_jax/xla'):
      jax.config.update('jax_compilation_cache_dir', cache)
      drop_damaged(cache)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
  jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)


def usable(cache: str) -> str | None:
  """The directory of compiled programs, None and a note if it cannot be used.

  What a full disk has left there of no bytes is dropped: jax would complain of
  each in every run, and compile it anew.
  """
  try:
    os.makedirs(cache, exist_ok=True)
    with os.scandir(cache) as entries:
      empty = [e.path for e in entries if not e.stat().st_size]
    for path in empty:
      os.unlink(path)
  except OSError as error:
    say(f'note: compiled programs are not kept: {error.strerror}: {cache}')
    return None
  if not os.access(cache, os.W_OK | os.X_OK):
    say(f'note: compiled programs are not kept: {cache} cannot be written to')
    return None
  if empty:
    what = counted(len(empty), 'empty compiled program')
    say(f'note: dropped {what} that a full disk had left in {cache}')
  return cache


def drop_damaged(cache: str):
  """From now on a compiled program of which jax says that it cannot be read is
  dropped, and that is said once: jax compiles it anew, but would leave it there
  and complain of it in every run."""
  show, said = warnings.showwarning, []

  def shown(message, *rest, **options):
    if not (found := re.match(DAMAGED, str(message))):
      return show(message, *rest, **options)
    for path in glob.glob(f'{glob.escape(f"{cache}/{found[1]}")}-*'):
      with contextlib.suppress(OSError):
        os.unlink(path)
    if not said:
      said.append(found[1])
      say(f'note: damaged compiled programs are dropped from {cache}')

  warnings.showwarning = shown


def join(flags: dict):
  """Joins the other processes of this command, if its flags say that there are
  some; Refused if they do not fit, or if this is one of several that do not
  know of each other."""
  given = {k: flags[k] for k in SEVERAL if flags[k] is not None}
  if not flags['distributed']:
    if given:
      raise Refused(f'--{next(iter(given))} goes with --distributed')
    alone(os.environ)
    return
  if flags['mode'] not in ('train', 'evaluate', 'benchmark'):
    raise Refused(
      f'--mode={flags["mode"]} needs one process: leave --distributed out'
    )
  n = whole(given, 'num_processes', 1, 2**20)
  i = whole(given, 'process_id', 0, 2**20 if n is None else n - 1)
  address = given.get('coordinator_address')
  if address and not re.fullmatch(r'.+:[0-9]{1,5}', address):
    raise Refused(f'coordinator_address must be HOST:PORT, not {address!r}')
  patience = whole(given, 'patience', 1, 10**6) or 60
  hosts.join(address, n, i, patience)
  hosts.agree('command', command(flags) | of_jax() | versions() | devices())


def devices() -> dict:
  """Of what kind the devices of this host are, and how many."""
  own = jax.local_devices()
  return {'device': own[0].device_kind, 'devices of a host': len(own)}


def whole(given: dict, name: str, low: int, high: int) -> int | None:
  """The whole number of a flag, None if it is not given; or Refused."""
  text = given.get(name)
  if text is None:
    return None
  if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
    raise Refused(f'{name} must be from {low} to {high}, not {text!r}')
  return int(text)


def command(flags: dict) -> dict:
  """The flags that are given and that all hosts must have alike."""
  return {
    f'--{name}': value
    for name, value in flags.items()
    if name not in OWN and value not in (None, False, [])
  }


def alone(environment):
  """Refused, or a note, if SLURM has several tasks and they train one run each
  for itself."""
  tasks = environment.get('SLURM_NTASKS', '')
  if not tasks.isdecimal() or int(tasks) < 2:
    return
  if 'SLURM_STEP_ID' in environment:
    raise Refused(
      f'this is one of {tasks} tasks of SLURM, and all would write the same '
      'run: add --distributed, or start one (srun --ntasks=1)'
    )
  say(f'note: of {tasks} tasks of SLURM this is the only one that trains')


INSTALLED_BY = {'cuda': "'jax[cuda13]'", 'tpu': "'jax[tpu]'"}


def check_jax():
  """Refused where the environment asks jax for what it cannot do here."""
  if jax.config.jax_disable_jit:
    raise Refused('JAX_DISABLE_JIT is set: nothing here runs without jit')
  try:
    jax.devices()
  except (RuntimeError, AssertionError) as error:
    asked = jax.config.jax_platforms
    if not asked:
      given = {k: v for k, v in os.environ.items() if k[:4] in ('JAX_', 'XLA_')}
      told = ', '.join(f'{k}={v}' for k, v in given.items())
      reason = str(error).partition('\n')[0]
      raise Refused(
        f'jax finds no device: {reason:.300}'
        + (f'; {told} is set' if told else '')
      ) from error
    what = INSTALLED_BY.get(asked)
    hint = f': pip install {what}' if what else ''
    raise Refused(
      f'JAX_PLATFORMS={asked}: there is none that jax can use here{hint}; '
      'without JAX_PLATFORMS it takes what there is'
    ) from error
