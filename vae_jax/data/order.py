"""The order in which a run sees its examples."""

import functools

import numpy as np


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n: int) -> np.ndarray:
  return np.random.default_rng((seed, epoch)).permutation(n).astype(np.int32)


def spread(n: int, count: int) -> np.ndarray:
  """At most `count` positions from all over 0 .. n-1, the first included."""
  count = min(count, n)
  return np.arange(count) * n // count


def spread_rows(limit: int, *arrays) -> tuple:
  """At most `limit` rows, from all over, of arrays of equal length."""
  index = spread(len(arrays[0]), limit)
  return tuple(np.asarray(array)[index] for array in arrays)


def order(seed: int, n: int, start: int, count: int) -> np.ndarray:
  """Positions start .. start+count of a run's endless stream: int32 [count].

  The stream is one permutation of all n examples after another, a pure function
  of (seed, epoch): a resumed run goes on exactly where it stopped.
  """
  parts, position, end = [], start, start + count
  while position < end:
    epoch, offset = divmod(position, n)
    part = _permutation(seed, epoch, n)[offset : offset + end - position]
    parts.append(part)
    position += len(part)
  return np.concatenate(parts) if parts else np.zeros(0, np.int32)
