"""What the machine is."""

import importlib.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version

import jax

OPTIONAL = 'tensorflow_datasets', 'tensorboardX', 'torch'


def rows(flags):
  """One row: the device, the versions, and what is missing."""
  del flags
  yield 'machine', machine


def machine() -> dict:
  device = jax.devices()[0]
  memory = (device.memory_stats() or {}).get('bytes_limit')
  missing = [p for p in OPTIONAL if importlib.util.find_spec(p) is None]
  return {
    'platform': device.platform,
    'kind': device.device_kind,
    'devices': jax.local_device_count(),
    'memory_gb': memory and round(memory / 1e9, 1),
    'cores': len(os.sched_getaffinity(0)),
    'python': platform.python_version(),
    'versions': {name: of(name) for name in ('jax', 'jaxlib', 'flax', 'torch')},
    'missing': missing,
  }


def of(name: str):
  """The version of a package, None if it is not there."""
  try:
    return version(name)
  except PackageNotFoundError:
    return None
