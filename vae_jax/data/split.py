"""A fixed split into train and test by the names of the examples."""

import hashlib

import numpy as np

from vae_jax.data.batch import Batch, DataError


def held_out(names) -> np.ndarray:
  """Which examples are test examples: bool [N], about a tenth.

  A pure function of each name, so that more examples do not move the others;
  only if none is drawn, the one with the smallest hash is.
  """
  share = np.array([_share(name) for name in names])
  test_N = share < 0.1
  if len(share) > 1:
    test_N[share.argmin()] = True
    test_N[share.argmax()] = False
  return test_N


def _share(name: str) -> float:
  digest = hashlib.blake2b(name.encode(errors='surrogateescape'), digest_size=8)
  return int.from_bytes(digest.digest(), 'big') / 2**64


def divided(batch: Batch, names, origin: str) -> dict[str, Batch]:
  """{'train': ..., 'test': ...} of one batch; DataError if one was empty."""
  if batch.size < 2:
    raise DataError(
      f'{origin} holds {batch.size} image: one to train on and one to test on '
      'are needed'
    )
  test_N = held_out(names)
  return {
    'train': batch.take(np.flatnonzero(~test_N)),
    'test': batch.take(np.flatnonzero(test_N)),
  }
