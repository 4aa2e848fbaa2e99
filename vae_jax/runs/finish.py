"""What runs end with: baselines, verdicts, pictures, results.json, tables."""

import pathlib
from typing import NamedTuple

from vae_jax.config.grid import Member
from vae_jax.config.text import name_of
from vae_jax.measures.rivals import with_baselines
from vae_jax.measures.trained import Trained
from vae_jax.reports import over, summary
from vae_jax.reports.claims import Report, joined, report_of
from vae_jax.runs.directory import write_json, write_pictures, write_sweep
from vae_jax.training import log


class Outcome(NamedTuple):
  """What a command has trained or measured, one run or a grid."""

  name: str
  run_dir: pathlib.Path
  runs: dict[str, Trained]  # by the names of their directories
  failed: dict[str, str]  # name of a member -> why it has no results
  report: Report  # on all of them
  pictures: list[pathlib.Path]
  seconds: dict[str, float]  # where the time went

  def summary(self) -> str:
    """A table, the verdicts, where the time went, the paths."""
    one = self.runs.get('')
    if one:
      what, table = summary.of_run(one)
      head = [f'{self.name} {what}', table]
    else:
      head = [f'{self.name}: {len(self.runs)} runs, test split']
      head += [summary.of_runs(self.runs)]
    parts = [
      *head,
      *(f'failed: {name}: {why}' for name, why in self.failed.items()),
      *(f'verdict: {line}' for line in self.report.verdicts),
      summary.timing(one.results if one else {}, self.seconds),
      f'{"run" if one else "runs"}: {self.run_dir}',
      *(f'picture: {path}' for path in self.pictures),
    ]
    return '\n'.join(parts)


class Finished(NamedTuple):
  """A run with its results written, what it says, and its pictures' paths."""

  trained: Trained
  report: Report
  pictures: list[pathlib.Path]


def finish_run(
  trained: Trained,
  run_dir,
  clock,
  writer: log.Writer | None = None,
  shared: dict | None = None,
  drawn: bool = True,
) -> Finished:
  """Baselines, verdicts and, if `drawn`, pictures; writes results.json.

  `shared` is a dict that runs which see the same images have in common; a
  writer is there if the run has just been trained.
  """
  path = pathlib.Path(run_dir) / 'results.json'
  with clock('baselines'):
    trained = with_baselines(trained, shared)
  report = report_of([trained])
  results = trained.results | report.results | {'verdicts': report.verdicts}
  if writer is not None:
    results |= {'compile_s': clock.seconds['compile'], 'wall_s': clock.wall()}
  trained = trained.told(results)
  # Before drawing: what was measured must not hang on a picture.
  write_json(path, results)
  if not drawn:
    return Finished(trained, report, [])
  with clock('draw'):
    pictures = {name_of(f): f(trained) for f in trained.ex.pictures}
    paths = write_pictures(pictures | report.pictures, run_dir)
    for path_of in paths if writer is not None else ():
      writer.figure(int(trained.state.step), path_of.stem, path_of)
  if writer is not None:
    trained = trained.told(results | {'wall_s': clock.wall()})
    write_json(path, trained.results)
  return Finished(trained, report, paths)


def finish_grid(
  name: str, members: list[Member], run_dir, runs, failed, seconds
) -> Outcome:
  """The report on all runs, its pictures, sweep.json and sweep.csv."""
  trained = list(runs.values())
  report = joined(report_of(trained), over.report(trained))
  rows = [
    {'run': m.name, 'arm': m.arm, **overridden(m)}
    | (summary.numbers(runs[m.name].results) if m.name in runs else {})
    for m in members
  ]
  whole = {
    'experiment': name,
    'runs': [
      {'run': m.name, 'arm': m.arm, 'overrides': m.changes}
      | ({'results': runs[m.name].results} if m.name in runs else {})
      | ({'failed': failed[m.name]} if m.name in failed else {})
      for m in members
    ],
    'results': report.results,
    'verdicts': report.verdicts,
  }
  write_sweep(run_dir, rows, whole)
  paths = write_pictures(report.pictures, run_dir)
  return Outcome(name, run_dir, runs, failed, report, paths, seconds)


def overridden(member: Member) -> dict[str, str]:
  """What was overridden in this member: {'latents': '8', 'seed': '1'}."""
  pairs = [change.partition('=') for change in member.changes]
  return {path: value for path, _, value in pairs if path != 'arms'}
