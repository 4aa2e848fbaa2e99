"""Pictures of walks through the codes of a trained model: Trained -> Figure.

Each is None where the model or its data has no such walk.
"""

import numpy as np

from vae_jax import data, figures
from vae_jax.measures.trained import Trained
from vae_jax.measures.ways import along_circle, along_line
from vae_jax.reports.pictures import test_examples


def interpolation(
  trained: Trained, rows: int = 6, steps: int = 9, slerp: bool = False
):
  """From one test image to another: both as they are, and what is decoded on
  the way between their mean codes, straight or along a great circle."""
  chosen = test_examples(trained, 2 * rows)
  rows = len(chosen.seen) // 2
  if not rows or chosen.wanted.shape[-1] not in (1, 3):
    return None
  z = trained.encode(chosen.seen, chosen.given)
  t_S = np.linspace(0, 1, steps, dtype=np.float32)
  way = along_circle if slerp else along_line
  z_RSZ = way(z[:rows], z[rows : 2 * rows], t_S)
  given = chosen.given
  if given is not None:
    given = along_line(given[:rows], given[rows : 2 * rows], t_S)
    given = given.reshape(rows * steps, *given.shape[2:])
  decoded = trained.decode(z_RSZ.reshape(rows * steps, -1), given)
  decoded = decoded.reshape(rows, steps, *decoded.shape[1:])
  ends = chosen.wanted[:, None]
  mosaic = np.concatenate([ends[:rows], decoded, ends[rows : 2 * rows]], 1)
  return figures.grid(
    mosaic,
    title='Between two unseen images, through their mean codes',
    x_label='share of the second code',
    x_ticks=['first', *(f'{t:.3g}' for t in t_S), 'second'],
  )


def attribute_vectors(trained: Trained, rows: int = 10, limit: int = 2000):
  """Test images of a class, the difference between the mean code of the next
  class and their own added to their codes, in parts from none to one and a
  half. Means of at most `limit` training images."""
  names = trained.data['test'].classes
  test = trained.test_label
  if test is None or trained.test.given is not None:
    return None
  means = class_means(trained, limit)
  pairs = [(y, (y + 1) % len(names)) for y in range(len(names))]
  pairs = [(a, b) for a, b in pairs if {a, b} <= set(means) and a in test]
  if len(names) < 2 or not pairs or trained.test.wanted.shape[-1] not in (1, 3):
    return None
  shown, parts = {}, np.linspace(0, 1.5, 7, dtype=np.float32)
  for a, b in pairs[:rows]:
    one = np.flatnonzero(test == a)[:1]
    code_Z = trained.encode(trained.test.seen[one])[0]
    moved_SZ = code_Z + parts[:, None] * (means[b] - means[a])
    images = [trained.test.wanted[one], trained.decode(moved_SZ)]
    shown[f'{names[a]} to {names[b]}'] = np.concatenate(images)
  said = ', '.join(f'{part:g}' for part in parts)
  title = (
    f'Unseen image, and its code plus the difference of classes times\n{said}'
  )
  return figures.rows(shown, title=title)


def class_means(trained: Trained, limit: int) -> dict:
  """Class -> mean code [Z], of some training images: at most `limit`."""
  codes = trained.encode(trained.examples('train', limit).seen)
  label = np.asarray(trained.data['train'].label)
  label = label[data.spread(len(label), limit)]
  return {int(y): codes[label == y].mean(0) for y in np.unique(label)}
