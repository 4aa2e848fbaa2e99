"""Sixteen bars of melody: a conductor over bars beside a flat decoder.

python launch.py --experiment=music_hierarchical --seed=0,1,2
"""

import dataclasses
from functools import partial

from experiments import music

STEPS = 800

experiment = dataclasses.replace(
  music.experiment,
  steps=STEPS,
  schedule=music.falling(STEPS),
  phrase='melody/16',
  network=partial(music.experiment.network, conductor=None, bar=16),
  arms=(
    ('flat',),
    ('hierarchical', 'network.conductor=192'),
  ),
)
