"""What one run or several of an experiment say: runs -> Report.

A report is called with all runs of a grid, and with each run by itself: it
must take any non-empty list of them. A run's arm is `trained.arm`, its numbers
are fields of `trained.ex`, its measures `trained.results`; runs of one `label`
differ in the seed alone.
"""

import dataclasses

import numpy as np

from vae_jax.console import words
from vae_jax.measures.trained import Trained


@dataclasses.dataclass(frozen=True)
class Report:
  """Figures for results.json, pictures by name, and verdicts, each a line."""

  results: dict = dataclasses.field(default_factory=dict)
  pictures: dict = dataclasses.field(default_factory=dict)
  verdicts: list[str] = dataclasses.field(default_factory=list)


def report_of(runs: list[Trained]) -> Report:
  """The report of the runs' experiment; an empty one if it has none."""
  report = runs[0].ex.report
  return report(runs) if report else Report()


def joined(*reports: Report) -> Report:
  """What all of them say, in their order."""
  return Report(
    {k: v for one in reports for k, v in one.results.items()},
    {k: v for one in reports for k, v in one.pictures.items()},
    [line for one in reports for line in one.verdicts],
  )


def beats_baselines(runs, metric: str = 'psnr_db') -> Report:
  """The verdict by this metric, larger is better, for each label: whom it
  did not beat and by how much, or how far the nearest rival is behind."""
  verdicts = []
  for label, members in by_label(runs).items():
    verdict = against_rivals(members, metric)
    verdicts += [f'{label}: {verdict}' if label else verdict] if verdict else []
  return Report(verdicts=verdicts)


def by_label(runs) -> dict[str, list]:
  """Label -> its runs, which differ in the seed alone, in order."""
  return _grouped(runs, 'label')


def by_arm(runs) -> dict[str, list]:
  """Arm -> its runs, in order."""
  return _grouped(runs, 'arm')


def _grouped(runs, name: str) -> dict[str, list]:
  groups = {}
  for run in runs:
    groups.setdefault(getattr(run, name), []).append(run)
  return groups


def held(claim) -> str:
  """A claim's fate in words."""
  return 'held' if claim else 'did NOT hold'


def against_rivals(runs, metric: str) -> str:
  """One line on runs of one label, as means over them; '' without rivals."""
  if any(metric not in run.results for run in runs):
    return f'none: {metric} is not measured'
  rivals = runs[0].results.get('baselines', {})
  gaps = {
    name: np.array(
      [r.results[metric] - r.results['baselines'][name][metric] for r in runs]
    )
    for name in rivals
  }
  if not gaps:
    return ''
  nearest = min(gaps, key=lambda name: gaps[name].mean())
  lost = [
    f'LOSES to {words(name)} by {mean_and_error(-gap, " dB")}'
    for name, gap in gaps.items()
    if gap.mean() <= 0
  ]
  return ', '.join(lost) or (
    f'beats every baseline; the nearest, {words(nearest)}, by '
    f'{mean_and_error(gaps[nearest], " dB")}'
  )


def mean_and_error(value_R, unit: str = '') -> str:
  """'2.06 dB', or '2.06 +- 0.03 dB (3 runs)' with its standard error."""
  mean, count = np.mean(value_R), len(value_R)
  if count == 1:
    return f'{mean:.2f}{unit}'
  error = np.std(value_R, ddof=1) / np.sqrt(count)
  return f'{mean:.2f} +- {error:.2f}{unit} ({count} runs)'
