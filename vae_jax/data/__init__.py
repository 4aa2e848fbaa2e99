"""Datasets by name, and the order in which a run sees its examples.

batch      examples as they are stored, and what any dataset must pass
order      a run's endless stream of examples; some from all over a set
split      which examples are for testing, by their names
classes    only some classes of a set
phrases    songs cut into phrases of one length, as class numbers
embedded   sets made of what scikit-learn and matplotlib carry
own        the user's own files
tfds       sets of tensorflow-datasets
catalogue  name -> dataset
"""

from vae_jax.data.batch import Batch, DataError, checked
from vae_jax.data.catalogue import EMBEDDED, load, own_images
from vae_jax.data.embedded import digits, photos
from vae_jax.data.order import order, spread, spread_rows

__all__ = [
  'EMBEDDED', 'Batch', 'DataError', 'checked', 'digits', 'load', 'order',
  'own_images', 'photos', 'spread', 'spread_rows',
]  # fmt: skip
