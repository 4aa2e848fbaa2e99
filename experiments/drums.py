"""MusicVAE on drums of two bars.

python launch.py --experiment=drums
"""

import dataclasses
from functools import partial

from experiments import music

experiment = dataclasses.replace(
  music.experiment,
  phrase='drums/2',
  network=partial(music.experiment.network, drums=(0,)),
)
