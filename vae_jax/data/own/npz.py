"""npz:PATH: the user's own arrays."""

import pathlib
import zipfile
import zlib

import numpy as np

from vae_jax.console import in_bytes
from vae_jax.data.batch import Batch, DataError, check_file, checked
from vae_jax.data.split import divided
from vae_jax.files import free_memory

NAMES = ('x', 'y', 'x_test', 'y_test')
PIECE = 4096  # images that are looked at at once


def npz(path: str) -> dict[str, Batch]:
  """Arrays x [N, H, W] or [N, H, W, C], y [N], x_test and y_test of a file.

  x is uint8, floats in [0, 1] (rounded to uint8) or only 0 and 1; y is optional
  and so is the test split, else about a tenth by a hash of the position.
  Raises DataError naming the array that does not fit.
  """
  file = pathlib.Path(path).expanduser()
  named = arrays(file)
  if 'x_test' in named:
    return dict(zip(('train', 'test'), batches(named, file), strict=True))
  return divided(*_whole(named, file), file)


def whole(path: str) -> tuple[Batch, list[str]]:
  """All of x and y of a file, and names of the examples: their positions."""
  file = pathlib.Path(path).expanduser()
  return _whole(arrays(file), file)


def _whole(named, file):
  (batch,) = batches({k: named[k] for k in ('x', 'y') if k in named}, file)
  return batch, [str(i) for i in range(batch.size)]


def batches(named: dict[str, np.ndarray], file) -> list[Batch]:
  """One Batch of x and one of x_test if there is one, of one scale."""
  if 'x' not in named:
    there = ', '.join(named) or 'nothing'
    raise DataError(f'{file} holds no array x: there is {there}')
  names = [name for name in ('x', 'x_test') if name in named]
  for name in names:
    check_images(named[name], f'{name} of {file}')
  if len({named[name].shape[1:] for name in names}) > 1:
    shapes = ' and '.join(f'{name} {named[name].shape}' for name in names)
    raise DataError(f'{file}: {shapes} are not of one size')
  # Zeros and ones stay what they are, as in binarised sets.
  binary = all(is_binary(named[name]) for name in names)
  labels, classes = labelled(named, names, file)
  return [
    checked(
      Batch(
        stored(named[name], binary),
        label,
        shape=(*named[name].shape[1:], 1)[:3],
        scale=1.0 if binary else 255.0,
        classes=classes,
      )
    )
    for name, label in zip(names, labels, strict=True)
  ]


def arrays(file: pathlib.Path) -> dict[str, np.ndarray]:
  """The arrays of an npz file that have a meaning here; never unpickles."""
  check_file(file)
  if not zipfile.is_zipfile(file):
    raise DataError(f'{file} is no npz file: write it with numpy.savez')
  try:
    check_memory(file)
    with np.load(file, allow_pickle=False) as named:
      return {name: _array(named, name) for name in NAMES if name in named}
  except (
    *(OSError, ValueError, EOFError, KeyError, MemoryError, zlib.error),
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, SyntaxError),
  ) as error:
    if isinstance(error, PermissionError | DataError):
      raise
    reason = str(error).splitlines()[0] if str(error) else repr(error)
    raise DataError(f'{file} cannot be read: {reason:.200}') from error


def check_memory(file: pathlib.Path):
  """DataError if the arrays would not fit twice, as they are and as splits:
  0.7 MB of zeros may unpack to 784."""
  with zipfile.ZipFile(file) as members:
    sizes = {item.filename: item.file_size for item in members.infolist()}
  size = sum(sizes.get(f'{name}.npy', 0) for name in NAMES)
  free = free_memory()
  if 2 * size > free:
    raise DataError(
      f'{file} unpacks to {in_bytes(size)}, which is needed twice, and '
      f'{in_bytes(free)} of memory are free'
    )


def _array(named, name):
  array = named[name]
  if not isinstance(array, np.ndarray):
    raise ValueError(f'{name} is no array')
  return array


def check_images(x, name: str):
  """DataError unless x is a set of images in a form that can be stored."""
  if x.ndim not in (3, 4) or x.ndim == 4 and x.shape[3] not in (1, 3):
    raise DataError(
      f'{name} has the shape {x.shape}: [N, H, W] or [N, H, W, C] with 1 or 3 '
      'channels is expected'
    )
  if 0 in x.shape:
    raise DataError(f'{name} is empty: its shape is {x.shape}')
  if x.dtype.kind not in 'buif':
    raise DataError(f'{name} is {x.dtype}: uint8 or floats are expected')
  low, high = x.min(), x.max()
  if x.dtype.kind == 'f' and not (np.isfinite(low) and np.isfinite(high)):
    raise DataError(f'{name} holds values that are not finite')
  # x / 255 in single precision may be 1.0000002.
  top, off = (1, 1e-5) if x.dtype.kind == 'f' else (255, 0)
  if x.dtype.kind in 'uif' and (low < -off or high > top + off):
    raise DataError(
      f'{name} lies in [{low:g}, {high:g}]: uint8 or floats in [0, 1] are '
      'expected'
    )


def is_binary(x) -> bool:
  """Whether every value is 0 or 1."""
  pieces = (x[i : i + PIECE] for i in range(0, len(x), PIECE))
  return all(((some == 0) | (some == 1)).all() for some in pieces)


def stored(x, binary: bool) -> np.ndarray:
  """uint8 [N, H*W*C]: floats are rounded to 255ths."""
  if x.dtype.kind == 'b' and not binary:
    x = x.astype(np.float32)
  if x.dtype.kind == 'f' and not binary:
    x = np.rint(np.clip(x, 0, 1) * np.float32(255))
  return np.ascontiguousarray(x, np.uint8).reshape(len(x), -1)


def labelled(named, names, file):
  """([label [N] or None of each split], classes) from y and y_test."""
  ys = [name.replace('x', 'y') for name in names]
  there = [y for y in ys if y in named]
  if not there:
    return [None] * len(names), ()
  if len(there) < len(ys):
    missing = next(y for y in ys if y not in named)
    raise DataError(f'{file} holds {there[0]} but no {missing}')
  for x, y in zip(names, ys, strict=True):
    _check_labels(named[y], len(named[x]), f'{y} of {file}')
  values = np.concatenate([named[y] for y in ys])
  if values.dtype.kind == 'f':
    values = values.astype(np.int64)
  classes, label = np.unique(values, return_inverse=True)
  label = label.astype(np.int32)
  sizes = np.cumsum([len(named[y]) for y in ys])[:-1]
  return np.split(label, sizes), tuple(map(str, classes))


def _check_labels(y, n: int, name: str):
  if y.shape != (n,):
    raise DataError(f'{name} has the shape {y.shape}: ({n},) is expected')
  if y.dtype.kind not in 'buifUS':
    raise DataError(f'{name} is {y.dtype}: whole numbers or words are expected')
  if y.dtype.kind == 'f' and not (np.isfinite(y) & (y == np.rint(y))).all():
    raise DataError(f'{name} holds values that are not whole numbers')
