"""loss and gradients of every experiment's step against those on a CPU

A difference is relative: of the loss, and of the norm of all gradients. In
float32 every parameter's gradient is compared for itself too, its norm taken as
a thousandth of all gradients' at least.
"""

import dataclasses
import functools
import os

import jax
import numpy as np

import experiments
from vae_jax import data, training
from vae_jax.training.step import step_gradients

THREADS = min(8, os.cpu_count() or 1)  # XLA compiles outside Python's lock
BATCH = 16
LEAST = 1e-3
# Of the loss and of all gradients. A product's inputs have 24, 11 and 8 bits.
TOLERANCE = {
  'float32': (1e-4, 1e-4),
  'tf32': (1e-3, 2e-2),
  'bfloat16': (2e-3, 6e-2),
}


def chosen(small: bool) -> dict:
  """Every experiment by its name; two if small."""
  names = ('vae', 'sparse_autoencoder') if small else experiments.known()
  return {name: experiments.load(name) for name in names}


def rows(flags):
  """One row an experiment: the differences in each precision."""
  for name, ex in chosen(flags.small).items():
    yield name, functools.partial(row, ex)


def row(ex) -> dict:
  """The differences, and whether all are within TOLERANCE."""
  device, [cpu, *_] = jax.devices()[0], jax.devices('cpu')
  train = data.load(ex.dataset, None, ex.phrase)['train']
  batch = jax.tree.map(lambda x: x[:BATCH], train)
  ex = dataclasses.replace(ex, batch_size=BATCH, micro_batch=BATCH)
  with jax.default_device(cpu):
    init = jax.jit(functools.partial(training.init, ex=ex))
    state = init(jax.random.key(ex.seed), hyper=ex.hyper(), data=batch)
  wanted = gradients(ex, batch, state, cpu)
  found, good = {}, True
  for precision, (most_loss, most_gradient) in TOLERANCE.items():
    changed = dataclasses.replace(ex, precision=precision)
    loss, gradient, worst = differences(
      gradients(changed, batch, state, device), wanted
    )
    found |= {f'loss {precision}': loss, f'gradients {precision}': gradient}
    good = good and loss <= most_loss and gradient <= most_gradient
    if precision == 'float32':
      found |= {'worst parameter': worst}
      good = good and worst <= most_gradient
  return found | {'ok': bool(good)}


def gradients(ex, batch, state, device):
  """(gradients, loss) of the first step on this device, on the host."""

  def first(batch, hyper, state):
    bound = ex.bound(ex.scheduled(hyper, state.step))
    index_b = np.arange(BATCH)
    return step_gradients(bound, batch, hyper, state, index_b, None)

  given = batch, ex.hyper(), state
  grads, metrics = jax.jit(first)(*jax.device_put(given, device))
  return jax.device_get((grads, metrics['loss']))


def differences(found, wanted) -> tuple[float, float, float]:
  """Relative differences of (gradients, loss): of the loss, of all gradients,
  and the largest of a parameter's."""
  (grads, loss), (right, right_loss) = found, wanted
  norms = [np.linalg.norm(g) for g in jax.tree.leaves(right)]
  whole = np.linalg.norm(norms)
  far = jax.tree.map(lambda a, b: np.linalg.norm(a - b), grads, right)
  far = jax.tree.leaves(far)
  pairs = zip(far, norms, strict=True)
  worst = max(d / max(n, LEAST * whole) for d, n in pairs)
  gradient = np.linalg.norm(far) / whole
  return float(abs(loss / right_loss - 1)), float(gradient), float(worst)
