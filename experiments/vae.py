"""A variational autoencoder 784-500-2-500-784 with its latent plane.

python launch.py --experiment=vae
"""

from functools import partial

from vae_jax import baselines, evaluate, networks, pictures, results
from vae_jax.config import Experiment

experiment = Experiment(
  network=partial(networks.mlp, widths=(500,)),
  latents=2,
  epochs=100.0,
  measures=(evaluate.elbo, evaluate.active_latents, evaluate.quality),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(
    pictures.reconstructions,
    pictures.prior_samples,
    pictures.manifold,
    pictures.latent_scatter,
    pictures.curves,
  ),
  report=results.beats_baselines,
)
