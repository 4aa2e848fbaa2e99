"""Train steps of ours, PyTorch and pythae's trainer in turn: README's table.

  pip install -r requirements.txt -r tests/requirements-torch.txt
  python -m tests.against_torch --out=against_torch.json
  python -m tests.against_torch --net=mlp,lesson --rounds=7

A program, not a test: for an idle Linux machine and an environment of its own.
Where there is no C++ compiler or no pythae, a line says so and the rest goes
on. All train one network on the same images in memory from the same parameters,
for which the losses have to agree. Their rounds alternate, each as many calls
of K steps as take about a second: a time is the median of rounds, a ratio the
median of theirs over ours beside them. PyTorch gets what is faster for it: Adam
fused, relu in place, channels_last; torch.compile the better of both layouts.
"""

import argparse
import json
import os
import pathlib
import platform
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from statistics import median

import jax
import numpy as np
import torch

from experiments import autoencoder, conv_vae, vae
from tests import torch_lstm, torch_steps
from vae_jax import data, networks
from vae_jax.config import grid
from vae_jax.console import say
from vae_jax.factors import likelihoods
from vae_jax.factors.divergences import kl
from vae_jax.runs import plan, throughput
from vae_jax.runs.machine import prepare_jax
from vae_jax.runs.prepare import Clock
from vae_jax.training.devices import OneRun, devices_of

CONV = replace(conv_vae.experiment, steps_per_call=20)
WIDE = partial(networks.conv, widths=(32, 32, 64, 64), kernel=4, smooth=False)
WIDE = replace(CONV, network=WIDE, latents=10, batch_size=64)
LESSON = replace(autoencoder.experiment, batch_size=128, learning_rate=1e-3)
LSTM = partial(networks.recurrent, encoder=512, widths=(256, 256))
LSTM = replace(
  vae.experiment,
  network=LSTM,
  latents=128,
  likelihood=likelihoods.categorical,
  steps_per_call=10,
)
NETS = {  # name: (pixels of a side, ours, what it is); 0: melodies
  'mlp': (28, replace(vae.experiment, latents=20), 'MLP 784-500-20'),
  'conv': (28, CONV, 'convolutional VAE: 3x3 s2 (32, 64), dense 256'),
  'lesson': (28, LESSON, "the lesson's autoencoder"),
  'disentanglement': (
    64, WIDE, "disentanglement_lib's 64x64: 4x4 s2 (32, 32, 64, 64)"
  ),
  'lstm': (
    0, LSTM, 'LSTMs of 32 steps: both ways 512, decoder 256 x 2, z 128'
  ),
}  # fmt: skip
COLUMNS = 'vae_jax', 'PyTorch eager', 'torch.compile', 'pythae'
CORES = len(os.sched_getaffinity(0))


def our_steps(run):
  """A function that makes K steps of a throughput.Begun."""

  def steps():
    nonlocal run
    run = throughput.called(run)
    assert not run.state.refused, 'an update was not finite'

  return steps


def checked(name, ex, params, batch, x):
  """The number of parameters of ours; AssertionError if PyTorch's net is not
  the same."""
  # As they are, logits are near 0, and the loss near log 2 whatever the net is.
  params = jax.tree.map(lambda w: 2 * w, params)
  model, seen = ex.model(batch), batch.images()
  q = model.encode(params, seen)
  outputs = model.decode(params, q.mean, teacher=seen)
  log_p_B = model.log_likelihood(outputs, seen)
  ours = float((kl(q, model.prior(params), q.mean).sum(-1) - log_p_B).mean())
  net = torch_lstm if name == 'lstm' else torch_steps
  p, count = net.in_torch(params), networks.parameter_count(params)
  theirs = net.nelbo(p, x, drawn=False).item()
  say(f'{name}: {count:,} parameters, {ours:.3f} nats, PyTorch {theirs:.3f}')
  leaves = torch_lstm.trained(p) if name == 'lstm' else jax.tree.leaves(p)
  assert count == sum(w.numel() for w in leaves), 'other parameters'
  assert abs(theirs / ours - 1) < 1e-4, 'another loss'
  return count


def measured(name, rounds):
  """What it was, and milliseconds a step in every round of every part."""
  side, ex, title = NETS[name]
  k, b = ex.steps_per_call, ex.batch_size
  batch = made_up(side, k * b)
  splits, layout = {'train': batch, 'test': batch}, OneRun(devices_of(ex))
  job = plan.Job([grid.alone(ex)], ex, layout, splits)
  torch.compiler.reset()  # lets go of what another network compiled
  with (
    throughput.begun(job, Clock()) as run,
    tempfile.TemporaryDirectory() as d,
  ):
    params = jax.tree.map(np.array, run.state.params)
    seen = np.array(batch.images())
    x = torch_steps.pixels(params, seen) if side else torch.tensor(seen)
    count = checked(name, ex, params, batch.take(slice(b)), x[:b])
    loss = torch_steps.nelbo if side else torch_lstm.nelbo
    theirs = partial(torch_steps.plain, params, x, ex, loss=loss)
    compiled = partial(theirs, compiled=True)
    makers = {'PyTorch eager': theirs, 'torch.compile': compiled}
    if name == 'lstm':
      pass
    elif name == 'mlp':
      makers['pythae'] = partial(torch_steps.pythae, params, x, ex, d)
    else:
      makers['torch.compile, NCHW'] = partial(compiled, 'contiguous_format')
    parts = {'vae_jax': ready(partial(our_steps, run))}
    for part, make in makers.items():
      if steps := attempt(f'{name}, {part}', ready, make):
        parts[part] = steps
    seconds = in_turn(parts, rounds)
  ms = {part: [1e3 * s / k for s in times] for part, times in seconds.items()}
  return {'what': f'{title}, batch {b}', 'parameters': count, 'ms_per_step': ms}


def made_up(side, n):
  """Images of random pixels or, for side 0, melodies of random classes."""
  rng = np.random.default_rng(0)
  if side:
    x = rng.integers(0, 256, (n, side**2), np.uint8)
    return data.Batch(x, None, shape=(side, side, 1))
  x = rng.integers(0, 90, (n, 32), np.uint16)
  return data.Batch(x, None, (32, 1, 90), 89.0, numbers=True)


def ready(make):
  """(steps, calls of it that take about a second), compiled."""
  steps = make()
  steps()
  return steps, max(1, round(1 / seconds_of(steps, 1)))


def in_turn(parts, rounds):
  """Seconds a call of every part in every round: {part: [...]}."""
  seconds = {part: [] for part in parts}
  for _ in range(rounds):
    for part, (steps, calls) in parts.items():
      seconds[part].append(seconds_of(steps, calls))
  return seconds


def seconds_of(steps, calls):
  start = time.perf_counter()
  for _ in range(calls):
    steps()
  return (time.perf_counter() - start) / calls


def attempt(what, f, *args):
  """f(*args), or None after one line on why not."""
  try:
    return f(*args)
  except Exception as error:
    say(f'{what}: {type(error).__name__}: {error}'.splitlines()[0])


def cell(ms, column):
  """The median of a column's best part, and of its ratios to ours."""
  parts = [times for part, times in ms.items() if part.startswith(column)]
  if not parts:
    return ''
  best, ours = min(parts, key=median), ms['vae_jax']
  ratio = median(t / o for t, o in zip(best, ours, strict=True))
  return f'{median(best):.3g} ms' + f' ({ratio:.2f}x)' * (best is not ours)


def machine():
  """The processor and the versions of what is compared."""
  lines = pathlib.Path('/proc/cpuinfo').read_text('utf-8').splitlines()
  names = [line.split(': ')[1] for line in lines if 'model name' in line]
  packages = 'jax', 'jaxlib', 'torch', 'pythae'
  versions = {name: attempt(name, version, name) for name in packages}
  machine = {'cpu': names[0], 'cores': CORES}
  return machine | {'python': platform.python_version()} | versions


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--net', default=','.join(NETS))
  parser.add_argument('--rounds', type=int, default=9)
  parser.add_argument('--out', type=pathlib.Path, help='a JSON file to write')
  flags = parser.parse_args()
  names = list(dict.fromkeys(flags.net.split(',')))
  if unknown := set(names) - set(NETS):
    parser.error(f'no net {", ".join(unknown)}: there are {", ".join(NETS)}')
  prepare_jax()
  torch.set_num_threads(CORES)
  print('| network |', ' | '.join(COLUMNS), '|')
  print('|---' * (1 + len(COLUMNS)) + '|', flush=True)
  results = {}
  for name in names:
    if values := attempt(name, measured, name, flags.rounds):
      cells = [cell(values['ms_per_step'], column) for column in COLUMNS]
      print('|', ' | '.join([values['what'], *cells]), '|', flush=True)
      results[name] = values
  facts = machine() | {'rounds': flags.rounds}
  print(', '.join(f'{name} {value}' for name, value in facts.items()))
  if flags.out:
    flags.out.write_text(json.dumps(facts | {'nets': results}, indent=2))
  sys.exit(len(results) < len(names))


if __name__ == '__main__':
  main()
