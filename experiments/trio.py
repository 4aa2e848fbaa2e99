"""Melody, bass and drums of one bar, a decoder each under one conductor.

python launch.py --experiment=trio
"""

import dataclasses
from functools import partial

from experiments import music

experiment = dataclasses.replace(
  music.experiment,
  phrase='trio/1',
  network=partial(music.experiment.network, drums=(2,)),
  latents=64,
)
