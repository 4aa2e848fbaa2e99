"""The training loop on the host: call K steps, test, log, save, stop early.

One path for one run and for many: every run has files of its own, with what it
would have had alone.
"""

import contextlib
import functools
import signal
import time

import jax
import numpy as np

from vae_jax import hosts, signals, training
from vae_jax.config.experiment import Experiment
from vae_jax.console import Bar, number
from vae_jax.factors.hyper import Hyper
from vae_jax.measures import pooled
from vae_jax.runs import stacked
from vae_jax.runs.directory import Interrupted
from vae_jax.runs.plan import Job
from vae_jax.runs.stacked import Placed
from vae_jax.training import State, checkpoint, feed, log
from vae_jax.training.devices import keys_here

SAVE_EVERY_S = 60.0  # at least between checkpoints of several runs
FIRST_TEST_S = 3.0  # what a test of several is taken to cost before there was
TEST_SHARE = 0.03  # of the time of training, if --report_every is not given


def loop(ready: Placed, clock, where) -> tuple[State, list[dict], dict]:
  """Trains to the last step: (state, test measures of each run, rates).

  Raises Interrupted after a signal, everything saved; `where` is the directory
  with which the command goes on.
  """
  job, hyper, state = ready.job, ready.hyper, ready.state
  first = step = min(run.first for run in ready.runs)
  measure, tests = pooled.means(job.ex, job.ex.measured(), job.layout), None
  with clock('compile'):
    examples = examples_of(job, [run.first for run in ready.runs])
    call = compiled_steps(job.ex, examples, hyper, state)
    if tested_often(job):
      tests = tested(ready, measure, state)
      first_rows(ready, tests)
  bar, saved = Bar(job.total, start=first), time.monotonic()
  with (
    signals.held(),
    contextlib.closing(bar),
    contextlib.closing(examples),
  ):
    over = step >= job.total
    while not over:
      goal = min(job.total, next_report(job.ex, job.total, step))
      with clock('train'):
        args = call, examples, hyper, state, bar
        state, metrics = train_to(goal, step, *args)
      step += len(metrics['refused'])
      caught = asked_to_stop(metrics)
      over = step >= job.total or caught or lost(job, state, metrics)
      latest = None
      if over or worth_testing(job, clock):
        with clock('evaluate'):
          latest = tests = tested(ready, measure, state)
        bar.notes = best_so_far(ready, tests)
      rates = throughput(job.ex, step - first, clock)
      report(ready, state, metrics, latest, rates)
      if over or latest and worth_saving(job, saved):
        with clock('save'):
          save(ready, state, tests)
          if over:  # what comes now may be stopped anywhere
            wait(ready)
        saved = time.monotonic()
    if caught := heard_by_any() if hosts.several() else signals.caught():
      at = f'{caught.name} at step {step} of {job.total}: saved'
      if step < job.total:
        line = f'{at}, go on with --workdir={where}'
        raise Interrupted(line, int(caught), hosts.several())
      if hosts.several():  # one alone says what else is there
        raise Interrupted(at, int(caught), True)
  if tests is None:
    with clock('evaluate'):
      tests = tested(ready, measure, state)
  return state, tests, throughput(job.ex, step - first, clock)


def heard_by_any() -> signal.Signals | None:
  """The signal that has come to any host, late ones too: all are here."""
  number = max(hosts.said_by_all(int(signals.caught() or 0)))
  return signal.Signals(number) if number else None


def asked_to_stop(metrics) -> signal.Signals | None:
  """The signal that has come to this process, or, where there are several, to
  any of them in time for the last call."""
  if not hosts.several():
    return signals.caught()
  number = int(metrics['stop'].max())
  return signal.Signals(number) if number else None


def examples_of(job: Job, firsts: list[int]) -> feed.Feed:
  """The feed of the job's runs, which have made so many steps."""
  seeds = [member.ex.seed for member in job.members]
  batch = job.splits['train']
  order = feed.order_of(job.ex, batch.size, job.layout, seeds, firsts)
  return feed.feed_of(order, batch)


def compiled_steps(
  ex: Experiment, examples: feed.Feed, hyper: Hyper, state: State, options=None
):
  """K steps over all devices, compiled for these arrays: a function of what
  the feed gives, hyper and state, as training.over_devices orders them."""
  return lowered_steps(ex, examples, hyper, state).compile(options)


def lowered_steps(
  ex: Experiment, examples: feed.Feed, hyper: Hyper, state: State
):
  """Those steps for these arrays, traced and ready to be compiled."""
  f = functools.partial(training.steps, ex)
  call = examples.order.layout.steps(f, examples.data_axis)
  batch, index = examples(0, 0)
  return call.lower(batch, hyper, keys_here(state), index)


def next_report(ex: Experiment, total: int, step: int) -> int:
  """The step of the next test and checkpoint: by default ten a run, at whole
  calls of K steps."""
  every = ex.report_every
  if every is None:
    every = -(-total // (10 * ex.steps_per_call)) * ex.steps_per_call
  return (step // every + 1) * every


def train_to(
  goal: int,
  step: int,
  call,
  examples: feed.Feed,
  hyper: Hyper,
  state: State,
  bar: Bar,
):
  """Calls of K steps from `step` to the goal: (State, metrics of every step and
  run [K, R]).

  Reads the metrics of a call while the next one runs. Ends early, after one
  call or more, on a signal or once updates were refused in every run.
  """
  order, running, parts = examples.order, None, []
  layout, k = order.layout, order.ex.steps_per_call
  while step < goal:
    count = min(goal - step, k)
    hosts.mark('examples')
    batch, index = examples(step, count)
    hosts.mark('call')
    state, metrics = call(batch, hyper, state, index)
    step += count
    if running:
      refused_KR = fetched(running, layout, parts, bar)
      if not order.ex.skip_nonfinite and refused_KR.any(0).all():
        break
    running = (step, count, metrics)
    # Of several hosts each is asked in the call itself, and heard one later.
    if (
      parts and parts[-1]['stop'].any() if hosts.several() else signals.caught()
    ):
      break
  fetched(running, layout, parts, bar)
  metrics = {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}
  return jax.block_until_ready(state), metrics


def fetched(running, layout, parts: list, bar: Bar):
  """Appends the metrics of a running call to parts: updates refused, [K, R]."""
  step, count, metrics_K = running
  part = {
    name: layout.per_step(value)[:count]
    for name, value in jax.device_get(metrics_K).items()
  }
  parts.append(part)
  bar.update(step, loss=float(part['loss'][-1].mean()))
  return part['refused']


def throughput(ex: Experiment, steps: int, clock) -> dict[str, float]:
  """Steps and images per second of training, compiling and testing apart."""
  seconds = clock.seconds.get('train', 0.0)
  if not steps or not seconds:
    return {}
  rate = steps / seconds
  return {'steps_per_s': rate, 'images_per_s': rate * ex.batch_size}


def tested(ready: Placed, measure, state: State) -> list[dict]:
  """The test measures of every run, of its own latents alone."""
  values = measure(ready.test, ready.hyper, state)
  if not ready.shapes:
    return values
  pairs = zip(values, ready.shapes, strict=True)
  return [pooled.unpadded(one, own) for one, own in pairs]


def tested_often(job: Job) -> bool:
  """Whether every report has a test: of one run, or because it was asked for.
  All of several runs are tested at once, and that takes its time."""
  return len(job.members) == 1 or bool(job.ex.report_every)


def worth_testing(job: Job, clock) -> bool:
  """Whether testing and saving have cost little of the time so far."""
  if tested_often(job):
    return True
  spent = clock.seconds.get('evaluate', FIRST_TEST_S)
  spent += clock.seconds.get('save', 0.0)
  return hosts.told(spent < TEST_SHARE * clock.seconds['train'])


def worth_saving(job: Job, saved: float) -> bool:
  """Whether it is time for checkpoints, the last ones being of `saved`."""
  if len(job.members) == 1:
    return True
  return hosts.told(time.monotonic() - saved > SAVE_EVERY_S)


def refused(job: Job, state: State):
  """Updates that were refused in every run: [R]."""
  return job.layout.per_run(hosts.fetched(state.refused))


def lost(job: Job, state: State, metrics) -> bool:
  """Whether no run makes steps any more, or all skip every step of a call."""
  if not job.ex.skip_nonfinite:
    return refused(job, state).all()
  return metrics['refused'][-job.ex.steps_per_call :].all()


def first_rows(ready: Placed, tests: list[dict]):
  """The test figures before the first step, of runs that begin."""
  for run, values in zip(ready.runs, tests, strict=True):
    if run.writer and not run.first and not log.rows(run.run_dir):
      run.writer.scalars(0, prefixed('test', values))


def report(ready: Placed, state: State, metrics, tests, rates):
  """A line in every run's metrics.jsonl on the steps that it has made."""
  step_R = ready.job.layout.per_run(hosts.fetched(state.step))
  for r, run in enumerate(ready.runs):
    # A run that was ahead has made only the last of these steps, one that
    # diverged only the first.
    good_K = metrics['refused'][:, r] == 0
    made = min(good_K.sum(), step_R[r] - run.first)
    if not made or run.writer is None:
      continue
    at = np.flatnonzero(good_K)[-made:]
    means = {
      name: float(value[at, r].mean())
      for name, value in metrics.items()
      if name not in ('refused', 'stop')
    }
    values = prefixed('test', tests[r]) if tests else {}
    row = prefixed('train', means) | values | rates
    run.writer.scalars(int(step_R[r]), row)


def prefixed(split: str, values: dict) -> dict:
  """{'loss': 1} -> {'test/loss': 1}."""
  return {f'{split}/{name}': value for name, value in values.items()}


def best_so_far(ready: Placed, tests: list[dict]) -> dict[str, str]:
  """What the bar says of the best of several runs so far."""
  if len(tests) == 1:
    return {}
  values = [one[ready.job.ex.monitor] for one in tests]
  least = int(np.argmin(np.nan_to_num(values, nan=np.inf)))
  return {'best': f'{number(values[least])} {ready.runs[least].member.name}'}


def save(ready: Placed, state: State, tests: list[dict]):
  """A checkpoint of every run, at its own size, in its own directory."""
  states = stacked.apart(ready.job, state, ready.alone)
  monitor = ready.job.ex.monitor
  for run, one, values in zip(ready.runs, states, tests, strict=True):
    if run.manager is None:
      continue
    figure = {monitor: values[monitor]}
    checkpoint.save(run.manager, int(one.step), one, figure)


def wait(ready: Placed):
  """Blocks until the last checkpoint of every run is on disk."""
  for run in ready.runs:
    if run.manager:
      checkpoint.wait(run.manager)


def not_finite(ex: Experiment, step: int) -> str:
  """The line on a run whose last good step was this one."""
  return (
    f'step {step + 1}: the loss or a gradient was not finite; the parameters '
    f'of step {step} are saved. Try a smaller --learning_rate (it was '
    f'{ex.learning_rate:g})'
  )
