"""Noise on the codes of unseen digits: when does a digit become another one.

  python launch.py --experiment=latent_noise

On `digits`, 8 latents, 3 seeds (--seed=0,1,2): half of the decoded images
change their class at noise of 1.19 +- .03 standard deviations of the codes for
the VAE, 1.16 +- .02 for the plain autoencoder. That is no clear difference: in
units of their own spread both bear the same noise. 33 s for one seed on two
CPU cores with a warm compilation cache.
"""

import dataclasses

from experiments import generate
from vae_jax.measures import studies
from vae_jax.reports import noise

experiment = dataclasses.replace(
  generate.experiment,
  studies=(studies.label_flips, studies.noisy_codes),
  report=noise.on_codes,
)
