"""Preparing a dataset for the first time, by tensorflow-datasets itself."""

import contextlib
import functools
import importlib.util
import pathlib
import shutil

from vae_jax.console import nearest
from vae_jax.data.batch import DataError
from vae_jax.data.tfds import find

# Seconds without an answer after which a server is taken to be away.
PATIENCE = 8


def prepare(root: pathlib.Path, name: str, offline=()):
  """Downloads and writes a dataset below root as array_record.

  Needs tensorflow and the network; without either, a DataError says at once
  what there is, `offline` and what is prepared already.
  """
  there = ', '.join((*offline, *find.images(root)))
  check_known(name, offline, there)
  advice = f'without them there are {there}'
  if left := find.unfinished(root, name):
    advice = f'{left} is half prepared; {advice}'
  if importlib.util.find_spec('tensorflow') is None:
    raise DataError(
      f'{name} is not prepared in {root}: the first time needs the network and '
      f'tensorflow (pip install tensorflow-cpu); {advice}'
    )
  before = left_over(root)
  try:
    build(root, name)
  except Exception as error:
    raise DataError(
      f'{name} is not in {root} and could not be prepared: {reason(error)}; '
      f'{advice}'
    ) from error
  finally:
    for folder in left_over(root) - before:
      shutil.rmtree(folder, ignore_errors=True)


def left_over(root: pathlib.Path) -> set[pathlib.Path]:
  """What downloads that did not end have left below root."""
  return set((root / 'downloads').rglob('*.tmp.*'))


def reason(error: Exception) -> str:
  """The first line of an error, or the server that does not answer."""
  import requests

  request = getattr(error, 'request', None)
  if isinstance(error, requests.ConnectionError | requests.Timeout) and request:
    return f'{request.url} cannot be reached'
  return f'{(str(error).strip() or repr(error)).splitlines()[0]:.200}'


def check_known(name: str, offline, there: str):
  """DataError naming the nearest unless TFDS has a dataset of this name."""
  match = find.NAME.fullmatch(name)
  try:
    import tensorflow_datasets as tfds
  except ModuleNotFoundError as error:
    known = set()
    missing = f'; {error.name} is not installed'
  else:
    known = set(tfds.list_builders(with_community_datasets=False))
    missing = ', and image sets of tensorflow-datasets by their names'
  if match is None or match['name'] not in known:
    hint = nearest(name, [*offline, *sorted(known)])
    raise DataError(
      f'unknown dataset {name!r}{hint}: there are {there}{missing}'
    )


def build(root: pathlib.Path, name: str):
  """Lets TFDS do it, as array_record."""
  import tensorflow_datasets as tfds

  with impatient():
    builder = tfds.builder(name, data_dir=root, file_format='array_record')
    builder.download_and_prepare(file_format='array_record')


@contextlib.contextmanager
def impatient():
  """No retries and a time limit: TFDS would take minutes to say that there is
  no network."""
  import requests
  from tensorflow_datasets.core.download import downloader

  retries, request = downloader.MAX_RETRIES, requests.Session.request
  downloader.MAX_RETRIES = 0
  requests.Session.request = functools.partialmethod(request, timeout=PATIENCE)
  try:
    yield
  finally:
    downloader.MAX_RETRIES = retries
    requests.Session.request = request
