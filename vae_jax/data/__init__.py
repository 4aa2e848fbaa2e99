"""Datasets by name, the order of a run's examples, and placing on devices."""

from vae_jax.data.batch import Batch, DataError, checked
from vae_jax.data.catalogue import EMBEDDED, load, read
from vae_jax.data.embedded import digits, photos
from vae_jax.data.ordering import order, spread
from vae_jax.data.placing import replicate, sharded

__all__ = [
  'EMBEDDED',
  'Batch',
  'DataError',
  'checked',
  'digits',
  'load',
  'order',
  'photos',
  'read',
  'replicate',
  'sharded',
  'spread',
]
