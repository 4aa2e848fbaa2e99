import csv
import dataclasses
import functools
import json
import pathlib
import shutil
import sys

import jax
import numpy as np
import pytest

from vae_jax import data, figures
from vae_jax.config import grid
from vae_jax.factors import objectives, posteriors
from vae_jax.measures import per_example
from vae_jax.reports import claims, pictures
from vae_jax.runs import command, job, plan
from vae_jax.runs.directory import Refused, RunError
from vae_jax.training import checkpoint


def sweep_of(run_dir):
  return json.loads((run_dir / 'sweep.json').read_text('utf-8'))


def compared(members):
  """A report with a figure of its own, a picture and a verdict."""
  losses = [m.results['nelbo_nats'] for m in members]
  bars = {m.label: loss for m, loss in zip(members, losses, strict=True)}
  return claims.Report(
    {'least_nats': min(losses)}, {'losses': figures.bars(bars)}, ['compared']
  )


@pytest.fixture
def swept(tiny, tiny_data):
  """(experiment, members) of two latent sizes, each four steps."""
  ex = dataclasses.replace(tiny, dataset='tiny', steps=4, report=compared)
  return ex, grid.members(ex, ['latents=2,3'])


@pytest.mark.slow
def test_every_member_ends_as_if_it_had_run_alone(swept, tmp_path):
  ex, members = swept
  outcome = command.fit('tiny', members, tmp_path / 'grid', ['latents=2,3'])
  for member, found in zip(members, outcome.runs.values(), strict=True):
    alone = command.fit('tiny', [grid.alone(member.ex)], tmp_path / member.name)
    close = functools.partial(np.testing.assert_allclose, atol=1e-6)
    models = outcome.trained[member.name], alone.trained['']
    params = [model.state.params for model in models]
    jax.tree.map(close, *params)
    losses = [x.results['nelbo_nats'] for x in (found, alone.runs[''])]
    close(*losses, rtol=1e-6)
    assert found.results.keys() == alone.runs[''].results.keys()
    assert (tmp_path / 'grid' / member.name / 'results.json').exists()


def test_a_grid_leaves_its_tables_and_its_report(swept, tmp_path):
  _, members = swept
  outcome = command.fit('tiny', members, tmp_path, ['latents=2,3'])
  found = sweep_of(tmp_path)
  losses = [r['results']['nelbo_nats'] for r in found['runs']]
  assert found['results']['least_nats'] == min(losses)
  assert found['verdicts'][0] == 'compared'
  text = (tmp_path / 'sweep.csv').read_text('utf-8')
  rows = list(csv.DictReader(text.splitlines()))
  assert [row['run'] for row in rows] == ['latents=2', 'latents=3']
  assert [row['latents'] for row in rows] == ['2', '3']
  assert [float(row['nelbo_nats']) for row in rows] == losses
  assert outcome.pictures[0] == tmp_path / 'pictures' / 'losses.png'
  assert all(path.exists() for path in outcome.pictures)
  for words in ('latents=2', 'latents=3', 'compared', 'losses.png'):
    assert words in outcome.summary()


@pytest.mark.slow
def test_a_grid_that_has_run_trains_nothing_again(swept, tmp_path, capsys):
  _, members = swept
  first = command.fit('tiny', members, tmp_path)
  capsys.readouterr()
  again = command.fit('tiny', members, tmp_path)
  assert 'resuming at step 4 of 4' in capsys.readouterr().err
  assert again.report.results == first.report.results
  evaluated = command.evaluate('tiny', members, tmp_path)
  losses = [x.report.results['least_nats'] for x in (evaluated, first)]
  assert losses[0] == pytest.approx(losses[1])


@pytest.mark.slow
def test_a_grid_is_measured_at_once_as_each_of_its_runs_is(
  swept, tmp_path, capsys
):
  ex, _ = swept
  ex = dataclasses.replace(ex, nll_samples=5, nll_images=6)
  members = grid.members(ex, ['latents=2,3'])
  command.fit('tiny', members, tmp_path)
  capsys.readouterr()
  outcome = command.evaluate('tiny', members, tmp_path)
  assert '[1/1] 2 runs together' in capsys.readouterr().err
  for member, found in zip(members, outcome.runs.values(), strict=True):
    alone = command.evaluate(
      'tiny', [grid.alone(member.ex)], tmp_path / member.name
    )
    wanted = alone.runs[''].results
    assert found.results.keys() == wanted.keys()
    for name in ('step', 'nelbo_nats', 'kl_nats', 'nll_iw_nats'):
      assert found.results[name] == pytest.approx(wanted[name], rel=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='counts memory maps')
def test_a_long_grid_does_not_hold_all_of_its_programs(
  swept, tmp_path, monkeypatch
):
  held = []

  def counted(*args):
    found = trained(*args)
    held.append(
      len(pathlib.Path('/proc/self/maps').read_text('utf-8').splitlines())
    )
    return found

  trained = job.train
  monkeypatch.setattr(job, 'train', counted)
  monkeypatch.setattr(command, 'JOBS_HELD', 2)
  members = grid.members(swept[0], ['batch_size=4,8,12,16'])
  command.fit('tiny', members, tmp_path)
  assert held[0] < held[1] and held[2] < held[3]
  assert held[2] < held[1]
  assert held[3] - held[1] < (held[1] - held[0]) / 2


@pytest.mark.slow
def test_a_run_whose_checkpoints_are_damaged_fails_alone(swept, tmp_path):
  _, members = swept
  command.fit('tiny', members, tmp_path)
  for path in (tmp_path / 'latents=3' / 'checkpoints').rglob('*'):
    if path.is_file():
      path.write_bytes(b'')
  outcome = command.evaluate('tiny', members, tmp_path)
  assert [run.ex.latents for run in outcome.runs.values()] == [2]
  assert list(outcome.failed) == ['latents=3']
  assert 'no good checkpoint' in outcome.failed['latents=3']


@pytest.mark.slow
def test_a_grid_that_was_never_trained_cannot_be_measured(swept, tmp_path):
  _, members = swept
  command.fit('tiny', members[:1], tmp_path)
  with pytest.raises(Refused, match='latents=3 holds no checkpoint'):
    command.evaluate('tiny', members, tmp_path)


@pytest.mark.slow
def test_a_member_knows_its_arm_and_label(tiny, tiny_data, tmp_path):
  arms = (('a', 'latents=2'), ('b', 'latents=3'))
  ex = dataclasses.replace(tiny, dataset='tiny', steps=2, arms=arms)
  outcome = command.fit('tiny', grid.members(ex, ['seed=0,1']), tmp_path)
  marks = [(r.arm, r.label, r.ex.seed) for r in outcome.runs.values()]
  assert marks == [('a', 'a', 0), ('a', 'a', 1), ('b', 'b', 0), ('b', 'b', 1)]


def diverges(model, params, example, key_B, beta: float = 1.0):
  """The ELBO, which is not a number where beta is 3."""
  values = objectives.elbo(model, params, example, key_B, beta)
  bad = jax.numpy.where(beta == 3, jax.numpy.nan, 0.0)
  return values | {'loss': values['loss'] + bad}


@pytest.mark.slow
def test_a_run_that_diverges_fails_alone(swept, tmp_path):
  ex = dataclasses.replace(swept[0], objective=diverges)
  members = grid.members(ex, ['beta=3,1'])
  outcome = command.fit('tiny', members, tmp_path)
  assert list(outcome.failed) == ['beta=3']
  assert 'not finite' in outcome.failed['beta=3']
  assert list(outcome.runs) == ['beta=1']
  assert 'failed: beta=3' in outcome.summary()
  [bad, good] = json.loads((tmp_path / 'sweep.json').read_text('utf-8'))['runs']
  assert 'not finite' in bad['failed'] and 'results' in good
  with pytest.raises(RunError, match='all 1 runs failed'):
    command.fit('tiny', members[:1], tmp_path / 'other')


def test_a_member_that_cannot_run_is_refused_before_anything(swept, tmp_path):
  ex = dataclasses.replace(swept[0], measures=(per_example.quality,))
  members = grid.members(ex, ['monitor=nelbo_nats,nonsense'])
  with pytest.raises(Refused, match="'nonsense' is not measured"):
    command.fit('tiny', members, tmp_path / 'grid')
  assert not (tmp_path / 'grid').exists()


@pytest.mark.slow
def test_a_directory_of_something_else_is_refused(swept, tmp_path):
  ex, members = swept
  single, several = tmp_path / 'single', tmp_path / 'several'
  command.fit('tiny', [grid.alone(members[0].ex)], single)
  command.fit('tiny', members, several)
  with pytest.raises(Refused, match='holds a single run'):
    command.fit('tiny', members, single)
  with pytest.raises(Refused, match='holds a grid, choose a run: latents=2'):
    command.fit('tiny', [grid.alone(members[0].ex)], several)
  with pytest.raises(Refused, match="holds a grid of 'tiny'"):
    command.fit('other', members, several)


@pytest.mark.slow
def test_many_runs_draw_no_pictures_of_their_own(swept, tmp_path, monkeypatch):
  ex = dataclasses.replace(swept[0], pictures=(pictures.curves,))
  monkeypatch.setattr(command, 'PICTURED', 2)
  for seeds, drawn in (('0,1', True), ('0,1,2', False)):
    members = grid.members(ex, [f'seed={seeds}'])
    command.fit('tiny', members, tmp_path / seeds)
    for member in members:
      own = tmp_path / seeds / member.name / 'pictures'
      names = {path.stem for path in own.glob('*.png')}
      # 'losses' is a picture of the report on this run by itself.
      assert names == ({'curves', 'losses'} if drawn else set())
    assert (tmp_path / seeds / 'pictures' / 'losses.png').exists()


@dataclasses.dataclass(frozen=True)
class Frozen:
  """A normal posterior that is no NamedTuple."""

  z_mean: jax.Array
  z_log_sigma: jax.Array
  z_mask: jax.Array | None = None

  @property
  def mean(self):
    return self.z_mean

  def normal(self):
    return posteriors.Normal(self.z_mean, self.z_log_sigma, self.z_mask)

  def sample(self, key_B):
    return self.normal().sample(key_B)

  def log_prob(self, z_BZ):
    return self.normal().log_prob(z_BZ)


def frozen(latents):
  def bind(model, params, stats, given):
    del params, given
    return Frozen(*stats.values(), model.z_mask)

  return posteriors.normal(latents)._replace(bind=bind)


@pytest.mark.slow
def test_a_posterior_that_is_a_frozen_dataclass_is_swept(swept, tmp_path):
  ex = dataclasses.replace(swept[0], posterior=frozen)
  members = grid.members(ex, ['latents=2,3'])
  outcome = command.fit('tiny', members, tmp_path / 'grid')
  assert list(outcome.runs) == ['latents=2', 'latents=3']
  alone = command.fit('tiny', [grid.alone(members[0].ex)], tmp_path / 'alone')
  found, wanted = (
    run.results['nelbo_nats']
    for run in (outcome.runs['latents=2'], alone.runs[''])
  )
  assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.slow
def test_a_job_that_cannot_save_fails_and_the_next_goes_on(
  swept, tmp_path, monkeypatch
):
  save = checkpoint.save

  def full(manager, *args):
    if 'batch_size=4' in str(manager.directory):
      raise checkpoint.CheckpointError('No space left on device')
    return save(manager, *args)

  monkeypatch.setattr(checkpoint, 'save', full)
  members = grid.members(swept[0], ['batch_size=4,8'])
  outcome = command.fit('tiny', members, tmp_path / 'grid')
  assert list(outcome.runs) == ['batch_size=8']
  assert outcome.failed == {'batch_size=4': 'No space left on device'}
  with pytest.raises(checkpoint.CheckpointError, match='No space left'):
    command.fit('tiny', [grid.alone(members[0].ex)], tmp_path / 'batch_size=4')


def brightness(trained):
  """A study with a figure, an array, and what others there are."""
  image = trained.reconstruct(trained.test.seen)
  others = [one.label for one in trained.among]
  return {'mean': float(image.mean()), 'images': image[:3, ..., :1]} | {
    'among': others
  }


def bright(runs):
  """A report that draws from both."""
  found = {
    run.label or 'alone': run.studies['brightness']
    for run in claims.studied(runs, 'brightness')
  }
  means = {name: study['mean'] for name, study in found.items()}
  images = {name: study['images'] for name, study in found.items()}
  drawn = {'images': figures.rows(images), 'means': figures.bars(means)}
  lines = [f'{name}: {mean:.9f}' for name, mean in means.items()]
  return claims.Report({'brightness': means}, drawn, lines)


def content(run_dir):
  """Path -> bytes of all that a report writes."""
  paths = [
    path
    for pattern in ('results.json', 'sweep.*', '*.png')
    for path in run_dir.rglob(pattern)
  ]
  return {str(p.relative_to(run_dir)): p.read_bytes() for p in paths}


def arrays(path):
  with np.load(path) as archive:
    return dict(archive)


def without_model(run_dir, monkeypatch):
  """Nothing is left of the models, the data and what was drawn."""
  monkeypatch.delitem(data.EMBEDDED, 'tiny')
  for kind in ('checkpoints', 'pictures'):
    for folder in list(run_dir.rglob(kind)):
      shutil.rmtree(folder)


@pytest.fixture
def studied(tiny, tiny_data):
  """Two arms of four steps, studied and reported on."""
  arms = (('small', 'latents=2'), ('large', 'latents=3'))
  ex = dataclasses.replace(tiny, dataset='tiny', steps=4, arms=arms)
  studies = {'studies': (brightness,), 'report': bright}
  return grid.members(dataclasses.replace(ex, **studies), [])


@pytest.mark.slow
def test_a_report_is_made_again_without_the_models(
  studied, tmp_path, monkeypatch
):
  first = command.fit('tiny', studied, tmp_path)
  means = {
    name: float(model.reconstruct(model.test.seen).mean())
    for name, model in first.trained.items()
  }
  assert first.report.results['brightness'] == pytest.approx(means)
  known = [run.studies['brightness']['among'] for run in first.runs.values()]
  assert known == [['small', 'large']] * 2
  written = content(tmp_path)
  assert set(written) == {
    'sweep.json', 'sweep.csv', 'pictures/images.png', 'pictures/means.png',
    *(
      f'{member.name}/{path}'
      for member in studied
      for path in ('results.json', 'pictures/images.png', 'pictures/means.png')
    ),
  }  # fmt: skip
  without_model(tmp_path, monkeypatch)
  again = command.report('tiny', studied, tmp_path)
  assert again.report.verdicts == first.report.verdicts != []
  assert content(tmp_path) == written
  assert (again.failed, again.trained) == ({}, {})
  assert list(again.runs) == list(first.runs)
  assert again.runs['small'].history == first.runs['small'].history


@pytest.mark.slow
def test_a_report_leaves_out_who_has_no_results(studied, tmp_path, monkeypatch):
  first = command.fit('tiny', studied, tmp_path)
  without_model(tmp_path, monkeypatch)
  (tmp_path / 'small' / 'results.json').unlink()
  found = command.report('tiny', studied, tmp_path)
  assert found.failed == {'small': 'no results: train it first'}
  assert list(found.runs) == ['large']
  assert found.report.verdicts == first.report.verdicts[1:]
  assert 'failed: small: no results' in found.summary()
  [small, large] = sweep_of(tmp_path)['runs']
  assert 'results' not in small and small['failed'] == found.failed['small']
  assert large['results']['verdicts'] == found.report.verdicts
  (tmp_path / 'large' / 'results.json').unlink()
  with pytest.raises(Refused, match='holds no results: train it first'):
    command.report('tiny', studied, tmp_path)


@pytest.mark.slow
def test_a_run_by_itself_is_reported_on_again(studied, tmp_path, monkeypatch):
  member = grid.alone(studied[0].ex)
  first = command.fit('tiny', [member], tmp_path)
  assert first.report.verdicts[0].startswith('alone: ')
  written = content(tmp_path)
  without_model(tmp_path, monkeypatch)
  again = command.report('tiny', [member], tmp_path)
  assert content(tmp_path) == written
  assert again.report.verdicts == first.report.verdicts
  assert 'verdict: alone: ' in again.summary()
  with pytest.raises(Refused, match='latents was 2, now 3'):
    command.report('tiny', [grid.alone(studied[1].ex)], tmp_path)


@pytest.mark.slow
def test_measuring_again_studies_again(studied, tmp_path):
  command.fit('tiny', studied, tmp_path)
  written = content(tmp_path)
  path = tmp_path / 'small' / 'studies.npz'
  before = arrays(path)
  path.unlink()
  command.evaluate('tiny', studied, tmp_path)
  assert before.keys() == arrays(path).keys() == {'brightness/images'}
  close = functools.partial(np.testing.assert_allclose, atol=1e-6)
  jax.tree.map(close, arrays(path), before)
  assert set(content(tmp_path)) == set(written)


def test_a_checksum_tells_examples_apart(batch):
  found = command.checksum(batch)
  assert found[0] == batch.size
  assert command.checksum(batch.replace(x=batch.x.copy())) == found
  x, label = batch.x.copy(), batch.label.copy()
  x[3, 4] ^= 1
  label[5] += 1
  others = batch.replace(x=x), batch.replace(label=label), batch.take([0, 1])
  sums = [str(command.checksum(other)) for other in (batch, *others)]
  assert len(set(sums)) == 4
  unlabelled = command.checksum(batch.replace(label=None))
  assert unlabelled == found[:2]


def test_hosts_agree_on_the_data_of_every_job(monkeypatch, tiny, tiny_data):
  ex = dataclasses.replace(tiny, dataset='tiny')
  planned = plan.jobs([grid.alone(ex)])
  asked = []
  monkeypatch.setattr(command.hosts, 'agree', lambda *x: asked.append(x))
  command.agree_on_data(planned)
  assert asked == []  # one process alone
  monkeypatch.setattr(command.hosts, 'several', lambda: True)
  command.agree_on_data(planned)
  [(what, sums)] = asked
  assert what == 'data' and sums == {
    f'the {split} split of tiny': command.checksum(batch)
    for split, batch in tiny_data.items()
  }
