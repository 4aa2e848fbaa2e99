"""A variational autoencoder 784-500-2-500-784 with its latent plane.

  python launch.py --experiment=vae

100 epochs of `digits`: above PCA with two components. 9 s on two CPU cores with
a warm compilation cache.

On statically binarised MNIST it follows the published curve of flax's example:

  python launch.py --experiment=vae --dataset=binarized_mnist --latents=20 \\
    --epochs=20 --report_every=391 --data_dir=DIR

test -ELBO 106.0 nats after 5 epochs, 103.4 after 10, 101.7 after 20 (published:
106.06, 103.60, 101.83); importance-sampled NLL 96.3 +- .8 with 100 samples for
1,000 images. 30 s on two CPU cores.
"""

from functools import partial

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.measures import baselines, per_example
from vae_jax.reports import claims, pictures, walks

experiment = Experiment(
  network=partial(networks.mlp, widths=(500,)),
  latents=2,
  epochs=100.0,
  measures=(
    per_example.active_latents,
    per_example.quality,
    per_example.kl_per_latent,
  ),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(
    pictures.reconstructions,
    pictures.prior_samples,
    pictures.manifold,
    pictures.latent_scatter,
    walks.interpolation,
    walks.attribute_vectors,
    pictures.curves,
  ),
  report=claims.beats_baselines,
)
