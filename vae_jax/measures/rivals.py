"""The baselines beside a trained model, fitted and measured."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import config
from vae_jax.config.text import name_of
from vae_jax.console import say
from vae_jax.data import spread
from vae_jax.factors import views
from vae_jax.images import image_quality
from vae_jax.measures import baselines, examples
from vae_jax.measures.pooled import derived
from vae_jax.measures.trained import Trained

# A denoiser sees fresh noise at every step; a rival fitted on a small set gets
# several draws of it, up to this many examples.
BASELINE_EXAMPLES = 12_000
QUALITY_BATCH = 250  # 10,000 digits on two CPU cores: 106 ms, 149 all at once


def with_baselines(trained: Trained, shared: dict | None = None) -> Trained:
  """trained, with its rivals' predictions and their measures in results.

  Runs that see the same images pass one dict as `shared`: what is fitted to
  them is then fitted once.
  """
  ex = trained.ex
  if not ex.baselines:
    return trained
  shared = shared if shared is not None and same_images(trained, shared) else {}
  if 'train' not in shared:
    shared['train'] = training_examples(trained)
  rivals, measures = {}, {}
  for baseline in ex.baselines:
    name, baseline = name_of(baseline), sized(baseline, ex.latents)
    key = config.render(baseline)
    if key not in shared:
      image_NHWC = baseline(shared['train'], trained.test)
      quality = pooled_quality(image_NHWC, trained.test.wanted)
      shared[key] = image_NHWC, quality
    rivals[name], measures[name] = shared[key]
  results = trained.results | {'baselines': measures}
  return trained.told(results=results, rivals=rivals)


def sized(baseline, latents: int):
  """The baseline with as many components as a model has latents, if it takes
  them and was not told another number."""
  f, keywords = config.parts(baseline)
  takes = 'components' in inspect.signature(f).parameters
  if not takes or keywords.get('components') is not None:
    return baseline
  return functools.partial(baseline, components=latents)


def same_images(trained: Trained, shared: dict) -> bool:
  """Whether this run sees what those before it, which left `shared`, did."""
  args = trained.ex, trained.data['train'], trained.hyper
  one, other = examples.few_views(*args, 0), examples.few_views(*args, 1)
  first = shared.setdefault('views', one)
  same = examples.same_arrays
  return same(one, other) and same(one, first)


def pooled_quality(image_NHWC, wanted_NHWC) -> dict[str, float]:
  """mse, psnr_db and ssim of predictions for a whole split."""
  values = quality_N(jnp.asarray(image_NHWC), jnp.asarray(wanted_NHWC))
  return derived({k: np.mean(v) for k, v in values.items()})


@jax.jit
def quality_N(image_NHWC, wanted_NHWC):
  """image_quality of many images, in pieces that fit in a cache."""

  def one(pair):
    values = image_quality(*(x[None] for x in pair))
    return {name: value[0] for name, value in values.items()}

  return jax.lax.map(one, (image_NHWC, wanted_NHWC), batch_size=QUALITY_BATCH)


def training_examples(trained: Trained) -> views.Example:
  """Views of the training split for the baselines, as host arrays: several
  draws of each image if the view is random and the split small; some images
  from all over it if it is large (baselines.FEW, examples.MOST_BYTES)."""
  ex, data = trained.ex, trained.data['train']
  most = examples.fitting(ex, data)
  if examples.most_numbers(ex, data) > baselines.WIDE:
    most = min(most, baselines.FEW)
  at_n = spread(data.size, most)
  if len(at_n) < data.size:
    say(
      f'note: baselines are fitted to {len(at_n):,} of {data.size:,} training '
      'images'
    )
  draws = max(1, min(most, BASELINE_EXAMPLES) // len(at_n))
  key = jax.random.fold_in(trained.state.key, examples.BASELINES)
  parts = []
  for draw in range(draws):
    key_draw = jax.random.fold_in(key, draw)
    parts.append(examples.on_host(ex, data, trained.hyper, key_draw, at_n))
    if len(parts) == 2 and np.array_equal(parts[0].seen, parts[1].seen):
      return parts[0]  # this view has nothing random in it
  if draws == 1:
    return parts[0]
  return jax.tree.map(lambda *x: np.concatenate(x), *parts)
