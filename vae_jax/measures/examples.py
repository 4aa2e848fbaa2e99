"""The examples of a split as measures and pictures see them, and their keys."""

import functools
import inspect

import jax
import numpy as np

from vae_jax.config.experiment import Experiment, example_shapes
from vae_jax.config.leaves import parts
from vae_jax.factors.hyper import Hyper
from vae_jax.training import State

# Folded into a run's key, these meet no step's: steps stay below 2 ** 31.
EVALUATION = 0xFFFFFFFF
BASELINES = 0xFFFFFFFE
IMPORTANCE = 0xFFFFFFFD
# What is seen, or what is wanted, as host arrays: no larger than this, whatever
# the split. 60,000 digits fit.
MOST_BYTES = 2**28
PIECE = 8192  # examples that are viewed at once


def viewed(ex: Experiment, data, key_view, index_b, position_b=None):
  """The view of the examples at index_b, keys by position in the split, the
  index itself if not said: an Example."""
  position_b = index_b if position_b is None else position_b
  return ex.view(data.take(index_b), keys_at(key_view, position_b))


def keys_at(key, index_b):
  """A key per position in the split: [b]. So the noise is the same however the
  split is cut into batches."""
  return jax.vmap(jax.random.fold_in, (None, 0))(key, index_b)


def fitting(ex: Experiment, data) -> int:
  """How many examples fit into MOST_BYTES, at least two."""
  return max(2, MOST_BYTES // (4 * most_numbers(ex, data)))


def most_numbers(ex: Experiment, data) -> int:
  """Numbers of an example, as it is seen or as it is wanted."""
  shapes = example_shapes(ex, data)
  return max(int(np.prod(x.shape[1:])) for x in (shapes.seen, shapes.wanted))


def on_host(ex: Experiment, data, hyper: Hyper, key, at_n=None):
  """The view of a whole split, or of its examples at [n], keys by position, as
  host arrays: an Example.

  With the test split and the evaluation key, the very images that the measures
  saw.
  """
  at_n = np.arange(data.size) if at_n is None else at_n
  key_n = _keys(key, at_n)
  if len(at_n) <= PIECE:
    return jax.device_get(examples(ex, data, hyper, key_n, at_n))
  whole = None
  for start in range(0, len(at_n), PIECE):
    # One shape: what the last piece lacks is repeated.
    rows = np.minimum(np.arange(start, start + PIECE), len(at_n) - 1)
    part = jax.device_get(examples(ex, data, hyper, key_n[rows], at_n[rows]))
    if whole is None:
      whole = jax.tree.map(
        lambda x: np.empty((len(at_n), *x.shape[1:]), x.dtype), part
      )
    for all_N, some in zip(*map(jax.tree.leaves, (whole, part)), strict=True):
      all_N[start : start + PIECE] = some[: len(at_n) - start]
  return whole


@jax.jit
def _keys(key, at_n):
  return keys_at(jax.random.split(key)[0], at_n)


def examples(ex: Experiment, data, hyper: Hyper, key_n, at_n):
  """The view of the examples of a split at [n], a key for each."""
  data = data.take(at_n)
  view, keywords = parts(ex.view)
  at = {path.removeprefix('view.'): x for path, x in hyper.leaves.items()}
  names = inspect.signature(view).parameters.keys() & at.keys()
  fixed = {name: x for name, x in keywords.items() if name not in names}
  leaves = {name: at[name] for name in names}
  return _examples(view, tuple(sorted(fixed.items())), leaves, data, key_n)


# By the view and not by the experiment: runs that differ elsewhere share it.
@functools.partial(jax.jit, static_argnames=('view', 'fixed'))
def _examples(view, fixed, leaves, data, key_n):
  return view(data, key_n, **dict(fixed), **leaves)


def few_views(ex: Experiment, data, hyper: Hyper, seed: int) -> list:
  """What the view shows of a few examples with this key, as host arrays: runs
  for which it is the same for all keys see the same images."""
  few = jax.tree.map(lambda x: x[:16], data)
  return jax.tree.leaves(on_host(ex, few, hyper, jax.random.key(seed)))


def same_arrays(a: list, b: list) -> bool:
  """Whether two lists hold equal arrays."""
  return all(map(np.array_equal, a, b))


def evaluation_key(state: State):
  """The key from which a split's noise is drawn, the same at every test."""
  return jax.random.fold_in(state.key, EVALUATION)
