"""Which devices a run uses, how arrays lie on them, and the only pmap."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def devices_of(ex) -> list:
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


def _put(sharding, leaf):
  # Through the host: device_put aliases, and donating the copy would delete
  # the source.
  if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
    key_data = np.asarray(jax.random.key_data(leaf))
    return jax.device_put(jax.random.wrap_key_data(key_data), sharding)
  return jax.device_put(np.asarray(leaf), sharding)
