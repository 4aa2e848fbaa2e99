"""What runs end with: baselines, studies, pictures, verdicts, tables."""

import functools
import pathlib
from typing import NamedTuple

from vae_jax.config.grid import Member
from vae_jax.config.text import name_of
from vae_jax.measures.rivals import with_baselines
from vae_jax.measures.trained import Run, Trained
from vae_jax.reports import over, summary
from vae_jax.reports.claims import Report, joined, report_of
from vae_jax.runs import directory
from vae_jax.runs.directory import write_pictures, write_sweep
from vae_jax.training import log


class Outcome(NamedTuple):
  """What a command has trained, measured or read, one run or a grid."""

  name: str
  run_dir: pathlib.Path
  runs: dict[str, Run]  # by the names of their directories
  failed: dict[str, str]  # name of a member -> why it has no results
  report: Report  # on all of them
  pictures: list[pathlib.Path]
  seconds: dict[str, float]  # where the time went
  trained: dict[str, Trained]  # the models of the runs, if they were needed

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
  """A model whose measures are written, and the paths of its pictures."""

  trained: Trained
  pictures: list[pathlib.Path]


def finish_run(
  trained: Trained,
  run_dir,
  clock,
  new: bool = False,
  shared: dict | None = None,
  drawn: bool = True,
) -> Finished:
  """Baselines and, if `drawn`, pictures; writes results.json.

  `shared` is a dict that runs which see the same images have in common; `new`
  if the run has just been trained.
  """
  write = functools.partial(
    directory.write_json, pathlib.Path(run_dir) / 'results.json'
  )
  with clock('baselines'):
    trained = with_baselines(trained, shared)
  results = trained.results | known_studies(run_dir, trained.results['step'])
  if new:
    times = {'compile_s': clock.seconds['compile'], 'wall_s': clock.wall()}
    results = results | times
  # Before drawing: what was measured must not hang on a picture.
  write(results)
  paths = []
  if drawn:
    with clock('draw'):
      pictures = {name_of(f): f(trained) for f in trained.ex.pictures}
      paths = write_pictures(pictures, run_dir)
  if new:
    log.pictures(run_dir, int(trained.state.step), paths)
    results = results | {'wall_s': clock.wall()}
    write(results)
  return Finished(trained.told(results=results), paths)


def known_studies(run_dir, step: int) -> dict:
  """{'studies': figures} of the results that are there, if they are of this
  step; else {}."""
  before = directory.results_of(run_dir)
  same = before.get('step') == step and 'studies' in before
  return {'studies': before['studies']} if same else {}


def studied(trained: Trained, run_dir, clock) -> Run:
  """What the studies find out about a model, written beside its results. One
  that finds nothing, as without its neighbours, leaves what it found before.
  """
  before = directory.studies_of(run_dir, trained.results)
  known = before if 'studies' in trained.results else {}
  studies = {name_of(study): study for study in trained.ex.studies}
  with clock('studies'):
    found = {k: f(trained) or known.get(k) for k, f in studies.items()}
  found = {name: study for name, study in found.items() if study}
  figures = directory.write_studies(run_dir, found)
  results = trained.results | {'studies': figures}
  if not figures:
    del results['studies']
  directory.write_json(pathlib.Path(run_dir) / 'results.json', results)
  # As a report that is made again from the directory sees them.
  read = directory.studies_of(run_dir, results)
  return trained.told(results=results).run(read)


def concluded(
  name: str,
  members: list[Member],
  run_dir,
  runs: dict[str, Run],
  failed: dict[str, str],
  clock,
  drawn: bool = True,
  wall_s: float | None = None,
) -> Outcome:
  """What the runs say, one by one and all together: verdicts into every
  results.json and sweep.json, sweep.csv, and the reports' pictures; `wall_s`
  is what the command that measured them took, if this is another."""
  told, everything, paths = {}, list(runs.values()), []
  with clock('report'):
    for where, run in runs.items():
      report = report_of([run])
      results = run.results | report.results | {'verdicts': report.verdicts}
      told[where] = run._replace(results=results)
      directory.write_json(run_dir / where / 'results.json', results)
      if drawn:
        paths = write_pictures(report.pictures, run_dir / where)
    if '' not in runs:
      report = joined(report_of(everything), over.report(everything))
      paths = write_pictures(report.pictures, run_dir)
  if '' not in runs:
    wall_s = clock.wall() if wall_s is None else wall_s
    write_tables(name, members, run_dir, told, failed, report, wall_s)
  rest = failed, report, paths, dict(clock.seconds)
  return Outcome(name, run_dir, told, *rest, trained={})


def write_tables(
  name: str, members, run_dir, runs, failed, report: Report, wall_s: float
):
  """sweep.json and sweep.csv of a grid."""
  rows = [
    {'run': m.name, 'arm': m.arm, **overridden(m)}
    | (summary.numbers(runs[m.name].results) if m.name in runs else {})
    for m in members
  ]
  whole = {
    'experiment': name,
    'wall_s': wall_s,
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


def overridden(member: Member) -> dict[str, str]:
  """What was overridden in this member: {'latents': '8', 'seed': '1'}."""
  pairs = [change.partition('=') for change in member.changes]
  return {path: value for path, _, value in pairs if path != 'arms'}
