"""Which runs train together, and whether they fit: nothing runs yet.

Runs share a job if they differ in nothing but leaves of Hyper, the seed and,
where every factor can be masked, the number of latents: all then have the
widest run's shapes.
"""

import dataclasses
import os
from typing import NamedTuple

import jax

from vae_jax import config, data, hosts
from vae_jax.config.experiment import Experiment
from vae_jax.config.grid import Member
from vae_jax.console import counted, in_bytes
from vae_jax.factors.hyper import Hyper
from vae_jax.runs.directory import Refused
from vae_jax.runs.prepare import Clock, abstract, check, check_batch
from vae_jax.training.devices import Layout, ManyRuns, OneRun, devices_of

# On two CPU cores eight wide models took 2.5 times as long side by side as one
# after another. That accelerators gain is published, not measured here.
SIDE_BY_SIDE = {'cpu': False}
# State, gradients and updates of a run, and its metrics.
COPIES = 4
SHARE = 0.8  # of a device's memory that a sweep may fill


class Job(NamedTuple):
  """Runs that train together, on the host."""

  members: list[Member]  # R of them, each with its own number of latents
  ex: Experiment  # that of the widest
  layout: Layout
  splits: dict[str, data.Batch]
  run_bytes: int = 0  # of one run's state, where there are several

  @property
  def total(self) -> int:
    """Steps of each run."""
    return self.ex.total_steps(self.splits['train'].size)

  @property
  def title(self) -> str:
    """'15 runs together, latents=2_seed=0 to latents=64_seed=2'."""
    names = [member.name for member in self.members]
    if len(names) == 1:
      return names[0]
    return f'{len(names)} runs together, {names[0]} to {names[-1]}'


def jobs(members: list[Member], data_dir=None, clock=None) -> list[Job]:
  """The members in as few jobs as fit on the devices, in the members' order.

  Loads every dataset and raises what any member would be refused for: Refused,
  ConfigError or DataError, before anything is compiled or written.
  """
  groups, clock = {}, clock or Clock()
  for member in members:
    groups.setdefault(shared(member.ex), []).append(member)
  planned = [
    job
    for group in groups.values()
    for job in planned_group(group, data_dir, clock)
  ]
  order = [member.name for member in members]
  return sorted(planned, key=lambda job: order.index(job.members[0].name))


def planned_group(members: list[Member], data_dir, clock) -> list[Job]:
  """The jobs of members that differ in leaves, seeds and latents alone."""
  ex = widest(members)
  check_batch(ex, len(devices_of(ex)) * hosts.count())
  with clock('data'):
    splits = data.load(ex.dataset, data_dir, ex.phrase)
  check(ex, splits)
  members = [sized(member, splits['test']) for member in members]
  if ex.model(splits['test']).maskable:
    return planned_job(members, splits)
  by_size = {}
  for member in members:
    by_size.setdefault(member.ex.latents, []).append(member)
  for group in by_size.values():
    check(group[0].ex, splits)
  return [
    job for group in by_size.values() for job in planned_job(group, splits)
  ]


def planned_job(members: list[Member], splits) -> list[Job]:
  """The members, which can all share a job, in as few as fit."""
  ex = widest(members)
  devices = devices_of(ex)
  if len(members) == 1:
    return [Job(members, members[0].ex, OneRun(devices), splits)]
  job = Job(members, widest(members), None, splits, run_bytes(ex, splits))
  return chunks(job, devices, SHARE * memory(devices))


def sized(member: Member, batch: data.Batch) -> Member:
  """The member with the number of latents that it has on this data."""
  if member.ex.latents is not None:
    return member
  return member._replace(ex=config.sized(member.ex, batch))


def chunks(job: Job, devices, room: float) -> list[Job]:
  """The job in pieces whose runs fit on the devices together, `room` bytes on
  each; Refused if not even one run fits."""
  each = COPIES * max(1, job.run_bytes)
  most = hosts.told(len(devices) * hosts.count() * int(room // each))
  if not most:
    raise Refused(
      f'{job.members[0].name} needs {in_bytes(each)}, and a device has '
      f'{in_bytes(room)} for it'
    )
  starts = range(0, len(job.members), most)
  return [only(job, job.members[i : i + most], devices) for i in starts]


def only(job: Job, members: list[Member], devices=None) -> Job:
  """The job with these of its members alone."""
  devices = devices or job.layout.devices
  if len(members) == 1:
    layout = OneRun(devices)
  else:
    layout = ManyRuns(devices, len(members), side_by_side(job.ex, devices))
  return job._replace(members=members, ex=widest(members), layout=layout)


def side_by_side(ex: Experiment, devices) -> bool:
  """Whether a device's runs are vmapped, not trained one after another."""
  if ex.stack != 'auto':
    return ex.stack == 'vmap'
  return SIDE_BY_SIDE.get(devices[0].platform, True)


def shared(ex: Experiment) -> str:
  """Text that is equal for two runs if they differ in nothing but leaves, seeds
  and latents, of which the network may have its own."""
  same = ex.bound(Hyper(dict.fromkeys(ex.leaves(), 1.0)))
  texts = config.rendered(dataclasses.replace(same, seed=0, latents=None))
  return str(texts | {'own size': ex.latents is None})


def widest(members: list[Member]) -> Experiment:
  """The experiment among these with the most latents."""
  return max((m.ex for m in members), key=lambda ex: ex.latents or 0)


def run_bytes(ex: Experiment, splits: dict[str, data.Batch]) -> int:
  """Bytes of the parameters and the optimizer's state of one run."""
  one = jax.tree.map(lambda x: x[:1], splits['train'])
  state = abstract(ex, one, jax.local_devices()[0])
  leaves = jax.tree.leaves((state.params, state.opt_state))
  return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def memory(devices) -> float:
  """Bytes that each of these devices has, all in all."""
  stats = devices[0].memory_stats() or {}
  host = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  return stats.get('bytes_limit', host / len(devices))


def described(planned: list[Job]) -> list[str]:
  """Lines for the user: how many programs, and what each of them trains."""
  runs = sum(len(job.members) for job in planned)
  programs = counted(len(planned), 'program')
  lines = [f'plan: {counted(runs, "run")} in {programs}']
  for job in planned:
    count = len(job.members)
    if count > 1:
      needed = in_bytes(count * COPIES * job.run_bytes)
      lines.append(f'  {job.title}: about {needed}')
  return lines
