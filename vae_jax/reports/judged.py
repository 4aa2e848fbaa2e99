"""Samples as a classifier sees them, an arm of the same experiment."""

import numpy as np

from vae_jax import figures
from vae_jax.measures.samples import (
  BLURRED,
  FITTED,
  MEAN,
  NORMAL,
  REAL,
  SAMPLES,
)
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import (
  Report,
  by_label,
  held,
  mean_and_error,
  mean_of,
  paired,
  studied,
)

JUDGED_BY = 'frechet_distance'


def samples(runs: list[Run]) -> Report:
  """Samples of every model with samples.judged, and images that were never
  generated beside them."""
  runs = studied(runs, 'judged')
  if not runs:
    return Report()
  shown, found = {}, {}
  for run in runs:
    for name, measures in run.studies['judged']['measures'].items():
      known = named(run, name)
      shown.setdefault(known, run.studies['judged'][f'{name}, shown'])
      # A seed's two models share the references: the same figures again.
      found.setdefault(known, {})[run.ex.seed] = measures
  table = {name: list(by_seed.values()) for name, by_seed in found.items()}
  means = {name: mean_of(members) for name, members in table.items()}
  return Report(
    results={'samples': means},
    pictures=sample_pictures(shown, means),
    verdicts=[*against_autoencoder(runs, table), against_blur(table)],
  )


def named(run: Run, name: str) -> str:
  """What a set of images is called: 'vae' for its samples."""
  if name in (REAL, BLURRED, MEAN):
    return name
  return run.label if name == SAMPLES else f'{run.label}, {name}'


def said(members: list[dict], name: str) -> str:
  """A measure as a mean over seeds, with its standard error."""
  return mean_and_error([member[name] for member in members])


def against_autoencoder(runs: list[Run], table) -> list[str]:
  """Whether each VAE's samples are better than the same size's of an AE."""
  floor = f'{REAL} have {said(table[REAL], JUDGED_BY)}'
  lines = []
  for label, pairs in paired(runs, 'vae', 'autoencoder').items():
    for way in (NORMAL, FITTED):
      name = named(pairs[0][1], way)
      if not {label, name} <= table.keys():
        continue  # with a posterior of the user's, drawn in another way
      ours, theirs = (mean_of(table[k])[JUDGED_BY] for k in (label, name))
      lines.append(
        f'samples of {label} are better than those of {name}: '
        f'{held(ours < theirs)}; Frechet distance '
        f'{said(table[label], JUDGED_BY)} against '
        f'{said(table[name], JUDGED_BY)}, {floor}'
      )
  return lines


def against_blur(table) -> str:
  """Whether nearest-neighbour distance prefers blur to real images."""
  name = 'nearest_distance'
  rewarded = mean_of(table[BLURRED])[name] < mean_of(table[REAL])[name]
  sets = ', '.join(f'{k} {said(v, name)}' for k, v in table.items())
  return (
    f'nearest-neighbour distance alone rewards blur: {held(rewarded)}; {sets}'
  )


def sample_pictures(shown: dict, means: dict) -> dict:
  """Rows of what was judged, and bars of its Frechet distances."""
  distance = {name: of[JUDGED_BY] for name, of in means.items()}
  # Two short lines leave more room for the images.
  names = {k: k.replace(', ', '\n', 1) for k in shown if k != MEAN}
  count = min(map(len, shown.values()))
  return {
    'samples': figures.rows(
      {name: shown[k][:count] for k, name in names.items()},
      title='Real images and samples, with Frechet distances of features',
      notes={name: f'{distance[k]:.1f}' for k, name in names.items()},
    ),
    'frechet_distances': figures.bars(
      distance,
      title='Samples against training images',
      y_label='Frechet distance of features',
      highlight=[k for k in means if k not in (REAL, BLURRED, MEAN)],
    ),
  }


def labels(runs: list[Run]) -> Report:
  """How often samples carry the label that was asked for, by
  studies.label_accuracy, and what knowing the label is worth in nats."""
  ours = studied(runs, 'label_accuracy')
  if not ours:
    return Report()
  results, verdicts = {}, []
  for label, members in by_label(ours).items():
    told = [
      {k: v for k, v in run.studies['label_accuracy'].items() if _is_share(v)}
      for run in members
    ]
    if all(told):
      results[label] = mean_of(told)
      verdicts.append(on_labels(label, told))
  drawn = {'classes': classes(ours[0])}
  return Report(results, drawn, verdicts + on_elbo(runs))


def _is_share(value) -> bool:
  return isinstance(value, float)


def classes(run: Run):
  """A row for each class, a column for each draw of the code."""
  found = run.studies['label_accuracy']
  return figures.grid(
    found['images'],
    title='A class for each row, a code for each column',
    x_label='draw from the prior',
    y_label='label that was asked for',
    y_ticks=found['classes'],
  )


def on_labels(label: str, told) -> str:
  """The line on label accuracy, of several seeds."""
  names = (
    'label_accuracy',
    'label_accuracy_drawn_pixels',
    'classifier_accuracy',
  )
  mean, pixels, judge = (
    mean_and_error([100 * one[name] for one in told], ' %') for name in names
  )
  share = np.mean([one['label_accuracy'] for one in told])
  return (
    f'{label}: samples carry the label asked for in at least 95 %: '
    f'{held(share >= 0.95)}; {mean} of the mean '
    f'images, {pixels} with drawn pixels, by a classifier that is right on '
    f'{judge} of unseen images'
  )


def on_elbo(runs: list[Run]) -> list[str]:
  """How much lower -ELBO is than the same network's without the label."""
  lines = []
  for label, pairs in paired(runs, 'vae', 'unconditional').items():
    gain = [b.results['nelbo_nats'] - a.results['nelbo_nats'] for a, b in pairs]
    count = len(pairs[0][0].studies['label_accuracy']['classes'])
    lines.append(
      f'{label}: the label lowers -ELBO: {held(np.mean(gain) > 0)}; by '
      f'{mean_and_error(gain, " nats")}, where the label itself '
      f'holds {np.log(count):.2f} nats'
    )
  return lines
