"""Self-supervised features: a frozen encoder under a linear classifier.

  python launch.py --experiment=probe

Two dense encoders 784-512-64 on `digits`; of 297 test images a tenth of a point
is nothing. A linear probe on the codes of the plain one is no better than on
pixels or PCA, on those of the denoising one by up to a point and a half, except
with 100 labels: self-supervision helps where noise made the task hard. 26 s on
two CPU cores with a warm compilation cache.
"""

import dataclasses
from functools import partial

from experiments import dense_autoencoder
from vae_jax import networks
from vae_jax.measures import codes
from vae_jax.reports import encoded, pictures

experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  network=partial(networks.mlp, widths=(512,)),
  latents=64,
  steps=1500,
  learning_rate=1e-3,
  studies=(codes.probed,),
  report=encoded.few_labels,
  pictures=(pictures.reconstructions, pictures.curves),
  arms=(
    ('plain', 'baselines=baselines.mean_image, baselines.pca'),
    (
      'denoising',
      'view=views.noisy',
      'baselines=baselines.noisy_input, baselines.ridge',
      'pictures=pictures.denoised, pictures.curves',
    ),
  ),
)
