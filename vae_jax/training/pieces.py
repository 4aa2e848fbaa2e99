"""Gradients of a batch in pieces whose feature maps stay in the cache."""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax

from vae_jax.config.experiment import Experiment
from vae_jax.factors.model import Model, WholeBatch

# Fewer examples than this at once cost more than the cache gives.
LEAST_PIECE = 16


def gradients(ex: Experiment, model: Model, params, example, key_B):
  """(gradients, metrics) of the mean of the objective over these examples,
  taken in as many pieces as `count_of` says, or whole if it compares them."""
  count = count_of(ex, model, example.seen.shape)
  if count > 1:
    try:
      return in_pieces(ex, model, params, example, key_B, count)
    except WholeBatch:
      if ex.micro_batch is not None:
        raise
  return whole(ex, model, params, example, key_B)


def whole(ex: Experiment, model: Model, params, example, key_B):
  """(gradients, metrics) of examples that are all taken at once."""

  def loss(params):
    values = ex.objective(model, params, example, key_B)
    # Whatever the shape behind [B], a metric of training is one number.
    means = {name: x.mean() for name, x in values.items() if x.ndim == 1}
    return means['loss'], means

  (_, metrics), grads = jax.value_and_grad(loss, has_aux=True)(params)
  return grads, metrics


def in_pieces(ex: Experiment, model: Model, params, example, key_B, count: int):
  """(gradients, metrics) of `count` pieces of the examples one after another;
  WholeBatch if the objective compares examples."""
  model = dataclasses.replace(model, in_pieces=True)

  def body(total, piece):
    grads, metrics = whole(ex, model, params, *piece)
    return jax.tree.map(jnp.add, total, grads), metrics

  example_key_n = jax.tree.map(
    lambda x: x.reshape(count, -1, *x.shape[1:]), (example, key_B)
  )
  zeros = jax.tree.map(jnp.zeros_like, params)
  total, metrics_n = lax.scan(body, zeros, example_key_n)
  mean = jax.tree.map(lambda x: x / count, total)
  return mean, {name: value_n.mean(0) for name, value_n in metrics_n.items()}


def count_of(ex: Experiment, model: Model, seen) -> int:
  """How many pieces the gradients of images of the shape `seen`, [B, H, W, C],
  are taken in on one device: as ex.micro_batch says or, where it says nothing,
  as is fastest."""
  b = seen[0]
  size = cached(model, seen, b) if ex.micro_batch is None else ex.micro_batch
  most = max(n for n in range(1, min(size, b) + 1) if b % n == 0)
  # A batch that has no divisor near the size stays whole.
  return b // most if 2 * most > size else 1


def cached(model: Model, seen, most: int) -> int:
  """How many images of the shape `seen` to take at once, of at most `most`: on
  CPU so many that the network's feature maps stay in the cache."""
  pixels = model.network.cpu_pixels
  if pixels is None or jax.default_backend() != 'cpu':
    return most
  return min(most, max(LEAST_PIECE, pixels // (seen[1] * seen[2])))
