import dataclasses
import json

import jax
import pytest

from vae_jax.config import grid
from vae_jax.runs import benchmark, throughput
from vae_jax.runs.directory import Refused

pytestmark = pytest.mark.slow


def test_a_benchmark_measures_each_member(small, quick, tmp_path):
  members = grid.members(small, ['batch_size=4,8'])
  outcome = benchmark.benchmark('tiny', members, tmp_path)
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
  monkeypatch.setattr(throughput, 'measure', lambda *args: dict(figures))
  cleared = []
  monkeypatch.setattr(jax, 'clear_caches', lambda: cleared.append(1))
  members = grid.members(small, ['batch_size=4,8,16'])
  benchmark.benchmark('tiny', members, tmp_path)
  assert len(cleared) == 3


def test_a_profile_is_written(small, quick, tmp_path):
  members = grid.members(small, [])
  outcome = benchmark.benchmark('tiny', members, tmp_path, trace=True)
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
    with pytest.raises(Refused, match=words):
      benchmark.benchmark('tiny', grid.members(ex, []), tmp_path / 'none')
  assert not (tmp_path / 'none').exists()
