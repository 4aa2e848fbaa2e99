"""Which devices a run uses, how runs lie on them, and the only pmap."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from vae_jax.config.experiment import Experiment
from vae_jax.factors.hyper import Hyper
from vae_jax.training.step import State


def devices_of(ex: Experiment) -> list:
  """The devices of this process that a run uses."""
  return jax.local_devices()[: ex.devices]


def over_devices(
  f, in_axes=(None, None, None, 0), out_axes=None, donate=(2,), devices=None
):
  """f(data, hyper, state, index) on all devices: the only pmap.

  `f` must take `axis='devices'`, bound here. State and data lie as `replicate`
  puts them before the first call, or the second compiles again.
  """
  return jax.pmap(
    functools.partial(f, axis='devices'),
    axis_name='devices',
    in_axes=in_axes,
    out_axes=out_axes,
    donate_argnums=donate,
    devices=devices,
  )


class OneRun(NamedTuple):
  """One run, whose batches are divided over all devices."""

  devices: list

  count = 1

  @property
  def shares(self) -> int:
    """How many devices have a part of a split each."""
    return len(self.devices)

  def steps(self, f, data_axis=None):
    """f, K steps of a run, on the devices: (data, hyper, state, index
    [D, K, B/D]) -> (state, metrics [K])."""
    axes = (data_axis, None, None, 0)
    return over_devices(f, in_axes=axes, devices=self.devices)

  def each(self, f, reduced: bool):
    """f, a look at a run, on the devices: (data, hyper, state, index [D, ...])
    -> host arrays [1, ...] if f reduces over the devices, else [1, D, ...]."""
    out = None if reduced else 0
    call = over_devices(f, out_axes=out, donate=(), devices=self.devices)
    return lambda *args: jax.tree.map(_first, jax.device_get(call(*args)))

  def place(self, trees: list):
    """The hyper or state of the run on every device."""
    return replicate(trees[0], self.devices)

  def lay(self, index_RKB):
    """The examples of every step on their devices: [D, K, B/D]."""
    _, k, b = index_RKB.shape
    split = index_RKB.reshape(k, self.shares, b // self.shares)
    return np.ascontiguousarray(split.swapaxes(0, 1))

  def streamed(self, index_RKB, seeds):
    """(examples that each device needs [D, N], where among them those of each
    step lie, as `lay` lays them)."""
    index_DKb = self.lay(index_RKB)
    at = np.arange(index_DKb[0].size, dtype=np.int32)
    at = np.broadcast_to(at.reshape(index_DKb.shape[1:]), index_DKb.shape)
    return index_DKb.reshape(self.shares, -1), at

  def per_run(self, x):
    """What the devices hold for the run: [1, ...]."""
    return x[None]

  def per_step(self, x_K):
    """Metrics of K steps: [K, 1]."""
    return x_K[:, None]


class ManyRuns(NamedTuple):
  """Whole runs on each device, one after another or side by side: nothing is
  reduced. Arrays are [D, R/D, ...], filled up with the first run."""

  devices: list
  count: int
  side_by_side: bool = False

  shares = 1  # every run sees all of a split

  def steps(self, f, data_axis=None):
    """f, K steps of a run, for all runs: (data, hyper [D, R/D], state
    [D, R/D, ...], index [D, R/D, K, B]) -> (state, metrics [K, D, R/D])."""

    def runs(data, hyper: Hyper, state: State, index, axis):
      del axis
      one = functools.partial(_apply, f, data)
      if self.side_by_side:
        state, metrics_RK = jax.vmap(one)((hyper, state, index))
      else:
        state, metrics_RK = lax.map(one, (hyper, state, index))
      return state, jax.tree.map(lambda x: x.swapaxes(0, 1), metrics_RK)

    axes = (data_axis, 0, 0, 0)
    return over_devices(
      runs, in_axes=axes, out_axes=(0, 1), devices=self.devices
    )

  def each(self, f, reduced: bool):
    """f, a look at a run, for all runs on the same examples: (data, hyper,
    state, index [1, ...]) -> host arrays [R, ...], or [R, 1, ...]."""

    def runs(data, hyper: Hyper, state: State, index, axis):
      del axis
      return lax.map(lambda run: f(data, *run, index), (hyper, state))

    call = over_devices(
      runs,
      in_axes=(None, 0, 0, None),
      out_axes=0,
      donate=(),
      devices=self.devices,
    )

    def look(data, hyper: Hyper, state: State, index):
      index = jax.tree.map(lambda x: x[0], index)
      seen = jax.device_get(call(data, hyper, state, index))
      seen = jax.tree.map(self.per_run, seen)
      return seen if reduced else jax.tree.map(lambda x: x[:, None], seen)

    return look

  def place(self, trees: list):
    """The hypers or the states of all runs, of one shape, on the devices."""
    stack = jax.tree.map(lambda *leaves: self._laid(np.stack(leaves)), *trees)
    return sent(stack, self.devices)

  def lay(self, index_RKB):
    """The examples of every run's steps on its device: [D, R/D, K, B]."""
    return self._laid(index_RKB, fill=-1)

  def streamed(self, index_RKB, seeds):
    """(examples that each device needs [D, N], where among them those of each
    step lie, as `lay` lays them): runs of one seed share theirs."""
    rows = dict(zip(seeds, index_RKB, strict=True))
    seeds_D = [list(seeds_R) for seeds_R in self._laid(np.array(seeds))]
    kept_D = [list(dict.fromkeys(seeds_R)) for seeds_R in seeds_D]
    most = max(map(len, kept_D))  # as many on every device
    kept_D = [kept + kept[:1] * (most - len(kept)) for kept in kept_D]
    positions = [[rows[seed] for seed in kept] for kept in kept_D]
    slot_DR = [
      [kept.index(seed) for seed in seeds_R]
      for kept, seeds_R in zip(kept_D, seeds_D, strict=True)
    ]
    size = index_RKB[0].size
    start = size * np.array(slot_DR, np.int32)[..., None, None]
    at = start + np.arange(size, dtype=np.int32).reshape(index_RKB.shape[1:])
    return np.array(positions).reshape(len(self.devices), -1), at

  def per_run(self, x):
    """What the devices hold for each run: [R, ...]."""
    return x.reshape(-1, *x.shape[2:])[: self.count]

  def per_step(self, x_KDR):
    """Metrics of K steps of every run: [K, R]."""
    return x_KDR.reshape(len(x_KDR), -1)[:, : self.count]

  def _laid(self, x_R, fill=None):
    missing = -len(x_R) % len(self.devices)
    more = x_R[:1] if fill is None else np.full_like(x_R[:1], fill)
    x_R = np.concatenate([x_R, *[more] * missing])
    return x_R.reshape(len(self.devices), -1, *x_R.shape[1:])


Layout = OneRun | ManyRuns


def replicate(tree, devices=None):
  """`tree` on every local device, laid out as `over_devices` wants it."""
  devices = jax.local_devices() if devices is None else devices
  sharding = sharded(devices, PartitionSpec())
  return jax.tree.map(functools.partial(_put, sharding), tree)


def sharded(devices, spec: PartitionSpec) -> NamedSharding:
  """How arrays lie on these devices: PartitionSpec() is whole on each,
  PartitionSpec('devices') a part of the first axis on each."""
  # Mesh and not jax.make_mesh, with pmap's axis name: anything else compiles
  # the step a second time.
  return NamedSharding(Mesh(np.array(devices), ('devices',)), spec)


def sent(tree, devices):
  """Arrays [D, ...] on their way to the devices, asked for by name: anything
  else that goes there during a run is a mistake (see jax.transfer_guard)."""
  return jax.device_put(tree, sharded(devices, PartitionSpec('devices')))


def _apply(f, data, run):
  return f(data, *run)


def _first(x):
  return x[None]


def _put(sharding, leaf):
  # Through the host: device_put aliases, and donating the copy would delete
  # the source.
  if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
    key_data = np.asarray(jax.random.key_data(leaf))
    return jax.device_put(jax.random.wrap_key_data(key_data), sharding)
  return jax.device_put(np.asarray(leaf), sharding)
