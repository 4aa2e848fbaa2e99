"""Which devices a run uses, how runs lie on them, and the only pmap."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from vae_jax import hosts
from vae_jax.config.experiment import Experiment
from vae_jax.factors.hyper import Hyper
from vae_jax.training.step import State


def devices_of(ex: Experiment) -> list:
  """The devices of this process that a run uses."""
  return jax.local_devices()[: ex.devices]


def everywhere(devices) -> list:
  """The devices of all hosts, as many of each as these are of this one, in the
  order of the hosts."""
  if not hosts.several():
    return list(devices)
  of_host = {}
  for device in jax.devices():
    of_host.setdefault(device.process_index, []).append(device)
  return [d for i in sorted(of_host) for d in of_host[i][: len(devices)]]


def own(x_D, devices):
  """The rows of this host's devices, of one for each device of all hosts."""
  start = hosts.index() * len(devices)
  return x_D[start : start + len(devices)]


def over_devices(
  f, in_axes=(None, None, None, 0), out_axes=None, donate=(2,), devices=None
):
  """f(data, hyper, state, index) on all devices, of all hosts: the only pmap.

  `f` must take `axis='devices'`, bound here. State and data lie as `replicate`
  puts them before the first call, or the second compiles again.
  """
  return jax.pmap(
    functools.partial(f, axis='devices'),
    axis_name='devices',
    in_axes=in_axes,
    out_axes=out_axes,
    donate_argnums=donate,
    devices=devices and everywhere(devices),
  )


def keys_here(state: State) -> State:
  """The state with this host's rows of a key that lies in parts on several, the
  only way in which pmap takes one; it takes all other arrays as they lie."""
  if not hosts.lies_in_parts(data := jax.random.key_data(state.key)):
    return state
  shards = sorted(
    data.addressable_shards, key=lambda shard: shard.index[0].start
  )
  rows = np.concatenate([np.asarray(shard.data) for shard in shards])
  return state.replace(key=jax.random.wrap_key_data(rows))


def asked_to_stop(f):
  """f with a number beside its index, and in its metrics, as often as
  `refused`, the largest of any device: so a signal of one host reaches all in
  the same call."""

  def steps(data, hyper: Hyper, state: State, given, axis):
    index, stop = given
    state, metrics = f(data, hyper, state, index, axis=axis)
    stop = jnp.broadcast_to(lax.pmax(stop, axis), metrics['refused'].shape)
    return state, metrics | {'stop': stop}

  return steps


class OneRun(NamedTuple):
  """One run, whose batches are divided over all devices of all hosts; those of
  this host are `devices`."""

  devices: list

  count = 1

  @property
  def shares(self) -> int:
    """How many devices have a part of a split each."""
    return len(self.devices) * hosts.count()

  def steps(self, f, data_axis=None):
    """f, K steps of a run, on the devices: (data, hyper, state, (index
    [D, K, B/D], stop [D])) -> (state, metrics [K])."""
    axes = (data_axis, None, None, 0)
    return over_devices(asked_to_stop(f), in_axes=axes, devices=self.devices)

  def each(self, f, reduced: bool):
    """f, a look at a run, on the devices: (data, hyper, state, index [D, ...])
    -> host arrays [1, ...] if f reduces over the devices, else [1, D, ...]."""
    out = None if reduced else 0
    call = over_devices(f, out_axes=out, donate=(), devices=self.devices)

    def look(data, hyper: Hyper, state: State, index):
      index = jax.tree.map(lambda x: own(x, self.devices), index)
      seen = jax.device_get(call(data, hyper, state, index))
      return jax.tree.map(_first, seen if reduced else hosts.gathered(seen))

    return look

  def place(self, trees: list):
    """The hyper or state of the run on every device."""
    return replicate(trees[0], self.devices)

  def lay(self, index_RKB):
    """The examples of every step on their devices: [D, K, B/D]."""
    _, k, b = index_RKB.shape
    split = index_RKB.reshape(k, self.shares, b // self.shares)
    return np.ascontiguousarray(own(split.swapaxes(0, 1), self.devices))

  def streamed(self, index_RKB, seeds):
    """(examples that each device needs [D, N], where among them those of each
    step lie, as `lay` lays them)."""
    index_DKb = self.lay(index_RKB)
    at = np.arange(index_DKb[0].size, dtype=np.int32)
    at = np.broadcast_to(at.reshape(index_DKb.shape[1:]), index_DKb.shape)
    return index_DKb.reshape(len(self.devices), -1), at

  def per_run(self, x):
    """What the devices hold for the run: [1, ...]."""
    return x[None]

  def per_step(self, x_K):
    """Metrics of K steps: [K, 1]."""
    return x_K[:, None]


class ManyRuns(NamedTuple):
  """Whole runs on each device of all hosts, one after another or side by side:
  nothing is reduced. Arrays are [D, R/D, ...], filled up with the first run; a
  host has the rows of its own devices."""

  devices: list
  count: int
  side_by_side: bool = False

  shares = 1  # every run sees all of a split

  def steps(self, f, data_axis=None):
    """f, K steps of a run, for all runs: (data, hyper [D, R/D], state
    [D, R/D, ...], (index [D, R/D, K, B], stop [D])) -> (state, metrics
    [K, D, R/D], on every host those of all)."""

    def runs(data, hyper: Hyper, state: State, index, axis):
      one = functools.partial(_apply, f, data)
      if self.side_by_side:
        state, metrics_RK = jax.vmap(one)((hyper, state, index))
      else:
        state, metrics_RK = lax.map(one, (hyper, state, index))
      metrics_RK = lax.all_gather(metrics_RK, axis)
      return state, jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), metrics_RK)

    axes = (data_axis, 0, 0, 0)
    return over_devices(
      asked_to_stop(runs),
      in_axes=axes,
      out_axes=(0, None),
      devices=self.devices,
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
      seen = jax.device_get(call(data, hyper, keys_here(state), index))
      seen = jax.tree.map(self.per_run, hosts.gathered(seen))
      return seen if reduced else jax.tree.map(lambda x: x[:, None], seen)

    return look

  def place(self, trees: list):
    """The hypers or the states of all runs, of one shape, on the devices."""
    stack = jax.tree.map(lambda *leaves: self._laid(np.stack(leaves)), *trees)
    stack = jax.tree.map(lambda x: own(x, self.devices), stack)
    return sent(stack, self.devices)

  def lay(self, index_RKB):
    """The examples of every run's steps on its device: [D, R/D, K, B]."""
    return own(self._laid(index_RKB, fill=-1), self.devices)

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
    positions = np.array(positions).reshape(len(kept_D), -1)
    return own(positions, self.devices), own(at, self.devices)

  def per_run(self, x):
    """What the devices hold for each run: [R, ...]."""
    return x.reshape(-1, *x.shape[2:])[: self.count]

  def per_step(self, x_KDR):
    """Metrics of K steps of every run: [K, R]."""
    return x_KDR.reshape(len(x_KDR), -1)[:, : self.count]

  def _laid(self, x_R, fill=None):
    devices = len(self.devices) * hosts.count()
    missing = -len(x_R) % devices
    more = x_R[:1] if fill is None else np.full_like(x_R[:1], fill)
    x_R = np.concatenate([x_R, *[more] * missing])
    return x_R.reshape(devices, -1, *x_R.shape[1:])


Layout = OneRun | ManyRuns


def replicate(tree, devices=None):
  """`tree` on these devices, all of this host if not said, and as many of every
  other, laid out as `over_devices` wants it."""
  devices = jax.local_devices() if devices is None else devices
  sharding = sharded(everywhere(devices), PartitionSpec())
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
  sharding = sharded(everywhere(devices), PartitionSpec('devices'))
  if not hosts.several():
    return jax.device_put(tree, sharding)
  put = functools.partial(jax.make_array_from_process_local_data, sharding)
  return jax.tree.map(lambda x: put(np.asarray(x)), tree)


def _apply(f, data, run):
  return f(data, *run)


def _first(x):
  return x[None]


def _put(sharding, leaf):
  # Through the host: device_put aliases, and donating the copy would delete
  # the source.
  if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
    key_data = np.asarray(jax.random.key_data(leaf))
    if hosts.several():
      return jax.random.wrap_key_data(_put(sharding, key_data))
    return jax.device_put(jax.random.wrap_key_data(key_data), sharding)
  array = np.asarray(leaf)
  if hosts.several():  # device_put would have all hosts compare their values
    return jax.make_array_from_callback(
      array.shape, sharding, array.__getitem__
    )
  return jax.device_put(array, sharding)
