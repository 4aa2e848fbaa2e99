"""What a run ends with: baselines, verdicts, pictures, results.json."""

import pathlib
from typing import Any, NamedTuple

import jax

from vae_jax import figures
from vae_jax.config.text import name_of
from vae_jax.measures import importance
from vae_jax.measures.rivals import with_baselines
from vae_jax.reports import claims
from vae_jax.reports.summary import measures_table, timing
from vae_jax.runs.directory import write_json
from vae_jax.training import replicate
from vae_jax.training.devices import devices_of


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
  found = claims.of([trained])
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


def likelihood(trained) -> dict:
  """The importance-sampled NLL of the first test images on all devices."""
  if not importance.measured(trained.ex):
    return {}
  ex, test = trained.ex, trained.data['test']
  first = jax.tree.map(lambda x: x[: ex.nll_images], test)
  devices = devices_of(ex)
  placed = replicate(first, devices)
  return importance.nll(ex, devices)(placed, trained.hyper, trained.state)


def draw(trained, more, run_dir, writer=None) -> list[pathlib.Path]:
  """Saves every picture of the experiment that this model has, and `more`,
  name -> Figure; their paths."""
  drawn = {
    name_of(picture): picture(trained) for picture in trained.ex.pictures
  }
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
