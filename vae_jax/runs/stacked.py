"""The states of a job's runs on the devices as one, and each back out of it.

A leaf of a smaller model is the start, along every axis, of a wider model's
leaf: z comes last where it is concatenated with anything. A state on the host
is of numpy arrays, with its key's data in the place of its key.
"""

import pathlib
from typing import NamedTuple

import jax
import numpy as np

from vae_jax import hosts
from vae_jax.config.grid import Member
from vae_jax.data import Batch
from vae_jax.factors.hyper import Hyper
from vae_jax.factors.model import shaped
from vae_jax.measures import pooled
from vae_jax.runs.plan import Job
from vae_jax.training import State, checkpoint, feed, log, replicate


class Files(NamedTuple):
  """One run's directory while its job is in the loop."""

  member: Member
  run_dir: pathlib.Path
  first: int  # steps that it has made before
  manager: checkpoint.Manager | None = None  # None if it is only measured
  writer: log.Writer | None = None


class Placed(NamedTuple):
  """A job on the devices, ready for its next step."""

  job: Job
  runs: list[Files]
  hyper: Hyper
  state: State
  alone: list[State]  # shapes of every run's own state, on the host
  test: Batch  # on the devices, or on the host if it does not fit there
  shapes: list[dict]  # of every run's own measures, [] where none is padded


def placed(job: Job, runs: list[Files], states: list[State]) -> Placed:
  """The job's runs on the devices, with these states, which are on the host."""
  hyper, state = on_devices(job, states)
  alone = [shaped(one) for one in states]
  test = job.splits['test']
  if feed.stays(job.ex, test, job.layout.devices):
    test = replicate(test, job.layout.devices)
  return Placed(job, runs, hyper, state, alone, test, own_shapes(job))


def own_shapes(job: Job) -> list[dict]:
  """Name -> shape of the measures of every run alone, if any measure of the
  widest is no plain number; else []."""
  batch = job.splits['test']
  if not several_sizes(job):
    return []
  by_size = {job.ex.latents: pooled.shapes(job.ex, batch)}
  if not any(by_size[job.ex.latents].values()):
    return []
  for member in job.members:
    if member.ex.latents not in by_size:
      by_size[member.ex.latents] = pooled.shapes(member.ex, batch)
  return [by_size[member.ex.latents] for member in job.members]


def on_devices(job: Job, states: list[State]) -> tuple[Hyper, State]:
  """The numbers and the states of the runs, each state on the host and of its
  own size, on the devices as the job's layout has them."""
  if several_sizes(job):
    base = padding(job, states)
    states = [padded(state, base) for state in states]
  return job.layout.place(hypers(job)), keyed(job.layout.place(states))


def apart(job: Job, state: State, alone: list[State]) -> list[State]:
  """Every run's state as if it had run alone, with the shapes in `alone`, on
  the host but for its key."""
  arrays = jax.tree.map(job.layout.per_run, on_host(state))
  each = [jax.tree.map(lambda x, r=r: x[r], arrays) for r in range(len(alone))]
  return [
    keyed(start_of(one, like)) for one, like in zip(each, alone, strict=True)
  ]


def hypers(job: Job) -> list[Hyper]:
  """The numbers of every run, with masks if their latents differ."""
  values = [jax.device_get(member.ex.hyper()) for member in job.members]
  if not several_sizes(job):
    return values
  return [
    hyper.replace(z_mask=mask(member.ex.latents, job.ex.latents))
    for hyper, member in zip(values, job.members, strict=True)
  ]


def several_sizes(job: Job) -> bool:
  """Whether the runs differ in their numbers of latents."""
  return len({member.ex.latents for member in job.members}) > 1


def padding(job: Job, states: list[State]) -> State:
  """A state of the widest shapes, all of it padding, on the host."""
  sizes = [member.ex.latents for member in job.members]
  state = states[int(np.argmax(sizes))]
  params = jax.tree.map(np.zeros_like, state.params)
  # Not zeros: what an optimizer starts with may be something else.
  opt_state = jax.device_get(job.ex.optimizer().init(params))
  return state.replace(params=params, opt_state=opt_state)


def on_host(state: State) -> State:
  """The state as numpy arrays, its key as the key's data."""
  return hosts.fetched(state.replace(key=jax.random.key_data(state.key)))


def keyed(state: State) -> State:
  """The state with a typed key, or keys, again."""
  return state.replace(key=jax.random.wrap_key_data(state.key))


def padded(small, base):
  """base with the leaves of `small` at the start of its own, on the host."""

  def put(leaf, around):
    leaf, around = np.asarray(leaf), np.array(around)
    around[tuple(slice(n) for n in leaf.shape)] = leaf
    return around

  return jax.tree.map(put, small, base)


def start_of(wide, like):
  """The start of every leaf of `wide` that has the shape of like's leaf."""

  def take(leaf, small):
    return np.array(leaf[tuple(slice(n) for n in small.shape)])

  return jax.tree.map(take, wide, like)


def mask(latents: int, most: int):
  """1 for each of the first `latents` of `most` latents, else 0: [Z]."""
  return (np.arange(most) < latents).astype(np.float32)
