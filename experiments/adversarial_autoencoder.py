"""An adversarial autoencoder: a critic shapes the codes, no KL does.

  python launch.py --experiment=adversarial_autoencoder

Trained on `digits` until the codes of the test split are as near to the prior
as two sets of its draws are to each other; the same net whose encoder does not
answer the critic ends farther from it than it began. The game costs a few
tenths of a dB. 14 s on two CPU cores with a warm compilation cache.
"""

from functools import partial

import optax

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.factors import objectives, posteriors
from vae_jax.measures import baselines, codes, per_example
from vae_jax.reports import claims, matched, pictures

experiment = Experiment(
  network=partial(networks.mlp, widths=(256, 256)),
  latents=2,
  posterior=posteriors.point,
  objective=objectives.adversarial,
  critic=partial(networks.critic, widths=(128, 128)),
  # Adam's own memory of 0.9 is longer than a turn of the game.
  optimizer=partial(optax.scale_by_adam, b1=0.5),
  steps=2000,
  report_every=50,
  monitor='nll_nats',
  measures=(per_example.quality,),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(
    pictures.reconstructions,
    pictures.prior_samples,
    pictures.manifold,
    pictures.curves,
  ),
  studies=(codes.fit_to_prior, codes.plane),
  report=partial(
    claims.all_of, reports=(matched.to_prior, claims.beats_baselines)
  ),
  arms=(
    # Nothing of the critic reaches the model: a plain autoencoder.
    ('plain', 'beta=0.0'),
    ('adversarial', 'beta=30.0'),
  ),
)
