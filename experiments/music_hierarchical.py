"""Sixteen bars of melody: decoded under a conductor, and by a flat decoder.

  python launch.py --experiment=music_hierarchical

80 s on two CPU cores, 1,200 steps each: neither knows much of unseen phrases by
then, 66.2 and 68.0 % of the steps free-running (three seeds). After 8,000 of
three seeds (schedule.learning_rate=warm_cosine(warm=100,steps=8000,last=0.02))
the flat decoder is right in 73.9 % after the right step and 65.7 % on its own,
the one under a conductor of quarter notes in 72.1 and 69.6: it loses 2.5 points
and not 8.3; with LSTMs of 128 and 10,000 steps (one seed) 2.6 and not 9.5. With
an embedding a bar (network.bar=16) and one seed it was right in 58 % after
2,000 steps, where one of quarter notes was in 69. 2,000 phrases are soon known
by heart; of 20,000, with LSTMs of 128 and 30,000 steps (one seed, 46 min beside
other work), the flat decoder is right in 82.3 and 69.9 %, the one under a
conductor in 83.8 and 80.8, and loses 2.9 points where the other loses 12.4:

  python launch.py --experiment=music_hierarchical --dataset=songs:20000 \\
    --steps=30000 --set='network.widths=(128,)' \\
    --set='schedule.learning_rate=warm_cosine(warm=100,steps=30000,last=0.02)'
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
