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
