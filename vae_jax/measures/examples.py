"""The examples of a split as measures and pictures see them, and their keys."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.config.experiment import Experiment
from vae_jax.config.leaves import parts
from vae_jax.factors.hyper import Hyper
from vae_jax.training import State

# Folded into a run's key, these meet no step's: steps stay below 2 ** 31.
EVALUATION = 0xFFFFFFFF
BASELINES = 0xFFFFFFFE
IMPORTANCE = 0xFFFFFFFD


def viewed(ex: Experiment, data, key_view, index_b, position_b=None):
  """The view of the examples at index_b, keys by position in the split, the
  index itself if not said: an Example."""
  position_b = index_b if position_b is None else position_b
  return ex.view(data.take(index_b), keys_at(key_view, position_b))


def keys_at(key, index_b):
  """A key per position in the split: [b]. So the noise is the same however the
  split is cut into batches."""
  return jax.vmap(jax.random.fold_in, (None, 0))(key, index_b)


def examples(ex: Experiment, data, hyper: Hyper, key):
  """The view of a whole split, keys by position.

  With the test split and the evaluation key, the very images that the measures
  saw.
  """
  view, keywords = parts(ex.view)
  at = {path.removeprefix('view.'): x for path, x in hyper.leaves.items()}
  names = inspect.signature(view).parameters.keys() & at.keys()
  fixed = {name: x for name, x in keywords.items() if name not in names}
  leaves = {name: at[name] for name in names}
  return _examples(view, tuple(sorted(fixed.items())), leaves, data, key)


# By the view and not by the experiment: runs that differ elsewhere share it.
@functools.partial(jax.jit, static_argnames=('view', 'fixed'))
def _examples(view, fixed, leaves, data, key):
  key_view, _ = jax.random.split(key)
  key_N = keys_at(key_view, jnp.arange(data.size))
  return view(data, key_N, **dict(fixed), **leaves)


def few_views(ex: Experiment, data, hyper: Hyper, seed: int) -> list:
  """What the view shows of a few examples with this key, as host arrays: runs
  for which it is the same for all keys see the same images."""
  few = jax.tree.map(lambda x: x[:16], data)
  return jax.tree.leaves(
    jax.device_get(examples(ex, few, hyper, jax.random.key(seed)))
  )


def same_arrays(a: list, b: list) -> bool:
  """Whether two lists hold equal arrays."""
  return all(map(np.array_equal, a, b))


def evaluation_key(state: State):
  """The key from which a split's noise is drawn, the same at every test."""
  return jax.random.fold_in(state.key, EVALUATION)
