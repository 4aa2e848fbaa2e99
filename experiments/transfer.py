"""Autoencoders are data-specific: trained on one set, tested on another.

  python launch.py --experiment=transfer

Dense nets 784-32-784 for upright, rotated, inverted and permuted `digits`, and
for `photos` of a flower and of a portrait. Out of its domain every net loses to
the one of the domain, and more than PCA does, which is then the better one; of
photos it is in the domain too. 25 s on two CPU cores with a warm compilation
cache.

Convolutional nets: --set=network=networks.pooled --latents=128.
"""

import dataclasses

from experiments import dense_autoencoder
from vae_jax.measures import studies
from vae_jax.reports import cross, pictures

experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  steps=2000,
  pictures=(pictures.reconstructions, pictures.curves),
  studies=(studies.abroad,),
  report=cross.domains,
  arms=(
    ('upright',),
    *(
      (name, 'view=views.transformed', f'view.change={name}')
      for name in ('rotated', 'inverted', 'permuted')
    ),
    *((name, f'dataset=photos:{name}') for name in ('flower', 'portrait')),
  ),
)
