"""GrooVAE: given which drums are hit, how hard and how late.

  python launch.py --experiment=groove
  python launch.py --experiment=groove --dataset=groove --data_dir=DIR

Velocities are 2.6 of 127 off, 6.1 by the mean of each drum at each step; 34 s
on two CPU cores. Of groove's drummers, who are people, 23.0, and 25.9 by those
means.
"""

import dataclasses
from functools import partial

from experiments import music
from vae_jax import networks
from vae_jax.factors import likelihoods, views
from vae_jax.measures import per_example, struck
from vae_jax.reports import pictures, played

STEPS = 2000

experiment = dataclasses.replace(
  music.experiment,
  phrase='groove/2',
  view=views.hits,
  network=partial(
    networks.recurrent, encoder=64, widths=(128,), bar=4, by_bar=True, deaf=True
  ),
  likelihood=likelihoods.struck,
  steps=STEPS,
  report_every=500,
  schedule=music.falling(STEPS),
  measures=(struck.errors, per_example.active_latents),
  studies=(struck.habits,),
  pictures=(played.performed, pictures.curves),
  report=played.humanised,
)
