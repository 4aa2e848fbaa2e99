"""Examples for the next call of K steps: resident on the devices, or streamed.

A feed is called with (start, count) and gives (data, (index, stop)): the
examples of `count` steps from `start` are data.take(index), laid as its layout
lays them; a step that is not to be made has index -1. `stop` is the number of a
signal that has come to this host, 0 without one. Both kinds give the same run.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from vae_jax import data, hosts, signals
from vae_jax.config.experiment import Experiment
from vae_jax.training.devices import Layout, replicate, sent

# A split that is larger than this share of a device's memory is streamed.
SHARE = 0.4
HOST_BYTES = 4e9  # what counts as the memory of a device that does not say


class Order(NamedTuple):
  """Which examples the runs of a job see at each step."""

  ex: Experiment
  n: int  # training examples
  layout: Layout
  seeds: tuple[int, ...]  # of each run
  firsts: tuple[int, ...]  # steps that each run has made already

  def index(self, start: int, count: int):
    """The rows of `count` steps as the layout lays them on the devices."""
    return self.layout.lay(self.rows(start, count))

  def rows(self, start: int, count: int):
    """Positions of the examples of `count` steps, for every run, padded to K
    steps with -1; a run that is ahead waits: [R, K, B]."""
    by_seed = {seed: self.row(seed, start, count) for seed in set(self.seeds)}
    index_RKB = np.stack([by_seed[seed] for seed in self.seeds])
    for index_KB, first in zip(index_RKB, self.firsts, strict=True):
      index_KB[: max(0, first - start)] = -1
    return index_RKB

  def row(self, seed: int, start: int, count: int):
    """The positions for one seed: [K, B]."""
    size = self.ex.batch_size
    index_KB = np.full((self.ex.steps_per_call, size), -1, np.int32)
    order = data.order(seed, self.n, start * size, count * size)
    index_KB[:count] = order.reshape(count, size)
    return index_KB


def order_of(
  ex: Experiment, n: int, layout: Layout, seeds=None, firsts=None
) -> Order:
  """The Order of runs with these seeds that have made so many steps, of ex
  before its first step if they are not said."""
  seeds = (ex.seed,) if seeds is None else tuple(seeds)
  firsts = (0,) * len(seeds) if firsts is None else tuple(firsts)
  return Order(ex, n, layout, seeds, firsts)


def feed_of(order: Order, batch: data.Batch) -> 'Feed':
  """The feed of a training split that the experiment's `resident` asks for."""
  kept = stays(order.ex, batch, order.layout.devices)
  return Resident(order, batch) if kept else Streamed(order, batch)


def stays(ex: Experiment, batch: data.Batch, devices) -> bool:
  """Whether a split is to stay on the devices."""
  if ex.resident != 'auto':
    return ex.resident == 'always'
  return hosts.told(fits(batch, devices))  # or one would stream alone


def fits(batch: data.Batch, devices) -> bool:
  """Whether a split can stay on every device, beside the training."""
  stats = devices[0].memory_stats() or {}
  room = stats.get('bytes_limit', HOST_BYTES / len(devices))
  return batch.x.nbytes <= SHARE * room


def asked(index, devices):
  """(index, stop) on their way to the devices."""
  stop = np.full(len(devices), signals.caught() or 0, np.int32)
  return sent((index, stop), devices)


class Resident:
  """The whole split on every device; a call sends the index alone."""

  data_axis = None

  def __init__(self, order: Order, batch: data.Batch):
    self.order = order
    self.placed = replicate(batch, order.layout.devices)

  def __call__(self, start: int, count: int):
    """(split, (index of these steps, stop))."""
    index = self.order.index(start, count)
    return self.placed, asked(index, self.order.layout.devices)

  def close(self):
    """Nothing to end."""


class Streamed:
  """K steps' examples at a time, gathered by a thread while a call runs."""

  data_axis = 0

  def __init__(self, order: Order, batch: data.Batch):
    self.order, self.batch = order, batch
    self.pool = ThreadPoolExecutor(1, 'feed')
    self.ahead = {}  # first step -> future superbatch

  def __call__(self, start: int, count: int):
    """(superbatch [D, N, ...], (index into it, stop)) of these steps."""
    coming = self.ahead.pop(start, None) or self._ask(start)
    self.ahead = {start + count: self._ask(start + count)}
    superbatch, at = coming.result()
    made = self.order.index(start, count) >= 0
    index = np.where(made, at, -1)
    return superbatch, asked(index, self.order.layout.devices)

  def close(self):
    """Ends the thread."""
    self.pool.shutdown(cancel_futures=True)

  def _ask(self, start):
    return self.pool.submit(self._gather, start)

  def _gather(self, start):
    # All K steps of every run, even if fewer are asked for: only the index
    # tells them apart.
    order = self.order._replace(firsts=(0,) * len(self.order.seeds))
    rows_RKB = order.rows(start, order.ex.steps_per_call)
    positions_DN, at = order.layout.streamed(rows_RKB, order.seeds)
    parts = self.batch.take(positions_DN)
    return sent(parts, order.layout.devices), at


Feed = Resident | Streamed
