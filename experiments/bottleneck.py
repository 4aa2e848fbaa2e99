"""Noise does not fit a bottleneck? Nets that never saw noise, and denoisers.

  python launch.py --experiment=bottleneck

1,500 steps an arm, 784-256-d-256-784 on `digits` with noise N(0.5, 0.5). Nets
that never saw noise reach 9.5, 8.5, 8.9, 9.6 dB at d = 2, 8, 32, 128, where a
PCA projection has 11.7, 13.1, 11.3, 10.2 dB: the claim held in 0 of 4.
They pass 23, 43, 43, 37 % of the noise energy, PCA 2, 5, 22, 31 %. The same
nets trained to denoise reach 12.7, 15.9, 17.6, 17.7 dB, the best 0.4 dB above
ridge regression. One seed; 60 s on two CPU cores, warm
compilation cache.
"""

import dataclasses
from functools import partial

import numpy as np

from experiments import dense_autoencoder
from vae_jax import data, figures, networks
from vae_jax.console import counted
from vae_jax.factors import views
from vae_jax.images import psnr_of
from vae_jax.measures import baselines
from vae_jax.reports import claims, pictures

KINDS = ('clean', 'denoising')


def report(
  runs, train_limit: int = 10_000, test_limit: int = 1000
) -> claims.Report:
  """PSNR on noisy images and the share of the noise that is passed, over the
  latents d; nothing unless there are clean-trained and denoising models."""
  clean, denoising = ([r for r in runs if kind_of(r) == k] for k in KINDS)
  if not (clean and denoising):
    return claims.Report()
  value_S = pooled(
    [(run, of_clean(run, train_limit, test_limit)) for run in clean]
    + [(run, of_model('denoising', run, test_limit)) for run in denoising]
  )
  flat = {
    name: rival['psnr_db']
    for run in denoising
    for name, rival in run.results.get('baselines', {}).items()
  }
  means = {
    name: {d: float(np.mean(value)) for d, value in by_d.items()}
    for name, by_d in value_S.items()
  }
  shown = {f'rows_{kind_of(r[0])}': rows(r) for r in (clean, denoising)}
  drawn = {'noise': over_latents(value_S, flat)}
  lines = [projects(value_S, flat), passes(value_S), learns(value_S, flat)]
  return claims.Report(means | {'rivals': flat}, drawn | shown, lines)


def kind_of(run) -> str:
  """'clean' or 'denoising', by what the run was trained to see."""
  view = run.ex.view
  return KINDS[getattr(view, 'func', view) is views.noisy]


def fed_noise(run, limit) -> views.Example:
  """Test images through views.noisy, whatever the run was trained to see."""
  ex = dataclasses.replace(run.ex, view=views.noisy)
  return dataclasses.replace(run, ex=ex).examples('test', limit)


def of_model(kind: str, run, test_limit) -> dict[str, float]:
  """PSNR in dB of a model on noisy images, and the share of noise it passes."""
  test = fed_noise(run, test_limit)
  noisy, clean = run.reconstruct(test.seen), run.reconstruct(test.wanted)
  return {
    f'{kind}_psnr_db': psnr_of(noisy, test.wanted),
    f'{kind}_share_passed': share(noisy, clean, test),
  }


def of_clean(run, train_limit, test_limit) -> dict[str, float]:
  """The same, and that of a projection on as many principal components of
  clean images."""
  test = fed_noise(run, test_limit)
  both = np.concatenate([test.seen, test.wanted])
  train = run.examples('train', train_limit)
  pca = baselines.pca(train, views.Example(both, both), run.ex.latents)
  noisy, clean = np.split(pca, 2)
  return of_model('clean', run, test_limit) | {
    'pca_psnr_db': psnr_of(noisy, test.wanted),
    'pca_share_passed': share(noisy, clean, test),
  }


def share(noisy_NHWC, clean_NHWC, test) -> float:
  """||f(x + n) - f(x)||^2 / ||n||^2, pooled; 0 where there is no noise."""
  noise = ((test.seen - test.wanted) ** 2).sum()
  passed = ((noisy_NHWC - clean_NHWC) ** 2).sum()
  return float(passed / max(noise, 1e-12))


def pooled(measured) -> dict[str, dict[int, list]]:
  """Measure -> d -> its values over the seeds, d growing."""
  found = {}
  for run, values in sorted(measured, key=lambda pair: pair[0].ex.latents):
    for name, value in values.items():
      by_d = found.setdefault(name, {})
      by_d.setdefault(run.ex.latents, []).append(value)
  return found


def projects(value_S, flat) -> str:
  """On the claim that a bottleneck trained on clean images denoises."""
  clean, pca = value_S['clean_psnr_db'], value_S['pca_psnr_db']
  won = [d for d in clean if np.mean(clean[d]) > np.mean(pca[d])]
  claim = claims.held(len(won) == len(clean))
  given = f', its input {flat["noisy_input"]:.1f}' if flat else ''
  return (
    f'noise does not fit the bottleneck (a clean-trained one denoises better '
    f'than PCA): {claim}, in {len(won)} of {len(clean)}; at d = {each(clean)} '
    f'it has {each(clean, ".1f")} dB, the PCA projection {each(pca, ".1f")} '
    f'dB{given}; {seeds(clean)}'
  )


def passes(value_S) -> str:
  """How much of the noise comes out again."""
  clean, pca = value_S['clean_share_passed'], value_S['pca_share_passed']
  denoising = value_S['denoising_share_passed']
  return (
    f'share of the noise energy passed at d = {each(clean)}: clean-trained '
    f'{each(clean, ".2f")}, PCA {each(pca, ".2f")}; trained to denoise, at '
    f'd = {each(denoising)}, {each(denoising, ".2f")}'
  )


def learns(value_S, flat) -> str:
  """What training on noise gives, and the ridge regression beside it."""
  denoising, clean = value_S['denoising_psnr_db'], value_S['clean_psnr_db']
  best = max(denoising, key=lambda d: np.mean(denoising[d]))
  line = (
    f'trained to denoise, at d = {each(denoising)}: {each(denoising, ".1f")} dB'
  )
  both = [d for d in denoising if len(denoising[d]) == len(clean.get(d, []))]
  if both:
    gain_S = np.subtract(denoising[both[-1]], clean[both[-1]])
    line += (
      f', {claims.mean_and_error(gain_S)} dB above the clean-trained one at '
      f'd = {both[-1]}'
    )
  if 'ridge' in flat:
    gap_S = np.array(denoising[best]) - flat['ridge']
    word = 'beats' if gap_S.mean() > 0 else 'LOSES to'
    gap = claims.mean_and_error(gap_S * np.sign(gap_S.mean()))
    line += f'; the best, d = {best}, {word} ridge by {gap} dB'
  return line


def each(by_d, form: str = '') -> str:
  """'2, 8' of {2: ..., 8: ...}; with a format, the means of the values."""
  if not form:
    return ', '.join(map(str, by_d))
  return ', '.join(f'{np.mean(value):{form}}' for value in by_d.values())


def seeds(by_d) -> str:
  """'3 seeds'."""
  count = min(map(len, by_d.values()))
  return counted(count, 'seed')


NAMES = {
  'clean': 'AE, trained on clean',
  'denoising': 'AE, trained to denoise',
  'pca': 'PCA projection',
}
MEASURES = {'psnr_db': 'PSNR (dB)', 'share_passed': 'noise passed (share)'}


def over_latents(value_S, flat):
  """PSNR on noisy images and the share of the noise that comes out, over d;
  what needs no code is dashed."""
  panels = {
    label: {name: value_S[f'{kind}_{measure}'] for kind, name in NAMES.items()}
    for measure, label in MEASURES.items()
  }
  rivals = [name.replace('_', ' ') for name in flat]
  for rival, value in zip(rivals, flat.values(), strict=True):
    line = dict.fromkeys(value_S['pca_psnr_db'], [value])
    panels[MEASURES['psnr_db']][rival] = line
  title = 'Images with noise N(0.5, 0.5) through d latents'
  return figures.lines(panels, 'latents d', title, dashed=rivals)


def rows(runs, count: int = 8):
  """Clean and noisy test images, and what the models of each d make of them."""
  test = fed_noise(runs[0], 1000)
  at = data.spread(len(test.seen), count)
  images = {'clean': test.wanted[at], 'noisy input': test.seen[at]}
  for run in sorted(runs, key=lambda run: run.ex.latents):
    name = f'd = {run.ex.latents}'
    if name not in images:
      images[name] = run.reconstruct(images['noisy input'])
  kind = NAMES[kind_of(runs[0])]
  return figures.rows(images, title=f'{kind}, fed noise')


def arms(*latents: int) -> tuple[tuple[str, ...], ...]:
  """A clean-trained and a denoising arm for each size of the code."""
  # Ridge is the same for every size: one fit of it is enough.
  rivals = dict.fromkeys(latents, '') | {latents[0]: ', baselines.ridge'}
  clean = tuple((f'clean d={d}', f'latents={d}') for d in latents)
  return clean + tuple(
    (
      f'denoising d={d}',
      f'latents={d}',
      'view=views.noisy',
      f'baselines=baselines.noisy_input{rivals[d]}',
      'pictures=pictures.denoised, pictures.curves',
    )
    for d in latents
  )


experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  network=partial(networks.mlp, widths=(256,)),
  steps=1500,
  learning_rate=1e-3,
  monitor='mse',
  pictures=(pictures.reconstructions, pictures.curves),
  report=report,
  arms=arms(2, 8, 32, 128),
)
