"""What runs claim, and whether it held: by arm, by label, in pairs.

A run's arm is `run.arm`, its numbers are fields of `run.ex`, its measures
`run.results`, and what was found out about it `run.studies`; runs of one
`label` differ in the seed alone.
"""

import dataclasses

import numpy as np

from vae_jax.console import counted, words
from vae_jax.measures.trained import Run

FEW = 20  # test images, of which fewer tell nothing


@dataclasses.dataclass(frozen=True)
class Report:
  """Figures for results.json, pictures by name, and verdicts, each a line."""

  results: dict = dataclasses.field(default_factory=dict)
  pictures: dict = dataclasses.field(default_factory=dict)
  verdicts: list[str] = dataclasses.field(default_factory=list)


def report_of(runs: list[Run]) -> Report:
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


def all_of(runs: list[Run], reports=()) -> Report:
  """What all of these reports say of the runs."""
  return joined(*[report(runs) for report in reports])


def beats_baselines(runs, metric: str = 'psnr_db') -> Report:
  """The verdict by this metric, larger is better, for each label: whom it
  did not beat and by how much, or how far the nearest rival is behind."""
  verdicts = []
  for label, members in by_label(runs).items():
    verdict = against_rivals(members, metric)
    verdicts += [f'{label}: {verdict}' if label else verdict] if verdict else []
  return Report(verdicts=verdicts)


def rightly_classified(runs) -> Report:
  """A classifier's accuracy beside that of naming the most frequent class, by
  studies.majority."""
  accuracy = [100 * run.results['accuracy'] for run in runs]
  said = f'{mean_and_error(accuracy, " %")} of the test images are classified '
  known = studied(runs, 'majority')
  if not known:
    return Report(verdicts=[f'{said}rightly'])
  share = known[0].studies['majority']['accuracy']
  rival = f'{100 * share:.1f} % by the most frequent class'
  return Report(
    {'majority_accuracy': share}, verdicts=[f'{said}rightly, {rival}']
  )


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


def setting(run: Run, *apart: str) -> tuple[str, ...]:
  """What gives this run but its arm, its seed and the fields named `apart`."""
  left_out = {'arms', 'seed', *apart}
  return tuple(c for c in run.changes if c.partition('=')[0] not in left_out)


def paired(runs, ours: str, theirs: str) -> dict[str, list[tuple[Run, Run]]]:
  """Label of the arm `ours` -> its runs, each with the one of the arm `theirs`
  that has its seed and its overrides, or those of them that it can have."""
  found = {}
  for run in by_arm(runs).get(ours, []):
    for other in by_arm(runs).get(theirs, []):
      same = set(setting(other)) <= set(setting(run))
      if same and other.ex.seed == run.ex.seed:
        found.setdefault(run.label, []).append((run, other))
  return found


def studied(runs, study: str) -> list[Run]:
  """The runs about which this study found something."""
  return [run for run in runs if study in run.studies]


def mean_of(dicts: list[dict]) -> dict[str, float]:
  """The mean of each figure."""
  return {name: float(np.mean([d[name] for d in dicts])) for name in dicts[0]}


def held(claim) -> str:
  """A claim's fate in words."""
  return 'held' if claim else 'did NOT hold'


def against_rivals(runs, metric: str) -> str:
  """One line on runs of one label, as means over them; '' without rivals."""
  if any(metric not in run.results for run in runs):
    return f'none: {metric} is not measured'
  count = runs[0].results.get('test_images', FEW)
  if count < FEW:
    return (
      f'none: {counted(count, "test image")}, at least {FEW} tell something'
    )
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
