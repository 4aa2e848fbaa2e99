"""Matrices: models over what they are tested on, or by what they are judged."""

import re

import numpy as np

from vae_jax import figures
from vae_jax.console import counted
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import (
  Report,
  by_label,
  held,
  mean_and_error,
  studied,
)

# Loss -> what it is called as a measure of the mean image, per pixel.
LOSSES = {
  'bce': 'BCE (nats)',
  'mse': 'squared error',
  'l1': 'absolute error',
  'ssim': '1 − SSIM',
}


def domains(runs: list[Run]) -> Report:
  """Every model with studies.abroad, and a PCA fitted on its training set, on
  every test set of images of its shape; PSNR in dB. Nothing for a model by
  itself, and nothing of a seed of which a model is missing."""
  results, drawn, verdicts = {}, {}, []
  for name, group in groups(studied(runs, 'abroad')).items():
    names, seeds = list(by_label(group)), complete(group)
    if len(names) < 2 or not seeds:
      continue
    psnr_S2AB = matrices(seeds, names)
    results[name] = domain_figures(psnr_S2AB, names)
    verdicts += [f'{name}: {line}' for line in domain_verdicts(psnr_S2AB)]
    labels = [short(n) for n in names]
    drawn |= {
      f'psnr_{name}': domain_table(psnr_S2AB.mean(0), labels, name),
      f'lost_{name}': domain_table(
        -lost(psnr_S2AB).mean(0), labels, name, 'change'
      ),
      f'rows_{name}': domain_rows(seeds[0], labels),
    }
  return Report(results, drawn, verdicts)


def groups(runs: list[Run]) -> dict[str, list[Run]]:
  """Name of the datasets -> runs on images of one shape."""
  by_shape = {}
  for run in runs:
    shape = tuple(run.studies['abroad']['shape'])
    by_shape.setdefault(shape, []).append(run)
  return {
    '_'.join(dict.fromkeys(family(run) for run in group)): group
    for group in by_shape.values()
  }


def family(run: Run) -> str:
  """'photos' of 'photos:flower'."""
  return run.ex.dataset.partition(':')[0]


def short(label: str) -> str:
  """'upright, mnist' of 'upright, dataset=mnist'."""
  return re.sub(r'\w[\w.]*=', '', label)


def complete(group: list[Run]) -> list[list[Run]]:
  """The runs of each seed that has one of every label, in the labels' order."""
  labels, by_seed = list(by_label(group)), {}
  for run in group:
    by_seed.setdefault(run.ex.seed, {})[run.label] = run
  return [
    [of_seed[label] for label in labels]
    for of_seed in by_seed.values()
    if len(of_seed) == len(labels)
  ]


def matrices(seeds: list[list[Run]], names):
  """PSNR in dB of (autoencoder, PCA) trained on A and tested on B, for each
  seed: [S, 2, A, B]."""
  return np.array(
    [
      [
        [[run.studies['abroad'][measure][b] for b in names] for run in runs]
        for measure in ('psnr_db', 'pca_psnr_db')
      ]
      for runs in seeds
    ]
  )


def lost(psnr_S2AB):
  """dB that each model loses to the one trained on the set of the test:
  [S, 2, A, B], 0 where A is B."""
  own_S2B = np.diagonal(psnr_S2AB, axis1=2, axis2=3)
  return own_S2B[:, :, None, :] - psnr_S2AB


def out_of_domain(value_S2AB):
  """The mean over all pairs A, B that differ: [S, 2]."""
  away_AB = ~np.eye(value_S2AB.shape[-1], dtype=bool)
  return value_S2AB[:, :, away_AB].mean(-1)


def domain_figures(psnr_S2AB, names) -> dict:
  """The matrices as dictionaries trained on -> tested on, and their means."""
  lost_2 = out_of_domain(lost(psnr_S2AB)).mean(0)
  away_2 = out_of_domain(psnr_S2AB).mean(0)
  own_2 = np.diagonal(psnr_S2AB, axis1=2, axis2=3).mean((0, 2))
  found = {}
  for i, model in enumerate(('', 'pca_')):
    found |= {
      f'{model}psnr_db': named(psnr_S2AB.mean(0)[i], names),
      f'{model}lost_db': named(lost(psnr_S2AB).mean(0)[i], names),
      f'{model}in_domain_psnr_db': float(own_2[i]),
      f'{model}out_of_domain_psnr_db': float(away_2[i]),
      f'{model}out_of_domain_lost_db': float(lost_2[i]),
    }
  return found


def named(value_AB, names) -> dict:
  """{trained on: {tested on: value}}."""
  return {
    a: {b: float(v) for b, v in zip(names, value_B, strict=True)}
    for a, value_B in zip(names, value_AB, strict=True)
  }


def domain_verdicts(psnr_S2AB) -> list[str]:
  """On the claim that autoencoders are data-specific, and on PCA."""
  lost_S2AB = lost(psnr_S2AB)
  lost_S2 = out_of_domain(lost_S2AB)
  away_AB = ~np.eye(psnr_S2AB.shape[-1], dtype=bool)
  worse = (lost_S2AB.mean(0)[0][away_AB] > 0).sum()
  claim = 'held' if worse == away_AB.sum() else 'did NOT hold everywhere'
  gap_S = np.subtract(*out_of_domain(psnr_S2AB).T)
  better = 'the autoencoder' if gap_S.mean() > 0 else 'PCA'
  ae, pca = np.diagonal(psnr_S2AB, axis1=2, axis2=3).mean((0, 2))
  return [
    f'data-specific: {claim}, worse out of its domain in {worse} of '
    f'{away_AB.sum()} pairs; there the autoencoder loses '
    f'{mean_and_error(lost_S2[:, 0])} dB to the one of the domain',
    f'out of domain PCA loses {mean_and_error(lost_S2[:, 1])} dB to '
    f'the PCA of the domain, and {better} is the better one by '
    f'{mean_and_error(gap_S * np.sign(gap_S.mean()))} dB (in domain '
    f'the autoencoder has {ae:.2f} dB, PCA {pca:.2f} dB)',
  ]


def domain_table(value_2AB, labels, name, kind='PSNR'):
  """The matrix of the autoencoders above that of the PCAs."""
  count = len(labels)
  own = [(i, i % count) for i in range(2 * count)]
  against = 'against the model of the tested set' if kind == 'change' else ''
  return figures.matrix(
    value_2AB.reshape(2 * count, count),
    [f'{model} {label}' for model in ('AE', 'PCA') for label in labels],
    labels,
    title=f'{name}: PSNR {against}'.strip(),
    x_label='tested on',
    y_label='trained on',
    unit='dB',
    highlight=own,
  )


def domain_rows(runs: list[Run], labels):
  """Test images of every set through the models of one seed."""
  images = {'test image': runs[0].studies['abroad']['test images']}
  for run, label in zip(runs, labels, strict=True):
    images[f'trained on {label}'] = run.studies['abroad']['images']
  return figures.rows(images, title=f'Test images: {", ".join(labels)}')


def losses(runs: list[Run]) -> Report:
  """Every loss measured on the models trained under each, whose arms have the
  names of the losses, with compression.losses; nothing for a single model."""
  runs = [run for run in studied(runs, 'losses') if run.arm in LOSSES]
  labels = by_label(runs)
  if len(labels) < 2:
    return Report()
  found = {
    label: [run.studies['losses']['model'] for run in runs_S]
    for label, runs_S in labels.items()
  }
  found['PCA'] = [runs[0].studies['losses']['PCA']]
  rows_S = {
    label: np.array([[one[loss] for loss in LOSSES] for one in found_S])
    for label, found_S in found.items()
  }
  value_RC = np.array([row_S.mean(0) for row_S in rows_S.values()])
  arms = [runs_S[0].arm for runs_S in labels.values()]
  table = {
    label: dict(zip(LOSSES, map(float, value_C), strict=True))
    for label, value_C in zip(rows_S, value_RC, strict=True)
  }
  drawn = {
    'cross': loss_table(value_RC, list(rows_S), arms),
    'rows': loss_rows(labels, runs[0]),
  }
  seeds = len(next(iter(labels.values())))
  verdicts = [own_column(value_RC, arms, seeds)]
  return Report({'measured': table}, drawn, verdicts)


def own_column(value_RC, arms, seeds: int) -> str:
  """On the claim that nothing is as good by a loss as what it trained."""
  won, lines = 0, []
  columns = [loss for loss in LOSSES if loss in arms]
  for loss in columns:
    value_R = value_RC[: len(arms), list(LOSSES).index(loss)]
    best = arms[int(value_R.argmin())]
    won += best == loss
    if best != loss:
      share = value_R[arms.index(loss)] / value_R.min() - 1
      lines.append(f'{best} is better by {loss}, by {100 * share:.1f} %')
  detail = f' ({"; ".join(lines)})' if lines else ''
  return (
    f'each loss is best by its own measure: {held(won == len(columns))}, '
    f'{won} of {len(columns)}, {counted(seeds, "seed")}{detail}'
  )


def loss_table(value_RC, labels, arms):
  """The cross table, each column in colours of its own."""
  columns = list(LOSSES)
  own = [(row, columns.index(arm)) for row, arm in enumerate(arms)]
  return figures.matrix(
    value_RC,
    labels,
    list(LOSSES.values()),
    title='Test images, per pixel; lower is better',
    y_label='trained under',
    form='.3g',
    by_column=True,
    highlight=own,
  )


def loss_rows(labels, first: Run):
  """Test images and what the models trained under each loss make of them."""
  found = first.studies['losses']
  shown = {'test image': found['test images']}
  for label, runs_S in labels.items():
    shown[label] = runs_S[0].studies['losses']['model images']
  shown['PCA'] = found['PCA images']
  return figures.rows(shown, title='What each loss loses')
