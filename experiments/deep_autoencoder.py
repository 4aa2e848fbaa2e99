"""A deep dense autoencoder 784-128-64-32-64-128-784.

  python launch.py --experiment=deep_autoencoder

On `digits` it beats PCA, but on 1,500 training images not the one-layer
dense_autoencoder. 7 s on two CPU cores with a warm compilation cache.
"""

import dataclasses
from functools import partial

from experiments import dense_autoencoder
from vae_jax import networks

experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  network=partial(networks.mlp, widths=(128, 64)),
)
