"""whole runs: resumed, measured on a CPU, and a sweep by vmap, map and alone

Each is launch.py as a user calls it, on embedded data.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

import vae_jax
from tests.accelerator.parts import ROOT

FLAGS = [
  '--experiment=vae', '--steps_per_call=20', '--nll_images=64',
  '--nll_samples=20',
]  # fmt: skip
STEPS = 60
# A resumed run ends bit-equal only where sums have one order.
EXACT = '--xla_gpu_deterministic_ops=true'
NEAR = 1e-4  # relative, of what is measured of one model
# Of what is measured of two that were trained apart: Adam's first steps take
# the sign of a gradient, be it nothing but rounding.
TRAINED_NEAR = 2e-3


def rows(flags):
  """All runs begin at once; a row is a comparison of some."""
  del flags
  where = pathlib.Path(tempfile.mkdtemp())  # in the parent's scratch
  one, sweep = ['--latents=4'], ['--latents=2,4', '--seed=0,1']
  calls = {
    'whole': [*one, f'--steps={STEPS}'],
    'parted': [*one, '--steps=20'],
    'vmap': [*sweep, f'--steps={STEPS}', '--stack=vmap'],
    'map': [*sweep, f'--steps={STEPS}', '--stack=map'],
  }
  pool = ThreadPoolExecutor(len(calls))
  done = {
    name: pool.submit(launched, [*FLAGS, *call], where / name)
    for name, call in calls.items()
  }
  yield 'resumed', lambda: resumed(done, where)
  yield 'measured on CPU', lambda: measured(done, where)
  for stack in ('vmap', 'map'):
    yield f'sweep by {stack}', lambda s=stack: swept(done, where, s)


def launched(flags, workdir, **env):
  """launch.py with these flags; RuntimeError with its last line."""
  before = os.environ.get('XLA_FLAGS', '')
  env = os.environ | {'XLA_FLAGS': f'{before} {EXACT}'.strip()} | env
  argv = [sys.executable, 'launch.py', *flags, f'--workdir={workdir}']
  done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True)
  if done.returncode:
    said = done.stderr.strip().splitlines() or ['nothing']
    raise RuntimeError(f'launch.py ended with {done.returncode}: {said[-1]}')


def resumed(done, where) -> dict:
  """Whether 20 steps and then 40 end as 60 do, to the bit."""
  done['parted'].result()
  launched([*FLAGS, '--latents=4', f'--steps={STEPS}'], where / 'parted')
  done['whole'].result()
  pair = [vae_jax.load(where / name).state for name in ('whole', 'parted')]
  different = jax.tree.map(
    lambda a, b: int((np.asarray(a) != np.asarray(b)).sum()),
    *[state.params for state in pair],
  )
  count = sum(jax.tree.leaves(different))
  steps = [int(state.step) for state in pair]
  return {'different': count, 'ok': count == 0 and steps == [STEPS] * 2}


def measured(done, where) -> dict:
  """What the device measured of a run against what a CPU measures of it."""
  done['whole'].result()
  shutil.copytree(where / 'whole', where / 'cpu')
  launched(['--mode=evaluate'], where / 'cpu', JAX_PLATFORMS='cpu')
  return apart(results(where / 'whole'), results(where / 'cpu'), NEAR)


def swept(done, where, stack: str) -> dict:
  """A sweep's run against the same run alone."""
  done[stack].result()
  done['whole'].result()
  [member] = (where / stack).glob('*latents=4*seed=0*')
  return apart(results(where / 'whole'), results(member), TRAINED_NEAR)


def results(run_dir) -> dict:
  """What a run has measured: its numbers, by name."""
  found = json.loads((run_dir / 'results.json').read_text())
  times = '_s', '_per_s'
  return {
    name: value
    for name, value in found.items()
    if isinstance(value, float) and not name.endswith(times)
  }


def apart(one: dict, other: dict, near: float) -> dict:
  """The largest relative difference of what both have measured, and of what:
  `ok` if it is not above `near`."""
  names = one.keys() & other.keys()
  if not names:
    return {'ok': False, 'error': 'nothing was measured in both'}
  far = {
    name: abs(one[name] - other[name]) / max(abs(one[name]), 1e-6)
    for name in names
  }
  worst = max(far, key=far.get)
  return {
    'difference': far[worst],
    'of': worst,
    'figures': len(far),
    'ok': far[worst] <= near,
  }
