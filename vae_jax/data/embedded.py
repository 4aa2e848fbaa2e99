"""Datasets made of what scikit-learn and matplotlib carry: no network."""

import gzip
import importlib.util
import pathlib

import numpy as np

from vae_jax.data.batch import Batch, DataError

PATCH = 32
CELL = 96  # a whole cell of a picture is train or test, never both
PICTURES = {
  'flower': ('sklearn', 'datasets/images/flower.jpg'),
  'china': ('sklearn', 'datasets/images/china.jpg'),
  'portrait': ('matplotlib', 'mpl-data/sample_data/grace_hopper.jpg'),
}


def digits() -> dict[str, Batch]:
  """1,797 handwritten digits of scikit-learn in MNIST's geometry, 28x28.

  Enlarged 8x8 -> 96x96, thresholded and area-averaged to 24x24: a plain resize
  is nearly rank 64, and a linear model would beat every network on it.
  """
  x_NP, label_N = _small_digits()
  x_NP = np.stack([_redraw(x_P.reshape(8, 8)) for x_P in x_NP])
  order = np.random.RandomState(0).permutation(len(x_NP))
  names = tuple(str(digit) for digit in range(10))

  def split(index):
    x, label = x_NP[index], label_N[index].astype(np.int32)
    return Batch(x, label, shape=(28, 28, 1), classes=names)

  return {'train': split(order[:1500]), 'test': split(order[1500:])}


def embedded_songs(path: str, data_dir=None) -> dict:
  """Songs made by rules from a seed, see music.composer: 2,000 to train on, or
  as many as the path says, `songs:20000`; DataError for another path."""
  del data_dir
  from vae_jax.music import composer

  if not path:
    return composer.songs()
  if not path.isascii() or not path.isdigit() or not 2 <= int(path) <= 10**5:
    raise DataError(
      f'songs are embedded: songs:COUNT, from 2 to 100,000, not songs:{path}'
    )
  return composer.songs(train=int(path))


def _small_digits():
  root = _root('sklearn')
  with gzip.open(root / 'datasets' / 'data' / 'digits.csv.gz') as file:
    table = np.loadtxt(file, delimiter=',', dtype=np.uint8)
  return table[:, :-1], table[:, -1]


def _redraw(x_88):
  from PIL import Image

  small = Image.fromarray((x_88 * (255 / 16)).astype(np.uint8))
  large = np.asarray(small.resize((96, 96), Image.Resampling.BICUBIC))
  ink = 255.0 * (large > 127)
  area = ink.reshape(24, 4, 24, 4).mean((1, 3))
  return np.pad(np.rint(area).astype(np.uint8), 2).ravel()


def photos() -> dict[str, Batch]:
  """32x32 colour patches of three photographs, class = photograph.

  Each picture is cut into cells of 96x96, every seventh of them for testing:
  no test patch shares a pixel with a training patch.
  """
  pictures = [_picture(*where) for where in PICTURES.values()]

  def split(test, stride):
    patches = [_patches(picture, test, stride) for picture in pictures]
    label = np.repeat(np.arange(len(patches)), [len(p) for p in patches])
    return Batch(
      np.concatenate(patches),
      label.astype(np.int32),
      shape=(PATCH, PATCH, 3),
      classes=tuple(PICTURES),
    )

  return {'train': split(False, 8), 'test': split(True, 16)}


def _picture(package, path):
  from PIL import Image

  file = _root(package) / path
  try:
    with Image.open(file, formats=['JPEG']) as image:
      return np.asarray(image.convert('RGB'))
  except OSError as error:
    raise DataError(f'photos: {file} of {package} cannot be read') from error


def _patches(picture_HWC, test: bool, stride: int):
  rows, columns = (n // CELL for n in picture_HWC.shape[:2])
  starts = range(0, CELL - PATCH + 1, stride)
  corners = [
    (row * CELL + top, column * CELL + left)
    for row in range(rows)
    for column in range(columns)
    if ((2 * row + column) % 7 == 0) == test
    for top in starts
    for left in starts
  ]
  patches = [picture_HWC[y : y + PATCH, x : x + PATCH] for y, x in corners]
  return np.stack(patches).reshape(len(patches), -1)


def _root(package: str) -> pathlib.Path:
  # Found, not imported: importing scikit-learn takes longer than training's
  # first step.
  spec = importlib.util.find_spec(package)
  if spec is None:
    raise DataError(f'{package} is not installed: pip install {package}')
  return pathlib.Path(spec.origin).parent
