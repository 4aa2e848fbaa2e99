"""A dense autoencoder 784-32-784: one linear layer each way, 32 numbers.

  python launch.py --experiment=dense_autoencoder

On `digits` it beats a PCA with 32 components, though encoder and decoder are
linear too: what PCA lacks is the sigmoid. 5 s on two CPU cores with a warm
compilation cache.
"""

from functools import partial

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.factors import objectives, posteriors
from vae_jax.measures import baselines, per_example
from vae_jax.reports import claims, pictures

experiment = Experiment(
  network=partial(networks.mlp, widths=()),
  latents=32,
  posterior=posteriors.point,
  objective=objectives.reconstruction,
  steps=3000,
  learning_rate=3e-3,
  monitor='nll_nats',
  measures=(per_example.quality,),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(
    pictures.reconstructions,
    pictures.latent_scatter,
    pictures.against_baselines,
    pictures.curves,
  ),
  report=claims.beats_baselines,
)
