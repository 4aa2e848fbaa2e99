"""Step throughput of an experiment: what a step costs and what limits it.

Nothing is learned here: the program is the one that trains, on the experiment's
own data, started afresh.
"""

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vae_jax import config, hosts, networks
from vae_jax.config.experiment import Experiment
from vae_jax.factors.hyper import Hyper
from vae_jax.factors.model import PRECISIONS
from vae_jax.networks.layers import lstm
from vae_jax.runs import stacked
from vae_jax.runs.loop import compiled_steps, examples_of, lowered_steps
from vae_jax.runs.plan import Job
from vae_jax.runs.prepare import Clock, hasty, initial
from vae_jax.training import State, feed, pieces

ROUNDS = 9  # of which the median counts
LEAST_ROUNDS = 3  # however long they take
ROUNDS_S = 8.0  # after which, those done, no round begins
ROUND_S = 0.4  # a round is as many calls as take this long


class Peak(NamedTuple):
  """What a device can do: products in FLOP/s, memory in bytes/s."""

  flops: float
  bandwidth: float


class Begun(NamedTuple):
  """A job on the devices whose K steps are compiled."""

  job: Job
  hyper: Hyper
  state: State
  examples: feed.Feed
  call: Callable  # K compiled steps


def measure(job: Job, clock: Clock) -> dict:
  """The figures of the train step of a job of one run on this machine."""
  with begun(job, clock) as run:
    run = called(run)
    first = {'start_to_first_step_s': clock.wall()}
    run, values = stepped(run)
    values |= first | compile_seconds(run) | {'micro_batch': at_once(job)}
    return values | memory(job, run.call)


def stepped(run: Begun) -> tuple[Begun, dict]:
  """(the run, how long its steps take and what share of the limits that is)."""
  ex = run.job.ex
  reached = reaching(run.job.layout.devices[0], ex.precision)
  run, timed = rounds(run, reached)
  counted = work(run)
  values = rates(ex, timed) | limits(counted, timed, ex.steps_per_call)
  return run, values | counted | shares(timed)


@contextlib.contextmanager
def begun(job: Job, clock: Clock):
  """A Begun of the job's runs, whose examples are closed at the end."""
  with clock('compile'):
    init = initial(job.ex, job.splits['train'])
    states = [stacked.on_host(init(member.ex)) for member in job.members]
  hyper, state = stacked.on_devices(job, states)
  with contextlib.closing(examples_of(job, [0] * len(states))) as examples:
    call = compiled_steps(job.ex, examples, hyper, state)
    yield Begun(job, hyper, state, examples, call)


def called(run: Begun) -> Begun:
  """The job after a call with the examples of its first K steps, when it is
  there."""
  batch, index = run.examples(0, run.job.ex.steps_per_call)
  state, _ = run.call(batch, run.hyper, run.state, index)
  return run._replace(state=jax.block_until_ready(state))


class Timed(NamedTuple):
  """Seconds a call, by round: all of it, until it was sent, and the feed's; and
  what the device reached beside it."""

  whole: list
  sent: list
  fed: list
  peaks: list


def rounds(run: Begun, reached) -> tuple[Begun, Timed]:
  """(the run, Timed) after enough calls for each round to last; `reached` () ->
  Peak is asked after each."""
  k = step = run.job.ex.steps_per_call
  start = time.perf_counter()
  run = called(run)
  state = run.state
  calls = hosts.told(max(1, round(ROUND_S / (time.perf_counter() - start))))
  timed, first = Timed([], [], [], []), time.perf_counter()
  for i in range(ROUNDS):
    late = time.perf_counter() - first > ROUNDS_S
    if i >= LEAST_ROUNDS and hosts.told(late):
      break
    fed = sent = 0.0
    start = time.perf_counter()
    for _ in range(calls):
      hosts.mark('call')
      asked = time.perf_counter()
      batch, index = run.examples(step, k)
      given = time.perf_counter()
      state, _ = run.call(batch, run.hyper, state, index)
      sent += time.perf_counter() - given
      fed += given - asked
      step += k
    jax.block_until_ready(state)
    timed.whole.append((time.perf_counter() - start) / calls)
    timed.sent.append(sent / calls)
    timed.fed.append(fed / calls)
    timed.peaks.append(reached())
  return run._replace(state=state), timed


def rates(ex: Experiment, timed: Timed) -> dict:
  """Steps and images a second, milliseconds a step: median, least, most."""
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


def compile_seconds(run: Begun) -> dict:
  """Seconds to compile the train steps, without and with the cache."""
  enabled = jax.config.jax_enable_compilation_cache

  def once():
    start = time.perf_counter()
    compiled_steps(run.job.ex, run.examples, run.hyper, run.state)
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


def at_once(job: Job) -> int:
  """Examples on a device whose gradients are taken at once."""
  each = job.ex.batch_size // job.layout.shares
  batch = job.splits['train']
  seen = config.example_shapes(job.ex, batch).seen.shape
  model = job.ex.model(batch)
  return each // pieces.count_of(job.ex, model, (each, *seen[1:]))


def work(run: Begun) -> dict:
  """FLOPs and bytes of one step on one device as XLA counts them: those of the
  body of a loop once, so that one step has to be a body, in one piece, and
  loops over time are written out (not for the bytes, which are too few).

  FLOPs are counted before XLA compiles: in the calls of libraries that it makes
  of products on a GPU it may not know them.
  """
  ex, call = run.job.ex, run.call
  each = ex.batch_size // run.job.layout.shares
  counted = dataclasses.replace(ex, micro_batch=each, unroll=1)
  with lstm.written_out():
    lowered = lowered_steps(counted, run.examples, run.hyper, run.state)
  if at_once(run.job) != each or ex.unroll != 1:
    call = lowered.compile(hasty())
  return {
    'gflop_per_step': cost(lowered).get('flops', 0.0) / 1e9,
    'mbytes_per_step': cost(call).get('bytes accessed', 0.0) / 1e6,
    'parameters': networks.parameter_count(run.state.params),
  }


def cost(program) -> dict:
  """XLA's counts of a program, compiled or not."""
  counts = program.cost_analysis()
  return (counts[0] if isinstance(counts, list | tuple) else counts) or {}


def memory(job: Job, call) -> dict:
  """The most memory that a call takes on a device: its arguments, among them
  the data, what it writes, and what it needs in between."""
  need = call.memory_analysis()
  if need is None:  # then what the process took, with all that came before
    stats = job.layout.devices[0].memory_stats() or {}
    peak = stats.get('peak_bytes_in_use')
    return {} if peak is None else {'peak_memory_mb': peak / 1e6}
  written = need.output_size_in_bytes - need.alias_size_in_bytes
  size = need.argument_size_in_bytes + need.temp_size_in_bytes + written
  return {'peak_memory_mb': size / 1e6}


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
  a = jnp.ones((n, n), dtype or jnp.float32, device=device)
  long = jnp.ones(2**28 if large else 2**25, jnp.float32, device=device)
  product, total = jax.jit(jnp.matmul), jax.jit(jnp.sum)

  def reached():
    with jax.default_matmul_precision(products):
      product_s = best(product, a, a)
    # Only read: what is written into fresh memory pays for its pages too.
    return Peak(2 * n**3 / product_s, long.nbytes / best(total, long))

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


def profile(job: Job, directory, calls: int = 3) -> list:
  """Traces a few calls of K steps, compiled before: the paths of the traces,
  one for TensorBoard and one for ui.perfetto.dev."""
  with begun(job, Clock()) as run:
    run = called(run)
    with jax.profiler.trace(str(directory), create_perfetto_trace=True):
      for _ in range(calls):
        run = called(run)
  return sorted(path for path in directory.rglob('*.gz'))
