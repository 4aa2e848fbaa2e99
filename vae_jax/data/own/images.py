"""folder:PATH: the user's own images, class = subfolder."""

import collections
import concurrent.futures
import os
import pathlib
import warnings

import numpy as np

from vae_jax.console import listed, say
from vae_jax.data.batch import Batch, DataError, check_file, checked
from vae_jax.data.split import divided

SUFFIXES = (
  *('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.tif', '.tiff', '.gif'),
)
FORMATS = 'PNG', 'JPEG', 'WEBP', 'BMP', 'TIFF', 'GIF'
# Folders of these names, side by side, are splits and no classes.
TRAIN = ('train', 'training')
TESTS = ('test', 'testing', 'val', 'valid', 'validation')
# One image of more pixels than this is a mistake or a decompression bomb.
MOST_PIXELS = 2**24
CHANNELS = {'1': 1, 'L': 1, 'LA': 1, 'RGB': 3, 'RGBA': 3, 'P': 3}
ALPHA = 'LA', 'RGBA'


def folder(path: str) -> dict[str, Batch]:
  """The images below PATH, all of one size, grey or colour.

  Folders train/ and test/, or val/, in it are its splits; else about a tenth of
  all, by a hash of their names, is the test split. Raises DataError naming the
  file that does not fit.
  """
  root = pathlib.Path(path).expanduser()
  batch, names = whole(path)
  tops = splits_of(names)
  if tops:
    top_N = np.array([name.partition('/')[0] for name in names])
    splits = {
      split: batch.take(np.flatnonzero(top_N == top))
      for split, top in tops.items()
    }
  else:
    splits = divided(batch, names, root)
  tell_of_empty_classes(splits['train'], root)
  return splits


def tell_of_empty_classes(train: Batch, root):
  """A note on classes of which there is no image to train on."""
  if train.label is None:
    return
  count = np.bincount(train.label, minlength=len(train.classes))
  empty = [train.classes[i] for i in np.flatnonzero(count == 0)]
  if empty:
    say(f'note: {root}: no image to train on is of {listed(empty, "and")}')


def splits_of(names: list[str]) -> dict[str, str]:
  """Split -> its folder, {} where the images lie in other folders than those of
  splits; of test and val the former is the test split."""
  tops = {name.partition('/')[0] for name in names if '/' in name}
  train = [top for top in tops if top.lower() in TRAIN]
  tests = sorted(
    (top for top in tops if top.lower() in TESTS),
    key=lambda top: TESTS.index(top.lower()),
  )
  if len(train) != 1 or len(tests) not in (1, 2) or len(tops) > 1 + len(tests):
    return {}
  names = ('train', 'test', 'validation')[: 1 + len(tests)]
  return dict(zip(names, train + tests, strict=True))


def whole(path: str) -> tuple[Batch, list[str]]:
  """All the images below PATH and their names, relative to it."""
  root = pathlib.Path(path).expanduser()
  files = image_files(root)
  names = [file.relative_to(root).as_posix() for file in files]
  x_NP, shape = decoded(files)
  batch, inside = Batch(x_NP, None, shape=shape), names
  if splits_of(names):
    inside = [name.partition('/')[2] for name in names]
  return checked(with_classes(batch, inside, root)), names


def with_classes(batch: Batch, names: list[str], root) -> Batch:
  """The batch with the first folder of each name as its class, if they have
  any; DataError if only some have."""
  folders = [name.partition('/')[0] for name in names if '/' in name]
  if folders and len(folders) < len(names):
    loose = next(name for name in names if '/' not in name)
    raise DataError(
      f'{root} holds {loose} beside the class folder {folders[0]}: either all '
      'images or none lie in subfolders'
    )
  if not folders:
    return batch.replace(label=None, classes=())
  classes, label = np.unique(folders, return_inverse=True)
  classes = tuple(map(str, classes))
  return batch.replace(label=label.astype(np.int32), classes=classes)


def image_files(root: pathlib.Path) -> list[pathlib.Path]:
  """Every image below root, in the order of their names, links followed; says
  what else is passed over. DataError if there is none, or a link to a folder
  that it lies in."""
  if not root.is_dir():
    wrong = 'is not a folder' if root.exists() else 'does not exist'
    raise DataError(f'folder:{root} {wrong}')
  files, others, above = [], collections.Counter(), {}
  # Not Path.rglob, which passes over what it may not read.
  for parent, below, names in os.walk(root, onerror=_refuse, followlinks=True):
    below[:] = [name for name in below if not name.startswith('.')]
    above[parent] = above.get(os.path.dirname(parent), ()) + (_place(parent),)
    if above[parent][-1] in above[parent][:-1]:
      raise DataError(f'{parent} is a link to a folder that it lies in')
    for name in names:
      if name.lower().endswith(SUFFIXES) and not name.startswith('.'):
        files.append(pathlib.Path(parent, name))
      elif not name.startswith('.'):
        others[os.path.splitext(name)[1].lower() or 'without an ending'] += 1
  if files and others:
    parts = [f'{n} {ending}' for ending, n in others.most_common()]
    say(f'note: {root}: passed over {listed(parts, "and")}')
  if not files:
    raise DataError(f'{root} holds no {", ".join(SUFFIXES)} images')
  return sorted(files)


def _place(folder: str) -> tuple[int, int]:
  stat = os.stat(folder)
  return stat.st_dev, stat.st_ino


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
  another, (file, shape)."""
  try:
    with opened(file) as image:
      x_HWC = upright(file, image)
  # Pillow's plugins raise about anything on a broken file.
  except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
    if isinstance(error, DataError) or isinstance(error, PermissionError):
      raise
    raise DataError(f'{file} is corrupt or truncated: {error}') from error
  if like and x_HWC.shape != like[1]:
    raise DataError(
      f'images must be of one size, but {like[0]} is '
      f'{size_in_words(like[1])} and {file} is {size_in_words(x_HWC.shape)}'
    )
  return x_HWC


def upright(file, image) -> np.ndarray:
  """The pixels as they are to be seen: uint8 [H, W, C]; DataError if some are
  transparent."""
  from PIL import ImageOps

  count = channels(file, image)
  image = ImageOps.exif_transpose(image)
  if image.mode in ALPHA and image.getchannel('A').getextrema()[0] < 255:
    raise DataError(
      f'{file} is {image.mode}, and some of it transparent: 8-bit grey or RGB '
      'is expected'
    )
  x = np.asarray(image.convert('L' if count == 1 else 'RGB'))
  return x.reshape(*x.shape[:2], count)


def opened(file: pathlib.Path):
  """The image with its header read; DataError if it is none or a bomb."""
  from PIL import Image, UnidentifiedImageError

  check_file(file)
  try:
    image = Image.open(file, formats=FORMATS)
  except UnidentifiedImageError as error:
    empty = ' (it is empty)' if file.stat().st_size == 0 else ''
    raise DataError(f'{file} is no image{empty}') from error
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
