import dataclasses
import functools
import json

import jax
import pytest

from vae_jax import networks
from vae_jax.config import grid
from vae_jax.runs import bench, benchmark, loop, run


@pytest.fixture
def small(tiny, tiny_data):
  return dataclasses.replace(tiny, dataset='tiny', devices=1)


@pytest.fixture
def quick(monkeypatch):
  """Rounds of one call: what a test looks at is no time."""
  monkeypatch.setattr(bench, 'ROUNDS', 2)
  monkeypatch.setattr(bench, 'ROUND_S', 0.0)
  peak = bench.Peak(1e9, 1e9)
  monkeypatch.setattr(bench, 'reaching', lambda *args: lambda: peak)


def test_rates_agree_with_each_other(small, quick):
  found = bench.measure(small)
  assert found['steps_per_s'] * found['ms_per_step'] == pytest.approx(1e3)
  assert found['images_per_s'] == pytest.approx(8 * found['steps_per_s'])
  assert found['ms_per_step_min'] <= found['ms_per_step']
  assert found['ms_per_step'] <= found['ms_per_step_max']
  assert found['compile_cold_s'] > 0 and found['compile_cached_s'] > 0
  assert 0 < found['dispatch_share'] and 0 < found['feed_share']


def test_slow_steps_are_timed_in_fewer_rounds(small, quick, monkeypatch):
  with bench.begun(small, None, run.Clock()) as (ready, call, examples):
    state, counts, peak = ready.state, [], bench.Peak(1e9, 1e9)
    for name, value in (('ROUNDS', 2), ('ROUNDS', 9), ('ROUNDS_S', 0.0)):
      monkeypatch.setattr(bench, name, value)
      args = call, examples, ready.hyper, state
      state, timed = bench.rounds(*args, lambda: peak)
      assert len(timed.peaks) == len(timed.whole)
      counts.append(bench.rates(ready, timed)['rounds'])
  assert counts == [2, 9, 3]


def test_flops_of_a_step_are_those_of_its_products_in_any_loop(
  small, quick, monkeypatch
):
  monkeypatch.setattr(bench, 'compile_seconds', lambda *args: {})
  ex = dataclasses.replace(
    small, network=functools.partial(networks.mlp, widths=(64,)), batch_size=16
  )
  pixels, hidden, z = 60, 64, 3
  forward = pixels * hidden + 2 * hidden * z + z * hidden + hidden * pixels
  # Backward has two products for each; the pixels need no gradient.
  wanted = 2 * 16 * (3 * forward - pixels * hidden)
  for k, micro_batch in ((4, None), (12, 4)):
    found = bench.measure(
      dataclasses.replace(ex, steps_per_call=k, micro_batch=micro_batch)
    )
    # The rest is elementwise, and little of it.
    assert wanted < 1e9 * found['gflop_per_step'] < 1.5 * wanted
    assert found['micro_batch'] == (micro_batch or 16)
  assert found['parameters'] == sum(
    (pixels * hidden + hidden, 2 * (hidden * z + z), z * hidden + hidden,
     hidden * pixels + pixels)
  )  # fmt: skip


def test_the_cache_is_as_it_was_after_a_benchmark(small, quick):
  before = jax.config.jax_enable_compilation_cache
  bench.measure(small)
  assert jax.config.jax_enable_compilation_cache == before


def test_shares_of_the_peaks_follow_from_the_step():
  counted = {'gflop_per_step': 2.0, 'mbytes_per_step': 50.0}
  # The machine is half as fast in the second round, and so is the step.
  peaks = [bench.Peak(400e9, 20e9), bench.Peak(200e9, 10e9)]
  timed = bench.Timed([0.05, 0.1], [], [], peaks)
  found = bench.limits(counted, timed, k=5)
  assert found['gemm_share'] == pytest.approx(0.5)
  assert found['bandwidth_share'] == pytest.approx(0.25)
  assert found['gemm_peak_gflops'] == pytest.approx(300)
  assert found['bandwidth_gb_per_s'] == pytest.approx(15)
  assert found['limit'] == 'products'


def test_a_peak_is_more_than_a_small_product_reaches():
  found = bench.reaching(jax.devices()[0], 'float32')()
  a = jax.numpy.ones((64, 64))
  small = 2 * 64**3 / bench.best(jax.jit(jax.numpy.matmul), a, a)
  assert found.flops > small and found.bandwidth > 1e8


class Crowded:
  """A device on which the members before took ten gigabytes."""

  def memory_stats(self):
    return {'peak_bytes_in_use': 1e10}


def test_memory_is_that_of_this_call_alone(small, quick):
  with bench.begun(small, None, run.Clock()) as (ready, call, _):
    crowded = ready._replace(devices=[Crowded()])
    found = bench.memory(crowded, call)['peak_memory_mb']
    kept = ready.state.params, ready.state.opt_state
    least = sum(x.nbytes for x in jax.tree.leaves(kept)) / 1e6
  assert least < found < 20 * least

  class Silent:
    def memory_analysis(self):
      return None

  assert bench.memory(crowded, Silent()) == {'peak_memory_mb': 1e4}


def test_a_benchmark_measures_each_member(small, quick, tmp_path):
  members = grid.members(small, ['batch_size=4,8'])
  outcome = benchmark.fit('tiny', members, tmp_path)
  found = json.loads((tmp_path / 'benchmark.json').read_text())
  assert list(found['runs']) == ['batch_size=4', 'batch_size=8']
  assert [r['batch_size'] for r in found['runs'].values()] == [4, 8]
  starts = [r.get('start_to_first_step_s') for r in found['runs'].values()]
  assert starts[0] > 0 and starts[1] is None
  assert (tmp_path / 'pictures' / 'throughput.png').exists()
  for words in ('batch_size=4', 'steps/s', 'GEMM peak', 'benchmark.json'):
    assert words in outcome.summary()


def test_a_benchmark_keeps_no_programs(small, tmp_path, monkeypatch):
  figures = {
    'images_per_s': 1.0, 'ms_per_step_min': 1.0, 'ms_per_step_max': 1.0,
    'start_to_first_step_s': 1.0,
  }  # fmt: skip
  monkeypatch.setattr(bench, 'measure', lambda *args: dict(figures))
  cleared = []
  monkeypatch.setattr(jax, 'clear_caches', lambda: cleared.append(1))
  members = grid.members(small, ['batch_size=4,8,16'])
  benchmark.fit('tiny', members, tmp_path)
  assert len(cleared) == 3


def test_a_profile_is_written(small, quick, tmp_path):
  members = grid.members(small, [])
  outcome = benchmark.fit('tiny', members, tmp_path, trace=True)
  traces = [path for path in outcome.paths if 'perfetto' in path.name]
  assert len(traces) == 1 and traces[0].stat().st_size > 100


def test_a_benchmark_says_what_cannot_run(small, tmp_path):
  for fields, words in (
    ({'batch_size': 5, 'devices': 4}, 'cannot be divided over 4'),
    ({'devices': 9}, 'devices must be from 1 to 4, not 9'),
    ({'micro_batch': 3}, 'does not divide the 8 examples .* 1, 2, 4, 8'),
    ({'precision': 'float8'}, 'precision must be float32, tf32 or bfloat16'),
  ):
    ex = dataclasses.replace(small, **fields)
    with pytest.raises(loop.Refused, match=words):
      benchmark.fit('tiny', grid.members(ex, []), tmp_path / 'none')
  assert not (tmp_path / 'none').exists()
