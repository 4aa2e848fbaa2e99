"""Compression is lossy, and the loss decides what is lost; JPEG beside it.

  python launch.py --experiment=losses

One net 784-32-784 with sigmoid outputs on `digits` under four losses. Two are
best by their own measure; the net trained under bce is better by squared error
than the one under mse, and by absolute error than the one under l1, which
leaves pixels dead. Codes in 2 to 8 bits a latent beat JPEG, its header not
counted, at equal bytes, and PCA's codes too. 29 s on two CPU cores with a warm
compilation cache.
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
