"""Placing arrays and keys on devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def replicate(tree, devices=None):
  """`tree` on every local device, laid out as `train.over_devices` wants it."""
  devices = jax.local_devices() if devices is None else devices
  sharding = sharded(devices, PartitionSpec())
  return jax.tree.map(functools.partial(_put, sharding), tree)


def sharded(devices, spec: PartitionSpec) -> NamedSharding:
  """How arrays lie on these devices: PartitionSpec() is whole on each,
  PartitionSpec('devices') a part of the first axis on each."""
  # Mesh and not jax.make_mesh, with pmap's axis name: anything else compiles
  # the step a second time.
  return NamedSharding(Mesh(np.array(devices), ('devices',)), spec)


def _put(sharding, leaf):
  # Through the host: device_put aliases, and donating the copy would delete
  # the source.
  if jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
    key_data = np.asarray(jax.random.key_data(leaf))
    return jax.device_put(jax.random.wrap_key_data(key_data), sharding)
  return jax.device_put(np.asarray(leaf), sharding)
