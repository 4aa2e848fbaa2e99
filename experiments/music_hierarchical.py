"""Sixteen bars of melody: decoded under a conductor, and by a flat decoder.

python launch.py --experiment=music_hierarchical
"""

import dataclasses
from functools import partial

from experiments import music
from vae_jax import networks

STEPS = 1200

experiment = dataclasses.replace(
  music.experiment,
  phrase='melody/16',
  network=partial(
    networks.recurrent, encoder=64, widths=(64,), bar=4, by_bar=True
  ),
  batch_size=16,
  steps=STEPS,
  report_every=STEPS,
  schedule=music.falling(STEPS),
  arms=(
    ('flat',),
    ('hierarchical', 'network.conductor=128'),
  ),
)
