"""Only some classes of a labelled dataset: NAME:CLASS+CLASS."""

import re

import numpy as np

from vae_jax.console import nearest
from vae_jax.data.batch import Batch, DataError

VERSION = re.compile(r'\d+\.\d+\.\d+')


def parted(name: str) -> tuple[str, list[str]]:
  """('mnist', ['3', '5']) of 'mnist:3+5'; no classes for a whole dataset, as
  'mnist' and 'mnist:3.0.1' are."""
  whole, colon, asked = name.rpartition(':')
  if not colon or VERSION.fullmatch(asked):
    return name, []
  return whole, asked.split('+')


def only(splits: dict[str, Batch], asked, name: str) -> dict[str, Batch]:
  """The examples of the classes asked for; labels and class names stay those
  of the whole set. DataError in one line if it has no such classes."""
  if not asked:
    return splits
  numbers = sorted({number(splits, one, name) for one in asked})
  chosen = {
    split: batch.take(np.flatnonzero(np.isin(batch.label, numbers)))
    for split, batch in splits.items()
  }
  for split in ('train', 'test'):
    if not chosen[split].size:
      raise DataError(f'{name}:{"+".join(asked)} has no images in {split}')
  return {split: batch for split, batch in chosen.items() if batch.size}


def number(splits: dict[str, Batch], asked: str, name: str) -> int:
  """The label of the class with this name; or DataError."""
  batch = splits['train']
  if batch.label is None:
    raise DataError(f'{name} has no labels, so no class {asked!r}')
  names = batch.classes or [str(y) for y in np.unique(batch.label)]
  if asked not in names:
    hint = nearest(asked, names)
    raise DataError(
      f'{name} has no class {asked!r}{hint}: there are {", ".join(names)}'
    )
  return names.index(asked) if batch.classes else int(asked)
