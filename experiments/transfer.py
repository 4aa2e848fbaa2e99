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
