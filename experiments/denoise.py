"""Removes noise N(0.5, 0.5) from digits it has never seen.

  python launch.py --experiment=denoise

A small U-Net, 2 dB above a ridge regression fitted on the same images with
eight draws of the noise; the lesson's net is below it. 33 s on two CPU cores
with a warm compilation cache.

The lesson's 50 epochs, --set=network=pooled --dataset=mnist --epochs=50
--batch_size=128 --learning_rate=3e-3 --seed=0,1,2: .1239, .1268, .1253 nats per
pixel on noise that it has not seen.
"""

from functools import partial

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.factors import objectives, posteriors, views
from vae_jax.measures import baselines, per_example
from vae_jax.reports import claims, pictures

experiment = Experiment(
  view=views.noisy,
  # No narrow bottleneck: noise is removed by what the net knows of digits, not
  # by squeezing the image.
  network=partial(networks.unet, widths=(32, 64), dense=256),
  latents=None,  # 14x14x32 + 7x7x64 + 256 on 28x28
  posterior=posteriors.point,
  objective=objectives.reconstruction,
  batch_size=64,
  steps=600,
  monitor='mse',
  measures=(per_example.quality,),
  baselines=(
    baselines.noisy_input,
    baselines.gaussian_blur,
    partial(baselines.pca, components=32),
    baselines.ridge,
  ),
  pictures=(pictures.denoised, pictures.against_baselines, pictures.curves),
  report=claims.beats_baselines,
  arms=(
    ('unet',),
    ('lesson', 'network=networks.pooled', 'steps=3000'),
  ),
)
