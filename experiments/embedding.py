"""Codes of 2 to 128 numbers beside as many principal components.

  python launch.py --experiment=embedding

Seven dense autoencoders 784-512-128-d, trained together as one program on
`digits`. At d = 2 the codes beat two principal components by every measure; by
squared error they are ahead up to d = 32; there they lose, by little, on 5-NN
and on trustworthiness. 74 s on two CPU cores with a warm compilation cache.
"""

import dataclasses
from functools import partial

from experiments import dense_autoencoder
from vae_jax import networks
from vae_jax.measures import codes
from vae_jax.reports import encoded, pictures

experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  network=partial(networks.mlp, widths=(512, 128)),
  steps=1500,
  learning_rate=1e-3,
  studies=(codes.against_pca, codes.beside_pca),
  report=encoded.against_pca,
  pictures=(pictures.reconstructions,),
  arms=tuple((f'd={d}', f'latents={d}') for d in (2, 4, 8, 16, 32, 64, 128)),
)
