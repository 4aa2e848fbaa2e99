"""A grid of runs: each member in a directory of its own, then their report."""

import csv
import dataclasses
import functools
import json
import pathlib
import time
from typing import Any, NamedTuple

import jax

from vae_jax import console
from vae_jax.reports import claims, over, summary
from vae_jax.runs import directory, plan, records, results, run, sweep, together
from vae_jax.runs.loop import Interrupted, Refused, RunError
from vae_jax.training.checkpoint import CheckpointError
from vae_jax.training.devices import devices_of

# Figures of a run that a table of many runs has no column for.
APART = ('step', 'nll_iw_samples', 'nll_iw_images', 'nll_iw_stderr_nats')
COLUMNS = 8
PICTURED = 8  # runs of which each has its own pictures drawn
# Programs after which the compiled ones are let go. One of conv_vae takes 1,300
# memory maps on CPU; with more than Linux's 65,530 a process crashes.
PROGRAMS_HELD = 12


class Outcome(NamedTuple):
  """A finished grid."""

  name: str
  runs: list  # Trained
  names: list[str]  # of their directories
  failed: dict[str, str]  # name of a member -> why it has no results
  report: Any  # claims.Report
  run_dir: pathlib.Path
  pictures: list
  seconds: float

  def summary(self) -> str:
    """A table of the runs, the verdicts, the paths."""
    parts = [
      f'{self.name}: {len(self.runs)} runs, test split',
      table(self.names, self.runs),
      *(f'failed: {name}: {why}' for name, why in self.failed.items()),
      *(f'verdict: {line}' for line in self.report.verdicts),
      f'time: {self.seconds:.1f} s',
      f'runs: {self.run_dir}',
      *(f'picture: {path}' for path in self.pictures),
    ]
    return '\n'.join(part for part in parts if part)


def fit(name, members, run_dir, overrides=(), data_dir=None, started=None):
  """Trains every member that is not trained yet, and compares all: an Outcome.

  A member whose loss is not finite fails alone. Raises RunError, DataError or
  CheckpointError with one clear line, before anything is written if a member
  cannot run.
  """
  run_dir = pathlib.Path(run_dir)
  records.refuse_other_grid(run_dir, name)
  check(members, run_dir, data_dir)
  for program in sweep.programs(members):
    run.check_batch(program.ex, len(devices_of(program.ex)))
  members = pictured(members)
  programs = plan.programs(members, data_dir)
  for line in plan.described(programs):
    console.say(line)
  records.write_grid(run_dir, name, members, overrides, data_dir)

  def train(program, began):
    if len(program.members) > 1:
      return together.fit(name, program, run_dir, data_dir, began)
    return one(program.members[0], began)

  def alone(member, began):
    where, changes = run_dir / member.name, member.changes
    marks = marks_of(member)
    return run.fit(name, member.ex, where, changes, data_dir, began, **marks)

  one = functools.partial(attempted, alone)
  return finish(name, members, run_dir, train, programs, started)


def evaluate(name, members, run_dir, data_dir=None, started=None):
  """Measures and draws the newest checkpoint of every member: an Outcome."""
  run_dir = pathlib.Path(run_dir)
  records.refuse_other_grid(run_dir, name)
  check(members, run_dir, data_dir)
  members = pictured(members)

  def alone(member, began):
    where, marks = run_dir / member.name, marks_of(member)
    return run.evaluate_run(name, member.ex, where, data_dir, began, **marks)

  def again(program, began):
    if len(program.members) > 1:
      return together.evaluate(name, program, run_dir, data_dir, began)
    return attempted(alone, program.members[0], began)

  programs = plan.programs(members, data_dir)
  return finish(name, members, run_dir, again, programs, started)


def pictured(members):
  """The members, without pictures of their own if they are many."""
  if len(members) <= PICTURED:
    return members
  console.say(
    f'note: pictures of {PICTURED} runs at most, draw those of one with '
    '--mode=evaluate --workdir=ITS_DIRECTORY'
  )
  return [
    m._replace(ex=dataclasses.replace(m.ex, pictures=())) for m in members
  ]


def finish(name, members, run_dir, action, programs, started=None) -> Outcome:
  """The members' outcomes, program by program, and what they say together."""
  start = time.perf_counter() if started is None else started
  done, failed = {}, {}
  for i, program in enumerate(programs):
    console.say(f'[{i + 1}/{len(programs)}] {plan.title(program)}')
    good, bad = action(program, time.perf_counter())
    done, failed = done | good, failed | bad
    if (i + 1) % PROGRAMS_HELD == 0:
      jax.clear_caches()
    for member, why in bad.items():
      console.say(f'failed: {member}: {why}')
  if not done:
    raise RunError(f'all {len(members)} runs failed: {[*failed.values()][0]}')
  done = {m.name: done[m.name] for m in members if m.name in done}
  runs = list(done.values())
  report = claims.joined(claims.of(runs), over.report(runs))
  write_tables(run_dir, name, members, done, failed, report)
  paths = results.save(report.pictures, run_dir)
  seconds = time.perf_counter() - start
  names = list(done)
  return Outcome(name, runs, names, failed, report, run_dir, paths, seconds)


def attempted(action, member, began):
  """({name: Trained}, {name: why not}) of one run by itself."""
  try:
    return {member.name: action(member, began).trained}, {}
  except (Interrupted, Refused):
    raise
  except (RunError, CheckpointError) as error:
    return {}, {member.name: str(error)}


def marks_of(member) -> dict:
  """What a Trained says of its place in the grid."""
  return {'arm': member.arm, 'label': member.label}


def check(members, run_dir, data_dir):
  """Raises what any member would be refused for; writes nothing."""
  for member in members:
    where = run_dir / member.name
    records.refuse_other(records.read(where), member.ex, where)
  for program in sweep.programs(members):  # if one of it can run, all can
    run.prepare(program.ex, data_dir, run.Clock())


def write_tables(run_dir, name, members, done, failed, report):
  """sweep.json with all that is known, sweep.csv with a row for each run."""
  rows = [
    {'run': m.name, 'arm': m.arm, **given(m)}
    | (scalars(done[m.name].results) if m.name in done else {})
    for m in members
  ]
  whole = {
    'experiment': name,
    'runs': [
      {'run': m.name, 'arm': m.arm, 'overrides': m.changes}
      | ({'results': done[m.name].results} if m.name in done else {})
      | ({'failed': failed[m.name]} if m.name in failed else {})
      for m in members
    ],
    'results': report.results,
    'verdicts': list(report.verdicts),
  }
  directory.write_json(run_dir / 'sweep.json', whole)
  columns = list(dict.fromkeys(key for row in rows for key in row))
  with (run_dir / 'sweep.csv').open('w', newline='') as file:
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)


def given(member) -> dict:
  """What was overridden in this member: {'latents': '8', 'seed': '1'}."""
  pairs = [change.partition('=') for change in member.changes]
  return {path: value for path, _, value in pairs if path != 'arms'}


def scalars(figures: dict, prefix: str = '') -> dict:
  """The numbers of a results.json, its baselines' as 'ridge.psnr_db'."""
  found = {}
  for key, value in figures.items():
    if isinstance(value, int | float):
      found[prefix + key] = value
  for rival, values in figures.get('baselines', {}).items():
    found |= scalars(values, f'{rival}.')
  return found


def table(names, runs) -> str:
  """A row for each run, a column for each of its first measures."""
  rows = [scalars(trained.results) for trained in runs]
  apart = {*APART, *summary.TIMES}
  columns = [
    key
    for key in dict.fromkeys(key for row in rows for key in row)
    if key not in apart and '.' not in key
  ][:COLUMNS]
  cells = [
    (name, *(row.get(key) for key in columns))
    for name, row in zip(names, rows, strict=True)
  ]
  return console.table(cells, ('', *columns))


def read(run_dir) -> dict:
  """sweep.json of a grid that has ended, {} of one that has not."""
  path = pathlib.Path(run_dir) / 'sweep.json'
  return json.loads(path.read_text()) if path.exists() else {}
