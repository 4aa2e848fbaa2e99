"""Jobs from their directories to their results: train, or measure again.

One path for a run by itself, whose member has no name, and for a grid's. Every
run has a directory of its own, with what it would have had alone: a sweep goes
on with runs that were trained one by one, and the other way round.

Five sizes and three seeds of the MLP on mnist for 2 epochs take 45 s on two CPU
cores, 31 s of it training; one after another the 15 runs train 34 s, and as
processes of their own they take 150 s. Measured within the same hour, with a
warm compilation cache, by

  python launch.py --experiment=vae --dataset=mnist --data_dir=DIR --epochs=2 \\
    --latents=2,4,8,16,32 --seed=0,1,2
"""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import hosts, training
from vae_jax.config.grid import Member
from vae_jax.console import say
from vae_jax.measures import importance, pooled
from vae_jax.measures.trained import Trained
from vae_jax.reports import summary
from vae_jax.runs import directory, finish, plan, settings, stacked
from vae_jax.runs.directory import Refused
from vae_jax.runs.loop import loop, not_finite, refused, tested
from vae_jax.runs.plan import Job
from vae_jax.runs.prepare import abstract, initial
from vae_jax.runs.stacked import Files, Placed, placed
from vae_jax.training import State, checkpoint, log


def train(name: str, job: Job, run_dir, data_dir, clock, drawn: bool = True):
  """Trains the job's runs, going on with what is there: ({name: Finished},
  {name: why not}). Raises Interrupted after a signal, all runs saved."""
  with contextlib.ExitStack() as exits:
    pairs, failed = opened_by_all(job, run_dir, clock, exits, repair=True)
    if not pairs:
      return {}, failed
    job = plan.only(job, [run.member for run, _ in pairs])
    ready = placed(job, *begun(name, job, pairs, data_dir, clock, exits))
    state, tests, rates = loop(ready, clock, run_dir)
    ready = ready._replace(state=state)
    done, bad = finished(ready, tests, rates, clock, drawn)
  return done, failed | bad


def measure(job: Job, run_dir, clock, drawn: bool = True):
  """Measures and draws the newest good checkpoint of every run: ({name:
  Finished}, {name: why not}). Refused if one has none. Writes no checkpoint."""
  with contextlib.ExitStack() as exits:
    pairs, failed = opened_by_all(job, run_dir, clock, exits, repair=False)
  if not pairs:
    return {}, failed
  for run, state in pairs:
    if state is None:
      raise Refused(f'{run.run_dir} holds no checkpoint: train it first')
  job = plan.only(job, [run.member for run, _ in pairs])
  runs, states = zip(*pairs, strict=True)
  ready = placed(job, list(runs), list(states))
  with clock('evaluate'):
    measures = pooled.means(job.ex, job.ex.measured(), job.layout)
    tests = tested(ready, measures, ready.state)
  done, bad = finished(ready, tests, {}, clock, drawn)
  return done, failed | bad


def opened_by_all(job: Job, run_dir, clock, exits, repair: bool):
  """What `opened` gives, with states on the host, as host 0 has read it, on
  every host: the others open nothing."""
  pairs, failed = [], {}
  if hosts.first():
    pairs, failed = opened(job, run_dir, clock, exits, repair)
  pairs = {run.member.name: (run, state) for run, state in pairs}
  firsts = {
    name: run.first if state else None for name, (run, state) in pairs.items()
  }
  firsts, failed = hosts.told((firsts, failed))
  return [
    opened_here(member, firsts[member.name], run_dir, pairs, job)
    for member in job.members
    if member.name in firsts
  ], failed


def opened_here(
  member: Member, first: int | None, run_dir, pairs: dict, job: Job
):
  """(Files, state on the host or None) of a run of which host 0 has the pair,
  and a checkpoint of step `first`, or none."""
  run, state = pairs.get(member.name, (None, None))
  run = run or Files(member, run_dir / member.name, first or 0)
  if first is None:
    return run, None
  if state is None:
    like = abstract(member.ex, job.splits['test'], job.layout.devices[0])
    key = jax.eval_shape(jax.random.key_data, like.key)
    like = like.replace(key=key)
    state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like)
  else:
    state = stacked.on_host(state)
  return run, hosts.given(state)


def opened(job: Job, run_dir, clock, exits, repair: bool):
  """(Files and state, None without a checkpoint, of every run that can go on,
  {name: why not} of the others). What is held, and to `repair` that is the
  directory, is let go when `exits` are closed."""
  pairs, failed, likes = [], {}, {}
  for member in job.members:
    where, size = run_dir / member.name, member.ex.latents
    if size not in likes:
      args = job.splits['test'], job.layout.devices[0]
      likes[size] = abstract(member.ex, *args)
    try:
      if repair:
        exits.enter_context(checkpoint.lock(where))
        # Again: another may have begun here while this one read its data.
        config = settings.config_of(where)
        settings.refuse_other_run(config, member.ex, where)
        checkpoint.check_writable(where / 'checkpoints')
      manager = checkpoint.open(where / 'checkpoints', member.ex.monitor)
      exits.callback(checkpoint.close, manager)
      with clock('restore'):
        restored = checkpoint.restore(manager, likes[size], repair=repair)
    except checkpoint.CheckpointError as error:
      failed[member.name] = str(error)
      continue
    skips = member.ex.skip_nonfinite
    state = restored and resumed(restored, kept=skips)
    first = int(state.step) if state else 0
    pairs.append((Files(member, where, first, manager), state))
  return pairs, failed


def begun(name: str, job: Job, pairs, data_dir, clock, exits):
  """(Files with a log to write, states on the host) of the runs, which go on
  or start; their configurations are written."""
  starts, runs, states = {}, [], []
  for run, state in pairs:
    member, devices = run.member, job.layout.devices
    if hosts.first():
      if state:
        settings.tell_of_changes(run.run_dir, devices)
      else:
        tell_if_it_had_begun(run.run_dir)
    if not state:
      size, batch = member.ex.latents, job.splits['train']
      if size not in starts:
        starts[size] = initial(member.ex, batch)
      with clock('compile'):
        # Where memory is short this raises; what reads it first would wait.
        state = jax.block_until_ready(starts[size](member.ex))
      state = stacked.on_host(state)
    if hosts.first():
      writer = log.open(run.run_dir, resume_step=run.first)
      exits.callback(writer.close)
      args = name, member, job.splits['test'], devices, data_dir
      settings.write_config(run.run_dir, *args)
      run = run._replace(writer=writer)
    runs.append(run)
    states.append(state)
  steps = sorted({run.first for run in runs})
  if steps[-1]:
    at = f'step {steps[0]}' + (f' to {steps[-1]}' if steps[1:] else '')
    say(f'resuming at {at} of {job.total}')
  return runs, states


def tell_if_it_had_begun(run_dir):
  """A note if a run without a checkpoint has rows of steps; Refused if it even
  has results, which are of a model that is gone."""
  if step := directory.results_of(run_dir).get('step'):
    raise Refused(
      f'{run_dir} has the results of step {step} and no checkpoint: put its '
      'checkpoints back, or choose another --workdir'
    )
  if steps := [row['step'] for row in log.rows(run_dir) if row['step']]:
    say(
      f'note: {run_dir} had got to step {steps[-1]}, of which nothing was '
      'saved: it begins again'
    )


def resumed(restored, kept: bool = False) -> State:
  """The state that was restored, any damage told; its count of refused updates
  begins again unless it is `kept`."""
  state, _, notes = restored
  for note in notes:
    say(f'warning: {note}')
  # A run that stopped on a bad step may try that step again.
  kept = state.refused if kept else jnp.zeros_like(state.refused)
  return state.replace(refused=kept)


def finished(ready: Placed, tests: list[dict], rates: dict, clock, drawn: bool):
  """({name: Finished}, {name: why not}), every run's results written."""
  job, refused_R = ready.job, refused(ready.job, ready.state)
  states = stacked.apart(job, ready.state, ready.alone)
  failed = {
    run.member.name: why_lost(job, run, state)
    for run, state, times in zip(ready.runs, states, refused_R, strict=True)
    if is_lost(run, state, times)
  }
  if len(failed) == len(states):
    return {}, failed
  with clock('nll'):
    estimate = importance.nll(job.ex, job.layout)
    nlls = estimate(job.splits['test'], ready.hyper, ready.state)
  # What the runs fit to the same images; one run need not ask.
  done, shared = {}, {} if len(states) > 1 else None
  if not hosts.first():  # what is measured by itself, drawn and written
    return done, failed
  for run, state, test, nll in zip(
    ready.runs, states, tests, nlls, strict=True
  ):
    if run.member.name in failed:
      continue
    step = {'step': int(state.step)}
    if run.member.ex.skip_nonfinite:
      step['skipped_updates'] = int(state.refused)
    sizes = {
      f'{split}_images': job.splits[split].size for split in ('train', 'test')
    }
    results = step | sizes | test | nll | (rates or timed(run.run_dir))
    trained = trained_of(job, run, state, results)
    args = trained, run.run_dir, clock, bool(run.writer), shared, drawn
    done[run.member.name] = finish.finish_run(*args)
  return done, failed


def is_lost(run: Files, state: State, times) -> bool:
  """Whether a run that refused so many updates has not come to its end: where
  they are skipped, if these are more than half of its steps."""
  allowed = (int(state.step) - run.first) / 2
  return times > (allowed if run.member.ex.skip_nonfinite else 0)


def why_lost(job: Job, run: Files, state: State) -> str:
  """The line on a run that has not come to its end."""
  ex = run.member.ex
  if ex.skip_nonfinite:
    return (
      f'{int(state.refused)} updates of {int(state.step) - run.first} were not '
      f'finite and skipped. Try a smaller --learning_rate (it was '
      f'{ex.learning_rate:g})'
    )
  line = not_finite(ex, int(state.step))
  if not ex.debug_nans:
    return line + ', or --debug_nans, which names the operation'
  return f'{line}. {training.first_not_finite(ex, job.splits["train"], state)}'


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
