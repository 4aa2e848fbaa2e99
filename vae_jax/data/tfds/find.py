"""Where tensorflow-datasets keeps what it has prepared."""

import contextlib
import json
import os
import pathlib
import re

from vae_jax.data.batch import DataError

NAME = re.compile(
  r'(?P<name>[a-z]\w*)(/(?P<config>\w[\w.-]*))?(:(?P<version>\d+\.\d+\.\d+))?'
)
VERSION = re.compile(r'\d+\.\d+\.\d+')
FACTS = 'dataset_info.json'


def root(data_dir=None) -> pathlib.Path:
  """data_dir, else $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
  if data_dir and not pathlib.Path(data_dir).expanduser().is_dir():
    raise DataError(f'--data_dir={data_dir} is not a directory')
  default = os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets'
  return pathlib.Path(data_dir or default).expanduser()


def newest(root: pathlib.Path, name: str) -> pathlib.Path | None:
  """The directory of the newest prepared version of `name`, `name/config` or
  `name:version`; None if there is none, DataError if it is half prepared."""
  match = NAME.fullmatch(name)
  if match is None:
    return None
  folder = root / match['name'] / (match['config'] or '')
  folders = versions(folder)
  if not folders and match['config'] is None:
    configs = [p for p in below(folder) if versions(p)]
    if len(configs) > 1:
      there = ', '.join(f'{match["name"]}/{p.name}' for p in configs)
      raise DataError(f'{name} is prepared as {there}: name one of them')
    folders = versions(configs[0]) if configs else []
  wanted = match['version']
  folders = [path for path in folders if wanted in (None, path.name)]
  whole = [path for path in folders if (path / FACTS).is_file()]
  if folders and not whole:
    raise DataError(half(folders[-1], f'{FACTS} is missing'))
  if not whole:
    return None
  check_facts(whole[-1])
  return whole[-1]


def below(folder: pathlib.Path) -> list[pathlib.Path]:
  """The directories in a directory, by name; none if it is not there."""
  if not folder.is_dir():
    return []
  return sorted(path for path in folder.iterdir() if path.is_dir())


def versions(folder: pathlib.Path) -> list[pathlib.Path]:
  """The version directories of a dataset, oldest first."""
  folders = [path for path in below(folder) if VERSION.fullmatch(path.name)]
  return sorted(
    folders, key=lambda path: [int(n) for n in path.name.split('.')]
  )


def unfinished(root: pathlib.Path, name: str) -> pathlib.Path | None:
  """What a preparation that did not end has left, or one that still runs."""
  match = NAME.fullmatch(name)
  folder = root / match['name']
  places = (folder, folder / (match['config'] or ''))
  begun = [path for place in places for path in place.glob('incomplete.*')]
  return begun[0] if begun else None


def half(path, why: str) -> str:
  """What to say of a half-prepared directory."""
  return (
    f'{path} is half prepared ({why}): delete it and prepare the dataset again'
  )


def check_facts(path: pathlib.Path):
  """DataError unless dataset_info.json says that this is array_record."""
  try:
    facts = json.loads((path / FACTS).read_text('utf-8'))
    kind = facts.get('fileFormat', 'tfrecord')
  except (ValueError, AttributeError) as error:
    raise DataError(half(path, f'{FACTS} is damaged')) from error
  if kind != 'array_record':
    raise DataError(
      f'{path} is {kind}, which needs tensorflow to be read: prepare it with '
      'tfds build --file_format=array_record'
    )


def check_shards(path: pathlib.Path, info):
  """DataError if a file of this split is missing or empty."""
  for name in sorted(info.filenames):
    file = path / name
    if not file.is_file() or not file.stat().st_size:
      raise DataError(half(path, f'{name} is missing or empty'))


@contextlib.contextmanager
def explained(path):
  """Turns whatever TFDS raises while reading this directory into a DataError.

  It lets through every error of json, array_record, protobuf and Pillow.
  """
  try:
    yield
  except (ModuleNotFoundError, DataError):
    raise
  except Exception as error:
    first = (str(error).strip() or repr(error)).splitlines()[0]
    raise DataError(f'{path} cannot be read: {first:.200}') from error


def images(root: pathlib.Path) -> list[str]:
  """The names of the image datasets that are prepared below root."""
  names = set()
  for pattern in (f'*/*/{FACTS}', f'*/*/*/{FACTS}'):
    for facts in root.glob(pattern):
      features = facts.with_name('features.json')
      if features.is_file() and '"image"' in features.read_text('utf-8'):
        names.add(facts.parent.parent.relative_to(root).as_posix())
  return sorted(names)
