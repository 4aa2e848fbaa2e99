import dataclasses
import functools
import os
import signal

import jax
import numpy as np
import pytest

from vae_jax import console, data
from vae_jax.config import grid
from vae_jax.runs import command, loop, plan
from vae_jax.runs.directory import Interrupted, Refused
from vae_jax.runs.prepare import Clock, abstract
from vae_jax.training import checkpoint, log

pytestmark = pytest.mark.slow


@pytest.fixture
def members(tiny, tiny_data):
  """Two sizes and two seeds, twelve steps in calls of four."""
  ex = dataclasses.replace(tiny, dataset='tiny', report_every=4)
  return grid.members(ex, ['latents=2,3', 'seed=0,1'])


def params(outcome):
  return [jax.device_get(one.state.params) for one in outcome.trained.values()]


def same(a, b):
  jax.tree.map(np.testing.assert_array_equal, params(a), params(b))


def interrupt_at(step, monkeypatch):
  """SIGTERM once this step is drawn."""
  update = console.Bar.update

  def interrupt(self, at, **values):
    update(self, at, **values)
    if at == step:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(console.Bar, 'update', interrupt)


def test_a_signal_saves_every_run_and_the_sweep_goes_on_bit_for_bit(
  members, tmp_path, monkeypatch, capsys
):
  straight = command.fit('tiny', members, tmp_path / 'straight')
  with monkeypatch.context() as patch:
    interrupt_at(8, patch)
    with pytest.raises(
      Interrupted, match='SIGTERM at step 8 of 12: saved.*stopped$'
    ) as error:
      command.fit('tiny', members, tmp_path / 'stopped')
  assert error.value.signal == signal.SIGTERM
  again = command.fit('tiny', members, tmp_path / 'stopped')
  assert 'resuming at step 8 of 12' in capsys.readouterr().err
  same(again, straight)
  for name in again.runs:
    rows = [
      log.rows(tmp_path / where / name) for where in ('straight', 'stopped')
    ]
    assert [row['step'] for row in rows[1]] == [0, 4, 8, 12]
    losses = [[row.get('train/loss') for row in part] for part in rows]
    assert losses[0] == losses[1]


def test_a_sweep_goes_on_with_runs_that_stopped_at_different_steps(
  members, tmp_path
):
  straight = command.fit('tiny', members, tmp_path / 'straight')
  ahead = members[1]
  short = dataclasses.replace(ahead.ex, steps=8)
  command.fit('tiny', [grid.alone(short)], tmp_path / 'mixed' / ahead.name)
  mixed = command.fit('tiny', members, tmp_path / 'mixed')
  close = functools.partial(np.testing.assert_allclose, atol=1e-6)
  jax.tree.map(close, params(mixed), params(straight))
  rows = log.rows(tmp_path / 'mixed' / ahead.name)
  assert [row['step'] for row in rows] == [0, 4, 8, 12]


def test_a_run_of_a_sweep_goes_on_alone(members, tmp_path):
  command.fit('tiny', members, tmp_path / 'grid')
  member = members[2]
  longer = dataclasses.replace(member.ex, steps=20)
  found = command.fit(
    'tiny', [grid.alone(longer)], tmp_path / 'grid' / member.name
  )
  straight = command.fit('tiny', [grid.alone(longer)], tmp_path / 'alone')
  close = functools.partial(np.testing.assert_allclose, atol=1e-6)
  jax.tree.map(
    close, found.trained[''].state.params, straight.trained[''].state.params
  )


def test_every_run_is_saved_at_its_own_size(members, tmp_path):
  command.fit('tiny', members, tmp_path)
  for member in members:
    batch, device = data.load('tiny')['train'], jax.local_devices()[0]
    like = abstract(member.ex, batch, device)
    manager = checkpoint.open(tmp_path / member.name / 'checkpoints')
    state, step, _ = checkpoint.restore(manager, like)
    checkpoint.close(manager)
    assert step == 12
    bias = state.params['encoder']['z_mean']['bias']
    assert bias.shape == (member.ex.latents,)


def test_more_runs_of_the_same_sizes_trace_and_compile_nothing_more(
  members, tmp_path
):
  counts = []
  for some in (members[::2], members):  # one seed, two seeds
    traced = []

    def counted(*args, traced=traced, **keywords):
      traced.append(1)
      return members[0].ex.network(*args, **keywords)

    counted.maskable = True
    some = [
      m._replace(ex=dataclasses.replace(m.ex, network=counted)) for m in some
    ]
    command.fit('tiny', some, tmp_path / str(len(some)))
    counts.append(len(traced))
  assert counts[0] == counts[1] > 0


def test_a_streamed_sweep_is_one_program_and_equals_the_resident_one(
  members, tmp_path, capsys
):
  # Reports that K does not divide, so that a superbatch is not used up.
  members = [
    m._replace(ex=dataclasses.replace(m.ex, report_every=3)) for m in members
  ]
  streamed = [
    m._replace(ex=dataclasses.replace(m.ex, resident='never')) for m in members
  ]
  found = command.fit('tiny', streamed, tmp_path / 'streamed')
  assert 'plan: 4 runs in 1 program' in capsys.readouterr().err
  same(found, command.fit('tiny', members, tmp_path / 'resident'))


def test_a_sweep_that_cannot_fit_is_refused_and_one_that_can_is_cut(
  members, tmp_path, monkeypatch, capsys
):
  splits = data.load('tiny')
  needed = plan.run_bytes(members[-1].ex, splits)  # params and both moments
  each = plan.COPIES * needed / plan.SHARE
  monkeypatch.setattr(plan, 'memory', lambda devices: 0.9 * each)
  with pytest.raises(Refused, match='latents=2_seed=0 needs .* has'):
    command.fit('tiny', members, tmp_path / 'small')
  assert not (tmp_path / 'small').exists()
  devices = jax.local_devices()[:2]
  monkeypatch.setattr(jax, 'local_devices', lambda: devices)
  monkeypatch.setattr(plan, 'memory', lambda devices: 1.1 * each)
  pieces = command.fit('tiny', members, tmp_path / 'pieces')
  assert 'plan: 4 runs in 2 programs' in capsys.readouterr().err
  whole = command.fit('tiny', members[:2], tmp_path / 'whole')
  assert list(pieces.runs)[:2] == list(whole.runs)


@pytest.mark.parametrize(
  'seconds, worth',
  [
    ({'train': 99.0}, False),  # the first is taken to last 3 s
    ({'train': 101.0}, True),
    ({'train': 101.0, 'evaluate': 3.0, 'save': 1.0}, False),
    ({'train': 140.0, 'evaluate': 3.0, 'save': 1.0}, True),
  ],
)
def test_a_sweep_tests_while_that_costs_little(tiny, seconds, worth):
  clock = Clock()
  clock.seconds |= seconds
  two = [grid.alone(tiny), grid.alone(tiny)]
  several = plan.Job(two, tiny, None, {})
  assert loop.worth_testing(several, clock) == worth
  assert loop.worth_testing(several._replace(members=two[:1]), clock)
  asked = dataclasses.replace(tiny, report_every=4)
  assert loop.worth_testing(several._replace(ex=asked), clock)
