import dataclasses
import functools
import types

import jax
import pytest

from vae_jax import networks
from vae_jax.config import grid
from vae_jax.runs import plan, throughput
from vae_jax.runs.prepare import Clock
from vae_jax.training.devices import OneRun


def measured(ex):
  [job] = plan.jobs([grid.alone(ex)])
  return throughput.measure(job, Clock())


@pytest.mark.slow
def test_rates_agree_with_each_other(small, quick):
  found = measured(small)
  assert found['steps_per_s'] * found['ms_per_step'] == pytest.approx(1e3)
  assert found['images_per_s'] == pytest.approx(8 * found['steps_per_s'])
  assert found['ms_per_step_min'] <= found['ms_per_step']
  assert found['ms_per_step'] <= found['ms_per_step_max']
  assert found['compile_cold_s'] > 0 and found['compile_cached_s'] > 0
  assert 0 < found['dispatch_share'] and 0 < found['feed_share']


@pytest.mark.slow
def test_slow_steps_are_timed_in_fewer_rounds(small, quick, monkeypatch):
  [job] = plan.jobs([grid.alone(small)])
  with throughput.begun(job, Clock()) as run:
    counts, peak = [], throughput.Peak(1e9, 1e9)
    for name, value in (('ROUNDS', 2), ('ROUNDS', 9), ('ROUNDS_S', 0.0)):
      monkeypatch.setattr(throughput, name, value)
      run, timed = throughput.rounds(run, lambda: peak)
      assert len(timed.peaks) == len(timed.whole)
      counts.append(throughput.rates(job.ex, timed)['rounds'])
  assert counts == [2, 9, 3]


@pytest.mark.slow
def test_flops_of_a_step_are_those_of_its_products_in_any_loop(
  small, quick, monkeypatch
):
  monkeypatch.setattr(throughput, 'compile_seconds', lambda *args: {})
  ex = dataclasses.replace(
    small, network=functools.partial(networks.mlp, widths=(64,)), batch_size=16
  )
  pixels, hidden, z = 60, 64, 3
  forward = pixels * hidden + 2 * hidden * z + z * hidden + hidden * pixels
  # Backward has two products for each; the pixels need no gradient.
  wanted = 2 * 16 * (3 * forward - pixels * hidden)
  for k, micro_batch, unroll in ((4, None, 1), (12, 4, 1), (4, None, 2)):
    changed = dataclasses.replace(ex, steps_per_call=k, unroll=unroll)
    found = measured(dataclasses.replace(changed, micro_batch=micro_batch))
    # The rest is elementwise, and little of it.
    assert wanted < 1e9 * found['gflop_per_step'] < 1.5 * wanted
    assert found['micro_batch'] == (micro_batch or 16)
  assert found['parameters'] == sum(
    (pixels * hidden + hidden, 2 * (hidden * z + z), z * hidden + hidden,
     hidden * pixels + pixels)
  )  # fmt: skip


@pytest.mark.slow
def test_the_cache_is_as_it_was_after_a_benchmark(small, quick):
  before = jax.config.jax_enable_compilation_cache
  measured(small)
  assert jax.config.jax_enable_compilation_cache == before


def test_shares_of_the_peaks_follow_from_the_step():
  counted = {'gflop_per_step': 2.0, 'mbytes_per_step': 50.0}
  # The machine is half as fast in the second round, and so is the step.
  peaks = [throughput.Peak(400e9, 20e9), throughput.Peak(200e9, 10e9)]
  timed = throughput.Timed([0.05, 0.1], [], [], peaks)
  found = throughput.limits(counted, timed, k=5)
  assert found['gemm_share'] == pytest.approx(0.5)
  assert found['bandwidth_share'] == pytest.approx(0.25)
  assert found['gemm_peak_gflops'] == pytest.approx(300)
  assert found['bandwidth_gb_per_s'] == pytest.approx(15)
  assert found['limit'] == 'products'


def test_a_peak_is_more_than_a_small_product_reaches():
  found = throughput.reaching(jax.devices()[0], 'float32')()
  a = jax.numpy.ones((64, 64))
  small = 2 * 64**3 / throughput.best(jax.jit(jax.numpy.matmul), a, a)
  assert found.flops > small and found.bandwidth > 1e8


class Crowded:
  """A device on which the members before took ten gigabytes."""

  def memory_stats(self):
    return {'peak_bytes_in_use': 1e10}


@pytest.mark.slow
def test_memory_is_that_of_this_call_alone(small, quick):
  [job] = plan.jobs([grid.alone(small)])
  crowded = job._replace(layout=OneRun([Crowded()]))
  with throughput.begun(job, Clock()) as run:
    found = throughput.memory(crowded, run.call)['peak_memory_mb']
    kept = run.state.params, run.state.opt_state
    least = sum(x.nbytes for x in jax.tree.leaves(kept)) / 1e6
  assert least < found < 20 * least

  class Silent:
    def memory_analysis(self):
      return None

  assert throughput.memory(crowded, Silent()) == {'peak_memory_mb': 1e4}


def test_a_state_that_is_donated_takes_its_memory_once(small):
  class Call:
    """A call of 100 MB of arguments, 90 of which it writes again."""

    def memory_analysis(self):
      return types.SimpleNamespace(
        argument_size_in_bytes=100e6,
        output_size_in_bytes=92e6,
        temp_size_in_bytes=30e6,
        alias_size_in_bytes=90e6,
      )

  assert throughput.memory(None, Call()) == {'peak_memory_mb': 132.0}
