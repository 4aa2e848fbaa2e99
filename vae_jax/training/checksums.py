"""A state as named numpy arrays, with records that betray a flipped bit."""

import errno
import json
import os
import textwrap
import zlib

import jax
import numpy as np

from vae_jax.training.step import State


class Damage(Exception):
  """Why what was read cannot be what was saved, in one line."""


def pack(state: State) -> tuple[dict, dict]:
  """(copies {path: array}, the sealed records {'leaves': ..., 'crc32': ...}).

  A record is the dtype, shape and crc32 of a leaf. Arrays of size zero, which
  orbax refuses, are left to their records.
  """
  leaves = _flat(state)
  arrays = {name: _host(leaf) for name, leaf in leaves.items()}
  records = {name: _record(leaves[name], arrays[name]) for name in leaves}
  arrays = {name: raw for name, raw in arrays.items() if raw.size}
  return arrays, {'leaves': records, 'crc32': _seal(records)}


def unseal(sealed) -> dict:
  """The records; raises Damage if they are not those that were sealed."""
  try:
    records, seal = sealed['leaves'], sealed['crc32']
  except (KeyError, TypeError) as error:
    raise Damage('no list of leaves') from error
  if seal != _seal(records):
    raise Damage('the list of leaves: crc32 differs')
  return records


def misfit(records, target_state, partial: bool = False) -> str | None:
  """What the first leaf that differs from the target is, None if all fit; the
  target may lack some if it is `partial`."""
  target = _flat(target_state)
  for name, leaf in target.items():
    if name not in records:
      return f'has no leaf {name}'
    there = {what: records[name][what] for what in ('dtype', 'shape')}
    if there != _kind(leaf):
      return f'has {name} as {_words(there)}, not {_words(_kind(leaf))}'
  extra = [name for name in records if name not in target and not partial]
  return f'has an unexpected leaf {extra[0]}' if extra else None


def unpack(arrays, records, target_state):
  """The state that was packed, placed like the target; raises Damage.

  The leaves of the target are arrays or ShapeDtypeStructs with shardings.
  """
  target = _flat(target_state)
  leaves = [
    _checked(name, arrays, records[name], leaf) for name, leaf in target.items()
  ]
  places = [getattr(leaf, 'sharding', None) for leaf in target.values()]
  leaves = jax.device_put(leaves, places)
  return jax.tree.unflatten(jax.tree.structure(target_state), leaves)


# What a disk says, which orbax hides behind a line of paths and more.
DISK = [
  os.strerror(number)
  for number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
]


def short(error) -> str:
  """The exception in at most one line; what the disk says, if it is that."""
  for said in DISK:
    if said in str(error):
      return said
  return textwrap.shorten(f'{type(error).__name__}: {error}', 160)


def _checked(name, arrays, record, target):
  """The leaf as the array that was saved; raises Damage if it is not."""
  if 0 in record['shape']:
    raw = np.zeros(target.shape, target.dtype)
  elif name not in arrays:
    raise Damage(f'{name}: missing')
  else:
    raw = np.asarray(arrays[name])
  try:
    leaf = _unhost(raw, target)
  except (TypeError, ValueError) as error:
    raise Damage(f'{name}: {short(error)}') from error
  for what, now in _record(leaf, raw).items():
    if now != record[what]:
      raise Damage(f'{name}: {what} differs')
  return leaf


def _flat(tree):
  """{'params/encoder/kernel': leaf, ...}."""
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def _is_key(leaf):
  return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _host(leaf):
  """A numpy copy: a view of the buffer would keep it from being donated."""
  if isinstance(leaf, jax.Array):
    leaf = jax.random.key_data(leaf) if _is_key(leaf) else leaf
    leaf = leaf.addressable_data(0) if leaf.is_fully_replicated else leaf
  return np.array(leaf)


def _unhost(raw, target):
  """The inverse of _host, with the key type of the target."""
  if not _is_key(target):
    return raw
  impl = []  # key_impl takes no ShapeDtypeStruct, but a tracer of one
  jax.eval_shape(lambda key: impl.append(jax.random.key_impl(key)), target)
  return jax.random.wrap_key_data(raw, impl=impl[0])


def _kind(leaf):
  return {'dtype': str(leaf.dtype), 'shape': list(leaf.shape)}


def _words(kind):
  return f'{kind["dtype"]}{kind["shape"]}'


def _record(leaf, raw):
  """What is kept of a leaf, `raw` being its numpy copy."""
  bytes_ = np.ascontiguousarray(raw).reshape(-1).view(np.uint8)
  return {**_kind(leaf), 'crc32': zlib.crc32(bytes_)}


def _seal(records):
  """crc32 of the records themselves: a flip there must not look a misfit."""
  return zlib.crc32(json.dumps(records, sort_keys=True).encode())
