"""Noise does not fit a bottleneck? Nets that never saw noise, and denoisers.

  python launch.py --experiment=bottleneck

784-256-d-256-784 on `digits` with noise N(0.5, 0.5). Nets that never saw noise
are worse than a PCA projection at every d and pass more of the noise: the claim
does not hold. The same nets trained to denoise beat ridge regression from d =
32 on. 49 s on two CPU cores with a warm compilation cache.
"""

import dataclasses
from functools import partial

from experiments import dense_autoencoder
from vae_jax import networks
from vae_jax.measures import studies
from vae_jax.reports import noise, pictures

NOISY = (
  'view=views.noisy',
  'pictures=pictures.denoised, pictures.curves',
  'baselines=baselines.noisy_input',
)
SIZES = (2, 8, 32, 128)

experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  network=partial(networks.mlp, widths=(256,)),
  steps=1500,
  learning_rate=1e-3,
  monitor='mse',
  pictures=(pictures.reconstructions, pictures.curves),
  studies=(studies.noise_passed,),
  report=noise.through_bottleneck,
  arms=(
    *((f'clean d={d}', f'latents={d}') for d in SIZES),
    # Ridge is the same for every size: one fit of it is enough.
    ('denoising d=2', 'latents=2', *NOISY[:2], f'{NOISY[2]}, baselines.ridge'),
    *((f'denoising d={d}', f'latents={d}', *NOISY) for d in SIZES[1:]),
  ),
)
