"""MusicVAE on drums of two bars.

  python launch.py --experiment=drums
  python launch.py --experiment=drums --dataset=groove --data_dir=DIR

98.4 % of the steps of unseen phrases are right free-running, 99.0 % after the
right step, with 89 bits of KL; 98 s on two CPU cores.
"""

import dataclasses
from functools import partial

from experiments import music

experiment = dataclasses.replace(
  music.experiment,
  phrase='drums/2',
  network=partial(music.experiment.network, drums=(0,)),
)
