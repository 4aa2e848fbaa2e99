"""PyTorch on the same device: eager, compiled, and a CUDA graph, in turn

torch.compile has mode='reduce-overhead', which makes CUDA graphs of its own;
the last is one whole step captured by hand, replayed.
"""

import functools

import jax
import numpy as np
import torch

from tests import against_torch as house
from tests import torch_steps
from tests.accelerator import nets
from vae_jax import data
from vae_jax.config import grid
from vae_jax.runs import plan, throughput
from vae_jax.runs.prepare import Clock
from vae_jax.training.devices import OneRun

ROUNDS = 3


def rows(flags):
  """ms a step of every part, one row a net and precision."""
  small = flags.small
  k = 4 if small else 500
  made = {'mlp': nets.mlp, 'conv': nets.conv}
  for name, precision in (
    ('mlp', 'float32'), ('conv', 'tf32'), ('mlp', 'tf32'), ('conv', 'float32'),
    ('conv', 'bfloat16'),
  ):  # fmt: skip
    steps = k if name == 'mlp' else max(2, k // 10)
    batch = 8 if small else 128
    ex = made[name](
      small, precision=precision, steps_per_call=steps, batch_size=batch
    )
    yield f'{name} {precision}', functools.partial(row, ex)


def row(ex) -> dict:
  """Median ms a step and ratios to ours of every part, in turn."""
  k, b = ex.steps_per_call, ex.batch_size
  device = 'cuda' if torch.cuda.is_available() else 'cpu'
  x = np.random.default_rng(0).integers(0, 256, (k * b, 784), np.uint8)
  batch = data.Batch(x, None, shape=(28, 28, 1))
  splits, layout = (
    {'train': batch, 'test': batch},
    OneRun(jax.local_devices()[:1]),
  )
  job, notes = plan.Job([grid.alone(ex)], ex, layout, splits), {}
  torch_steps.precise(ex.precision)
  torch.compiler.reset()
  with throughput.begun(job, Clock()) as run:
    params = jax.tree.map(np.array, run.state.params)
    pixels = torch_steps.pixels(params, np.array(batch.images()))
    theirs = functools.partial(
      torch_steps.plain, params, pixels, ex, device=device
    )
    makers = {
      'eager': theirs,
      'compiled': functools.partial(theirs, compiled=True),
      'graph': functools.partial(torch_steps.graphed, params, pixels, ex),
    }
    parts = {'vae_jax': house.ready(functools.partial(house.our_steps, run))}
    for part, make in makers.items():
      try:
        parts[part] = house.ready(make)
      except Exception as error:
        notes[part] = f'{type(error).__name__}: {error}'.splitlines()[0]
    seconds = house.in_turn(parts, ROUNDS)
  ms = {part: [1e3 * s / k for s in times] for part, times in seconds.items()}
  return {part: house.cell(ms, part) for part in ms} | notes
