"""An objective and a posterior of the user's own, in a file of their own: all
that the program does with its own, and no line of the program changed."""

import functools
import importlib
import json
import pathlib
import sys

import numpy as np
import pytest
import scipy.stats

import vae_jax
from vae_jax.config import grid
from vae_jax.config.override import override
from vae_jax.runs import command, plan

FILE = pathlib.Path(__file__).with_name('low_rank.py')
SMALL = ('dataset=tiny', 'steps=12', 'steps_per_call=4', 'batch_size=8')


@pytest.fixture
def module(tmp_path, monkeypatch):
  """The file as the user's own module."""
  (tmp_path / FILE.name).write_text(FILE.read_text())
  monkeypatch.syspath_prepend(tmp_path)
  yield importlib.import_module(FILE.stem)
  sys.modules.pop(FILE.stem, None)


@pytest.fixture
def ex(module, tiny_data):
  """Its experiment, small."""
  small = functools.reduce(override, SMALL, module.experiment)
  return override(small, 'network.widths=(16,)')


def test_it_is_short():
  assert len(FILE.read_text().splitlines()) < 80


def test_the_posterior_is_what_scipy_says(module):
  rng = np.random.default_rng(0)
  mean, s, r, z = rng.normal(size=(4, 5, 3)).astype(np.float32)
  q = module.LowRank(mean, s, r)
  wanted = [
    scipy.stats.multivariate_normal(
      m, np.diag(np.exp(2 * a)) + np.outer(b, b)
    ).logpdf(x)
    for m, a, b, x in zip(mean, s, r, z, strict=True)
  ]
  np.testing.assert_allclose(q.log_prob(z), wanted, rtol=1e-5)


@pytest.mark.slow
def test_it_trains_is_swept_as_one_program_measured_and_loaded(
  ex, tmp_path, capsys
):
  members = grid.members(ex, ['objective.weight=0|30', 'nll_images=9'])
  [job] = plan.jobs(members)
  assert len(job.members) == 2
  outcome = command.fit('low_rank', members, tmp_path / 'sweep')
  assert 'plan: 2 runs in 1 program' in capsys.readouterr().err
  free, frugal = (run.results for run in outcome.runs.values())
  assert frugal['l1'] < free['l1']
  for weight, found in ((0, free), (30, frugal)):
    loss = found['nelbo_nats'] + weight * found['l1']
    assert found['loss'] == pytest.approx(loss, rel=1e-5)
    # Log p(x) is no smaller than its bound, but for the draws of both.
    assert found['nll_iw_nats'] < found['nelbo_nats'] + 1
    assert found['nll_iw_samples'] == 100 and found['active_units'] >= 0
  name = 'objective.weight=30'
  texts = json.loads((tmp_path / 'sweep' / name / 'config.json').read_text())
  assert texts['fields']['objective'] == 'low_rank.frugal(weight=30.0)'
  loaded = vae_jax.load(tmp_path / 'sweep' / name)
  seen = outcome.trained[name].test.seen
  np.testing.assert_array_equal(
    loaded.encode(seen), outcome.trained[name].encode(seen)
  )
  assert set(loaded.state.params) == {'encoder', 'decoder', 'posterior'}
  heads = set(loaded.state.params['encoder'])
  assert {'z_mean', 'z_log_sigma', 'direction'} < heads


def test_a_float_of_its_posterior_is_a_leaf(ex):
  members = grid.members(ex, ['posterior.scale=0.1|0.5'])
  assert [m.ex.leaves()['posterior.scale'] for m in members] == [0.1, 0.5]
  assert len(plan.jobs(members)) == 1


def test_sizes_of_what_mixes_latents_are_programs_of_their_own(ex):
  assert len(plan.jobs(grid.members(ex, ['latents=2,4']))) == 2


def test_what_it_has_not_is_refused(ex):
  with pytest.raises(grid.ConfigError, match='frugal has no beta: the numbers'):
    override(ex, 'beta=2')


def test_a_network_without_the_heads_says_so(ex, batch):
  small = override(ex, 'network=networks.unet')
  with pytest.raises(ValueError, match='no z_log_sigma, direction'):
    small.model(batch)
