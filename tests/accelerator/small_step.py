"""a small step: K steps a call, unrolled, with XLA's flags for command buffers

A row is one K and unroll, `size ...` another net with K = 100: a flag is worth
being a default where it wins a tenth at all sizes.
"""

import functools
import itertools

import jax
import jax.numpy as jnp

from tests.accelerator import nets
from vae_jax import training
from vae_jax.runs import throughput

ADAM_BYTES = 28  # a parameter: g, p, m, v read, p, m, v written, 4 bytes each
SIZES = {'200': (200, 64), '500': (500, 128), '1000': (1000, 512)}


def rows(flags):
  """us a step by K and unroll, of three sizes, and the dispatch floor."""
  small = flags.small
  ks, unrolls = ((1, 4), (1, 2)) if small else ((1000, 100, 10, 1), (1, 4, 2))
  yield 'dispatch floor', functools.partial(floor, small)
  # The most telling first, should the time not suffice.
  for unroll, k in itertools.product(unrolls, ks):
    if unroll <= k:
      ex = nets.mlp(small, steps_per_call=k, unroll=unroll)
      yield f'K={k} unroll={unroll}', functools.partial(row, ex, small)
    if (unroll, k) != (unrolls[0], ks[-1]):
      continue
    for name, (width, batch) in SIZES.items():
      ex = nets.mlp(small, width, batch_size=batch, steps_per_call=100)
      if small:
        ex = nets.mlp(small, batch_size=batch // 8, steps_per_call=4)
      size = f'size 784-{name}-20, batch {ex.batch_size}'
      yield size, functools.partial(row, ex, small)


def row(ex, small: bool) -> dict:
  """us a step and the share of its limit."""
  found = nets.stepped(ex, small)
  adam_s = ADAM_BYTES * found['parameters'] / found['bandwidth_gb_per_s'] / 1e9
  products_s = found['gflop_per_step'] / found['gemm_peak_gflops']
  us = 1e3 * found['ms_per_step']
  limit_us = 1e6 * (adam_s + products_s)
  return {
    'us': us,
    'us_min': 1e3 * found['ms_per_step_min'],
    'us_max': 1e3 * found['ms_per_step_max'],
    'limit_us': limit_us,
    'share': limit_us / us,
    'dispatch_share': found['dispatch_share'],
    'feed_share': found['feed_share'],
  }


def floor(small: bool) -> dict:
  """us of a call that does next to nothing with the same state."""
  ex, batch = nets.mlp(small), nets.images(small)
  state = training.init(jax.random.key(0), ex, ex.hyper(), batch)
  state = training.replicate(state, jax.local_devices()[:1])
  trivial = jax.jit(
    lambda s: s.replace(step=s.step + jnp.int32(1)), donate_argnums=0
  )
  calls = 10 if small else 1000

  def several():
    nonlocal state
    for _ in range(calls):
      state = trivial(state)
    return state

  return {'us': 1e6 * throughput.best(several) / calls}
