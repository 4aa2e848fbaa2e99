"""What a run ends with: baselines, verdicts, pictures, results.json."""

import json
import math
import os
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import (
  config,
  data,
  evaluate,
  feed,
  figures,
  importance,
  log,
  reports,
  views,
)

# A denoiser sees fresh noise at every step; a rival fitted on a small set gets
# several draws of it, up to this many examples.
BASELINE_EXAMPLES = 12_000
QUALITY_BATCH = 250  # 10,000 digits on two CPU cores: 106 ms, 149 all at once
TIMES = ('steps_per_s', 'images_per_s', 'compile_s', 'wall_s')


class Outcome(NamedTuple):
  """A finished run: the trained value and where its pictures lie."""

  name: str
  trained: Any
  run_dir: pathlib.Path
  pictures: list
  seconds: dict  # where the time went

  def summary(self) -> str:
    """A short table, the verdicts, where the time went, the paths."""
    figures = self.trained.results
    parts = [
      f'{self.name} on {self.trained.ex.dataset}, test split, '
      f'after {figures["step"]} steps',
      measures_table(figures),
      *(f'verdict: {line}' for line in figures['verdicts']),
      timing(figures, self.seconds),
      f'run: {self.run_dir}',
      *(f'picture: {path}' for path in self.pictures),
    ]
    return '\n'.join(part for part in parts if part)


def finish(name, trained, run_dir, clock, writer=None, shared=None) -> Outcome:
  """NLL, baselines, verdicts and pictures; writes results.json, pictures/.

  `shared` is a dict that runs which see the same images have in common.
  """
  run_dir, figures = pathlib.Path(run_dir), trained.results
  if 'nll_iw_nats' not in figures:  # a sweep has measured all of its runs
    with clock('nll'):
      figures |= likelihood(trained)
  with clock('baselines'):
    trained = with_baselines(trained, shared)
  found = reports.of([trained])
  figures |= found.results | {'verdicts': found.verdicts}
  if writer is not None:
    figures['compile_s'] = clock.seconds['compile']
    figures['wall_s'] = clock.wall()
  # Before drawing: what was measured must not hang on a picture.
  write_json(run_dir / 'results.json', figures)
  with clock('draw'):
    paths = draw(trained, found.pictures, run_dir, writer)
  if writer is not None:
    figures['wall_s'] = clock.wall()
    write_json(run_dir / 'results.json', figures)
  return Outcome(name, trained, run_dir, paths, dict(clock.seconds))


def measures_table(figures: dict) -> str:
  """The model's measures and, beside them, its rivals'."""
  rivals = figures.get('baselines', {})
  names = [
    k
    for k, v in figures.items()
    if isinstance(v, int | float) and k not in ('step', *TIMES)
  ]
  header = ('', 'this model', *(log.words(rival) for rival in rivals))
  rows = [
    (name, figures[name], *(r.get(name, '') for r in rivals.values()))
    for name in names
  ]
  return log.table(rows, header)


def timing(figures: dict, seconds: dict) -> str:
  """One line that says where the time went and how fast the steps were."""
  parts = ', '.join(f'{k} {v:.1f} s' for k, v in seconds.items() if v >= 0.05)
  line = f'time: {sum(seconds.values()):.1f} s ({parts})'
  if 'steps_per_s' in figures:
    line += f'; {figures["steps_per_s"]:.1f} steps/s'
    line += f', {figures["images_per_s"]:.0f} images/s'
  return line


def likelihood(trained) -> dict:
  """The importance-sampled NLL of the first test images on all devices."""
  if not importance.measured(trained.ex):
    return {}
  ex, test = trained.ex, trained.data['test']
  first = jax.tree.map(lambda x: x[: ex.nll_images], test)
  devices = feed.devices(ex)
  placed = data.replicate(first, devices)
  return importance.nll(ex, devices)(placed, trained.hyper, trained.state)


def with_baselines(trained, shared=None):
  """trained, with its rivals' predictions and their measures in results.

  Runs that see the same images pass one dict as `shared`: what is fitted to
  them is then fitted once.
  """
  ex = trained.ex
  if not ex.baselines:
    return trained
  shared = alike(trained, shared)
  if 'train' not in shared:
    shared['train'] = training_examples(trained)
  measures = trained.results['baselines'] = {}
  for baseline in ex.baselines:
    # All that a baseline knows of a run but the images it sees.
    f, _ = config.parts(baseline)
    size = ex.latents if getattr(f, 'looks_at_latents', True) else None
    key = config.render(baseline), size
    if key not in shared:
      shared[key] = measured(baseline, shared['train'], trained)
    trained.rivals[name(baseline)], measures[name(baseline)] = shared[key]
  return trained


def alike(trained, shared) -> dict:
  """`shared` if this run sees what the others did, else a dict of its own."""
  if shared is None:
    return {}
  args = trained.ex, trained.data['train'], trained.hyper
  one, other = evaluate.looks(*args, 0), evaluate.looks(*args, 1)
  first = shared.setdefault('looks', one)
  same = evaluate.same_arrays
  return shared if same(one, other) and same(one, first) else {}


def measured(baseline, train, trained):
  """(predictions for the test split, their measures) of a baseline."""
  image_NHWC = baseline(trained.ex, train, trained.test)
  return image_NHWC, pooled_quality(image_NHWC, trained.test.wanted)


def pooled_quality(image_NHWC, wanted_NHWC) -> dict[str, float]:
  """mse, psnr_db and ssim of predictions for a whole split."""
  values = quality_N(jnp.asarray(image_NHWC), jnp.asarray(wanted_NHWC))
  return evaluate.derived({k: np.mean(v) for k, v in values.items()})


@jax.jit
def quality_N(image_NHWC, wanted_NHWC):
  """evaluate.image_quality of many images, in pieces that fit in a cache."""

  def one(pair):
    values = evaluate.image_quality(*(x[None] for x in pair))
    return {name: value[0] for name, value in values.items()}

  return jax.lax.map(one, (image_NHWC, wanted_NHWC), batch_size=QUALITY_BATCH)


def training_examples(trained) -> views.Example:
  """Views of the training split for the baselines, as host arrays: several
  draws of each image if the view is random and the split small."""
  ex, data = trained.ex, trained.data['train']
  draws = max(1, BASELINE_EXAMPLES // data.size)
  key = jax.random.fold_in(trained.state.key, evaluate.BASELINES)
  parts = []
  for draw in range(draws):
    key_draw = jax.random.fold_in(key, draw)
    view = evaluate.examples(ex, data, trained.hyper, key_draw)
    parts.append(jax.device_get(view))
    if len(parts) == 2 and np.array_equal(parts[0].seen, parts[1].seen):
      return parts[0]  # this view has nothing random in it
  if draws == 1:
    return parts[0]
  given = None
  if parts[0].given is not None:
    given = np.concatenate([part.given for part in parts])
  seen = np.concatenate([part.seen for part in parts])
  return views.Example(seen, np.concatenate([p.wanted for p in parts]), given)


def name(f) -> str:
  """The name of a function, under a partial too."""
  return getattr(f, 'func', f).__name__


def draw(trained, more, run_dir, writer=None) -> list[pathlib.Path]:
  """Saves every picture of the experiment that this model has, and `more`,
  name -> Figure; their paths."""
  drawn = {name(picture): picture(trained) for picture in trained.ex.pictures}
  paths = save(drawn | more, run_dir)
  if writer is not None:
    for path in paths:
      writer.figure(int(trained.state.step), path.stem, path)
  return paths


def save(pictures: dict, run_dir) -> list[pathlib.Path]:
  """Saves figures by name in run_dir/pictures, None left out; their paths."""
  folder = pathlib.Path(run_dir) / 'pictures'
  return [
    figures.save(figure, folder / f'{title}.png')
    for title, figure in pictures.items()
    if figure is not None
  ]


def read(run_dir) -> dict:
  """results.json of a run that has ended, {} of one that has not."""
  path = pathlib.Path(run_dir) / 'results.json'
  return json.loads(path.read_text()) if path.exists() else {}


def write_json(path: pathlib.Path, value):
  """Writes strict JSON atomically, null for what is not finite."""
  temporary = path.with_name(f'.{path.name}.tmp')
  text = json.dumps(finite(value), indent=2, allow_nan=False)
  temporary.write_text(text + '\n')
  os.replace(temporary, path)


def finite(value):
  """value with None for every float in it that is not finite."""
  if isinstance(value, dict):
    return {k: finite(v) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [finite(v) for v in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
