"""Which host this is, what one tells the others, and what all must agree on.

Where there is one process alone, nothing is sent and nothing waits.
"""

import itertools
import json

import jax
import numpy as np

from vae_jax.hosts import store, watch

# How many things have been said: as many on every host that is as far.
_said = itertools.count(1)


class HostsError(Exception):
  """Hosts that cannot work together, in one line."""


def several() -> bool:
  """Whether this process is one of several."""
  return count() > 1


def count() -> int:
  """How many processes there are."""
  return store.members()[1]


def index() -> int:
  """Which of them this is."""
  return store.members()[0]


def first() -> bool:
  """Whether this is host 0, which reads and writes the run directory."""
  return index() == 0


def told(value=None):
  """What host 0 says here, JSON, for all: it waits for nobody."""
  if not several():
    return value
  key = f'told/{_next()}'
  if first():
    store.put(key, value)
    return json.loads(json.dumps(value))
  return store.wait_for(key)


def agree(what: str, facts: dict):
  """HostsError, on every host, unless all have the same facts, JSON: names the
  first host that differs from host 0, and in what."""
  if not several():
    return
  others = said_by_all(json.loads(json.dumps(facts)))
  for i, other in enumerate(others):
    names = dict.fromkeys([*others[0], *other])
    differ = [n for n in names if other.get(n) != others[0].get(n)]
    if differ:
      name, one = differ[0], others[0]
      raise HostsError(
        f'hosts differ in {what}: {name} is {other.get(name)!r} on host {i} '
        f'and {one.get(name)!r} on host 0'
      )


def said_by_all(value) -> list:
  """What every host says here, JSON, in their order."""
  if not several():
    return [value]
  key = f'all/{_next()}'
  store.put(f'{key}/{index()}', value)
  return [store.wait_for(f'{key}/{i}') for i in range(count())]


def _next() -> int:
  watch.together()
  return next(_said)


def given(tree):
  """Arrays of host 0 for all; the others give some of the same shapes."""
  if not several():
    return tree
  from jax.experimental import multihost_utils

  arrays = multihost_utils.broadcast_one_to_all(tree)
  return jax.tree.map(np.asarray, arrays)


def gathered(tree):
  """Arrays of every host, on the host, one behind the other along the first
  axis."""
  if not several():
    return tree
  from jax.experimental import multihost_utils

  return multihost_utils.process_allgather(tree, tiled=True)


def fetched(tree):
  """Arrays on the host as jax.device_get gives them, those whole that lie in
  parts on the devices of several."""
  if not several():
    return jax.device_get(tree)
  leaves, shape = jax.tree.flatten(tree)
  parts = [i for i, leaf in enumerate(leaves) if lies_in_parts(leaf)]
  for i, whole in zip(parts, gathered([leaves[i] for i in parts]), strict=True):
    leaves[i] = whole
  return jax.tree.unflatten(shape, [np.asarray(leaf) for leaf in leaves])


def lies_in_parts(leaf) -> bool:
  """Whether no host has all of this array."""
  return isinstance(leaf, jax.Array) and not (
    leaf.is_fully_addressable or leaf.is_fully_replicated
  )
