"""Decoded datasets as .npy files in the user's cache directory."""

import json
import os
import pathlib
import shutil
import time
import zlib

import numpy as np

from vae_jax.console import say
from vae_jax.data.batch import Batch


def directory() -> pathlib.Path:
  """~/.cache/vae_jax/data, or below $XDG_CACHE_HOME."""
  home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
  return pathlib.Path(home) / 'vae_jax' / 'data'


def cached(name: str) -> dict[str, Batch] | None:
  """The splits kept under this name, memory-mapped; None if there are none or,
  which is told, they are damaged: every byte is checked."""
  folder = directory() / name
  if not folder.exists():
    return None
  try:
    sealed = json.loads((folder / 'facts.json').read_text('utf-8'))
    facts = _unsealed(folder, sealed)
    return {split: _read(folder, split, facts) for split in facts['splits']}
  except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
    say(f'note: {folder} is damaged ({error}): the dataset is decoded anew')
    return None


def _sealed(folder, facts: dict) -> dict:
  """The facts with the crc32 of every file of the folder, and their own."""
  facts = facts | {'crc32': {p.name: _crc32(p) for p in folder.glob('*.npy')}}
  return {'facts': facts, 'crc32': _crc32_of(facts)}


def _unsealed(folder, sealed: dict) -> dict:
  """The facts; ValueError unless they and the files are as they were."""
  facts = sealed['facts']
  if _crc32_of(facts) != sealed['crc32']:
    raise ValueError('facts.json: crc32 differs')
  for name, crc32 in facts['crc32'].items():
    if _crc32(folder / name) != crc32:
      raise ValueError(f'{name}: crc32 differs')
  return facts


def _crc32_of(facts: dict) -> int:
  return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def _crc32(path) -> int:
  crc32 = 0
  with open(path, 'rb') as file:
    while part := file.read(2**20):
      crc32 = zlib.crc32(part, crc32)
  return crc32


def _read(folder, split, facts):
  size, labelled = facts['splits'][split]
  shape = tuple(facts['shape'])
  x_NP = np.load(folder / f'{split}.npy', mmap_mode='r')
  if x_NP.shape != (size, int(np.prod(shape))) or x_NP.dtype != np.uint8:
    raise ValueError(f'{split} is not what facts.json says')
  label = np.load(folder / f'{split}.label.npy') if labelled else None
  if label is not None and label.shape != (size,):
    raise ValueError(f'labels of {split} are not what facts.json says')
  # A plain array that looks at the mapped file.
  return Batch(
    np.asarray(x_NP), label, shape, facts['scale'], tuple(facts['classes'])
  )


def through(name: str, sources, shape, classes) -> dict[str, Batch]:
  """The splits of `sources`, kept under this name for the next time.

  A source is a function () -> iterator of (uint8 [n, H*W*C], label [n] or
  None). A cache that cannot be written is a warning.
  """
  try:
    _write(name, sources, shape, classes)
    splits = cached(name)
    if splits is not None:
      return splits
    reason = 'what was written cannot be read'
  except OSError as error:
    reason = error.strerror or error
  say(
    f'warning: the cache {directory()} cannot be used ({reason}): the dataset '
    'is decoded anew every time'
  )
  return _in_memory(sources, shape, classes)


def _write(name, sources, shape, classes):
  folder = directory() / name
  temporary = folder.with_name(f'.{name}.{os.getpid()}')
  folder.parent.mkdir(parents=True, exist_ok=True)
  _sweep(folder)
  temporary.mkdir()
  try:
    facts = {'shape': shape, 'classes': classes, 'splits': {}, 'scale': 1.0}
    for split, source in sources.items():
      size, labelled, top = _write_split(temporary, split, source)
      facts['splits'][split] = (size, labelled)
      facts['scale'] = 255.0 if top > 1 else facts['scale']
    sealed = json.dumps(_sealed(temporary, facts))
    (temporary / 'facts.json').write_text(sealed, 'utf-8')
    shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    temporary.rename(folder)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    raise


def _write_split(folder, split, source):
  # Not through a memory map: on a full disk that is a SIGBUS, this an OSError.
  labels, size, top = [], 0, 0
  with open(folder / f'{split}.npy', 'wb') as file:
    file.write(b' ' * 128)
    for x_nP, label_n in source():
      file.write(np.ascontiguousarray(x_nP, np.uint8).data)
      labels.append(label_n)
      size, top = size + len(x_nP), max(top, int(x_nP.max()))
    file.seek(0)
    header = {
      'descr': '|u1',
      'fortran_order': False,
      'shape': (size, x_nP.shape[1]),
    }
    np.lib.format.write_array_header_1_0(file, header)
    if file.tell() != 128:
      raise OSError('the header of a .npy file has an unexpected length')
  label = joined(labels)
  if label is not None:
    np.save(folder / f'{split}.label.npy', label)
  return size, label is not None, top


def joined(labels) -> np.ndarray | None:
  """int32 [N]; None unless every example has a label."""
  if any(label_n is None or min(label_n) < 0 for label_n in labels):
    return None
  return np.concatenate(labels).astype(np.int32)


def _in_memory(sources, shape, classes):
  splits = {}
  for split, source in sources.items():
    x, labels = zip(*source(), strict=True)
    splits[split] = Batch(
      np.concatenate(x), joined(labels), shape, 255.0, classes
    )
  if max(batch.x.max() for batch in splits.values()) <= 1:
    splits = {k: batch.replace(scale=1.0) for k, batch in splits.items()}
  return splits


def _sweep(folder):
  # What a killed process has left.
  for old in folder.parent.glob(f'.{folder.name}.*'):
    if time.time() - old.stat().st_mtime > 3600:
      shutil.rmtree(old, ignore_errors=True)
