"""Whole runs: train or evaluate an experiment in a run directory."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import sys
import time

import jax
import jax.numpy as jnp

from vae_jax import config, data, training
from vae_jax.factors.model import PRECISIONS
from vae_jax.measures import pooled
from vae_jax.measures.trained import Trained
from vae_jax.reports import summary
from vae_jax.runs import directory, records, results
from vae_jax.runs.loop import Ready, Refused, hasty, loop
from vae_jax.training import checkpoint, feed, log, replicate, sharded
from vae_jax.training.devices import devices_of


class Clock:
  """Seconds spent in each named part of a run; `started` is a perf_counter."""

  def __init__(self, started=None):
    now = time.perf_counter()
    self.started = now if started is None else started
    self.seconds = {'start': now - self.started}

  @contextlib.contextmanager
  def __call__(self, part: str):
    """Adds the time of the block to this part."""
    start = time.perf_counter()
    try:
      yield
    finally:
      spent = time.perf_counter() - start
      self.seconds[part] = self.seconds.get(part, 0.0) + spent

  def wall(self) -> float:
    """Seconds since the start."""
    return time.perf_counter() - self.started


def fit(name, ex, run_dir, overrides=(), data_dir=None, started=None, **marks):
  """Trains an experiment in run_dir, going on with what is there: an Outcome.

  `marks` are the arm and label of a grid's member. Raises RunError, DataError
  or CheckpointError with one clear line, before anything is written if the
  experiment cannot run.
  """
  clock, run_dir = Clock(started), pathlib.Path(run_dir)
  found = records.read(run_dir)
  records.refuse_other(found, ex, run_dir)
  check_batch(ex, len(devices_of(ex)))
  ready = prepare(ex, data_dir, clock)
  with contextlib.ExitStack() as stack:
    stack.enter_context(checkpoint.lock(run_dir))
    manager = checkpoint.open(run_dir / 'checkpoints', ex.monitor)
    stack.callback(checkpoint.close, manager)
    with clock('restore'):
      restored = checkpoint.restore(manager, ready.state, repair=True)
    if restored is None:
      ready = fresh(ready, clock)
    else:
      ready = resumed(ready, restored, found)
    records.write(run_dir, name, ex, overrides, ready, data_dir)
    writer = log.open(run_dir, resume_step=int(ready.state.step))
    stack.callback(writer.close)
    state, tests, rates = loop(ready, manager, writer, clock)
    # A run that was over already has the rates of when it ran.
    found = {'step': int(state.step)} | tests | (rates or timed(run_dir))
    history = log.read(run_dir)
    trained = Trained(
      ready.ex, ready.splits, ready.hyper, state, history, found, **marks
    )
    return results.finish(name, trained, run_dir, clock, writer)


def evaluate_run(name, ex, run_dir, data_dir=None, started=None, **marks):
  """Measures and draws the newest good checkpoint of run_dir: an Outcome.

  Raises RunError, DataError or CheckpointError with one clear line.
  """
  clock, run_dir = Clock(started), pathlib.Path(run_dir)
  records.refuse_other(records.read(run_dir), ex, run_dir)
  ready = prepare(ex, data_dir, clock)
  with clock('restore'):
    state, step = newest(run_dir, ready, ex.monitor)
  with clock('evaluate'):
    test = ready.splits['test']
    if feed.held(ex, test, ready.devices):
      test = replicate(test, ready.devices)
    measure = pooled.over(ex, ex.measures, ready.devices)
    tests = measure(test, ready.hyper, state)
  found = {'step': step} | tests | timed(run_dir)
  history = log.read(run_dir)
  trained = Trained(
    ready.ex, ready.splits, ready.hyper, state, history, found, **marks
  )
  return results.finish(name, trained, run_dir, clock)


def newest(run_dir, ready: Ready, monitor: str):
  """(state, step) of the newest good checkpoint, any damage told.

  Raises Refused if there is none at all, CheckpointError if all are damaged.
  """
  with contextlib.ExitStack() as stack:
    manager = checkpoint.open(run_dir / 'checkpoints', monitor)
    stack.callback(checkpoint.close, manager)
    restored = checkpoint.restore(manager, ready.state)
  if restored is None:
    raise Refused(f'{run_dir} holds no checkpoint: train it first')
  return again(restored)


def timed(run_dir) -> dict[str, float]:
  """The times and rates in the results.json of a run that has ended."""
  before = directory.read(run_dir)
  return {name: before[name] for name in summary.TIMES if name in before}


def prepare(ex, data_dir, clock, devices=None, checked=False) -> Ready:
  """Data loaded, and what a state on the devices looks like: nothing is
  compiled before every error has been told, if it was not `checked` before."""
  devices = devices_of(ex) if devices is None else devices
  with clock('data'):
    splits = data.load(ex.dataset, data_dir)
  if not checked:
    check(ex, splits)
  ex = config.sized(ex, splits['test'])
  hyper = replicate(ex.hyper(), devices)
  return Ready(
    ex, splits, hyper, abstract(ex, splits['test'], devices), devices
  )


def abstract(ex, batch, devices):
  """Shapes and places of a State, for a checkpoint to be restored like it."""
  init = functools.partial(training.init, ex=ex, hyper=ex.hyper())
  state = jax.eval_shape(
    lambda key, batch: init(key, data=batch), jax.random.key(0), batch
  )
  sharding = sharded(devices, jax.sharding.PartitionSpec())
  return jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), state
  )


def fresh(ready: Ready, clock) -> Ready:
  """The run before its first step."""
  with clock('compile'):
    state = initial(ready)(ready.ex)
  return ready._replace(state=replicate(state, ready.devices))


def initial(ready: Ready):
  """A function ex -> first State, for all experiments of ready's shapes."""
  init = jax.jit(
    functools.partial(training.init, ex=ready.ex), compiler_options=hasty()
  )
  # Only shapes matter here; a large set stays where it is.
  one = jax.tree.map(lambda x: x[:1], ready.splits['train'])
  return lambda ex: init(jax.random.key(ex.seed), hyper=ex.hyper(), data=one)


def check_writable(path: pathlib.Path, flag: str):
  """Refused, naming the flag, if nothing can be written there."""
  there = next(p for p in (path, *path.absolute().parents) if p.exists())
  if not there.is_dir():
    raise Refused(f'--{flag}={path}: {there} is not a directory')
  if not os.access(there, os.W_OK | os.X_OK):
    raise Refused(f'--{flag}={path}: {there} cannot be written to')


def check_batch(ex, devices: int):
  """Refused if the devices cannot share a training batch, or are not there."""
  there = len(jax.local_devices())
  if ex.devices and ex.devices > there:
    raise Refused(f'devices must be from 1 to {there}, not {ex.devices}')
  if ex.batch_size % devices:
    down = ex.batch_size // devices * devices or devices
    raise Refused(
      f'batch_size {ex.batch_size} cannot be divided over {devices} devices: '
      f'use a multiple of {devices}, for instance {down}'
    )
  if ex.micro_batch is None:
    return
  each = ex.batch_size // devices
  if each % ex.micro_batch:
    raise Refused(
      f'micro_batch {ex.micro_batch} does not divide the {each} examples of a '
      'device: use one of '
      + ', '.join(str(n) for n in range(1, each + 1) if each % n == 0)
    )
  objective, _ = config.parts(ex.objective)
  if ex.micro_batch < each and not getattr(objective, 'by_example', False):
    raise Refused(
      f'objective {config.render(ex.objective)} does not say that it is a mean '
      'over examples (by_example = True), so micro_batch must be None'
    )


def check(ex, splits):
  """Refused if this experiment cannot run on this data."""
  words = {
    'resident': ('auto', 'always', 'never'),
    'stack': ('auto', 'map', 'vmap'),
    'precision': tuple(PRECISIONS),
  }
  for name, allowed in words.items():
    if (word := getattr(ex, name)) not in allowed:
      raise Refused(f'{name} must be {either(allowed)}, not {word!r}')
  tried = dataclasses.replace(ex, measures=(*ex.measures, probe(ex.objective)))
  try:
    names = pooled.names(tried, splits['test'])
  except (ValueError, TypeError, ArithmeticError) as error:
    raise Refused(str(error).splitlines()[0]) from error
  if ex.monitor not in names:
    raise Refused(
      f'monitor {ex.monitor!r} is not measured: there are {", ".join(names)}'
    )


def either(words) -> str:
  """'auto, always or never'."""
  return f'{", ".join(words[:-1])} or {words[-1]}'


def probe(objective):
  """A measure without figures: TypeError if this is no objective."""

  def measure(model, params, example, key_B, hyper):
    found = objective(model, params, example, key_B, hyper)
    if not isinstance(found, tuple):
      name = config.render(objective)
      raise TypeError(f'objective {name} does not return (loss, metrics)')
    return {}

  return measure


def resumed(ready: Ready, restored, found) -> Ready:
  """The run at the checkpoint that was restored, which is told."""
  state, step = again(restored)
  total = ready.ex.total_steps(ready.splits['train'].size)
  say(f'resuming at step {step} of {total}')
  devices = records.described(ready.devices)
  if found and found['devices'] != devices:
    say(f'note: it ran on {found["devices"]} before, now on {devices}')
  return ready._replace(state=replicate(state, ready.devices))


def again(restored):
  """(state, step) of what was restored, any damage told."""
  state, step, notes = restored
  for note in notes:
    say(f'warning: {note}')
  # A run that stopped on a bad step may try that step again.
  return state.replace(refused=jnp.int32(0)), step


def say(line: str):
  """A line for the user, beside the progress bar's stream."""
  print(line, file=sys.stderr, flush=True)
