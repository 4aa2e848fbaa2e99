"""A work directory in a bucket, gs://BUCKET/RUN: a copy of it on this machine
that is kept alike, since a bucket has no appending, renaming or locking.

Through fsspec, on which etils.epath relies for buckets too: any of its file
systems will do.
"""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile
import threading

from vae_jax import console, hosts, signals
from vae_jax.console import say
from vae_jax.runs.directory import Refused, RunError

EVERY_S = 30.0
SEAL = 'commit_success.txt'  # which orbax writes last
UNFINISHED = re.compile(r'orbax-checkpoint-tmp|(^|/)\.[^/]*$')


def is_one(path: str | None) -> bool:
  """Whether this names a place in a bucket: gs://BUCKET/RUN."""
  return bool(path) and re.match('[a-z0-9]{2,}://[^/]', path) is not None


@contextlib.contextmanager
def copied(workdir: str | None):
  """The directory of this machine to work in: a copy of the bucket's, whose
  changes are brought there every EVERY_S and at the end; `workdir` itself if it
  is of this machine, or if another host writes.

  Refused if it cannot be reached; RunError if the last changes do not come
  there: then the copy is left.
  """
  if not (is_one(workdir) and hosts.first()):
    yield workdir
    return
  copy = Copy(workdir)
  console.call(copy.here, copy.url)
  stop = threading.Event()
  thread = threading.Thread(target=copy.keep, args=(stop,), daemon=True)
  thread.start()
  hosts.at_end(copy.bring)
  try:
    yield str(copy.here)
  finally:
    with signals.finishing():
      stop.set()
      thread.join()
      hosts.at_end(None)
      try:
        copy.bring()
      except Exception as error:
        console.call(copy.here, None)
        raise RunError(
          f'{copy.url} has not all of the run ({short(error)}): it is in '
          f'{copy.here}'
        ) from error
      shutil.rmtree(copy.here.parent, ignore_errors=True)


class Copy:
  """The directory `url` and its copy `here`, which has all that it holds."""

  def __init__(self, url: str):
    self.url = url.rstrip('/')
    try:
      import fsspec

      self.files, self.root = fsspec.core.url_to_fs(self.url)
      self.files.makedirs(self.root, exist_ok=True)
      mark = f'{self.root}/.written'  # better now than at the first save
      self.files.pipe_file(mark, b'')
      self.files.rm_file(mark)
      parent = pathlib.Path(tempfile.mkdtemp(prefix='vae_jax-'))
      self.here = parent / self.url.rpartition('/')[2]
      self.here.mkdir()
      names = self.files.find(self.root)
      for path in whole(names):
        own = self.here / path[len(self.root) :].lstrip('/')
        own.parent.mkdir(parents=True, exist_ok=True)
        self.files.get_file(path, str(own))
    # A bucket's client may raise about anything.
    except Exception as error:
      raise Refused(f'--workdir={url}: {short(error)}') from error
    self.there = self.held()

  def held(self) -> dict[str, tuple]:
    """Name -> what tells it from an older one, of every finished file here."""
    found = {}
    for parent, _, names in os.walk(self.here):
      for name in names:
        path = pathlib.Path(parent, name)
        own = path.relative_to(self.here).as_posix()
        if not UNFINISHED.search(own):
          with contextlib.suppress(FileNotFoundError):  # it has just gone
            stat = path.stat()
            found[own] = stat.st_mtime_ns, stat.st_size, stat.st_ino
    return found

  def bring(self):
    """Brings to the bucket what has changed since the last time, new files
    before what has gone is removed there."""
    now = self.held()
    for name in sorted(now.keys() - self.same(now), key=turn):
      place = f'{self.root}/{name}'
      self.files.makedirs(place.rpartition('/')[0], exist_ok=True)
      if (self.here / name).exists():  # or it has just gone
        self.files.put_file(str(self.here / name), place)
        self.there[name] = now[name]
    for name in self.there.keys() - now.keys():
      self.files.rm_file(f'{self.root}/{name}')
      del self.there[name]

  def same(self, now: dict[str, tuple]) -> set[str]:
    """The names of what the bucket has as it is."""
    return {name for name in now if self.there.get(name) == now[name]}

  def keep(self, stop: threading.Event):
    """Brings what has changed every EVERY_S; says once if it cannot."""
    told = False
    while not stop.wait(EVERY_S):
      try:
        self.bring()
      except Exception as error:
        if not told:
          say(f'note: {self.url} is not kept up: {short(error)}')
        told = True


def turn(name: str) -> tuple:
  """The place of a file in the order in which they are brought: what a run is,
  its figures, its checkpoints, of each the seal last."""
  saved = '/checkpoints/' in f'/{name}'
  return name != 'config.json', saved, name.endswith(f'/{SEAL}'), name


def whole(names: list[str]) -> list[str]:
  """The names without those of checkpoints that have no seal: not all of such
  a one has come there."""
  sealed = {name[: -len(SEAL)] for name in names if name.endswith(f'/{SEAL}')}
  steps = re.compile(r'.*/checkpoints/[0-9]+/')
  found = []
  for name in names:
    step = steps.match(f'/{name}')
    if not step or step[0][1:] in sealed:
      found.append(name)
  return found


def short(error: Exception) -> str:
  """The first words of an error."""
  text = ' '.join(str(error).split()) or type(error).__name__
  return text[:300]
