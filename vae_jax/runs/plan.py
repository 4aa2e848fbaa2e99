"""What a grid will do: in which programs its runs train, and if they fit."""

import os

import jax

from vae_jax import console, data
from vae_jax.runs import padding, run, sweep
from vae_jax.runs.loop import Refused
from vae_jax.training import feed
from vae_jax.training.devices import devices_of

SHARE = 0.8  # of a device's memory that a sweep may fill


def programs(members, data_dir=None) -> list[sweep.Program]:
  """The members in programs whose runs fit on the devices together.

  Runs whose data streams train one after another. Refused if not even one run
  of a program fits.
  """
  found = []
  for program in sweep.programs(members):
    devices = devices_of(program.ex)
    split = data.load(program.ex.dataset, data_dir)['train']
    if len(program.members) == 1 or not feed.held(program.ex, split, devices):
      found += [sweep.Program([m], m.ex) for m in program.members]
      continue
    each, room = run_bytes(program, split), SHARE * memory(devices)
    pieces = sweep.chunks(program, each, room, len(devices))
    if not pieces:
      raise Refused(
        f'{program.members[0].name} needs {size(sweep.COPIES * each)}, and a '
        f'device has {size(room)} for it'
      )
    found += pieces
  return found


def run_bytes(program, split) -> int:
  """Bytes of the state of one run of this program."""
  one = jax.tree.map(lambda x: x[:1], split)
  state = run.abstract(program.ex, one, jax.local_devices()[:1])
  return padding.size((state.params, state.opt_state))


def memory(devices) -> float:
  """Bytes that each of these devices has, all in all."""
  stats = devices[0].memory_stats() or {}
  host = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  return stats.get('bytes_limit', host / len(devices))


def described(found) -> list[str]:
  """Lines for the user: how many programs, and what each of them trains."""
  runs = sum(len(program.members) for program in found)
  programs = console.counted(len(found), 'program')
  lines = [f'plan: {console.counted(runs, "run")} in {programs}']
  for program in found:
    count = len(program.members)
    if count > 1:
      needed = size(count * sweep.COPIES * program.run_bytes)
      lines.append(f'  {title(program)}: about {needed}')
  return lines


def title(program) -> str:
  """'15 runs together, latents=2_seed=0 to latents=64_seed=2'."""
  names = [member.name for member in program.members]
  if len(names) == 1:
    return names[0]
  return f'{len(names)} runs together, {names[0]} to {names[-1]}'


def size(count: float) -> str:
  """Bytes in words: '12 MB'."""
  unit = next((u for u in (1e9, 1e6) if count >= u), 1e3)
  return f'{count / unit:.3g} { {1e9: "GB", 1e6: "MB", 1e3: "kB"}[unit] }'
