"""Image datasets of tensorflow-datasets, without importing tensorflow."""

import functools
import hashlib
import io
import pathlib

import numpy as np

from vae_jax.data.batch import Batch, DataError
from vae_jax.data.split import held_out
from vae_jax.data.tfds import cache, find
from vae_jax.data.tfds.prepare import prepare

CHUNK = 1000


def prepared(name: str, data_dir=None, offline=()) -> dict[str, Batch]:
  """The splits train, test and maybe validation of an image dataset by its
  TFDS name; `offline` names what else there is, for errors.

  Read from array_record once and kept as .npy. Binarised sets have scale 1.
  Raises DataError if it is not there and cannot be prepared.
  """
  root = find.root(data_dir)
  path = find.newest(root, name)
  if path is None:
    prepare(root, name, offline)
    path = find.newest(root, name)
  if path is None:
    raise DataError(f'{name} was prepared, but not in {root}')
  return cache.cached(key(path)) or decoded(path)


def key(path: pathlib.Path) -> str:
  """The name in the cache of what is prepared in this directory now."""
  facts = path / 'dataset_info.json'
  text = f'{path.resolve()} {facts.stat().st_mtime_ns}'.encode()
  digest = hashlib.sha256(text + facts.read_bytes()).hexdigest()[:16]
  return f'{path.parent.name}-{path.name}-{digest}'


def decoded(path: pathlib.Path) -> dict[str, Batch]:
  """Every split of a prepared directory, decoded and cached."""
  import tensorflow_datasets as tfds

  with find.explained(path):
    builder = tfds.builder_from_directory(path)
    features, splits = builder.info.features, builder.info.splits
  image, shape = image_feature(features, path)
  for info in splits.values():
    find.check_shards(path, info)
  label = 'label' if _is_label(features) else None
  sources = {
    split: functools.partial(chunks, builder, *part, image, label, shape)
    for split, part in parts(splits, path).items()
  }
  classes = tuple(getattr(features[label], 'names', ())) if label else ()
  return cache.through(key(path), sources, shape, classes)


def image_feature(features, path) -> tuple[str, tuple[int, int, int]]:
  """The name and shape (H, W, C) of the images; DataError if there are none
  that can be stored as they are."""
  if not hasattr(features, 'keys') or 'image' not in features:
    there = ', '.join(getattr(features, 'keys', tuple)()) or type(features)
    raise DataError(f'{path} is no set of images: its features are {there}')
  feature = features['image']
  shape, dtype = feature.shape or (), getattr(feature, 'np_dtype', None)
  if None in shape:
    raise DataError(f'{path}: its images are not all of one size')
  if dtype not in (np.uint8, np.bool_) or len(shape) not in (2, 3):
    raise DataError(f'{path}: its images are {dtype} {shape}, not uint8')
  shape = (*shape, 1)[:3]
  if shape[2] not in (1, 3):
    raise DataError(f'{path}: its images have {shape[2]} channels, not 1 or 3')
  return 'image', shape


def _is_label(features) -> bool:
  if 'label' not in features:
    return False
  kind = getattr(features['label'], 'np_dtype', np.str_)
  return features['label'].shape == () and np.issubdtype(kind, np.integer)


def parts(splits, path) -> dict:
  """Our splits as (split of TFDS, positions in it).

  Without a test split validation is it; without both a fixed tenth of train.
  """
  sizes = {split: info.num_examples for split, info in splits.items()}
  if not all(sizes.get(s, s != 'train') for s in ('train', 'test')):
    there = ', '.join(f'{s} ({n})' for s, n in sizes.items())
    raise DataError(f'{path} needs images in train and test: it has {there}')
  whole = {
    s: (s, np.arange(sizes[s]))
    for s in ('train', 'validation', 'test')
    if sizes.get(s)
  }
  if 'test' not in whole and 'validation' in whole:
    whole['test'] = ('validation', whole.pop('validation')[1])
  if 'test' not in whole:
    test_N = held_out(map(str, whole['train'][1]))
    whole['train'] = ('train', np.flatnonzero(~test_N))
    whole['test'] = ('train', np.flatnonzero(test_N))
  return whole


def chunks(builder, split, index, image, label, shape):
  """(uint8 [n, H*W*C], label [n] or None) of the examples at index."""
  import tensorflow_datasets as tfds

  skip = isinstance(builder.info.features[image], tfds.features.Image)
  decoders = {image: tfds.decode.SkipDecoding()} if skip else None
  path = builder.data_path
  with find.explained(path):
    source = builder.as_data_source(split, decoders=decoders)
  for start in range(0, len(index), CHUNK):
    with find.explained(path):
      rows = source.__getitems__(index[start : start + CHUNK].tolist())
      x_nP = np.empty((len(rows), int(np.prod(shape))), np.uint8)
      for x_P, row in zip(x_nP, rows, strict=True):
        # Twice as fast as TFDS's own way through Pillow.
        pixels = _pixels(row[image]) if skip else row[image]
        x_P[:] = np.asarray(pixels).reshape(-1)
    yield x_nP, [int(row[label]) for row in rows] if label else None


def _pixels(encoded: bytes):
  from PIL import Image

  with Image.open(io.BytesIO(encoded), formats=['PNG', 'JPEG']) as image:
    return np.asarray(image)
