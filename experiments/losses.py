"""Compression is lossy, and the loss decides what is lost; JPEG beside it.

  python launch.py --experiment=losses

2,000 steps an arm, one net 784-32-784 with sigmoid outputs on `digits`. Each
loss is best by its own measure in 2 of 4: bce and ssim are, but the net trained
under bce is 16 % better by squared error than the one under mse, and 47 %
better by absolute error than the one under l1, which leaves pixels dead. Codes
of 8, 32 and 128 latents in 2 to 8 bits beat JPEG, its header not counted, at
equal bytes in 6 of 6 points, by 3.7 to 6.7 dB; so do PCA's, by 1.5 to 4.9 dB.
One seed; 27 s on two CPU cores with a warm compilation cache.
"""

import dataclasses
from functools import partial

from experiments import dense_autoencoder
from vae_jax.measures import compression, per_example
from vae_jax.reports import claims, cross, pictures, rates

# The outputs of all pass a sigmoid; codes are coded for squared error alone.
SQUARED = (
  'likelihood=likelihoods.normal(sigmoid=True)',
  'studies=compression.losses, compression.rate',
)

experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  steps=2000,
  monitor='mse',
  measures=(per_example.quality,),
  pictures=(pictures.reconstructions, pictures.curves),
  studies=(compression.losses,),
  report=partial(claims.all_of, reports=(cross.losses, rates.against_jpeg)),
  arms=(
    ('bce', 'likelihood=likelihoods.bernoulli'),
    ('mse', *SQUARED),
    ('l1', 'likelihood=likelihoods.laplace(sigmoid=True)'),
    ('ssim', 'objective=objectives.structural'),
    ('mse d=8', *SQUARED, 'latents=8'),
    ('mse d=128', *SQUARED, 'latents=128'),
  ),
)
