"""Enlarges images that were made smaller, 2x and 4x, with two nets.

  python launch.py --experiment=super_resolution

The residual nets beat every interpolation and ridge on `digits` by far, on
`photos` by little; the lesson's net, through 128 numbers, is at 2x below
bicubic. Noise fed to it becomes shapes like digits that hardly agree with the
noise; the residual net draws strokes that do. With --dataset=mnist the residual
nets reach 28.6 dB (ridge 22.4) and 19.6 (16.4), and the lesson's net .0961,
.0934, .0949 nats per pixel after its 25 epochs: --arms=2x_lesson
--dataset=mnist --epochs=25 --batch_size=128 --seed=0,1,2. 54 s on two CPU cores
with a warm compilation cache.
"""

from functools import partial

from vae_jax import networks
from vae_jax.config import Experiment
from vae_jax.factors import likelihoods, objectives, posteriors, views
from vae_jax.measures import baselines, per_example, studies
from vae_jax.reports import claims, noise, pictures

LESSON = ('network=networks.pooled', 'likelihood=bernoulli', 'steps=4000')

experiment = Experiment(
  view=partial(views.low_resolution, factor=2),
  # No bottleneck: it adds to the bicubic image what interpolation cannot know.
  network=partial(networks.upscaled, widths=(32, 32, 32)),
  latents=None,
  posterior=posteriors.point,
  likelihood=likelihoods.normal,
  objective=objectives.reconstruction,
  batch_size=32,
  learning_rate=2e-3,
  steps=1000,
  monitor='mse',
  nll_samples=0,
  measures=(per_example.quality, per_example.consistency),
  baselines=(
    baselines.nearest,
    baselines.bilinear,
    baselines.bicubic,
    baselines.lanczos,
    baselines.ridge,
  ),
  pictures=(pictures.enlarged, pictures.against_baselines, pictures.curves),
  studies=(studies.fed_noise,),
  report=partial(
    claims.all_of, reports=(claims.beats_baselines, noise.as_image)
  ),
  arms=(
    ('2x_lesson', *LESSON),
    ('2x_residual',),
    ('4x_lesson', *LESSON, 'view.factor=4'),
    ('4x_residual', 'view.factor=4', 'steps=1500'),
    ('2x_photos', 'dataset=photos'),
    ('4x_photos', 'dataset=photos', 'view.factor=4', 'steps=1500'),
  ),
)
