"""Checkpoints that notice their own damage; the only importer of orbax.

A step directory holds the leaves as a flat dict of numpy arrays, keyed by tree
path, and a JSON item with the shape, dtype and crc32 of each leaf (checksums):
orbax itself restores a flipped bit without a word.
"""

import contextlib
import fcntl
import logging
import math
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vae_jax import files, hosts
from vae_jax.training import checksums
from vae_jax.training.checksums import Damage

if TYPE_CHECKING:
  from orbax.checkpoint import CheckpointManager
from vae_jax.training.step import State


class CheckpointError(Exception):
  """A checkpoint that cannot be written or read, told in one line."""


class BusyError(CheckpointError):
  """The directory is locked by another process."""


class Manager(NamedTuple):
  """A directory of checkpoints and the orbax manager that owns it."""

  directory: Path
  monitor: str | None
  orbax: 'CheckpointManager'


def open(directory, monitor=None, lowest=True) -> Manager:
  """A manager keeping the two latest steps and the best one by `monitor`.

  Writes nothing until the first save.
  """
  from orbax.checkpoint import checkpoint_managers as policies
  from orbax.checkpoint.options import MultiprocessingOptions

  directory = Path(directory).absolute()
  score = _score(monitor, lowest)
  keep = [policies.LatestN(2)]
  if monitor:
    keep += [policies.BestN(get_metric_fn=score, reverse=lowest, n=1)]
  options = dict(
    preservation_policy=policies.AnyPreservationPolicy(keep),
    # Only for its side effect: without best_fn the metrics are not written, and
    # a resumed run would no longer know which step is the best.
    best_fn=score,
    best_mode='min' if lowest else 'max',
    create=False,
    # Host 0 alone writes and reads: no other is waited for.
    multiprocessing_options=MultiprocessingOptions(
      primary_host=0, active_processes={0} if hosts.several() else None
    ),
  )
  try:
    manager = _orbax(directory, **options)
  except ValueError:  # metrics that are not JSON; steps without are all kept
    manager = _orbax(directory, **options, lightweight_initialize=True)
  return Manager(directory, monitor, manager)


def check_writable(directory):
  """CheckpointError if checkpoints cannot be written there: better at a run's
  start than at its first save."""
  directory = Path(directory)
  if os.path.lexists(directory) and not directory.is_dir():
    raise CheckpointError(f'{directory} is not a directory: move it away')
  if directory.is_dir() and not os.access(directory, os.W_OK | os.X_OK):
    raise CheckpointError(f'{directory} cannot be written to')


def _orbax(directory, **options):
  import orbax.checkpoint as ocp

  return ocp.CheckpointManager(
    directory,
    item_names=('state', 'leaves'),
    options=ocp.CheckpointManagerOptions(**options),
  )


def _score(monitor, lowest):
  """metrics -> float to rank steps by; a missing one or NaN is the worst."""
  worst = math.inf if lowest else -math.inf

  def score(metrics):
    value = metrics.get(monitor, worst)
    return value if value == value else worst

  return score


def quiet():
  """Mutes orbax, in the whole process, where it only repeats what reaches us as
  an exception: for a program, not for a library.

  When one of many reads or writes fails, orbax closes its event loop at once,
  and each of the others complains from a thread of its own.
  """
  logging.getLogger('absl').addFilter(_not_from_orbax)
  logging.getLogger('asyncio').addFilter(_not_from_orbax)
  hook = sys.unraisablehook
  if getattr(hook, 'func', None) is not _drop_late_results:
    sys.unraisablehook = partial(_drop_late_results, hook)


def _not_from_orbax(record):
  late = record.name == 'asyncio' and 'tensorstore' in record.getMessage()
  return not late and f'{os.sep}orbax{os.sep}' not in record.pathname


def _drop_late_results(hook, unraisable):
  late = unraisable.object is None and isinstance(
    unraisable.exc_value, RuntimeError
  )
  if not (late and str(unraisable.exc_value) == 'Event loop is closed'):
    hook(unraisable)


def steps(manager) -> list[int]:
  """The steps on disk or on their way there, in ascending order."""
  return sorted(manager.orbax.all_steps())


def on_disk(directory) -> list[int]:
  """The steps that are written in this directory, in ascending order, without
  opening it."""
  paths = Path(directory).glob('*') if Path(directory).is_dir() else []
  return sorted(int(path.name) for path in paths if path.name.isdecimal())


def best(manager) -> int | None:
  """The step with the best value of the monitor, None without one."""
  return manager.orbax.best_step() if manager.monitor else None


def save(manager, step: int, state: State, metrics: dict[str, float]) -> bool:
  """Starts to write `state`, which may be donated at once; False if it exists.

  Raises CheckpointError if an earlier save failed, or if newer steps exist.
  """
  import orbax.checkpoint as ocp

  step = int(step)
  wait(manager)
  if step in steps(manager):
    return False
  if newer := [s for s in steps(manager) if s > step]:
    raise CheckpointError(
      f'{manager.directory}: cannot save step {step} below step {newer[-1]}'
    )
  arrays, sealed = checksums.pack(state)
  with _one_line(manager, f'cannot save step {step}'):
    manager.directory.mkdir(parents=True, exist_ok=True)
    return manager.orbax.save(
      step,
      metrics={name: float(value) for name, value in metrics.items()},
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(arrays),
        leaves=ocp.args.JsonSave(sealed | {'step': step}),
      ),
    )


def restore(manager, target_state, repair=False, at=None, partial=False):
  """The newest undamaged (state, step, notes), or None without a checkpoint.

  The state is placed like `target_state`, whose leaves are arrays or
  ShapeDtypeStructs with shardings; `notes` are lines about damaged steps, which
  `repair` deletes (orbax refuses to save below them). `at` asks for one step,
  `partial` for no more leaves than the target has.
  Raises CheckpointError if none is good, or if a leaf does not fit the target.
  """
  wait(manager)
  damaged = {}
  for step in reversed(steps(manager)) if at is None else [at]:
    try:
      state = _read(manager, step, target_state, partial)
    except Damage as why:
      damaged[step] = why
      continue
    if repair:
      _repair(manager, damaged)
    notes = [
      f'checkpoint {s} is damaged ({why}); used {step}'
      for s, why in damaged.items()
    ]
    return state, step, notes
  if damaged:
    why = '; '.join(f'{s}: {why}' for s, why in damaged.items())
    raise CheckpointError(f'{manager.directory}: no good checkpoint ({why})')


def _repair(manager, damaged):
  """Deletes the damaged steps and what killed saves have left."""
  for step in damaged:
    manager.orbax.delete(step)
  for path in manager.directory.glob('*.orbax-checkpoint-tmp*'):
    shutil.rmtree(path, ignore_errors=True)


def _read(manager, step, target_state, partial):
  """The state of one step; raises Damage, or CheckpointError on a misfit."""
  import orbax.checkpoint as ocp

  sealed = _item(manager, step, 'leaves', ocp.args.JsonRestore())
  records = checksums.unseal(sealed)
  if sealed.get('step', step) != step:
    raise Damage(f'it is of step {sealed["step"]}')
  if why := checksums.misfit(records, target_state, partial):
    raise CheckpointError(f'{manager.directory}: checkpoint {step} {why}')
  arrays = _item(manager, step, 'state', ocp.args.StandardRestore())
  return checksums.unpack(arrays, records, target_state)


def _item(manager, step, name, args):
  """One item of a step; whatever orbax raises on bad bytes becomes Damage."""
  import orbax.checkpoint as ocp

  args = ocp.args.Composite(**{name: args})
  try:
    return manager.orbax.restore(step, args=args)[name]
  except Exception as error:
    raise Damage(checksums.short(error)) from error


@contextlib.contextmanager
def _one_line(manager, what):
  """Turns what orbax raises into a CheckpointError of one line."""
  try:
    yield
  except Exception as error:
    raise CheckpointError(
      f'{manager.directory}: {what} ({checksums.short(error)})'
    ) from error


def wait(manager):
  """Blocks until the last save is on disk; CheckpointError if it failed."""
  with _one_line(manager, 'the last save failed'):
    manager.orbax.wait_until_finished()


def close(manager):
  """Waits for the last save and ends the threads; raises like wait."""
  try:
    wait(manager)
  finally:
    with contextlib.suppress(Exception):  # the same error once more
      manager.orbax.close()


@contextlib.contextmanager
def lock(directory):
  """Holds the run directory; BusyError if another process does."""
  directory = Path(directory)
  directory.mkdir(parents=True, exist_ok=True)
  with files.named(directory / '.lock'):
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    number = os.open(directory / '.lock', flags, 0o666)
  with os.fdopen(number, 'r+', encoding='utf-8', errors='replace') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise BusyError(
        f'{directory} is in use by process {file.read().strip()}'
      ) from None
    file.truncate(0)
    file.write(f'{os.getpid()}\n')
    file.flush()
    yield
