"""Name -> dataset."""

import functools

from vae_jax.data import classes
from vae_jax.data.batch import Batch, DataError, checked
from vae_jax.data.embedded import digits, photos
from vae_jax.data.own import images, npz
from vae_jax.data.tfds.decode import prepared

EMBEDDED = {'digits': digits, 'photos': photos}
OWN = {'folder': images.folder, 'npz': npz.npz}


def load(name: str, data_dir: str | None = None) -> dict[str, Batch]:
  """The splits of a dataset: {'train': Batch, 'test': Batch}, maybe more.

  An embedded set, any image set of tensorflow-datasets, prepared in data_dir,
  some classes of either, NAME:CLASS+CLASS, `folder:PATH` or `npz:PATH`. Raises
  DataError in one line.
  """
  kind, _, path = name.partition(':')
  if kind in OWN:
    if not path:
      raise DataError(f'{name} needs a path: {kind}:PATH')
    return OWN[kind](path)
  whole, asked = classes.parted(name)
  return classes.only(whole_set(whole, data_dir), asked, whole)


def whole_set(name: str, data_dir: str | None) -> dict[str, Batch]:
  """The splits of an embedded set or one of tensorflow-datasets."""
  if name in EMBEDDED:
    return dict(_drawn(EMBEDDED[name]))
  return prepared(name, data_dir, (*EMBEDDED, 'folder:PATH', 'npz:PATH'))


@functools.cache  # the runs of a grid ask for the same set again and again
def _drawn(make) -> dict[str, Batch]:
  return {split: checked(batch) for split, batch in make().items()}


def own_images(source: str) -> tuple[Batch, list[str]]:
  """All images of a folder or an npz file and their names: nothing is split.

  Raises DataError in one line.
  """
  kind, colon, path = str(source).partition(':')
  if not (colon and kind in OWN):
    kind, path = 'npz' if str(source).endswith('.npz') else 'folder', source
  return {'folder': images.whole, 'npz': npz.whole}[kind](path)
