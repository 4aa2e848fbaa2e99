"""The training loop on the host: call K steps, test, log, save, stop early."""

import contextlib
import functools
import signal
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import config, console, training
from vae_jax.measures import pooled
from vae_jax.training import checkpoint, feed, replicate


class RunError(Exception):
  """Why a run cannot start or go on, in one line."""


class Refused(RunError):
  """A run that cannot start as it was asked for."""


class Interrupted(RunError):
  """A signal stopped the run; what it had learned is on disk."""

  def __init__(self, line: str, number: int):
    super().__init__(line)
    self.signal = number


class Ready(NamedTuple):
  """A run that could take its next step: state and hyper on the devices."""

  ex: config.Experiment
  splits: dict  # host batches
  hyper: Any
  state: training.State
  devices: list


class Signals:
  """Remembers SIGINT and SIGTERM while a run is in its loop."""

  def __init__(self):
    self.caught = None

  def __enter__(self):
    """Takes the signals over."""
    wanted = (signal.SIGINT, signal.SIGTERM)
    self.before = {s: signal.signal(s, self._catch) for s in wanted}
    return self

  def __exit__(self, *error):
    """Gives them back."""
    for number, handler in self.before.items():
      signal.signal(number, handler)

  def _catch(self, number, frame):
    del frame
    self.caught = signal.Signals(number)


def loop(ready: Ready, manager, writer, clock):
  """Trains to the last step: (state, test metrics, {steps_per_s, ...})."""
  ex, splits, hyper, state, devices = ready
  test_split = splits['test']
  if feed.held(ex, test_split, devices):
    test_split = replicate(test_split, devices)
  total = ex.total_steps(splits['train'].size)
  first = step = int(state.step)
  examples = feed.of(ex, splits['train'], devices)
  with clock('compile'):
    call = compiled_steps(ex, examples, hyper, state)
    test = pooled.over(ex, ex.measures, devices)
    tests = test(test_split, hyper, state)
  if first == 0:
    writer.scalars(0, prefixed('test', tests))
  progress = console.Bar(total, start=first)
  with (
    Signals() as signals,
    contextlib.closing(progress),
    contextlib.closing(examples),
  ):
    while step < total:
      goal = min(total, next_report(ex, total, step))
      with clock('train'):
        state, metrics = train_to(
          goal, step, call, examples, hyper, state, progress, signals
        )
      step = int(state.step)
      with clock('evaluate'):
        tests = test(test_split, hyper, state)
      rates = throughput(ex, step - first, clock)
      means = {k: float(v.mean()) for k, v in metrics.items() if len(v)}
      del means['refused']
      writer.scalars(
        step, prefixed('train', means) | prefixed('test', tests) | rates
      )
      with clock('save'):
        checkpoint.save(manager, step, state, {ex.monitor: tests[ex.monitor]})
      stop_early(ex, metrics['refused'], signals, step, total, manager)
  return state, tests, throughput(ex, step - first, clock)


def compiled_steps(ex, examples, hyper, state, options=None):
  """K steps over all devices, compiled for these arrays: a function of what
  the feed gives, hyper and state, as train.over_devices orders them."""
  f = functools.partial(training.steps, ex)
  call = training.over_devices(
    f, in_axes=examples.in_axes, devices=examples.devices
  )
  batch, index = examples(0, 0)
  return call.lower(batch, hyper, state, index).compile(options)


def hasty():
  """Compiler options for what runs once or not at all: on CPU, LLVM takes
  seconds to optimise what XLA has made of it."""
  on_cpu = jax.default_backend() == 'cpu'
  return {'xla_backend_optimization_level': 0} if on_cpu else None


def next_report(ex, total: int, step: int) -> int:
  """The step of the next test and checkpoint: by default ten a run, at whole
  calls of K steps."""
  every = ex.report_every
  if every is None:
    every = -(-total // (10 * ex.steps_per_call)) * ex.steps_per_call
  return (step // every + 1) * every


def train_to(
  goal, step, call, examples, hyper, state, progress, signals, end=np.any
):
  """Calls of K steps from `step` to the goal: (State, metrics of every step).

  Reads the metrics of a call while the next one runs. Ends early on a signal or
  once updates were refused, in any run or as `end` says.
  """
  running, parts = None, []
  while step < goal and not signals.caught:
    count = min(goal - step, examples.ex.steps_per_call)
    batch, index = examples(step, count)
    state, metrics = call(batch, hyper, state, index)
    step += count
    if running:
      refused = fetch(running, parts, progress)['refused']
      if end((refused > 0).any(0)):
        break
    running = (step, count, metrics)
  if running:
    fetch(running, parts, progress)
  names = parts[0] if parts else ['refused']
  metrics = {k: np.concatenate([p[k] for p in parts] or [[]]) for k in names}
  return jax.block_until_ready(state), metrics


def fetch(running, parts, progress):
  """The metrics of a running call on the host, also appended to parts."""
  step, count, metrics_K = running
  part = {k: v[:count] for k, v in jax.device_get(metrics_K).items()}
  parts.append(part)
  progress.update(step, loss=float(part['loss'][-1].mean()))
  return part


def throughput(ex, steps: int, clock) -> dict[str, float]:
  """Steps and images per second of training, compiling and testing apart."""
  seconds = clock.seconds.get('train', 0.0)
  if not steps or not seconds:
    return {}
  rate = steps / seconds
  return {'steps_per_s': rate, 'images_per_s': rate * ex.batch_size}


def prefixed(split: str, metrics: dict) -> dict:
  """{'loss': 1} -> {'test/loss': 1}."""
  return {f'{split}/{name}': value for name, value in metrics.items()}


def stop_early(ex, refused_K, signals, step: int, total: int, manager):
  """RunError after an update that was not finite or a signal."""
  if refused_K.any():
    raise RunError(not_finite(ex, step))
  if signals.caught and step < total:
    run_dir = manager.directory.parent
    raise Interrupted(
      f'{signals.caught.name} at step {step} of {total}: saved, go on with '
      f'--workdir={run_dir}',
      int(signals.caught),
    )


def not_finite(ex, step: int) -> str:
  """The line on a run whose last good step was this one."""
  return (
    f'step {step + 1}: the loss or a gradient was not finite; the parameters '
    f'of step {step} are saved. Try a smaller --learning_rate (it was '
    f'{ex.learning_rate:g})'
  )
