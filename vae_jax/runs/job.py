"""Jobs from their directories to their results: train, or measure again.

One path for a run by itself, whose member has no name, and for a grid's. Every
run has a directory of its own, with what it would have had alone: a sweep goes
on with runs that were trained one by one, and the other way round.

Five sizes and three seeds of the MLP on mnist for 2 epochs take 77 and 79 s on
two CPU cores, 58 s of it training; one after another the 15 runs train 62 s,
and as processes of their own they take 208 s. Measured in turn, all with a warm
compilation cache, by

  python launch.py --experiment=vae --dataset=mnist --data_dir=DIR --epochs=2 \\
    --latents=2,4,8,16,32 --seed=0,1,2
"""

import contextlib
import pathlib

import jax
import jax.numpy as jnp

from vae_jax.config.grid import Member
from vae_jax.console import Bar, say
from vae_jax.measures import importance, pooled
from vae_jax.measures.trained import Trained
from vae_jax.reports import summary
from vae_jax.runs import directory, finish, plan, stacked
from vae_jax.runs.directory import Refused, RunError
from vae_jax.runs.finish import Outcome
from vae_jax.runs.loop import (
  Files,
  Placed,
  loop,
  not_finite,
  placed,
  refused,
  tested,
)
from vae_jax.runs.plan import Job
from vae_jax.runs.prepare import Clock, abstract, initial
from vae_jax.training import State, checkpoint, log

PICTURED = 8  # runs of which each has its own pictures drawn
# Jobs after which the compiled programs are let go. One of conv_vae takes 1,300
# memory maps on CPU; with more than Linux's 65,530 a process crashes.
JOBS_HELD = 12


def fit(
  name: str,
  members: list[Member],
  run_dir,
  overrides=(),
  data_dir=None,
  started=None,
) -> Outcome:
  """Trains every member that is not trained yet, and compares all.

  A member of a grid whose loss is not finite fails alone. Raises RunError,
  DataError or CheckpointError with one clear line, before anything is written
  if a member cannot run.
  """
  run_dir, clock = pathlib.Path(run_dir), Clock(started)
  check_directories(name, members, run_dir)
  planned = plan.jobs(members, data_dir, clock)
  if is_grid(members):
    for line in plan.described(planned):
      say(line)
    directory.write_grid_config(run_dir, name, members, overrides, data_dir)

  def action(job, clock, drawn):
    return train(name, job, run_dir, data_dir, clock, drawn)

  return carried_out(action, name, members, planned, run_dir, clock)


def evaluate(
  name: str, members: list[Member], run_dir, data_dir=None, started=None
) -> Outcome:
  """Measures and draws the newest good checkpoint of every member; Refused if
  one has none. Raises as fit does."""
  run_dir, clock = pathlib.Path(run_dir), Clock(started)
  check_directories(name, members, run_dir)
  planned = plan.jobs(members, data_dir, clock)

  def action(job, clock, drawn):
    return measure(job, run_dir, clock, drawn)

  return carried_out(action, name, members, planned, run_dir, clock)


def is_grid(members: list[Member]) -> bool:
  """Whether these are a grid, even of one run: those have names."""
  return any(member.name for member in members)


def check_directories(name: str, members: list[Member], run_dir):
  """Refused if any of the directories holds something else."""
  if is_grid(members):
    directory.refuse_other_grid(run_dir, name)
  for member in members:
    where = run_dir / member.name
    config = directory.config_of(where)
    directory.refuse_other_run(config, member.ex, where)


def carried_out(action, name, members, planned, run_dir, clock) -> Outcome:
  """The jobs one after another, and what all runs say together."""
  done, failed, grid = {}, {}, is_grid(members)
  drawn = len(members) <= PICTURED
  if not drawn:
    say(
      f'note: pictures of {PICTURED} runs at most, draw those of one with '
      '--mode=evaluate --workdir=ITS_DIRECTORY'
    )
  bar = Bar(len(planned), unit='programs') if len(planned) > 1 else None
  for i, job in enumerate(planned):
    if grid:
      say(f'[{i + 1}/{len(planned)}] {job.title}')
    own = Clock() if grid else clock
    good, bad = action(job, own, drawn)
    done, failed = done | good, failed | bad
    for part, spent in own.seconds.items() if grid else ():
      clock.seconds[part] = clock.seconds.get(part, 0.0) + spent
    for member, why in bad.items() if grid else ():
      say(f'failed: {member}: {why}')
    if (i + 1) % JOBS_HELD == 0:
      jax.clear_caches()
    if bar and bar.live:  # a log file has a line for each already
      bar.update(i + 1)
  if bar:
    bar.close()
  if not done:
    why = next(iter(failed.values()))
    raise RunError(f'all {len(members)} runs failed: {why}' if grid else why)
  if not grid:
    [one] = done.values()
    runs = {'': one.trained}
    rest = one.report, one.pictures, dict(clock.seconds)
    return Outcome(name, run_dir, runs, {}, *rest)
  runs = {m.name: done[m.name].trained for m in members if m.name in done}
  args = name, members, run_dir, runs, failed
  return finish.finish_grid(*args, dict(clock.seconds))


def train(name: str, job: Job, run_dir, data_dir, clock, drawn: bool = True):
  """Trains the job's runs, going on with what is there: ({name: Finished},
  {name: why not}). Raises Interrupted after a signal, all runs saved."""
  with contextlib.ExitStack() as exits:
    runs, states, failed = opened(name, job, run_dir, data_dir, clock, exits)
    if not runs:
      return {}, failed
    job = plan.only(job, [run.member for run in runs])
    ready = placed(job, runs, states)
    state, tests, rates = loop(ready, clock, run_dir)
    ready = ready._replace(state=state)
    done, bad = finished(ready, tests, rates, clock, drawn)
  return done, failed | bad


def measure(job: Job, run_dir, clock, drawn: bool = True):
  """Measures and draws the newest good checkpoint of every run: ({name:
  Finished}, {name: why not}). Refused if one has none. Writes no checkpoint."""
  runs, states, failed = newest_states(job, run_dir, clock)
  if not runs:
    return {}, failed
  job = plan.only(job, [run.member for run in runs])
  ready = placed(job, runs, states)
  with clock('evaluate'):
    measures = pooled.means(job.ex, job.ex.measures, job.layout)
    tests = tested(ready, measures, ready.state)
  done, bad = finished(ready, tests, {}, clock, drawn)
  return done, failed | bad


def opened(name: str, job: Job, run_dir, data_dir, clock, exits):
  """(Files and states of every run that can go on, or start, {name: why not}
  of the others); what is held is let go when `exits` are closed."""
  runs, states, failed, start = [], [], {}, {}
  device = job.layout.devices[0]
  for member in job.members:
    where, batch = run_dir / member.name, job.splits['train']
    if member.ex.latents not in start:
      like = abstract(member.ex, batch, device)
      start[member.ex.latents] = like, initial(member.ex, batch)
    like, first = start[member.ex.latents]
    try:
      exits.enter_context(checkpoint.lock(where))
      manager = checkpoint.open(where / 'checkpoints', member.ex.monitor)
      exits.callback(checkpoint.close, manager)
      with clock('restore'):
        restored = checkpoint.restore(manager, like, repair=True)
    except checkpoint.CheckpointError as error:
      failed[member.name] = str(error)
      continue
    if restored is None:
      with clock('compile'):
        state = first(member.ex)
    else:
      state = resumed(restored)
      tell_of_devices(where, job.layout.devices)
    writer = log.open(where, resume_step=int(state.step))
    exits.callback(writer.close)
    args = where, name, member, batch, job.layout.devices, data_dir
    directory.write_config(*args)
    runs.append(Files(member, where, int(state.step), manager, writer))
    states.append(stacked.on_host(state))
  steps = sorted({run.first for run in runs})
  if steps and steps[-1]:
    at = f'step {steps[0]}' + (f' to {steps[-1]}' if steps[1:] else '')
    say(f'resuming at {at} of {job.total}')
  return runs, states, failed


def newest_states(job: Job, run_dir, clock):
  """(Files and states of every run with a good checkpoint, {name: why not} of
  those that have only bad ones); Refused if one has none. Writes nothing."""
  runs, states, failed, likes = [], [], {}, {}
  for member in job.members:
    where, ex = run_dir / member.name, member.ex
    if ex.latents not in likes:
      args = job.splits['test'], job.layout.devices[0]
      likes[ex.latents] = abstract(ex, *args)
    try:
      with clock('restore'):
        state = newest(where, likes[ex.latents], ex.monitor)
    except checkpoint.CheckpointError as error:
      failed[member.name] = str(error)
      continue
    runs.append(Files(member, where, int(state.step)))
    states.append(stacked.on_host(state))
  return runs, states, failed


def newest(run_dir, like: State, monitor: str, partial=False) -> State:
  """The newest good checkpoint, of which `partial` wants only the leaves that
  `like` has; any damage told.

  Raises Refused if there is none at all, CheckpointError if all are damaged.
  """
  manager = checkpoint.open(pathlib.Path(run_dir) / 'checkpoints', monitor)
  with contextlib.ExitStack() as exits:
    exits.callback(checkpoint.close, manager)
    restored = checkpoint.restore(manager, like, partial=partial)
  if restored is None:
    raise Refused(f'{run_dir} holds no checkpoint: train it first')
  return resumed(restored)


def resumed(restored) -> State:
  """The state that was restored, any damage told."""
  state, _, notes = restored
  for note in notes:
    say(f'warning: {note}')
  # A run that stopped on a bad step may try that step again.
  return state.replace(refused=jnp.zeros_like(state.refused))


def tell_of_devices(run_dir, devices):
  """A note if the run was on other devices before."""
  config, now = directory.config_of(run_dir), directory.described(devices)
  before = (config or {}).get('devices', now)
  if before != now:
    say(f'note: it ran on {before} before, now on {now}')


def finished(ready: Placed, tests: list[dict], rates: dict, clock, drawn: bool):
  """({name: Finished}, {name: why not}), every run's results written."""
  job, refused_R = ready.job, refused(ready.job, ready.state)
  states = stacked.apart(job, ready.state, ready.alone)
  failed = {
    run.member.name: not_finite(run.member.ex, int(state.step))
    for run, state, times in zip(ready.runs, states, refused_R, strict=True)
    if times
  }
  if len(failed) == len(states):
    return {}, failed
  with clock('nll'):
    estimate = importance.nll(job.ex, job.layout)
    nlls = estimate(job.splits['test'], ready.hyper, ready.state)
  # What the runs fit to the same images; one run need not ask.
  done, shared = {}, {} if len(states) > 1 else None
  for run, state, test, nll in zip(
    ready.runs, states, tests, nlls, strict=True
  ):
    if run.member.name in failed:
      continue
    step = {'step': int(state.step)}
    results = step | test | nll | (rates or timed(run.run_dir))
    trained = trained_of(job, run, state, results)
    args = trained, run.run_dir, clock, run.writer, shared, drawn
    done[run.member.name] = finish.finish_run(*args)
  return done, failed


def trained_of(job: Job, run: Files, state: State, results: dict) -> Trained:
  """The value that pictures and reports of this run see."""
  member = run.member
  return Trained(
    member.ex,
    job.splits,
    member.ex.hyper(),
    jax.device_put(state, job.layout.devices[0]),
    log.rows(run.run_dir),
    results,
    arm=member.arm,
    label=member.label,
    changes=tuple(member.changes),
  )


def timed(run_dir) -> dict[str, float]:
  """The times and rates in the results.json of a run that has ended."""
  before = directory.results_of(run_dir)
  return {name: before[name] for name in summary.TIMES if name in before}
