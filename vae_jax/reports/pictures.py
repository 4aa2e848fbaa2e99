"""Pictures of a trained model: Trained -> Figure, or None where it has none.

The file of a picture carries the name of its function.
"""

from statistics import NormalDist

import numpy as np

from vae_jax import data, figures
from vae_jax.console import words
from vae_jax.factors import views
from vae_jax.images import whole_factor
from vae_jax.measures import codes
from vae_jax.measures.trained import Trained

CURVES_ELBO = r'$-$ELBO (nats per image)'
CURVES_NLL = 'reconstruction (nats per image)'
CURVES = {
  CURVES_ELBO: ('train/nelbo_nats', 'test/nelbo_nats'),
  CURVES_NLL: ('train/nll_nats', 'test/nll_nats'),
  'KL (nats per image)': ('train/kl_nats', 'test/kl_nats'),
  'PSNR (dB)': ('test/psnr_db',),
}


def denoised(trained: Trained, count: int = 10):
  """Rows: what was wanted, what was seen, each rival, the model's own."""
  seen, wanted, given = test_examples(trained, count)
  rows = {'clean': wanted, 'noisy input': seen}
  notes = {'noisy input': _decibels(trained, 'noisy_input')}
  for name, images in _best_rival(trained):
    rows[words(name)] = np.clip(images[data.spread(len(images), count)], 0, 1)
    notes[words(name)] = _decibels(trained, name)
  rows['this model'] = trained.reconstruct(seen, given)
  if 'psnr_db' in trained.results:
    notes['this model'] = f'{trained.results["psnr_db"]:.1f} dB'
  title = f'Denoising unseen {trained.ex.dataset}'
  return figures.rows(rows, title=title, notes=notes)


def enlarged(trained: Trained, count: int = 10):
  """Rows: what is seen, bicubic, the best baseline, the model, the target."""
  seen, wanted, given = test_examples(trained, count)
  rivals = trained.results.get('baselines', {})
  best = sorted(rivals, key=lambda name: -rivals[name]['psnr_db'])[:1]
  rows, notes = {'seen': seen}, {}
  for name in dict.fromkeys(['bicubic', *best]):
    if name in trained.rivals:
      images = trained.rivals[name]
      rows[words(name)] = images[data.spread(len(images), count)]
      notes[words(name)] = f'{rivals[name]["psnr_db"]:.1f} dB'
  rows['this model'] = trained.reconstruct(seen, given)
  if 'psnr_db' in trained.results:
    notes['this model'] = f'{trained.results["psnr_db"]:.1f} dB'
  rows['target'] = wanted
  factor = whole_factor(seen.shape, wanted.shape)
  title = f'Unseen {trained.ex.dataset}, {factor}x as large'
  return figures.rows(rows, title=title, notes=notes)


def reconstructions(trained: Trained, count: int = 10):
  """Rows: test images and the mean images for their mean codes."""
  seen, wanted, given = test_examples(trained, count)
  rows = {'input': wanted, 'reconstruction': trained.reconstruct(seen, given)}
  title = f'Unseen {trained.ex.dataset} through {trained.ex.latents} latents'
  return figures.rows(rows, title=title)


def test_examples(trained: Trained, count: int) -> views.Example:
  """Examples from all over the test split, which may be sorted by class."""
  index = data.spread(len(trained.test.seen), count)
  return views.Example(*[x if x is None else x[index] for x in trained.test])


def prior_samples(trained: Trained, rows: int = 8, columns: int = 16):
  """Mean images of draws from the prior."""
  given = trained.test.given
  if given is not None:
    given = given[np.arange(rows * columns) % len(given)]
  images = trained.generate(rows * columns, trained.ex.seed, given)
  images = images.reshape(rows, columns, *images.shape[1:])
  return figures.grid(images, title='Decoded draws from the prior')


def manifold(trained: Trained, size: int = 20):
  """Decoded codes on quantiles of a standard normal prior; for two latents."""
  if trained.ex.latents != 2 or trained.test.given is not None:
    return None
  quantiles = (np.arange(size) + 0.5) / size
  z = np.array([NormalDist().inv_cdf(float(q)) for q in quantiles])
  # The second latent grows upwards, as in the scatter.
  codes = np.stack(np.meshgrid(z, z[::-1]), -1).reshape(-1, 2)
  images = trained.decode(codes.astype(np.float32))
  return figures.grid(
    images.reshape(size, size, *images.shape[1:]),
    title='Decoded codes on quantiles of the prior',
    x_label='$z_1$',
    y_label='$z_2$',
    x_ticks=[f'{v:.1f}' for v in z],
    y_ticks=[f'{v:.1f}' for v in z[::-1]],
  )


def latent_scatter(trained: Trained):
  """z_mean of the test split by class: the first two latents, or the first two
  principal components of more."""
  found = codes.plane(trained)
  return scatter_of(found, trained.ex.dataset) if found else None


def scatter_of(plane: dict, dataset: str):
  """The figure of what codes.plane found."""
  return figures.scatter(
    plane['points'],
    plane.get('label'),
    plane['classes'] or None,
    f'Codes of unseen {dataset}',
    *plane['axes'],
  )


def curves(trained: Trained):
  """The loss of training and test split, PSNR and KL over the run."""
  # The figures before the first step would flatten all that follow.
  history = [row for row in trained.history if row['step'] > 0]
  if not history:
    return None
  panels = {
    label: tuple(key for key in keys if key in history[-1])
    for label, keys in CURVES.items()
  }
  panels = {label: keys for label, keys in panels.items() if keys}
  if CURVES_ELBO in panels:
    panels.pop(CURVES_NLL, None)
  return figures.curves(history, panels)


def against_baselines(trained: Trained):
  """Bars: PSNR of the model beside its rivals'."""
  if 'psnr_db' not in trained.results:
    return None
  bars = {
    words(n): b['psnr_db']
    for n, b in trained.results.get('baselines', {}).items()
  }
  bars['this model'] = trained.results['psnr_db']
  return figures.bars(
    bars,
    title=f'Test split of {trained.ex.dataset}',
    y_label='PSNR (dB)',
    highlight='this model',
  )


def _best_rival(trained: Trained):
  rivals = trained.results.get('baselines', {})
  names = [n for n in trained.rivals if n != 'noisy_input']
  if not names:
    return []
  best = max(names, key=lambda name: rivals[name]['psnr_db'])
  return [(best, trained.rivals[best])]


def _decibels(trained: Trained, name):
  rival = trained.results.get('baselines', {}).get(name)
  return f'{rival["psnr_db"]:.1f} dB' if rival else ''
