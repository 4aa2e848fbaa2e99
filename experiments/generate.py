"""Random codes of a plain autoencoder decoded, beside a VAE's samples.

  python launch.py --experiment=generate

On `digits`, 8 latents, 3 seeds (--seed=0,1,2), by the Frechet distance between
a classifier's features of samples and of training images: the VAE's samples
143 +- 17, decoded codes of a plain autoencoder 697 +- 98 where they are drawn
from N(0, I) and 65 +- 13 where they are drawn from a normal fitted to its
training codes; unseen real images 12 +- 2. So the claim that a VAE's samples
are better than decoded random codes holds against N(0, I) alone: what a VAE
brings is the prior, and its softer decodings may cost it the rest. On mnist
after 5 epochs, one seed: 266, 525, 157, real images 10.

Nearest-neighbour distance orders them the other way round, the VAE's 5.47
before the autoencoder's 5.59, and prefers blurred real images to sharp ones.
29 s for one seed on two CPU cores with a warm compilation cache.
"""

from functools import partial

from experiments import classifier
from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.measures import baselines, per_example, samples
from vae_jax.reports import judged, pictures

experiment = Experiment(
  network=partial(networks.mlp, widths=(500,)),
  latents=8,
  epochs=100.0,
  measures=(per_example.quality,),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(pictures.reconstructions, pictures.curves),
  studies=(samples.judged,),
  report=judged.samples,
  arms=(
    (
      'autoencoder',
      'posterior=point',
      'objective=reconstruction',
      'monitor=nll_nats',
    ),
    ('vae',),
    ('classifier', classifier.experiment),
  ),
)
