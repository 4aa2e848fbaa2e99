"""The runs of a sweep where they lie: in directories, and on the devices."""

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import console
from vae_jax.runs import padding, records, run, sweep
from vae_jax.training import checkpoint, log, replicate, sharded


class Place(NamedTuple):
  """One run's directory while the sweep is in its loop."""

  member: Any  # grid.Member
  ready: Any  # loop.Ready of this run by itself, its state on the host
  run_dir: Any
  manager: Any
  writer: Any  # None if the run is only measured


class Sweep(NamedTuple):
  """A sweep that could take its next step."""

  program: sweep.Program
  places: list
  devices: list
  test: Any  # on the devices, as hyper is
  hyper: Any
  state: Any


def opened(name, program, run_dir, data_dir, devices, clock, exits) -> list:
  """A Place for every run, with its newest state, or its first."""
  places, initials = [], {}
  for member, ready in prepared(program, data_dir, devices, clock):
    size = ready.ex.latents
    if size not in initials:
      initials[size] = run.initial(ready)
    where = run_dir / member.name
    place = open_one(member, ready, where, initials[size], clock, exits)
    records.write(where, name, member.ex, member.changes, ready, data_dir)
    places.append(place)
  steps = [int(place.ready.state.step) for place in places]
  if max(steps):
    total = program.ex.total_steps(ready.splits['train'].size)
    console.say(f'resuming at steps {min(steps)} to {max(steps)} of {total}')
  return places


def prepared(program, data_dir, devices, clock):
  """(member, loop.Ready) of every run, what it takes shared by size."""
  sizes = {}
  for member in program.members:
    size = member.ex.latents
    if size not in sizes:
      sizes[size] = run.prepare(
        member.ex, data_dir, clock, devices, checked=True
      )
    ready = sizes[size]
    ex = dataclasses.replace(member.ex, latents=ready.ex.latents)
    yield member, ready._replace(ex=ex, hyper=ex.hyper())


def found(program, run_dir, data_dir, devices, clock):
  """(a Place for every run with a good checkpoint, {name: why not} of those
  that have only bad ones); Refused if one has none. Nothing is written."""
  places, failed = [], {}
  for member, ready in prepared(program, data_dir, devices, clock):
    where = run_dir / member.name
    try:
      with clock('restore'):
        state, _ = run.newest(where, ready, member.ex.monitor)
    except checkpoint.CheckpointError as error:
      failed[member.name] = str(error)
      continue
    ready = ready._replace(state=padding.host(state))
    places.append(Place(member, ready, where, None, None))
  return places, failed


def open_one(member, ready, where, initial, clock, exits) -> Place:
  """The Place of one run; what it holds is closed when `exits` are."""
  exits.enter_context(checkpoint.lock(where))
  manager = checkpoint.open(where / 'checkpoints', member.ex.monitor)
  exits.callback(checkpoint.close, manager)
  with clock('restore'):
    restored = checkpoint.restore(manager, ready.state, repair=True)
  if restored is None:
    with clock('compile'):
      state = initial(member.ex)
  else:
    state, _ = run.again(restored)
  writer = log.open(where, resume_step=int(state.step))
  exits.callback(writer.close)
  ready = ready._replace(state=padding.host(state))
  return Place(member, ready, where, manager, writer)


def placed(program, places, devices) -> Sweep:
  """The sweep with all runs padded to one size, on the devices."""
  base = padded_like(program, places)
  states = padding.stack(
    [padding.within(place.ready.state, base) for place in places]
  )
  spread = [
    jax.tree.map(lambda x: sweep.laid(x, len(devices)), tree)
    for tree in (sweep.hypers(program), states)
  ]
  sharding = sharded(devices, jax.sharding.PartitionSpec('devices'))
  hyper, state = jax.device_put(spread, sharding)
  test = replicate(places[0].ready.splits['test'], devices)
  return Sweep(program, places, devices, test, hyper, padding.keyed(state))


def padded_like(program, places):
  """A state of the widest shapes, all of it padding, on the host."""
  state = max(places, key=lambda place: place.ready.ex.latents).ready.state
  params = jax.tree.map(np.zeros_like, state.params)
  # Not zeros: what an optimizer starts with may be something else.
  opt_state = jax.device_get(program.ex.optimizer().init(params))
  return state.replace(params=params, opt_state=opt_state)
