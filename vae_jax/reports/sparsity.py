"""What a penalty on the code's size did to it, and what it cost."""

import numpy as np

from vae_jax import figures
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import (
  Report,
  by_arm,
  held,
  mean_and_error,
  mean_of,
  studied,
)

MEASURES = ('mean_activation', 'active_share', 'hoyer_sparseness', 'psnr_db')


def by_penalty(runs: list[Run]) -> Report:
  """The arms `plain` and `sparse` side by side, by per_example.sparseness and
  codes.ranked; images by studies.reconstructed."""
  arms = by_arm(runs)
  results = {
    arm: mean_of([{m: run.results[m] for m in MEASURES} for run in members])
    for arm, members in arms.items()
  }
  drawn = {
    'activations': activations(by_arm(studied(runs, 'ranked'))),
    'side_by_side': rows(by_arm(studied(runs, 'reconstructed'))),
  }
  return Report({'arms': results}, drawn, penalty(arms))


def values(runs: list[Run], measure: str):
  """One measure of each run: [R]."""
  return np.array([run.results[measure] for run in runs])


def penalty(arms) -> list[str]:
  """Verdicts on the penalty; none without both arms."""
  if not {'plain', 'sparse'} <= arms.keys():
    return []
  both = [
    [values(arms[arm], m) for arm in ('plain', 'sparse')] for m in MEASURES
  ]
  (dense, low), (many, few), (flat, peaked), (good, worse) = both
  say = mean_and_error
  factor = dense.mean() / max(low.mean(), 1e-9)
  return [
    f'the penalty lowers the mean activation: {held(factor > 1)}, '
    f'{say(dense)} to {say(low)}, by a factor of {factor:.1f}',
    'and the code is sparser whatever its scale: '
    f'{held(peaked.mean() > flat.mean())}, Hoyer sparseness '
    f'{say(flat)} to {say(peaked)}, '
    f'{100 * many.mean():.0f} to {100 * few.mean():.0f} % of the values active',
    f'its price: {good.mean() - worse.mean():.2f} dB PSNR '
    f'({say(good)} to {say(worse)})',
  ]


def activations(arms):
  """Sorted |z|, a mean over test images, as it is and as a share of the code's
  L1 norm."""
  if not arms:
    return None
  sizes, shares = {}, {}
  for arm, [run, *_] in arms.items():
    found, name = run.studies['ranked'], arm or 'this model'
    sizes[name] = by_rank(found['activation'])
    shares[name] = by_rank(100 * np.array(found['share_of_l1']))
  panels = {'mean activation': sizes, '% of the L1 norm': shares}
  return figures.lines(panels, 'value of the code, largest first', log=None)


def by_rank(value_Z) -> dict:
  """1, 2, ... -> the value of this rank."""
  return {i + 1: [v] for i, v in enumerate(value_Z)}


def rows(arms):
  """Test images and their reconstructions by the first run of each arm."""
  if not arms:
    return None
  [first, *_] = next(iter(arms.values()))
  images, notes = {'input': first.studies['reconstructed']['wanted']}, {}
  for arm, [run, *_] in arms.items():
    name = arm or 'reconstruction'
    images[name] = run.studies['reconstructed']['images']
    notes[name] = f'{run.results["psnr_db"]:.1f} dB'
  title = f'Unseen {first.ex.dataset} through {first.ex.latents} latents'
  return figures.rows(images, title=title, notes=notes)
