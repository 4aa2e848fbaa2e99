"""Autoencoders are data-specific: trained on one set, tested on another.

  python launch.py --experiment=transfer

2,000 steps an arm. Dense nets 784-32-784 for upright, rotated, inverted and
permuted `digits`: out of its domain a net loses 18.9 dB to the one of the
domain, worse in 12 of 12 pairs; PCA loses 14.2 dB and is then 1.0 dB better,
though in domain it has 20.1 dB against 23.7. Between `photos` of a flower and
of a portrait a net loses 1.4 dB, PCA 0.2 dB: there PCA is better everywhere,
in domain too (22.5 against 20.6 dB). One seed; 41 s on two CPU cores with a
warm compilation cache. Convolutional nets: --set=network=networks.pooled
--latents=128.
"""

import dataclasses
import re

import numpy as np

from experiments import dense_autoencoder
from vae_jax import data, figures
from vae_jax.factors import views
from vae_jax.images import psnr_of
from vae_jax.measures import baselines
from vae_jax.reports import claims, pictures


def report(
  runs, train_limit: int = 10_000, test_limit: int = 1000
) -> claims.Report:
  """Every model, and a PCA fitted on its training set, on every test set of
  images of its shape; PSNR in dB."""
  results, drawn, verdicts = {}, {}, []
  for name, group in groups(runs).items():
    names = list(claims.by_label(group))
    if len(names) < 2:
      continue
    psnr_S2AB, examples = measured(group, train_limit, test_limit)
    results[name] = figures_of(psnr_S2AB, names)
    verdicts += [f'{name}: {line}' for line in verdicts_of(psnr_S2AB)]
    labels = [short(n) for n in names]
    drawn |= {
      f'psnr_{name}': table(psnr_S2AB.mean(0), labels, name),
      f'lost_{name}': table(-lost(psnr_S2AB).mean(0), labels, name, 'change'),
      f'rows_{name}': rows(group, examples, labels),
    }
  return claims.Report(results, drawn, verdicts)


def groups(runs) -> dict[str, list]:
  """Name of the datasets -> runs on images of one shape."""
  by_shape = {}
  for run in runs:
    by_shape.setdefault(run.data['test'].shape, []).append(run)
  return {
    '_'.join(dict.fromkeys(family(run) for run in group)): group
    for group in by_shape.values()
  }


def family(run) -> str:
  """'photos' of 'photos:flower'."""
  return run.ex.dataset.partition(':')[0]


def short(label: str) -> str:
  """'upright, mnist' of 'upright, dataset=mnist'."""
  return re.sub(r'\w[\w.]*=', '', label)


def measured(group, train_limit, test_limit):
  """PSNR in dB of (autoencoder, PCA) trained on A and tested on B, for each
  seed: [S, 2, A, B]; and the test examples of the first seed."""
  seeds = list(zip(*claims.by_label(group).values(), strict=False))
  psnr, first = [], None
  for runs in seeds:
    tests = [run.examples('test', test_limit) for run in runs]
    first = first or tests
    autoencoder = [
      [psnr_through(run.reconstruct, t) for t in tests] for run in runs
    ]
    pca = [on_each(run, tests, train_limit) for run in runs]
    psnr.append([autoencoder, pca])
  return np.array(psnr), first


def on_each(run, tests, train_limit) -> list[float]:
  """PSNR in dB of a PCA of this run's training set on each test set."""
  train = run.examples('train', train_limit)
  together = views.Example(
    np.concatenate([t.seen for t in tests]),
    np.concatenate([t.wanted for t in tests]),
  )
  ends = np.cumsum([len(t.seen) for t in tests])[:-1]
  images = np.split(baselines.pca(train, together, run.ex.latents), ends)
  return [psnr_of(i, t.wanted) for i, t in zip(images, tests, strict=True)]


def psnr_through(f, example) -> float:
  """PSNR in dB of f's images for what is seen."""
  return psnr_of(f(example.seen), example.wanted)


def lost(psnr_S2AB):
  """dB that each model loses to the one trained on the set of the test:
  [S, 2, A, B], 0 where A is B."""
  own_S2B = np.diagonal(psnr_S2AB, axis1=2, axis2=3)
  return own_S2B[:, :, None, :] - psnr_S2AB


def abroad(value_S2AB):
  """The mean over all pairs A, B that differ: [S, 2]."""
  away_AB = ~np.eye(value_S2AB.shape[-1], dtype=bool)
  return value_S2AB[:, :, away_AB].mean(-1)


def figures_of(psnr_S2AB, names) -> dict:
  """The matrices as dictionaries trained on -> tested on, and their means."""
  lost_2 = abroad(lost(psnr_S2AB)).mean(0)
  away_2 = abroad(psnr_S2AB).mean(0)
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


def verdicts_of(psnr_S2AB) -> list[str]:
  """On the claim that autoencoders are data-specific, and on PCA."""
  lost_S2AB = lost(psnr_S2AB)
  lost_S2 = abroad(lost_S2AB)
  away_AB = ~np.eye(psnr_S2AB.shape[-1], dtype=bool)
  worse = (lost_S2AB.mean(0)[0][away_AB] > 0).sum()
  claim = 'held' if worse == away_AB.sum() else 'did NOT hold everywhere'
  gap_S = np.subtract(*abroad(psnr_S2AB).T)
  better = 'the autoencoder' if gap_S.mean() > 0 else 'PCA'
  ae, pca = np.diagonal(psnr_S2AB, axis1=2, axis2=3).mean((0, 2))
  return [
    f'data-specific: {claim}, worse out of its domain in {worse} of '
    f'{away_AB.sum()} pairs; there the autoencoder loses '
    f'{claims.mean_and_error(lost_S2[:, 0])} dB to the one of the domain',
    f'out of domain PCA loses {claims.mean_and_error(lost_S2[:, 1])} dB to '
    f'the PCA of the domain, and {better} is the better one by '
    f'{claims.mean_and_error(gap_S * np.sign(gap_S.mean()))} dB (in domain '
    f'the autoencoder has {ae:.2f} dB, PCA {pca:.2f} dB)',
  ]


def table(value_2AB, labels, name, kind='PSNR'):
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


def rows(group, examples, labels, count: int = 10):
  """Test images of every set through every model."""
  each = max(1, count // len(labels))
  shown = [e.seen[data.spread(len(e.seen), each)] for e in examples]
  images = {'test image': np.concatenate(shown)}
  for run_S, label in zip(claims.by_label(group).values(), labels, strict=True):
    images[f'trained on {label}'] = run_S[0].reconstruct(images['test image'])
  return figures.rows(images, title=f'Test images: {", ".join(labels)}')


experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  steps=2000,
  pictures=(pictures.reconstructions, pictures.curves),
  report=report,
  arms=(
    ('upright',),
    *(
      (name, 'view=views.transformed', f'view.change={name}')
      for name in ('rotated', 'inverted', 'permuted')
    ),
    *((name, f'dataset=photos:{name}') for name in ('flower', 'portrait')),
  ),
)
