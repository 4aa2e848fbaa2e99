"""Examples for the next call of K steps: resident on the devices, or streamed.

A feed is called with (start, count) and gives (data, index [D, K, B/D]); a
padded step has index -1. Both kinds give the same run.
"""

from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
from jax.sharding import PartitionSpec

from vae_jax import data
from vae_jax.training.devices import replicate, sent, sharded

# A split that is larger than this share of a device's memory is streamed.
SHARE = 0.4
HOST_BYTES = 4e9  # what counts as the memory of a device that does not say


def of(ex, batch, devices):
  """The feed of a training split that ex.resident asks for."""
  kind = Resident if held(ex, batch, devices) else Streamed
  return kind(ex, batch, devices)


def held(ex, batch, devices) -> bool:
  """Whether a split is to stay on the devices."""
  asked = {'always': True, 'never': False}
  return asked.get(ex.resident, fits(batch, devices))


def fits(batch, devices) -> bool:
  """Whether a split can stay on every device, beside the training."""
  stats = devices[0].memory_stats() or {}
  room = stats.get('bytes_limit', HOST_BYTES / len(devices))
  return batch.x.nbytes <= SHARE * room


def step_index(ex, n: int, devices, start: int, count: int):
  """Examples of `count` steps from `start`, padded with -1: [D, K, B/D]."""
  size = ex.batch_size
  index = np.full((ex.steps_per_call, size), -1, np.int32)
  order = data.order(ex.seed, n, start * size, count * size)
  index[:count] = order.reshape(count, size)
  split = index.reshape(len(index), len(devices), size // len(devices))
  return np.ascontiguousarray(split.swapaxes(0, 1))


class Resident:
  """The whole split on every device; a call sends the index alone."""

  in_axes = (None, None, None, 0)

  def __init__(self, ex, batch, devices):
    self.ex, self.n, self.devices = ex, batch.size, devices
    self.placed = replicate(batch, devices)

  def __call__(self, start: int, count: int):
    """(split, index of these steps)."""
    index = step_index(self.ex, self.n, self.devices, start, count)
    return self.placed, sent(index, self.devices)

  def close(self):
    """Nothing to end."""


class Streamed:
  """K steps' examples at a time, gathered by a thread while a call runs."""

  in_axes = (0, None, None, 0)

  def __init__(self, ex, batch, devices):
    self.ex, self.batch, self.devices = ex, batch, devices
    self.sharding = sharded(devices, PartitionSpec('devices'))
    self.pool = ThreadPoolExecutor(1, 'feed')
    self.ahead = {}  # first step -> future superbatch

  def __call__(self, start: int, count: int):
    """(superbatch [D, K * B/D, ...], index into it) of these steps."""
    wanted = self.ahead.pop(start, None) or self._ask(start)
    self.ahead = {start + count: self._ask(start + count)}
    return wanted.result(), self._index(count)

  def close(self):
    """Ends the thread."""
    self.pool.shutdown(cancel_futures=True)

  def _ask(self, start):
    return self.pool.submit(self._gather, start)

  def _gather(self, start):
    # All K steps, even if fewer are asked for: only the index tells them apart.
    ex, n = self.ex, self.batch.size
    index = step_index(ex, n, self.devices, start, ex.steps_per_call)
    parts = self.batch.take(index.reshape(len(self.devices), -1))
    return jax.device_put(parts, self.sharding)

  def _index(self, count):
    k, devices = self.ex.steps_per_call, len(self.devices)
    index = np.arange(k * self.ex.batch_size // devices, dtype=np.int32)
    index = index.reshape(k, -1)
    index[count:] = -1
    index = np.broadcast_to(index, (devices, *index.shape))
    return sent(index, self.devices)
