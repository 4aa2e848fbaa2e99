"""What becomes of noise: on images, on codes, and as an image."""

import numpy as np

from vae_jax import config, figures
from vae_jax.console import counted
from vae_jax.factors import views
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import (
  Report,
  by_arm,
  by_label,
  held,
  mean_and_error,
  mean_of,
  paired,
  studied,
)

KINDS = ('clean', 'denoising')
NAMES = {
  'clean': 'AE, trained on clean',
  'denoising': 'AE, trained to denoise',
  'pca': 'PCA projection',
}
MEASURES = {'psnr_db': 'PSNR (dB)', 'share_passed': 'noise passed (share)'}
UNIT = 'noise (standard deviations of the codes)'
FLIPPED = 'decoded images whose class has changed (%)'


def through_bottleneck(runs: list[Run]) -> Report:
  """PSNR on noisy images and the share of the noise that is passed, over the
  latents d; nothing unless there are clean-trained and denoising models with
  studies.noise_passed."""
  runs = sorted(studied(runs, 'noise_passed'), key=lambda run: run.ex.latents)
  clean, denoising = ([r for r in runs if kind_of(r) == k] for k in KINDS)
  if not (clean and denoising):
    return Report()
  value_S = over_latents(clean, denoising)
  flat = {
    name: rival['psnr_db']
    for run in denoising
    for name, rival in run.results.get('baselines', {}).items()
  }
  means = {
    name: {d: float(np.mean(value)) for d, value in by_d.items()}
    for name, by_d in value_S.items()
  }
  shown = {f'rows_{kind_of(r[0])}': noisy_rows(r) for r in (clean, denoising)}
  drawn = {'noise': bottleneck_curves(value_S, flat)}
  lines = [projects(value_S, flat), passes(value_S), learns(value_S, flat)]
  return Report(means | {'rivals': flat}, drawn | shown, lines)


def kind_of(run: Run) -> str:
  """'clean' or 'denoising', by what the run was trained to see."""
  return KINDS[config.parts(run.ex.view)[0] is views.noisy]


def over_latents(clean, denoising) -> dict[str, dict[int, list]]:
  """Measure -> d -> its values over the seeds, d growing."""
  found = {}
  for run in [*clean, *denoising]:
    for measure in MEASURES:
      for kind, name in ((kind_of(run), measure), ('pca', f'pca_{measure}')):
        if name in run.studies['noise_passed']:
          by_d = found.setdefault(f'{kind}_{measure}', {})
          number = run.studies['noise_passed'][name]
          by_d.setdefault(run.ex.latents, []).append(number)
  return found


def projects(value_S, flat) -> str:
  """On the claim that a bottleneck trained on clean images denoises."""
  clean, pca = value_S['clean_psnr_db'], value_S['pca_psnr_db']
  won = [d for d in clean if np.mean(clean[d]) > np.mean(pca[d])]
  claim = held(len(won) == len(clean))
  given = f', its input {flat["noisy_input"]:.1f}' if flat else ''
  seeds = counted(min(map(len, clean.values())), 'seed')
  return (
    f'noise does not fit the bottleneck (a clean-trained one denoises better '
    f'than PCA): {claim}, in {len(won)} of {len(clean)}; at d = {each(clean)} '
    f'it has {each(clean, ".1f")} dB, the PCA projection {each(pca, ".1f")} '
    f'dB{given}; {seeds}'
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
      f', {mean_and_error(gain_S)} dB above the clean-trained one at '
      f'd = {both[-1]}'
    )
  if 'ridge' in flat:
    gap_S = np.array(denoising[best]) - flat['ridge']
    word = 'beats' if gap_S.mean() > 0 else 'LOSES to'
    gap = mean_and_error(gap_S * np.sign(gap_S.mean()))
    line += f'; the best, d = {best}, {word} ridge by {gap} dB'
  return line


def each(by_d, form: str = '') -> str:
  """'2, 8' of {2: ..., 8: ...}; with a format, the means of the values."""
  if not form:
    return ', '.join(map(str, by_d))
  return ', '.join(f'{np.mean(value):{form}}' for value in by_d.values())


def bottleneck_curves(value_S, flat):
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


def noisy_rows(runs: list[Run]):
  """Clean and noisy test images, and what the models of each d make of them."""
  first = runs[0].studies['noise_passed']
  images = {'clean': first['clean'], 'noisy input': first['noisy']}
  for run in runs:
    name = f'd = {run.ex.latents}'
    images.setdefault(name, run.studies['noise_passed']['images'])
  title = f'{NAMES[kind_of(runs[0])]}, fed noise'
  return figures.rows(images, title=title)


def as_image(runs: list[Run]) -> Report:
  """What the runs with studies.fed_noise make of small images of noise."""
  verdicts, measures, rows = [], {}, {}
  for label, members in by_label(studied(runs, 'fed_noise')).items():
    fed = [figures_of(run.studies['fed_noise']) for run in members]
    measures[label or 'model'] = mean_of(fed)
    line = of_noise(fed)
    verdicts.append(f'{label}: {line}' if label else line)
    first = members[0].studies['fed_noise']
    size = 'x'.join(map(str, first['noise'].shape[1:]))
    rows[f'noise {size}'] = first['noise']
    rows[f'bicubic of {size}'] = first['bicubic']
    rows[label or 'this model'] = first['images']
    factor = first['images'].shape[1] // first['noise'].shape[1]
  if not rows:
    return Report()
  title = f'Noise fed to the {factor}x models'
  drawn = {'fed_noise': figures.rows(rows, title=title)}
  return Report({'fed_noise': measures}, drawn, verdicts)


def figures_of(found: dict) -> dict[str, float]:
  """The numbers among what a study found."""
  return {k: v for k, v in found.items() if isinstance(v, int | float)}


def of_noise(fed) -> str:
  """One line on what came of noise."""
  mean = mean_of(fed)
  agrees = mean_and_error([f['consistency_db'] for f in fed], ' dB')
  return (
    f'fed noise, its images agree with it to {agrees} after area means, and '
    f'with its bicubic enlargement to {mean["against_bicubic_db"]:.1f} dB; '
    f'{mean["extreme_share"]:.0%} of the pixels are nearly 0 or 1 (bicubic '
    f'{mean["extreme_share_bicubic"]:.0%}, test images '
    f'{mean["extreme_share_test"]:.0%})'
  )


def on_codes(runs: list[Run]) -> Report:
  """The share of decoded images whose predicted class is no more that of the
  clean decoding, for each level of noise, of each model with
  studies.label_flips; rows of images with studies.noisy_codes."""
  first = {
    arm: of[0] for arm, of in by_arm(studied(runs, 'noisy_codes')).items()
  }
  pictures = {
    f'noisy_codes_{arm}': code_rows(run) for arm, run in first.items()
  }
  runs = studied(runs, 'label_flips')
  if not runs:
    return Report(pictures=pictures)
  levels = runs[0].studies['label_flips']['levels']
  curves_RL = {
    label: [run.studies['label_flips']['flipped_share'] for run in members]
    for label, members in by_label(runs).items()
  }
  means = {
    label: np.mean(c_RL, 0).tolist() for label, c_RL in curves_RL.items()
  }
  return Report(
    {'noise_levels_sd': levels, 'flipped_share': means},
    pictures | {'flips': flip_curves(means, levels)},
    flip_verdicts(runs, curves_RL, levels),
  )


def flip_verdicts(runs, curves_RL, levels) -> list[str]:
  """Where half have flipped, and whether a VAE's codes bear more noise."""
  half = {
    label: [half_flipped(curve_L, levels) for curve_L in curve_RL]
    for label, curve_RL in curves_RL.items()
  }
  lines = []
  for label, pairs in paired(runs, 'vae', 'autoencoder').items():
    other = pairs[0][1].label
    claim = held(clearly_more(half[label], half[other]))
    lines.append(
      f'codes of a VAE bear more noise than those of a plain autoencoder: '
      f'{claim}; {halves(half, levels)}'
    )
  return lines or [halves(half, levels)]


def half_flipped(curve_L, levels) -> float:
  """The level at which half have changed, between those measured; infinite if
  fewer have at the last."""
  # What has flipped may flip back: the first crossing counts.
  for i in range(1, len(curve_L)):
    low, high = curve_L[i - 1 : i + 1]
    if high >= 0.5:
      part = (0.5 - low) / (high - low)
      return levels[i - 1] + part * (levels[i] - levels[i - 1])
  return float('inf')


def clearly_more(a_R, b_R) -> bool:
  """Whether the mean of a is above that of b, of several runs by more than two
  standard errors of the difference."""
  if not (np.isfinite(a_R).all() and np.isfinite(b_R).all()):
    return bool(np.mean(a_R) > np.mean(b_R))
  error = sum(np.var(x, ddof=1) / len(x) for x in (a_R, b_R) if len(x) > 1)
  return bool(np.mean(a_R) - np.mean(b_R) > 2 * np.sqrt(error))


def halves(half: dict, levels) -> str:
  """'half of the classes change at 1.20 sd (vae), 0.90 sd (autoencoder)'."""
  parts = [
    f'{mean_and_error(levels_R, " sd")} ({label})'
    if np.isfinite(levels_R).all()
    else f'above {levels[-1]:g} sd ({label})'
    for label, levels_R in half.items()
  ]
  return f'half of the classes change at {", ".join(parts)}'


def code_rows(run: Run):
  """Rows: levels of noise on the code of one unseen image of each class."""
  found = run.studies['noisy_codes']
  pairs = zip(found['levels'], found['images'], strict=True)
  rows = {f'{level:g} sd': images for level, images in pairs}
  title = f'Unseen digits, noise on their codes: {run.label or run.ex.dataset}'
  return figures.rows({'input': found['wanted'], **rows}, title=title)


def flip_curves(means, levels):
  """Share of changed classes over the level of noise, a line a model."""
  history = [
    {UNIT: level}
    | {f'{label}/flipped': 100 * mean_L[i] for label, mean_L in means.items()}
    for i, level in enumerate(levels)
  ]
  keys = tuple(f'{label}/flipped' for label in means)
  return figures.curves(history, {FLIPPED: keys}, x=UNIT)
