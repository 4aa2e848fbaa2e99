"""Strictness for every test, in one place, before jax is first used.

Four fake CPU devices, so that the laws about devices are tested without any;
and, since most of the time goes into compiling, as little of that as possible:
no optimisation by LLVM, the older emitters of fused loops, which take half as
long (jaxlib 0.11 has them no more, and ends a process whose flag it does not
know), and the persistent compilation cache for a second run.
"""

import importlib.metadata
import os

os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '')
  + ' --xla_force_host_platform_device_count=4'
  + ' --xla_backend_optimization_level=0'
)
if importlib.metadata.version('jaxlib').startswith('0.10.'):
  os.environ['XLA_FLAGS'] += ' --xla_cpu_use_fusion_emitters=false'
os.environ.setdefault('MPLBACKEND', 'Agg')

import dataclasses
import functools
import gc

import hypothesis
import jax
import numpy as np
import pytest

jax.config.update('jax_platforms', 'cpu')
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_debug_key_reuse', True)
jax.config.update('jax_legacy_prng_key', 'error')
# The user's own: one that others may write to could be anybody's programs.
CACHE = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
jax.config.update('jax_compilation_cache_dir', f'{CACHE}/vae_jax/xla_tests')
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)
# The same examples every time; what it keeps, it keeps there too.
hypothesis.configuration.set_hypothesis_home_dir(f'{CACHE}/vae_jax/hypothesis')
hypothesis.settings.register_profile(
  'fixed', derandomize=True, deadline=None, database=None, max_examples=60
)
hypothesis.settings.load_profile('fixed')

import launch  # noqa: E402
from vae_jax import config, data, networks, training  # noqa: E402
from vae_jax.factors import views  # noqa: E402
from vae_jax.measures import baselines, per_example, pooled  # noqa: E402
from vae_jax.measures.trained import Trained  # noqa: E402
from vae_jax.reports import claims  # noqa: E402
from vae_jax.runs import machine, throughput  # noqa: E402
from vae_jax.training import checkpoint  # noqa: E402
from vae_jax.training.devices import OneRun  # noqa: E402


def pytest_collection_modifyitems(config, items):
  """Whatever is not marked slow is quick: `pytest -m quick` is a first look.
  What takes many trials runs only if it is asked for: `-m faults`."""
  if 'faults' not in config.getoption('-m'):
    faults = [item for item in items if item.get_closest_marker('faults')]
    config.hook.pytest_deselected(items=faults)
    items[:] = [item for item in items if item not in set(faults)]
  for item in items:
    if not item.get_closest_marker('slow'):
      item.add_marker('quick')


@pytest.fixture(autouse=True, scope='session')
def orbax_is_quiet():
  """As in launch.py; and its complaints in threads would fail any test."""
  checkpoint.quiet()


@pytest.fixture(autouse=True, scope='module')
def programs_are_let_go():
  """Every compiled program takes some memory maps, of which a process may have
  65,530 on Linux: XLA crashes on the next one, and the whole suite needs more.
  """
  yield
  jax.clear_caches()
  gc.collect()


@pytest.fixture
def batch():
  """26 small, non-square, two-channel images of three classes."""
  rng = np.random.default_rng(0)
  x = rng.integers(0, 256, (26, 6 * 5 * 2), dtype=np.uint8)
  label = rng.integers(0, 3, 26).astype(np.int32)
  return data.Batch(x, label, shape=(6, 5, 2), classes=('a', 'b', 'c'))


@pytest.fixture
def tiny():
  """A VAE small enough to compile in no time."""
  return config.Experiment(
    network=functools.partial(networks.mlp, widths=(16,)),
    latents=3,
    batch_size=8,
    steps=12,
    steps_per_call=4,
    nll_samples=0,
  )


@pytest.fixture
def tiny_data(monkeypatch, batch):
  """Makes --dataset=tiny load `batch`, its last ten examples as test split."""
  splits = {
    'train': jax.tree.map(lambda x: x[:16], batch),
    'test': jax.tree.map(lambda x: x[16:], batch),
  }
  monkeypatch.setitem(data.EMBEDDED, 'tiny', lambda: splits)
  return splits


@pytest.fixture
def launched(monkeypatch, capsys):
  """A function (*flags) -> (exit code, stdout, stderr)."""
  monkeypatch.setattr(machine, 'prepare_jax', lambda: None)

  def launched(*flags):
    code = launch.main(['launch.py', *flags])
    return code, *capsys.readouterr()

  return launched


@pytest.fixture
def start(batch):
  """A function (ex) -> (placed data, hyper, state) on some devices."""

  def start(ex, devices):
    hyper = ex.hyper()
    state = training.init(jax.random.key(ex.seed), ex, hyper, batch)
    return training.replicate((batch, hyper, state), devices)

  return start


@pytest.fixture
def denoiser(tiny, tiny_data):
  """An untrained denoiser with its test measures."""
  ex = dataclasses.replace(
    tiny,
    view=views.noisy,
    measures=(per_example.quality,),
    baselines=(baselines.noisy_input, baselines.mean_image),
    report=claims.beats_baselines,
  )
  hyper = ex.hyper()
  state = training.init(jax.random.key(0), ex, hyper, tiny_data['train'])
  layout = OneRun(jax.local_devices()[:1])
  measure = pooled.means(ex, ex.measures, layout)
  [results] = measure(tiny_data['test'], hyper, state)
  return Trained(ex, tiny_data, hyper, state, [], results | {'step': 0})


@pytest.fixture
def quick(monkeypatch):
  """Rounds of one call: what a test looks at is no time."""
  monkeypatch.setattr(throughput, 'ROUNDS', 2)
  monkeypatch.setattr(throughput, 'ROUND_S', 0.0)
  peak = throughput.Peak(1e9, 1e9)
  monkeypatch.setattr(throughput, 'reaching', lambda *args: lambda: peak)
