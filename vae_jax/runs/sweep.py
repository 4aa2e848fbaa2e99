"""Many runs as one compiled program: what of a run is a leaf, and the program.

Runs share a program if they differ in nothing but leaves of Hyper, the seed
and, where every factor can be masked, the number of latents: all then have the
widest run's shapes. Each device has runs of its own, so nothing is reduced.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np
from jax import lax

from vae_jax import config, training
from vae_jax.factors.objectives import Hyper
from vae_jax.measures import importance, pooled
from vae_jax.runs import padding
from vae_jax.training import feed
from vae_jax.training.devices import sent

# On two CPU cores eight wide models took 2.5 times as long side by side as one
# after another. That accelerators gain is published, not measured here.
STACKED = {'cpu': False}
# State, gradients and updates of a run, and its metrics.
COPIES = 4


class Program(NamedTuple):
  """Members that train together, and the experiment of the widest."""

  members: list
  ex: config.Experiment
  run_bytes: int = 0  # of one run's state, where it matters


def programs(members) -> list[Program]:
  """The members in as few programs as possible, in the members' order."""
  groups = {}
  for member in members:
    groups.setdefault(shared(member.ex), []).append(member)
  return [
    Program(group, widest([m.ex for m in group])) for group in groups.values()
  ]


def regrouped(program: Program, members) -> Program:
  """The program with these of its members alone."""
  return Program(members, widest([m.ex for m in members]), program.run_bytes)


def shared(ex) -> str:
  """Text that is equal for two runs if one program can train both."""
  free = {f.name for f in dataclasses.fields(Hyper)} | {'seed'}
  if maskable(ex):
    free.add('latents')
  texts = config.rendered(ex)
  return str({name: t for name, t in texts.items() if name not in free})


def maskable(ex) -> bool:
  """Whether a run with fewer latents is this one with some switched off."""
  if ex.latents is None:
    return False
  factors = [config.parts(f)[0] for f in (ex.network, ex.critic) if f]
  # A function of the user's own does not say so: its code may be laid out in
  # any way.
  declared = all(getattr(f, 'maskable', False) for f in factors)
  posterior, _ = config.parts(ex.posterior)
  known = hasattr(posterior, 'heads') and 'z_mask' in posterior._fields
  return declared and known and ex.prior(ex.latents).maskable


def widest(experiments):
  """The experiment among these with the most latents."""
  return max(experiments, key=lambda ex: ex.latents or 0)


def chunks(program: Program, bytes_each: int, room: int, devices: int):
  """The program in pieces whose runs fit on the devices; [] if none does."""
  most = devices * int(room // max(1, COPIES * bytes_each))
  if not most:
    return []
  members = program.members
  parts = [members[i : i + most] for i in range(0, len(members), most)]
  sized = program._replace(run_bytes=bytes_each)
  return [regrouped(sized, part) for part in parts]


def hypers(program: Program):
  """The numbers of every run, with masks if their latents differ: [R, ...]."""
  most = program.ex.latents
  sizes = {member.ex.latents for member in program.members}
  found = []
  for member in program.members:
    hyper = jax.device_get(member.ex.hyper())
    if len(sizes) > 1:
      hyper = hyper.replace(z_mask=padding.mask(member.ex.latents, most))
    found.append(hyper)
  return padding.stack(found)


def stacked(ex, devices) -> bool:
  """Whether a device's runs are vmapped, not trained one after another."""
  if ex.stack != 'auto':
    return ex.stack == 'vmap'
  return STACKED.get(devices[0].platform, True)


def spread(f, side_by_side: bool):
  """f(data, hyper, state, index) of one run, for all runs of a device."""

  def runs(data, hyper, state, index, axis=None):
    del axis  # every run by itself
    one = functools.partial(_apply, f, data)
    together = (
      jax.vmap(one) if side_by_side else functools.partial(lax.map, one)
    )
    return together((hyper, state, index))

  return runs


def _apply(f, data, run):
  return f(data, *run)


def steps(ex, devices):
  """The compiled call of a sweep: (data, hyper [D, R/D], state [D, R/D, ...],
  index [D, R/D, K, B]) -> (state, metrics [K, D, R/D])."""
  spread_steps = spread(
    functools.partial(training.steps, ex), stacked(ex, devices)
  )

  def sweep_steps(data, hyper, state, index, axis):
    state, metrics_RK = spread_steps(data, hyper, state, index, axis)
    return state, jax.tree.map(lambda x: x.swapaxes(0, 1), metrics_RK)

  return training.over_devices(
    sweep_steps, in_axes=(None, 0, 0, 0), out_axes=(0, 1), devices=devices
  )


def compiled(examples, hyper, state):
  """A sweep's call, compiled for these arrays."""
  batch, index = examples(0, 0)
  call = steps(examples.ex, examples.devices)
  return call.lower(batch, hyper, state, index).compile()


def measured(ex, devices, batch_size: int | None = None):
  """A function (data, hyper, state) -> a dict of figures for each run, with
  the measures of ex and data whole on every device."""
  call = by_itself(functools.partial(pooled.sums, ex, ex.measures), devices)

  def measure(data, hyper, state):
    size = batch_size or pooled.at_once(ex, data)
    index_nb = pooled.padded_index(data.size, 1, size)[0]
    sums = call(data, hyper, state, (index_nb, index_nb))
    means = {name: value / data.size for name, value in sums.items()}
    count = len(next(iter(means.values())))
    return [
      pooled.derived({k: np.asarray(v[r]) for k, v in means.items()})
      for r in range(count)
    ]

  return measure


def log_likelihoods(ex, devices, batch_size: int = 128):
  """A function (data, hyper, state) -> log p(x) of the first test images in
  nats by importance sampling: [R, N]."""

  def estimate(data, hyper, state):
    images = min(ex.nll_images, data.size)
    rows = importance.rows_on(devices)
    size, chunk = importance.cut(ex, images, rows, batch_size)
    call = by_itself(
      functools.partial(importance.log_likelihood, ex, ex.nll_samples, chunk),
      devices,
    )
    index_nb = pooled.padded_index(images, 1, size)[0]
    log_p_nRb = [call(data, hyper, state, index_b) for index_b in index_nb]
    log_p_RN = np.stack(log_p_nRb, 1).reshape(len(log_p_nRb[0]), -1)
    return log_p_RN.astype(np.float64)[:, index_nb.ravel() >= 0]

  return estimate


def by_itself(f, devices):
  """f(data, hyper, state, index) for every run, one after another on each
  device, on the same examples: host arrays [R, ...]."""

  def runs(data, hyper, state, index, axis):
    del axis
    return lax.map(lambda run: f(data, *run, index), (hyper, state))

  call = training.over_devices(
    runs, in_axes=(None, 0, 0, None), out_axes=0, donate=(), devices=devices
  )
  return lambda *args: jax.tree.map(flat, jax.device_get(call(*args)))


def flat(x):
  """[D, R/D, ...] -> [R, ...]."""
  return x.reshape(-1, *x.shape[2:])


class Orders:
  """The examples of every run's next K steps, from the resident split.

  Called with (start, count) it gives (split, index [D, R/D, K, B]); a run that
  is ahead of `start` gets no step until the others have come up.
  """

  in_axes = (None, 0, 0, 0)

  def __init__(self, program: Program, placed, first_R, devices):
    self.ex, self.placed, self.devices = program.ex, placed, devices
    self.first_R = first_R
    self.seeds = [member.ex.seed for member in program.members]

  def __call__(self, start: int, count: int):
    """(split, index) of these steps."""
    rows = [
      self.index(seed, int(first), start, count)
      for seed, first in zip(self.seeds, self.first_R, strict=True)
    ]
    index = laid(np.stack(rows), len(self.devices), fill=-1)
    return self.placed, sent(index, self.devices)

  def index(self, seed: int, first: int, start: int, count: int):
    """One run's examples [K, B], -1 for the steps that it has made."""
    ex = dataclasses.replace(self.ex, seed=seed)
    one = [self.devices[0]]
    index = feed.step_index(ex, self.placed.size, one, start, count)[0]
    index[: max(0, min(first - start, len(index)))] = -1
    return index

  def close(self):
    """Nothing to end."""


def laid(x_R, devices: int, fill=None):
  """[R, ...] -> [D, R/D, ...], filled up with the first row, or with `fill`."""
  missing = -len(x_R) % devices
  more = x_R[:1] if fill is None else np.full_like(x_R[:1], fill)
  x_R = np.concatenate([x_R, *[more] * missing])
  return x_R.reshape(devices, -1, *x_R.shape[1:])
