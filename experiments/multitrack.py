"""One bar of up to eight tracks, given its chord.

python launch.py --experiment=multitrack
"""

import dataclasses
from functools import partial

from experiments import music
from vae_jax.factors import views

STEPS = 3000

experiment = dataclasses.replace(
  music.experiment,
  steps=STEPS,
  schedule=music.falling(STEPS),
  phrase='multitrack/1',
  view=views.labelled,
  network=partial(music.experiment.network, drums=(7,)),
  latents=64,
)
