"""Name -> dataset."""

import functools

from vae_jax.data import classes, phrases
from vae_jax.data.batch import Batch, DataError, checked
from vae_jax.data.embedded import digits, embedded_songs, photos
from vae_jax.data.own import images, npz, scores
from vae_jax.data.tfds import groove
from vae_jax.data.tfds.decode import prepared

EMBEDDED = {'digits': digits, 'photos': photos}
# Kind -> function (path, data_dir) -> {split: songs}.
MUSIC = {
  'songs': embedded_songs,
  'midi': scores.midi,
  'chorales': scores.chorales,
  'groove': groove.groove,
}
OWN = {'folder': images.folder, 'npz': npz.npz}


def load(
  name: str, data_dir: str | None = None, phrase: str | None = None
) -> dict[str, Batch]:
  """The splits of a dataset: {'train': Batch, 'test': Batch}, maybe more.

  An embedded set, any image set of tensorflow-datasets, prepared in data_dir,
  some classes of either, NAME:CLASS+CLASS, `folder:PATH` or `npz:PATH`; or, of
  music, phrases cut out of it. Raises DataError in one line.
  """
  kind, _, path = name.partition(':')
  if kind in MUSIC:
    return music(kind, path, data_dir, phrase)
  if phrase is not None:
    there = ', '.join(MUSIC)
    raise DataError(
      f'--phrase={phrase} is cut out of music, and {name} is none: there are '
      f'{there}'
    )
  if kind in OWN:
    if not path:
      raise DataError(f'{name} needs a path: {kind}:PATH')
    return OWN[kind](path)
  whole, asked = classes.parted(name)
  return classes.only(whole_set(whole, data_dir), asked, whole)


@functools.cache  # the runs of a grid ask for the same set again and again
def music(kind: str, path: str, data_dir, what: str | None):
  """The splits of a set of music, cut into phrases."""
  if what is None:
    raise DataError(
      f'{kind} is music: --phrase=KIND/BARS says what to cut out of it, for '
      'instance melody/2'
    )
  wanted = phrases.phrase(what)
  return {
    split: checked(phrases.batch(songs, wanted, f'the {split} split of {kind}'))
    for split, songs in MUSIC[kind](path, data_dir).items()
  }


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
