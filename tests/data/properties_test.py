"""The order of a run's examples, for any set, batch, devices, K and step:
hypothesis looks for some that break it."""

import dataclasses
import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vae_jax import config, data
from vae_jax.training import feed
from vae_jax.training.devices import ManyRuns, OneRun

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 40)


@given(SEEDS, SIZES, st.integers(0, 10**6), st.integers(1, 4))
def test_every_epoch_has_every_example_once(seed, n, first, epochs):
  stream = data.order(seed, n, first * n, epochs * n)
  assert stream.dtype == np.int32
  for epoch in stream.reshape(epochs, n):
    np.testing.assert_array_equal(np.sort(epoch), np.arange(n))


@given(SEEDS, SIZES, st.integers(0, 10**9), st.lists(st.integers(0, 50)))
def test_the_order_is_the_same_however_it_is_cut(seed, n, start, counts):
  whole = data.order(seed, n, start, sum(counts))
  cuts = itertools.pairwise(itertools.accumulate(counts, initial=start))
  parts = [data.order(seed, n, first, end - first) for first, end in cuts]
  assert [len(part) for part in parts] == counts
  np.testing.assert_array_equal(np.concatenate([[], *parts]), whole)
  assert ((whole >= 0) & (whole < n)).all()


@given(SEEDS, SIZES)
def test_what_is_done_to_an_order_does_not_reach_the_next(seed, n):
  wanted = data.order(seed, n, 0, n).tolist()
  data.order(seed, n, 0, n)[:] = -1
  assert data.order(seed, n, 0, n).tolist() == wanted


@given(st.integers(1, 10**6), st.integers(1, 300))
def test_some_examples_are_spread_evenly_over_a_set(n, count):
  found = data.spread(n, count)
  assert len(found) == min(n, count)
  gaps = np.diff([*found, n])
  assert found[0] == 0 and gaps.min() > 0 and np.ptp(gaps) <= 1


@st.composite
def orders(draw, many: bool):
  """The Order of a run, or of several, on any number of devices."""
  devices = draw(st.integers(1, 4))
  each = st.tuples(st.integers(0, 3), st.integers(0, 12))  # seed, steps made
  runs = draw(st.lists(each, min_size=1, max_size=6 if many else 1))
  seeds, firsts = zip(*runs, strict=True)
  ex = dataclasses.replace(
    config.Experiment(),
    batch_size=draw(st.integers(1, 5)) * (1 if many else devices),
    steps_per_call=draw(st.integers(1, 6)),
  )
  places = list(range(devices))  # nothing is sent to them
  layout = ManyRuns(places, len(runs)) if many else OneRun(places)
  return feed.order_of(ex, draw(SIZES), layout, seeds, firsts)


ORDERS = st.booleans().flatmap(orders)
STARTS = st.integers(0, 20) | st.integers(0, 10**6)


def examples_of(order, run: int, step: int):
  """The examples of a run's step by the order alone; -1 if it is made."""
  size = order.ex.batch_size
  examples = data.order(order.seeds[run], order.n, step * size, size)
  return examples if step >= order.firsts[run] else np.full(size, -1)


@given(ORDERS, STARTS, st.integers(0, 6))
def test_a_call_has_the_steps_that_are_asked_for_and_no_others(
  order, start, count
):
  k = order.ex.steps_per_call
  count = min(count, k)
  rows_RKB = order.rows(start, count)
  assert rows_RKB.shape == (len(order.seeds), k, order.ex.batch_size)
  for run, step in np.ndindex(rows_RKB.shape[:2]):
    wanted = examples_of(order, run, start + step) if step < count else -1
    np.testing.assert_array_equal(rows_RKB[run, step], wanted)


@given(orders(many=False), STARTS)
def test_a_run_s_examples_do_not_depend_on_its_devices(order, start):
  k = order.ex.steps_per_call
  index_DKb = order.index(start, k)
  assert index_DKb.shape[0] == order.layout.shares
  joined_KB = np.concatenate(list(index_DKb), axis=1)
  np.testing.assert_array_equal(joined_KB, order.rows(start, k)[0])


@given(orders(many=True), STARTS)
def test_runs_lie_on_devices_each_once_and_the_rest_is_nothing(order, start):
  k = order.ex.steps_per_call
  index = order.index(start, k)
  rows_RKB = order.rows(start, k)
  np.testing.assert_array_equal(order.layout.per_run(index), rows_RKB)
  spare = index.reshape(-1, *rows_RKB.shape[1:])[order.layout.count :]
  assert len(spare) < len(order.layout.devices)
  assert (spare == -1).all()


@given(ORDERS, STARTS)
def test_what_is_streamed_is_what_would_be_gathered(order, start):
  order = order._replace(firsts=(0,) * len(order.seeds))
  rows_RKB = order.rows(start, order.ex.steps_per_call)
  positions_DN, at = order.layout.streamed(rows_RKB, order.seeds)
  index = order.layout.lay(rows_RKB)
  assert at.shape == index.shape
  for here, at_here, wanted in zip(positions_DN, at, index, strict=True):
    runs = wanted >= 0
    np.testing.assert_array_equal(here[at_here][runs], wanted[runs])
