"""A small classifier, the judge of what other experiments decode.

  python launch.py --experiment=classifier

On mnist (--epochs=5) 98.9 % of the test images are classified rightly. 6 s on
two CPU cores with a warm compilation cache.
"""

from functools import partial

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.factors import likelihoods, objectives, posteriors, views
from vae_jax.measures import per_example, studies
from vae_jax.reports import claims, pictures

experiment = Experiment(
  view=views.labels,
  network=partial(networks.classifier, widths=(16, 32)),
  latents=64,
  posterior=posteriors.point,
  likelihood=likelihoods.categorical,
  objective=objectives.reconstruction,
  batch_size=64,
  learning_rate=2e-3,
  steps=500,
  monitor='nll_nats',
  measures=(per_example.accuracy,),
  pictures=(pictures.curves,),
  studies=(studies.majority,),
  report=claims.rightly_classified,
)
