"""folder:PATH: the user's own PNG and JPEG images, class = subfolder."""

import concurrent.futures
import os
import pathlib
import warnings

import numpy as np

from vae_jax.data.batch import Batch, DataError, check_file, checked
from vae_jax.data.split import divided

SUFFIXES = ('.png', '.jpg', '.jpeg')
# One image of more pixels than this is a mistake or a decompression bomb.
MOST_PIXELS = 2**24
CHANNELS = {'1': 1, 'L': 1, 'RGB': 3, 'P': 3}


def folder(path: str) -> dict[str, Batch]:
  """The images below PATH, all of one size, grey or colour.

  About a tenth of them, by a hash of their names, is the test split. Raises
  DataError naming the file that does not fit.
  """
  return divided(*whole(path), pathlib.Path(path).expanduser())


def whole(path: str) -> tuple[Batch, list[str]]:
  """All the images below PATH and their names, relative to it."""
  root = pathlib.Path(path).expanduser()
  files = image_files(root)
  names = [file.relative_to(root).as_posix() for file in files]
  x_NP, shape = decoded(files)
  folders = [name.partition('/')[0] for name in names if '/' in name]
  if folders and len(folders) < len(names):
    loose = next(name for name in names if '/' not in name)
    raise DataError(
      f'{root} holds {loose} beside the class folder {folders[0]}: either all '
      'images or none lie in subfolders'
    )
  classes, label = (), None
  if folders:
    classes, label = np.unique(folders, return_inverse=True)
    label = label.astype(np.int32)
  batch = Batch(x_NP, label, shape=shape, classes=tuple(map(str, classes)))
  return checked(batch), names


def image_files(root: pathlib.Path) -> list[pathlib.Path]:
  """Every image below root, in the order of their names; DataError if none."""
  if not root.is_dir():
    wrong = 'is not a folder' if root.exists() else 'does not exist'
    raise DataError(f'folder:{root} {wrong}')
  files = []
  # Not Path.rglob, which passes over what it may not read.
  for parent, below, names in os.walk(root, onerror=_refuse):
    below[:] = [name for name in below if not name.startswith('.')]
    files += [
      pathlib.Path(parent, name)
      for name in names
      if name.lower().endswith(SUFFIXES) and not name.startswith('.')
    ]
  if not files:
    raise DataError(f'{root} holds no {", ".join(SUFFIXES)} images')
  return sorted(files)


def _refuse(error: OSError):
  raise DataError(f'{error.filename}: {error.strerror}') from error


def decoded(files) -> tuple[np.ndarray, tuple[int, int, int]]:
  """The pixels of images of one size: (uint8 [N, H*W*C], (H, W, C))."""
  from PIL import Image

  with warnings.catch_warnings():
    warnings.simplefilter('error', Image.DecompressionBombWarning)
    return _decoded(files)


def _decoded(files):
  shape = pixels_of(files[0]).shape
  x_NP = np.empty((len(files), int(np.prod(shape))), np.uint8)

  def put(i):
    x_NP[i] = pixels_of(files[i], (files[0], shape)).ravel()

  # Pillow decodes outside the interpreter lock.
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    jobs = [pool.submit(put, i) for i in range(len(files))]
    try:
      for job in jobs:
        job.result()
    except BaseException:
      pool.shutdown(cancel_futures=True)
      raise
  return x_NP, shape


def pixels_of(file: pathlib.Path, like=None) -> np.ndarray:
  """One image: uint8 [H, W, C]; DataError if it cannot be or is not `like`
  another, (file, shape), which is looked at before anything is decoded."""
  try:
    with opened(file) as image:
      shape = (image.height, image.width, channels(file, image))
      if like and shape != like[1]:
        raise DataError(
          f'images must be of one size, but {like[0]} is '
          f'{size_in_words(like[1])} and {file} is {size_in_words(shape)}'
        )
      mode = 'L' if shape[2] == 1 else 'RGB'
      return np.asarray(image.convert(mode)).reshape(shape)
  # Pillow's plugins raise about anything on a broken file.
  except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
    if isinstance(error, DataError) or isinstance(error, PermissionError):
      raise
    raise DataError(f'{file} is corrupt or truncated: {error}') from error


def opened(file: pathlib.Path):
  """The image with its header read; DataError if it is none or a bomb."""
  from PIL import Image, UnidentifiedImageError

  check_file(file)
  try:
    image = Image.open(file, formats=['PNG', 'JPEG'])
  except UnidentifiedImageError as error:
    empty = ' (it is empty)' if file.stat().st_size == 0 else ''
    raise DataError(f'{file} is no PNG or JPEG image{empty}') from error
  except (
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
  ) as error:
    raise DataError(f'{file} is too large an image: {error}') from error
  if image.width * image.height > MOST_PIXELS:
    image.close()
    raise DataError(
      f'{file} is {image.height} x {image.width}, more than '
      f'{MOST_PIXELS:,} pixels'
    )
  return image


def channels(file, image) -> int:
  """1 or 3; DataError for anything else, such as transparency."""
  if image.mode not in CHANNELS or 'transparency' in image.info:
    bands = len(image.getbands())
    mode = f'{image.mode}, {bands} channel{"s" * (bands != 1)}'
    if 'transparency' in image.info:
      mode = f'{image.mode} with transparency'
    raise DataError(f'{file} is {mode}: 8-bit grey or RGB is expected')
  return CHANNELS[image.mode]


def size_in_words(shape) -> str:
  """'28 x 28 grey'."""
  height, width, channels = shape
  return f'{height} x {width} {"grey" if channels == 1 else "colour"}'
