"""Step throughput of an experiment: what a step costs and what limits it.

Nothing is learned here: the program is the one that trains, on the experiment's
own data, started afresh.
"""

import contextlib
import dataclasses
import statistics
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import config, networks
from vae_jax.factors.model import PRECISIONS
from vae_jax.runs import padding, run
from vae_jax.runs.loop import compiled_steps, hasty
from vae_jax.training import feed, pieces

ROUNDS = 9  # of which the median counts
LEAST_ROUNDS = 3  # however long they take
ROUNDS_S = 8.0  # after which, those done, no round begins
ROUND_S = 0.4  # a round is as many calls as take this long


class Peak(NamedTuple):
  """What a device can do: products in FLOP/s, memory in bytes/s."""

  flops: float
  bandwidth: float


def measure(ex, data_dir=None, started=None) -> dict:
  """The figures of one experiment's train step on this machine.

  Raises what run.prepare raises.
  """
  clock = run.Clock(started)
  with begun(ex, data_dir, clock) as (ready, call, examples):
    first = {'start_to_first_step_s': clock.wall()}
    reached = reaching(ready.devices[0], ready.ex.precision)
    state, timed = rounds(call, examples, ready.hyper, ready.state, reached)
    ready = ready._replace(state=state)
    compiling = compile_seconds(ready, examples)
    counted = work(ready, whole(ready, call, examples))
  figures = rates(ready, timed) | first | compiling
  figures |= {'micro_batch': at_once(ready)}
  figures |= limits(counted, timed, ready.ex.steps_per_call)
  return figures | counted | memory(ready, call) | shares(timed)


@contextlib.contextmanager
def begun(ex, data_dir, clock):
  """(ready, call, examples) of a run that has made its first call of K steps;
  the examples are closed at the end."""
  ready = run.fresh(run.prepare(ex, data_dir, clock), clock)
  examples = feed.of(ready.ex, ready.splits['train'], ready.devices)
  with contextlib.closing(examples):
    call = compiled_steps(ready.ex, examples, ready.hyper, ready.state)
    state = called(call, examples, ready.hyper, ready.state)
    yield ready._replace(state=state), call, examples


def called(call, examples, hyper, state):
  """The state after one call of K steps, when it is there."""
  batch, index = examples(0, examples.ex.steps_per_call)
  state, _ = call(batch, hyper, state, index)
  return jax.block_until_ready(state)


class Timed(NamedTuple):
  """Seconds a call, by round: all of it, until it was sent, and the feed's; and
  what the device reached beside it."""

  whole: list
  sent: list
  fed: list
  peaks: list


def rounds(call, examples, hyper, state, reached):
  """(state, Timed) of enough calls for each round to last; `reached` () -> Peak
  is asked after each."""
  k, step = examples.ex.steps_per_call, examples.ex.steps_per_call
  start = time.perf_counter()
  state = called(call, examples, hyper, state)
  calls = max(1, round(ROUND_S / (time.perf_counter() - start)))
  timed, first = Timed([], [], [], []), time.perf_counter()
  for i in range(ROUNDS):
    if i >= LEAST_ROUNDS and time.perf_counter() - first > ROUNDS_S:
      break
    fed = sent = 0.0
    start = time.perf_counter()
    for _ in range(calls):
      begun = time.perf_counter()
      batch, index = examples(step, k)
      ready = time.perf_counter()
      state, _ = call(batch, hyper, state, index)
      sent += time.perf_counter() - ready
      fed += ready - begun
      step += k
    jax.block_until_ready(state)
    timed.whole.append((time.perf_counter() - start) / calls)
    timed.sent.append(sent / calls)
    timed.fed.append(fed / calls)
    timed.peaks.append(reached())
  return state, timed


def rates(ready, timed: Timed) -> dict:
  """Steps and images a second, milliseconds a step: median, least, most."""
  ex = ready.ex
  step_s = [seconds / ex.steps_per_call for seconds in timed.whole]
  middle = statistics.median(step_s)
  return {
    'steps_per_s': 1 / middle,
    'images_per_s': ex.batch_size / middle,
    'ms_per_step': 1e3 * middle,
    'ms_per_step_min': 1e3 * min(step_s),
    'ms_per_step_max': 1e3 * max(step_s),
    'rounds': len(step_s),
  }


def compile_seconds(ready, examples) -> dict:
  """Seconds to compile the train steps, without and with the cache."""
  enabled = jax.config.jax_enable_compilation_cache

  def once():
    start = time.perf_counter()
    compiled_steps(ready.ex, examples, ready.hyper, ready.state)
    return time.perf_counter() - start

  try:
    use_cache(False)
    cold = once()
  finally:
    use_cache(enabled)
  once()  # writes it, where it was not there
  return {'compile_cold_s': cold, 'compile_cached_s': once()}


def use_cache(enabled: bool):
  """Switches the persistent compilation cache."""
  from jax.experimental.compilation_cache import compilation_cache

  jax.config.update('jax_enable_compilation_cache', enabled)
  compilation_cache.reset_cache()  # or the switch is not looked at again


def whole(ready, call, examples):
  """The call, or one like it whose step takes its batch in one piece: XLA
  counts the body of a loop once, however often it runs."""
  each = ready.ex.batch_size // len(ready.devices)
  if at_once(ready) == each:
    return call
  ex = dataclasses.replace(ready.ex, micro_batch=each)
  return compiled_steps(ex, examples, ready.hyper, ready.state, hasty())


def at_once(ready) -> int:
  """Examples on a device whose gradients are taken at once."""
  each = ready.ex.batch_size // len(ready.devices)
  seen = config.example_shapes(ready.ex, ready.splits['train']).seen.shape
  return each // pieces.count_of(ready.ex, (each, *seen[1:]))


def work(ready, call) -> dict:
  """FLOPs and bytes of one step on one device, as XLA counts them in the body
  of the scan over steps."""
  found = call.cost_analysis()
  found = found[0] if isinstance(found, list | tuple) else found
  return {
    'gflop_per_step': found.get('flops', 0.0) / 1e9,
    'mbytes_per_step': found.get('bytes accessed', 0.0) / 1e6,
    'parameters': networks.parameter_count(ready.state.params),
  }


def memory(ready, call) -> dict:
  """The most memory that a call takes on a device: its arguments, among them
  the data, what it writes, and what it needs in between."""
  found = call.memory_analysis()
  if found is None:  # then what the process took, with all that came before
    stats = ready.devices[0].memory_stats() or {}
    peak = stats.get('peak_bytes_in_use')
    return {} if peak is None else {'peak_memory_mb': peak / 1e6}
  names = 'argument', 'output', 'temp'
  sizes = [getattr(found, f'{n}_size_in_bytes', 0) for n in names]
  shared = getattr(found, 'alias_size_in_bytes', 0)
  return {'peak_memory_mb': (sum(sizes) - shared) / 1e6}


def shares(timed: Timed) -> dict:
  """What part of a call the host spends on its examples and on sending it."""
  whole = statistics.median(timed.whole)
  return {
    'feed_share': statistics.median(timed.fed) / whole,
    'dispatch_share': statistics.median(timed.sent) / whole,
  }


def reaching(device, precision: str):
  """A function () -> Peak: what the device reaches just now in a large product
  and in a large sum."""
  large = device.platform != 'cpu'
  products, dtype = PRECISIONS[precision]
  n = 8192 if large else 1536
  a = jax.device_put(np.ones((n, n), np.float32), device)
  a = a.astype(dtype or jnp.float32)
  long = jax.device_put(np.ones(2**28 if large else 2**25, np.float32), device)
  product, total = jax.jit(jnp.matmul), jax.jit(jnp.sum)

  def reached():
    with jax.default_matmul_precision(products):
      product_s = best(product, a, a)
    # Only read: what is written into fresh memory pays for its pages too.
    return Peak(2 * n**3 / product_s, padding.size(long) / best(total, long))

  return reached


def best(f, *args, times: int = 3) -> float:
  """The least seconds of several calls, after one that may compile."""
  jax.block_until_ready(f(*args))
  seconds = []
  for _ in range(times):
    start = time.perf_counter()
    jax.block_until_ready(f(*args))
    seconds.append(time.perf_counter() - start)
  return min(seconds)


def limits(counted: dict, timed: Timed, k: int) -> dict:
  """The roofline: the device's peaks, what share of each a step reaches by
  XLA's count, and which of them it is nearer to. Medians over rounds of k steps
  a call, each beside the peak after it: a shared machine's speed changes."""
  flops, bandwidth = zip(*timed.peaks, strict=True)

  def share(amount: float, reached) -> float:
    pairs = zip(reached, timed.whole, strict=True)
    return statistics.median(amount * k / (most * s) for most, s in pairs)

  product_share = share(counted['gflop_per_step'] * 1e9, flops)
  memory_share = share(counted['mbytes_per_step'] * 1e6, bandwidth)
  return {
    'gemm_peak_gflops': statistics.median(flops) / 1e9,
    'bandwidth_gb_per_s': statistics.median(bandwidth) / 1e9,
    'gemm_share': product_share,
    # XLA counts what stays in a cache as well, so this may be above 1.
    'bandwidth_share': memory_share,
    'limit': 'products' if product_share >= memory_share else 'memory',
  }


def profile(ex, directory, data_dir=None, calls: int = 3) -> list:
  """Traces a few calls of K steps, compiled before: the paths of the traces,
  one for TensorBoard and one for ui.perfetto.dev."""
  with begun(ex, data_dir, run.Clock()) as (ready, call, examples):
    state = ready.state
    with jax.profiler.trace(str(directory), create_perfetto_trace=True):
      for _ in range(calls):
        state = called(call, examples, ready.hyper, state)
  return sorted(path for path in directory.rglob('*.gz'))
