"""States of different latent sizes as one stack, and each back out of it.

A leaf of a smaller model is the start, along every axis, of a wider model's
leaf: z comes last where it is concatenated with anything. A stack has typed
keys; a state on the host has its key's data instead.
"""

import jax
import numpy as np


def host(state):
  """The state as numpy arrays, its key as the key's data."""
  return jax.device_get(state.replace(key=jax.random.key_data(state.key)))


def keyed(state):
  """The state with a typed key, or keys, again."""
  return state.replace(key=jax.random.wrap_key_data(state.key))


def within(small, base):
  """base with the leaves of `small` at the start of its own, on the host."""

  def put(leaf, around):
    leaf, around = np.asarray(leaf), np.array(around)
    around[tuple(slice(n) for n in leaf.shape)] = leaf
    return around

  return jax.tree.map(put, small, base)


def cut(wide, like):
  """The start of every leaf of `wide` that has the shape of like's leaf."""

  def take(leaf, small):
    return np.array(leaf[tuple(slice(n) for n in small.shape)])

  return jax.tree.map(take, wide, like)


def stack(trees):
  """Trees of numpy arrays as one, with a new first axis."""
  return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def unstack(tree, count: int) -> list:
  """The first `count` trees of a stack on the host."""
  return [jax.tree.map(lambda x, i=i: x[i], tree) for i in range(count)]


def mask(latents: int, widest: int):
  """1 for each of the first `latents` of `widest` latents, else 0: [Z]."""
  return (np.arange(widest) < latents).astype(np.float32)


def size(tree) -> int:
  """Bytes of a tree of arrays or shapes."""
  return sum(
    int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize
    for leaf in jax.tree.leaves(tree)
  )
