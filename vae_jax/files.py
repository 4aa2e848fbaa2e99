"""Files that are there whole or not at all, and errors that name them."""

import contextlib
import os
import pathlib
import secrets


def free_memory() -> int:
  """Bytes that this machine, or its container, can still give."""
  import psutil

  most = [psutil.virtual_memory().available]
  group = pathlib.Path('/sys/fs/cgroup')  # of version 2, as a container sees it
  with contextlib.suppress(OSError, ValueError):
    allowed, used = (
      int((group / name).read_text('ascii'))
      for name in ('memory.max', 'memory.current')
    )
    most.append(allowed - used)
  return max(0, min(most))


@contextlib.contextmanager
def named(path):
  """An OSError from here names this file, if it names none."""
  try:
    yield
  except OSError as error:
    if error.filename is None and error.errno is not None:
      error.filename = str(path)
    raise


@contextlib.contextmanager
def replaced(path, mode: str = 'w', **options):
  """A new file, open for writing, that takes the place of `path` when the block
  ends well; makes the directory if it is not there.

  Until then it has a name that nothing had: what another has laid there, a link
  perhaps, is not written through.
  """
  path = pathlib.Path(path)
  if 'b' not in mode:
    options = {'encoding': 'utf-8'} | options
  with named(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    spare = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    try:
      number = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except OSError as error:
      raise OSError(error.errno, error.strerror) from error
    try:
      with open(number, mode, **options) as file:
        yield file
      try:
        os.replace(spare, path)
      except OSError as error:  # which names the spare one first
        if error.errno is None:
          raise
        raise OSError(error.errno, error.strerror) from error
    except BaseException:
      with contextlib.suppress(OSError):
        os.unlink(spare)
      raise
