import dataclasses
import functools
import json

import numpy as np
import pytest

from vae_jax import figures
from vae_jax.config import grid
from vae_jax.measures import rivals
from vae_jax.reports import claims
from vae_jax.runs import directory, finish
from vae_jax.runs.prepare import Clock


@pytest.fixture
def trained(denoiser):
  return denoiser


def read(run_dir):
  return json.loads((run_dir / 'results.json').read_text())


def test_the_summary_shows_measures_beside_the_rivals(trained, tmp_path):
  trained = rivals.with_baselines(trained)
  report = claims.Report(verdicts=['beats nothing'])
  rest = {}, report, ['a.png'], {'train': 2}, {'': trained}
  outcome = finish.Outcome('tiny', tmp_path, {'': trained.run()}, *rest)
  text = outcome.summary()
  for wanted in ('noisy input', 'psnr_db', 'verdict: beats nothing', 'a.png'):
    assert wanted in text
  assert 'train 2.0 s' in text


def test_what_was_measured_is_written_even_if_a_picture_fails(
  trained, tmp_path
):
  def fails(trained):
    raise RuntimeError('no paper')

  ex = dataclasses.replace(trained.ex, pictures=(fails,))
  with pytest.raises(RuntimeError):
    failing = dataclasses.replace(trained, ex=ex)
    finish.finish_run(failing, tmp_path, Clock())
  assert 'psnr_db' in read(tmp_path)


def shades(trained):
  """A picture of one bar."""
  return figures.bars({'shade': float(trained.test.wanted.mean())})


def test_a_run_is_finished_with_its_baselines_and_pictures(trained, tmp_path):
  ex = dataclasses.replace(trained.ex, pictures=(shades,))
  drawing = dataclasses.replace(trained, ex=ex)
  found = finish.finish_run(drawing, tmp_path, Clock())
  assert found.pictures == [tmp_path / 'pictures' / 'shades.png']
  assert found.pictures[0].exists()
  assert read(tmp_path) == found.trained.results
  assert set(read(tmp_path)['baselines']) == {'noisy_input', 'mean_image'}
  # It was not trained just now.
  assert 'wall_s' not in read(tmp_path)
  assert not (tmp_path / 'tensorboard').exists()
  silent = finish.finish_run(drawing, tmp_path / 'b', Clock(), drawn=False)
  assert silent.pictures == [] and not (tmp_path / 'b' / 'pictures').exists()


def test_a_run_that_is_new_has_its_times_and_is_shown_in_tensorboard(
  trained, tmp_path
):
  clock = Clock()
  with clock('compile'):
    pass
  ex = dataclasses.replace(trained.ex, pictures=(shades,))
  drawing = dataclasses.replace(trained, ex=ex)
  found = finish.finish_run(drawing, tmp_path, clock, new=True)
  assert read(tmp_path) == found.trained.results
  assert {'compile_s', 'wall_s'} <= set(read(tmp_path))
  [events] = (tmp_path / 'tensorboard').iterdir()
  assert b'shades' in events.read_bytes()


def shaded(trained, factor: float = 1.0):
  """A study with a figure and an array."""
  image = trained.test.wanted
  return {'mean': factor * float(image.mean()), 'images': image[:2]}


def nothing(trained):
  """A study that has nothing to say."""
  return {}


def test_what_studies_find_is_written_beside_the_results(trained, tmp_path):
  studies = nothing, functools.partial(shaded, factor=2.0)
  ex = dataclasses.replace(trained.ex, studies=studies)
  run = finish.studied(dataclasses.replace(trained, ex=ex), tmp_path, Clock())
  mean = 2 * float(trained.test.wanted.mean())
  assert read(tmp_path) == trained.results | {
    'studies': {'shaded': {'mean': mean}}
  }
  assert run.results == read(tmp_path)
  assert set(run.studies) == {'shaded'}  # what is {} is left out
  assert run.studies['shaded']['mean'] == mean
  image = run.studies['shaded']['images']
  np.testing.assert_array_equal(image, trained.test.wanted[:2])
  again = directory.studies_of(tmp_path, read(tmp_path))
  np.testing.assert_array_equal(again['shaded']['images'], image)


def test_what_a_study_found_stays_if_it_finds_nothing_alone(trained, tmp_path):
  """A member of a grid that is evaluated by itself has no neighbours to ask."""

  def asking(trained):
    return shaded(trained) if trained.among else {}

  ex = dataclasses.replace(trained.ex, studies=(asking,))
  alone = dataclasses.replace(trained, ex=ex)

  def finished(trained):
    done = finish.finish_run(trained, tmp_path, Clock(), drawn=False)
    return finish.studied(done.trained, tmp_path, Clock())

  assert finished(alone).studies == {}
  first = finished(alone.told(among=(alone,)))
  again = finished(alone)
  assert again.studies.keys() == first.studies.keys() == {'asking'}
  for name, value in first.studies['asking'].items():
    np.testing.assert_array_equal(again.studies['asking'][name], value)
  assert read(tmp_path) == first.results == again.results
  # Of another step it was another model.
  later = alone.told(results=alone.results | {'step': 9})
  assert finished(later).studies == {}
  assert not (tmp_path / 'studies.npz').exists()


def test_a_run_without_studies_has_results_alone(trained, tmp_path):
  run = finish.studied(trained, tmp_path, Clock())
  assert read(tmp_path) == trained.results == run.results
  assert run.studies == {} and 'studies' not in run.results


def counted(runs):
  """A report that says how many runs it saw."""
  bars = {run.label or 'alone': 1.0 for run in runs}
  pictures = {'counted': figures.bars(bars)}
  return claims.Report({'count': len(runs)}, pictures, [f'{len(runs)} runs'])


@pytest.fixture
def runs(trained):
  """Two runs of a grid with this report."""
  ex = dataclasses.replace(trained.ex, report=counted)
  run = dataclasses.replace(trained, ex=ex).run()
  return {name: run._replace(label=name) for name in ('a', 'b')}


def test_runs_are_concluded_one_by_one_and_all_together(runs, tmp_path):
  members = [grid.Member(n, r.ex, [], n, n) for n, r in runs.items()]
  members += [grid.Member('c', members[0].ex, ['beta=2'], 'c', 'c')]
  failed = {'c': 'it diverged'}
  found = finish.concluded('tiny', members, tmp_path, runs, failed, Clock())
  for name, run in runs.items():
    wanted = run.results | {'count': 1, 'verdicts': ['1 runs']}
    assert read(tmp_path / name) == found.runs[name].results == wanted
    assert (tmp_path / name / 'pictures' / 'counted.png').exists()
  assert found.report.verdicts == ['2 runs'] and found.failed == failed
  assert found.pictures == [tmp_path / 'pictures' / 'counted.png']
  assert found.trained == {}
  sweep = json.loads((tmp_path / 'sweep.json').read_text())
  assert sweep['verdicts'] == ['2 runs'] and sweep['results'] == {'count': 2}
  assert [run.get('failed') for run in sweep['runs']] == [
    None, None, 'it diverged',
  ]  # fmt: skip


def test_a_run_by_itself_is_concluded_once(runs, tmp_path):
  alone = {'': runs['a']._replace(label='')}
  member = grid.alone(runs['a'].ex)
  found = finish.concluded('tiny', [member], tmp_path, alone, {}, Clock())
  assert found.report.verdicts == ['1 runs']
  assert read(tmp_path)['verdicts'] == ['1 runs']
  assert found.pictures == [tmp_path / 'pictures' / 'counted.png']
  assert not (tmp_path / 'sweep.json').exists()


def test_pictures_of_each_of_many_runs_are_not_drawn(runs, tmp_path):
  members = [grid.Member(n, r.ex, [], n, n) for n, r in runs.items()]
  args = 'tiny', members, tmp_path, runs, {}, Clock()
  finish.concluded(*args, drawn=False)
  drawn = [path.relative_to(tmp_path) for path in tmp_path.rglob('*.png')]
  assert [str(path) for path in drawn] == ['pictures/counted.png']
