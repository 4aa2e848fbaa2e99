"""Gradients of a batch in pieces whose feature maps stay in the cache."""

import jax
import jax.numpy as jnp
from jax import lax

from vae_jax.config.experiment import Experiment
from vae_jax.config.text import parts
from vae_jax.factors.hyper import Hyper

# Fewer examples than this at once cost more than the cache gives.
LEAST_PIECE = 16


def gradients(loss, params, example, key_B, hyper: Hyper, count: int = 1):
  """(gradients, metrics) of a loss that is a mean over these examples, taken
  over `count` pieces of them one after another."""

  def of(example, key_B):
    (_, metrics), grads = jax.value_and_grad(loss, has_aux=True)(
      params, example, key_B, hyper
    )
    return grads, metrics

  if count == 1:
    return of(example, key_B)

  def body(total, piece):
    grads, metrics = of(*piece)
    return jax.tree.map(jnp.add, total, grads), metrics

  example_key_n = jax.tree.map(
    lambda x: x.reshape(count, -1, *x.shape[1:]), (example, key_B)
  )
  zeros = jax.tree.map(jnp.zeros_like, params)
  total, metrics_n = lax.scan(body, zeros, example_key_n)
  mean = jax.tree.map(lambda x: x / count, total)
  return mean, {name: value_n.mean(0) for name, value_n in metrics_n.items()}


def count_of(ex: Experiment, seen) -> int:
  """How many pieces the gradients of images of the shape `seen`, [B, H, W, C],
  are taken in on one device.

  As ex.micro_batch says; where it says nothing, as is fastest, if the objective
  is known to be a mean over examples.
  """
  size, b = ex.micro_batch, seen[0]
  if size is None:
    known = getattr(parts(ex.objective)[0], 'by_example', False)
    size = cached(ex, seen, b) if known else b
  most = max(n for n in range(1, min(size, b) + 1) if b % n == 0)
  # A batch that has no divisor near the size stays whole.
  return b // most if 2 * most > size else 1


def cached(ex: Experiment, seen, most: int) -> int:
  """How many images of the shape `seen` to take at once, of at most `most`: on
  CPU so many that the network's feature maps stay in the cache."""
  network, _ = parts(ex.network)
  pixels = getattr(network, 'cpu_pixels', None)
  if pixels is None or jax.default_backend() != 'cpu':
    return most
  return min(most, max(LEAST_PIECE, pixels // (seen[1] * seen[2])))
