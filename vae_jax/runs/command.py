"""What one command does: plans its members, trains or measures all of them, and
reports on them.

A run by itself is a member without a name. A grid's runs have directories of
their own below that of the grid.
"""

import contextlib
import pathlib
import zlib

import jax
import numpy as np

from vae_jax import hosts, signals
from vae_jax.config.grid import Member
from vae_jax.console import Bar, say
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import Report
from vae_jax.runs import directory, finish, job, plan, settings
from vae_jax.runs.directory import Interrupted, Refused, RunError
from vae_jax.runs.finish import Outcome
from vae_jax.runs.prepare import Clock
from vae_jax.training import checkpoint, log
from vae_jax.training.checkpoint import CheckpointError

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

  def train(one, clock, drawn):
    return job.train(name, one, run_dir, data_dir, clock, drawn)

  with stoppable(run_dir), contextlib.ExitStack() as exits:
    check_directories(name, members, run_dir)
    planned = plan.jobs(members, data_dir, clock)
    agree_on_data(planned)
    if is_grid(members) and hosts.first():
      exits.enter_context(checkpoint.lock(run_dir))
      check_directories(name, members, run_dir)
      for line in plan.described(planned):
        say(line)
      settings.write_grid_config(run_dir, name, members, overrides, data_dir)
    return carried_out(train, name, members, planned, run_dir, clock)


def evaluate(
  name: str, members: list[Member], run_dir, data_dir=None, started=None
) -> Outcome:
  """Measures and draws the newest good checkpoint of every member; Refused if
  one has none. Raises as fit does."""
  run_dir, clock = pathlib.Path(run_dir), Clock(started)

  def measure(one, clock, drawn):
    return job.measure(one, run_dir, clock, drawn)

  with stoppable(run_dir):
    check_directories(name, members, run_dir)
    planned = plan.jobs(members, data_dir, clock)
    agree_on_data(planned)
    return carried_out(measure, name, members, planned, run_dir, clock)


@contextlib.contextmanager
def stoppable(run_dir):
  """Interrupted, which says what is saved, where a signal stops the block."""
  with signals.remembered():
    try:
      yield
    except signals.Stop as stop:
      line = f'{stop}: {settings.saved(run_dir)}'
      raise Interrupted(line, int(stop.signal)) from None


def is_grid(members: list[Member]) -> bool:
  """Whether these are a grid, even of one run: those have names."""
  return any(member.name for member in members)


def check_directories(name: str, members: list[Member], run_dir):
  """Refused if any of the directories holds something else."""
  if not hosts.first():
    return
  if is_grid(members):
    settings.refuse_other_grid(run_dir, name)
  for member in members:
    where = run_dir / member.name
    config = settings.config_of(where)
    settings.refuse_other_run(config, member.ex, where)


def agree_on_data(planned):
  """HostsError unless all hosts train and test on the same examples."""
  if hosts.several():
    splits = {one.ex.dataset: one.splits for one in planned}
    sums = {
      f'the {split} split of {name}': checksum(batch)
      for name, by_split in splits.items()
      for split, batch in by_split.items()
    }
    hosts.agree('data', sums)


def checksum(batch) -> list[int]:
  """How many examples, and a checksum of them and of their labels."""
  parts = [
    np.ascontiguousarray(x) for x in (batch.x, batch.label) if x is not None
  ]
  return [batch.size, *(zlib.crc32(part) for part in parts)]


def carried_out(action, name, members, planned, run_dir, clock) -> Outcome:
  """The jobs one after another, what studies find, and what all runs say."""
  grid, drawn = is_grid(members), len(members) <= PICTURED
  if not drawn:
    say(
      f'note: pictures of {PICTURED} runs at most, draw those of one with '
      '--mode=evaluate --workdir=ITS_DIRECTORY'
    )
  done, failed = acted(action, planned, grid, drawn, clock)
  if not hosts.first():
    return Outcome(name, run_dir, {}, {}, Report(), [], {}, {})
  if not done:
    why = next(iter(failed.values()))
    raise RunError(f'all {len(members)} runs failed: {why}' if grid else why)
  done = {m.name: done[m.name] for m in members if m.name in done}
  among = tuple(one.trained for one in done.values())
  models = {
    where: one.told(among=among) for where, one in zip(done, among, strict=True)
  }
  runs = {}
  for i, (where, trained) in enumerate(models.items()):
    runs[where] = finish.studied(trained, run_dir / where, clock)
    let_go(i)
  args = name, members, run_dir, runs, failed, clock, drawn
  outcome = finish.concluded(*args)
  own = [] if grid else done[''].pictures
  return outcome._replace(trained=models, pictures=own + outcome.pictures)


def acted(action, planned, grid: bool, drawn: bool, clock):
  """({name: Finished}, {name: why not}) of all jobs."""
  done, failed = {}, {}
  bar = Bar(len(planned), unit='programs')
  for i, one in enumerate(planned):
    if grid:
      say(f'[{i + 1}/{len(planned)}] {one.title}')
    own = Clock() if grid else clock
    try:
      good, bad = action(one, own, drawn)
    except CheckpointError as error:
      if not grid or hosts.several():  # the others are still in this job
        raise
      good, bad = {}, {member.name: str(error) for member in one.members}
    done, failed = done | good, failed | bad
    if grid:
      clock.add(own)
      for member, why in bad.items():
        say(f'failed: {member}: {why}')
    let_go(i)
    if bar.live and len(planned) > 1:  # a log file has a line for each
      bar.update(i + 1)
  bar.close()
  return done, failed


def let_go(i: int):
  """Lets the compiled programs go after every JOBS_HELD."""
  if (i + 1) % JOBS_HELD == 0:
    jax.clear_caches()


def report(name: str, members: list[Member], run_dir, started=None) -> Outcome:
  """What the runs say, from what their directories hold: no model, no data.

  A member of a grid without results fails alone; Refused if none has any.
  """
  run_dir, clock = pathlib.Path(run_dir), Clock(started)
  check_directories(name, members, run_dir)
  runs, failed = {}, {}
  for member in members:
    where = run_dir / member.name
    results = directory.results_of(where)
    if results:
      runs[member.name] = Run(
        settings.as_trained(member.ex, where),
        results,
        directory.studies_of(where, results),
        log.rows(where),
        member.arm,
        member.label,
        tuple(member.changes),
      )
    else:
      failed[member.name] = 'no results: train it first'
  if not runs:
    raise Refused(f'{run_dir} holds no results: train it first')
  drawn, wall_s = len(members) <= PICTURED, directory.sweep_seconds(run_dir)
  args = name, members, run_dir, runs, failed, clock, drawn, wall_s
  return finish.concluded(*args)
