"""Checkpoints that notice their own damage; the only importer of orbax.

A step directory holds the leaves as a flat dict of numpy arrays, keyed by tree
path, and a JSON item with the shape, dtype and crc32 of each leaf: orbax itself
restores a flipped bit without a word.
"""

import contextlib
import fcntl
import json
import logging
import math
import os
import shutil
import sys
import textwrap
import zlib
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np


class CheckpointError(Exception):
  """A checkpoint that cannot be written or read, told in one line."""


class BusyError(CheckpointError):
  """The directory is locked by another process."""


class Manager(NamedTuple):
  """A directory of checkpoints and the orbax manager that owns it."""

  directory: Path
  monitor: str | None
  orbax: Any


class _Damage(Exception):
  """Why one step cannot be trusted: the next older one is tried."""


def open(directory, monitor=None, lowest=True) -> Manager:
  """A manager keeping the two latest steps and the best one by `monitor`.

  Writes nothing until the first save.
  """
  import orbax.checkpoint as ocp
  from orbax.checkpoint import checkpoint_managers as policies

  _hush()
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
  )
  return Manager(directory, monitor, _orbax(ocp, directory, options))


def _orbax(ocp, directory, options):
  """The orbax manager; it opens even if a metrics file is damaged."""

  def make(**more):
    options_ = ocp.CheckpointManagerOptions(**options, **more)
    return ocp.CheckpointManager(
      directory, item_names=('state', 'leaves'), options=options_
    )

  try:
    return make()
  except ValueError:  # not JSON; steps without metrics are all kept
    return make(lightweight_initialize=True)


def _score(monitor, lowest):
  """metrics -> float to rank steps by; a missing one or NaN is the worst."""
  worst = math.inf if lowest else -math.inf

  def score(metrics):
    value = metrics.get(monitor, worst)
    return value if value == value else worst

  return score


def _hush():
  """Mutes orbax where it only repeats what reaches us as an exception.

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


def best(manager) -> int | None:
  """The step with the best value of the monitor, None without one."""
  return manager.orbax.best_step() if manager.monitor else None


def save(manager, step: int, state, metrics: dict[str, float]) -> bool:
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
  leaves = {name: (leaf, _host(leaf)) for name, leaf in _flat(state)}
  # orbax refuses arrays of size zero: the target restores those by itself.
  arrays = {name: raw for name, (_, raw) in leaves.items() if raw.size}
  records = {name: _record(*pair) for name, pair in leaves.items()}
  with _one_line(manager, f'cannot save step {step}'):
    manager.directory.mkdir(parents=True, exist_ok=True)
    return manager.orbax.save(
      step,
      metrics={name: float(value) for name, value in metrics.items()},
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(arrays),
        leaves=ocp.args.JsonSave({'leaves': records, 'crc32': _seal(records)}),
      ),
    )


def restore(manager, target_state, repair=False, at=None):
  """The newest undamaged (state, step, notes), or None without a checkpoint.

  The state is placed like `target_state`, whose leaves are arrays or
  ShapeDtypeStructs with shardings; `notes` are lines about damaged steps, which
  `repair` deletes (orbax refuses to save below them). `at` asks for one step.
  Raises CheckpointError if none is good, or if a leaf does not fit the target.
  """
  wait(manager)
  damaged = {}
  for step in reversed(steps(manager)) if at is None else [at]:
    try:
      state = _read(manager, step, target_state)
    except _Damage as why:
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
  if jax.process_index() == 0:
    for path in manager.directory.glob('*.orbax-checkpoint-tmp*'):
      shutil.rmtree(path, ignore_errors=True)


def _read(manager, step, target_state):
  """The state of one step; raises _Damage, or CheckpointError on a misfit."""
  import orbax.checkpoint as ocp

  sealed = _item(manager, step, 'leaves', ocp.args.JsonRestore())
  try:
    records, seal = sealed['leaves'], sealed['crc32']
  except (KeyError, TypeError) as error:
    raise _Damage('no list of leaves') from error
  if seal != _seal(records):
    raise _Damage('the list of leaves: crc32 differs')
  target = dict(_flat(target_state))
  _check_fit(f'{manager.directory}: checkpoint {step}', records, target)
  arrays = _item(manager, step, 'state', ocp.args.StandardRestore())
  leaves = [
    _checked(name, arrays, records[name], leaf) for name, leaf in target.items()
  ]
  places = [getattr(leaf, 'sharding', None) for leaf in target.values()]
  leaves = jax.device_put(leaves, places)
  return jax.tree.unflatten(jax.tree.structure(target_state), leaves)


def _item(manager, step, name, args):
  """One item of a step; whatever orbax raises on bad bytes becomes _Damage."""
  import orbax.checkpoint as ocp

  try:
    return manager.orbax.restore(step, args=ocp.args.Composite(**{name: args}))[
      name
    ]
  except Exception as error:
    raise _Damage(_short(error)) from error


def _checked(name, arrays, record, target):
  """The leaf as the array that was saved; raises _Damage if it is not."""
  if 0 in record['shape']:
    raw = np.zeros(target.shape, target.dtype)
  elif name not in arrays:
    raise _Damage(f'{name}: missing')
  else:
    raw = np.asarray(arrays[name])
  try:
    leaf = _unhost(raw, target)
  except (TypeError, ValueError) as error:
    raise _Damage(f'{name}: {_short(error)}') from error
  for what, now in _record(leaf, raw).items():
    if now != record[what]:
      raise _Damage(f'{name}: {what} differs')
  return leaf


def _check_fit(where, records, target):
  """Raises CheckpointError naming the first leaf that differs."""
  for name, leaf in target.items():
    if name not in records:
      raise CheckpointError(f'{where} has no leaf {name}')
    there = {what: records[name][what] for what in ('dtype', 'shape')}
    if there != _kind(leaf):
      raise CheckpointError(
        f'{where} has {name} as {_words(there)}, not {_words(_kind(leaf))}'
      )
  if extra := [name for name in records if name not in target]:
    raise CheckpointError(f'{where} has an unexpected leaf {extra[0]}')


def _flat(tree):
  """[('params/encoder/kernel', leaf), ...]."""
  return [
    (jax.tree_util.keystr(path, simple=True, separator='/'), leaf)
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
  ]


def _is_key(leaf):
  return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _host(leaf):
  """A numpy copy: a view of the buffer would keep it from being donated."""
  if isinstance(leaf, jax.Array):
    leaf = jax.random.key_data(leaf) if _is_key(leaf) else leaf
    leaf = leaf.addressable_data(0) if leaf.is_fully_replicated else leaf
  return np.array(leaf)


def _unhost(raw, target):
  """The inverse of _host, with the key type of the target."""
  if not _is_key(target):
    return raw
  impl = []  # key_impl takes no ShapeDtypeStruct, but a tracer of one
  jax.eval_shape(lambda key: impl.append(jax.random.key_impl(key)), target)
  return jax.random.wrap_key_data(raw, impl=impl[0])


def _kind(leaf):
  return {'dtype': str(leaf.dtype), 'shape': list(leaf.shape)}


def _words(kind):
  return f'{kind["dtype"]}{kind["shape"]}'


def _record(leaf, raw):
  """What the JSON item says of a leaf, `raw` being its numpy copy."""
  bytes_ = np.ascontiguousarray(raw).reshape(-1).view(np.uint8)
  return {**_kind(leaf), 'crc32': zlib.crc32(bytes_)}


def _seal(records):
  """crc32 of the records themselves: a flip there must not look a misfit."""
  return zlib.crc32(json.dumps(records, sort_keys=True).encode())


def _short(error):
  """The exception in at most one line."""
  return textwrap.shorten(f'{type(error).__name__}: {error}', 160)


@contextlib.contextmanager
def _one_line(manager, what):
  """Turns what orbax raises into a CheckpointError of one line."""
  try:
    yield
  except Exception as error:
    raise CheckpointError(
      f'{manager.directory}: {what} ({_short(error)})'
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
  with (directory / '.lock').open('a+') as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      file.seek(0)
      raise BusyError(
        f'{directory} is in use by process {file.read().strip()}'
      ) from None
    file.truncate(0)
    file.write(f'{os.getpid()}\n')
    file.flush()
    yield
