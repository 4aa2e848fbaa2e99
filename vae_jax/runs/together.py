"""The host's side of a sweep: many runs in one compiled program.

Every run keeps a directory of its own, with what it would have had alone: a
sweep goes on with runs that were trained one by one, and the other way round.

Five sizes and three seeds of the MLP on mnist for 2 epochs take 77 and 79 s on
two CPU cores, 58 s of it training; one after another the 15 runs train 62 s,
and as processes of their own they take 208 s. Measured in turn, all with a warm
compilation cache, by

  python launch.py --experiment=vae --dataset=mnist --data_dir=DIR --epochs=2 \\
    --latents=2,4,8,16,32 --seed=0,1,2
"""

import contextlib
import time

import jax
import numpy as np

from vae_jax import console
from vae_jax.measures import importance
from vae_jax.measures.trained import Trained
from vae_jax.reports import summary
from vae_jax.runs import padding, places, results, run, sweep
from vae_jax.runs.loop import (
  Interrupted,
  Signals,
  next_report,
  not_finite,
  prefixed,
  throughput,
  train_to,
)
from vae_jax.runs.places import Sweep
from vae_jax.training import checkpoint, log, replicate
from vae_jax.training.devices import devices_of

SAVE_EVERY_S = 60.0  # at least between checkpoints: many runs take their time
FIRST_TEST_S = 3.0  # what a test is taken to cost before there was one
TEST_SHARE = 0.03  # of the time of training, if --report_every is not given


def fit(name, program, run_dir, data_dir, started):
  """Trains the program's runs together: ({name: Trained}, {name: why not}).

  Raises Interrupted after a signal, all runs saved; CheckpointError.
  """
  clock, devices = run.Clock(started), devices_of(program.ex)
  with contextlib.ExitStack() as exits:
    args = name, program, run_dir, data_dir, devices[:1], clock, exits
    ready = places.placed(program, places.opened(*args), devices)
    state, tests, rates = loop(ready, clock)
    with clock('nll'):
      estimates = likelihoods(ready, state)
    found = finished(name, ready, state, tests, estimates, rates, clock)
  console.say(summary.timing({}, clock.seconds))
  return found


def evaluate(name, program, run_dir, data_dir, started):
  """Measures and draws the newest good checkpoint of every run, all at once:
  ({name: Trained}, {name: why not}). Refused if one has none."""
  clock, devices = run.Clock(started), devices_of(program.ex)
  args = program, run_dir, data_dir, devices[:1], clock
  there, damaged = places.found(*args)
  if not there:
    return {}, damaged
  kept = [place.member for place in there]
  ready = places.placed(sweep.regrouped(program, kept), there, devices)
  measure = sweep.measured(ready.program.ex, devices)
  tests = tested(ready, measure, ready.state, clock)
  with clock('nll'):
    estimates = likelihoods(ready, ready.state)
  done, failed = finished(name, ready, ready.state, tests, estimates, {}, clock)
  console.say(summary.timing({}, clock.seconds))
  return done, damaged | failed


def loop(ready: Sweep, clock):
  """Trains all runs to the last step: (state, tests of each, rates)."""
  ex, hyper, state = ready.program.ex, ready.hyper, ready.state
  split = ready.places[0].ready.splits['train']
  total = ex.total_steps(split.size)
  first_R = np.array([int(p.ready.state.step) for p in ready.places])
  first = step = int(first_R.min())
  held = replicate(split, ready.devices)
  examples = sweep.Orders(ready.program, held, first_R, ready.devices)
  with clock('compile'):
    call = sweep.compiled(examples, hyper, state)
  measure = sweep.measured(ex, ready.devices)
  if ex.report_every:
    first_line(ready, tested(ready, measure, state, clock))
  progress, saved = console.Bar(total, start=first), time.monotonic()
  tests = None
  with Signals() as signals, contextlib.closing(progress):
    while step < total:
      goal = min(total, next_report(ex, total, step))
      with clock('train'):
        state, metrics = train_to(
          goal, step, call, examples, hyper, state, progress, signals, np.all
        )
      step += len(metrics['refused'])
      over = step >= total or signals.caught or all_refused(ready, state)
      testing = over or worth_testing(ex, clock)
      saving = over or testing and time.monotonic() - saved > SAVE_EVERY_S
      found = None
      if testing:
        found = tests = tested(ready, measure, state, clock)
        progress.notes = best(ready, tests)
      rates = throughput(ex, step - first, clock)
      report(ready, state, metrics, found, rates)
      if saving:
        with clock('save'):
          save(ready, state, tests)
        saved = time.monotonic()
      if over:
        break
  interrupted(ready, signals, step, total)
  tests = tests or tested(ready, measure, state, clock)
  return state, tests, throughput(ex, step - first, clock)


def worth_testing(ex, clock) -> bool:
  """Whether testing and saving have cost little of the time so far, or were
  asked for: all runs of a sweep are tested at once, and that takes its time."""
  spent = clock.seconds.get('evaluate', FIRST_TEST_S)
  spent += clock.seconds.get('save', 0.0)
  return bool(ex.report_every) or spent < TEST_SHARE * clock.seconds['train']


def first_line(ready: Sweep, tests):
  """The test figures before the first step, of runs that begin."""
  for place, found in zip(ready.places, tests, strict=True):
    if not int(place.ready.state.step):
      place.writer.scalars(0, prefixed('test', found))


def tested(ready: Sweep, measure, state, clock) -> list[dict]:
  """The test measures of every run, of its own latents alone."""
  with clock('evaluate'):
    found = measure(ready.test, ready.hyper, state)
  for figures, place in zip(found, ready.places, strict=False):
    per_latent = figures.get('kl_per_latent_nats')
    if per_latent:
      figures['kl_per_latent_nats'] = per_latent[: place.ready.ex.latents]
  return found[: len(ready.places)]


def refused(ready: Sweep, state):
  """Updates that were refused in every run: [R]."""
  return sweep.flat(jax.device_get(state.refused))[: len(ready.places)]


def all_refused(ready: Sweep, state) -> bool:
  """Whether no run can go on."""
  return bool(refused(ready, state).all())


def report(ready: Sweep, state, metrics, tests, rates):
  """A line in every run's metrics.jsonl on the steps that it has made."""
  refused_KR = columns(metrics['refused'])
  step_R = sweep.flat(jax.device_get(state.step))
  for r, place in enumerate(ready.places):
    # A run that was ahead has made only the last of these steps, one that
    # diverged only the first.
    good_K = refused_KR[:, r] == 0
    made = min(good_K.sum(), step_R[r] - int(place.ready.state.step))
    if not made:
      continue
    rows = np.flatnonzero(good_K)[-made:]
    means = {
      name: float(columns(value)[rows, r].mean())
      for name, value in metrics.items()
      if name != 'refused'
    }
    found = tests[r] if tests else {}
    row = prefixed('train', means) | prefixed('test', found) | rates
    place.writer.scalars(int(step_R[r]), row)


def columns(value_KDR):
  """[K, D, R/D] -> [K, R]."""
  return value_KDR.reshape(len(value_KDR), -1)


def best(ready: Sweep, tests) -> dict:
  """What the progress bar says of the best run so far."""
  monitor = ready.program.ex.monitor
  values = [found[monitor] for found in tests]
  least = int(np.argmin(np.nan_to_num(values, nan=np.inf)))
  name = ready.places[least].member.name
  return {'best': f'{console.number(values[least])} {name}'}


def save(ready: Sweep, state, tests):
  """A checkpoint of every run, at its own size, in its own directory."""
  monitor = ready.program.ex.monitor
  states = alone(ready, state)
  for place, one, found in zip(ready.places, states, tests, strict=True):
    value = {monitor: found[monitor]}
    checkpoint.save(place.manager, int(one.step), one, value)


def alone(ready: Sweep, state) -> list:
  """Every run's state as if it had run alone, on the host, with typed keys."""
  on_host = jax.tree.map(sweep.flat, padding.host(state))
  states = padding.unstack(on_host, len(ready.places))
  return [
    padding.keyed(padding.cut(one, place.ready.state))
    for one, place in zip(states, ready.places, strict=True)
  ]


def interrupted(ready: Sweep, signals, step: int, total: int):
  """Raises Interrupted if a signal stopped the sweep before its end."""
  if signals.caught and step < total:
    grid_dir = ready.places[0].run_dir.parent
    raise Interrupted(
      f'{signals.caught.name} at step {step} of {total}: all runs are saved, '
      f'go on with --workdir={grid_dir}',
      int(signals.caught),
    )


def likelihoods(ready: Sweep, state) -> list[dict]:
  """The importance-sampled NLL of every run, {} where there is none."""
  ex = ready.program.ex
  if not importance.measured(ex):
    return [{} for _ in ready.places]
  split = ready.places[0].ready.splits['test']
  first = jax.tree.map(lambda x: x[: ex.nll_images], split)
  placed = replicate(first, ready.devices)
  estimate = sweep.log_likelihoods(ex, ready.devices)
  log_p_RN = estimate(placed, ready.hyper, state)
  return [
    importance.figures(place.ready.ex, split, log_p_N)
    for place, log_p_N in zip(ready.places, log_p_RN, strict=False)
  ]


def finished(name, ready: Sweep, state, tests, estimates, rates, clock):
  """({name: Trained}, {name: why not}), every run's results written."""
  done, failed, shared = {}, {}, {}
  refused_R, states = refused(ready, state), alone(ready, state)
  for r, place in enumerate(ready.places):
    ex, member, step = place.ready.ex, place.member, int(states[r].step)
    if refused_R[r]:
      failed[member.name] = not_finite(ex, step)
      continue
    found = {'step': step} | tests[r] | estimates[r]
    found |= rates or run.timed(place.run_dir)
    trained = Trained(
      ex,
      place.ready.splits,
      place.ready.hyper,
      states[r],
      log.read(place.run_dir),
      found,
      arm=member.arm,
      label=member.label,
    )
    outcome = results.finish(
      name, trained, place.run_dir, clock, place.writer, shared
    )
    done[member.name] = outcome.trained
  return done, failed
