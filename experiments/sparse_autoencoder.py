"""A rectified code of 32 values, with and without an L1 penalty on it.

  python launch.py --experiment=sparse_autoencoder

On `digits` the penalty makes the mean activation five times smaller. Much of
that is scale, which costs a decoder nothing; Hoyer's sparseness, which does not
see it, rises too. It costs some tenths of a dB. 12 s on two CPU cores with a
warm compilation cache.
"""

from functools import partial

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.factors import objectives, posteriors
from vae_jax.measures import baselines, codes, per_example, studies
from vae_jax.reports import claims, pictures, sparsity

experiment = Experiment(
  network=partial(networks.mlp, widths=(256,), rectified=True),
  latents=32,
  posterior=posteriors.point,
  objective=objectives.sparse,
  steps=3000,
  monitor='nll_nats',
  measures=(per_example.quality, per_example.sparseness),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(pictures.against_baselines, pictures.curves),
  studies=(codes.ranked, studies.reconstructed),
  report=partial(
    claims.all_of, reports=(sparsity.by_penalty, claims.beats_baselines)
  ),
  arms=(('plain', 'sparsity=0.0'), ('sparse', 'sparsity=0.1')),
)
