"""The lesson's convolutional autoencoder: 4x4x8 code, 4,385 parameters.

  python launch.py --experiment=autoencoder

On `digits` it loses to a PCA with as many components and 23 times the
parameters. 13 s on two CPU cores with a warm compilation cache.

As in the lesson, --dataset=mnist --epochs=25 --batch_size=128
--learning_rate=3e-3 --seed=0,1,2: .0895, .0916, .0896 nats per pixel.
"""

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.factors import objectives, posteriors
from vae_jax.measures import baselines, per_example
from vae_jax.reports import claims, pictures

experiment = Experiment(
  network=networks.pooled,
  latents=None,  # 4x4x8 on 28x28
  posterior=posteriors.point,
  objective=objectives.reconstruction,
  batch_size=32,
  learning_rate=5e-3,
  steps=2500,
  monitor='nll_nats',
  measures=(per_example.quality,),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(pictures.reconstructions, pictures.curves),
  report=claims.beats_baselines,
)
