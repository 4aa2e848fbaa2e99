import dataclasses
import functools

import jax
import pytest

from vae_jax import networks
from vae_jax.config import grid
from vae_jax.config.override import override
from vae_jax.factors import likelihoods, posteriors, priors
from vae_jax.runs import plan
from vae_jax.runs.directory import Refused
from vae_jax.training.devices import ManyRuns, OneRun


@pytest.fixture
def tiny(tiny, tiny_data):
  """A small experiment on small data."""
  return dataclasses.replace(tiny, dataset='tiny')


def named(*experiments):
  return [
    grid.alone(e)._replace(name=str(i)) for i, e in enumerate(experiments)
  ]


def names(jobs):
  return [[member.name for member in job.members] for job in jobs]


def test_a_job_holds_all_runs_that_differ_in_leaves_alone(tiny):
  other = dataclasses.replace(tiny, batch_size=4)
  members = named(
    tiny,
    other,
    override(
      dataclasses.replace(tiny, latents=7, seed=3, learning_rate=0.1), 'beta=2'
    ),
    override(other, 'free_bits=0.1'),
  )
  found = plan.jobs(members)
  assert names(found) == [['0', '2'], ['1', '3']]
  assert found[0].ex.latents == 7  # the widest


@pytest.mark.parametrize(
  'fields',
  [
    {'network': functools.partial(networks.mlp, widths=(9,))},
    {'dataset': 'photos'},
    {'likelihood': likelihoods.normal},
    {'steps': 13},
    {'posterior': posteriors.point},
  ],
)
def test_what_changes_a_shape_or_a_function_is_another_program(fields, tiny):
  members = named(tiny, dataclasses.replace(tiny, **fields))
  assert len({plan.shared(member.ex) for member in members}) == 2


def own(latents, shapes, size, heads):
  """A network of the user's own: who knows where it puts z."""
  return networks.mlp(latents, shapes, size, heads)[:2]


@pytest.mark.parametrize('network', [networks.pooled, own])
def test_sizes_that_a_network_cannot_mask_get_a_job_each(network, tiny):
  ex = dataclasses.replace(tiny, network=network, latents=16)
  sizes = named(ex, dataclasses.replace(ex, latents=32))
  assert names(plan.jobs(sizes)) == [['0'], ['1']]
  seeds = named(ex, dataclasses.replace(ex, seed=1))
  assert names(plan.jobs(seeds)) == [['0', '1']]


def mixed(latents):
  """A posterior that mixes latents."""
  return posteriors.normal(latents)._replace(maskable=False)


def flow(latents):
  """A prior that does."""
  return priors.standard_normal(latents)._replace(maskable=False)


def judge(latents):
  """A critic that might."""
  return networks.Critic(networks.critic(latents).net)


@pytest.mark.parametrize(
  'fields', [{'posterior': mixed}, {'prior': flow}, {'critic': judge}]
)
def test_a_factor_that_mixes_latents_gets_a_job_for_each_size(fields, tiny):
  sizes = [tiny, dataclasses.replace(tiny, latents=2)]
  assert names(plan.jobs(named(*sizes))) == [['0', '1']]
  mixed = [dataclasses.replace(ex, **fields) for ex in sizes]
  assert names(plan.jobs(named(*mixed))) == [['0'], ['1']]


def test_one_run_has_all_devices_and_many_have_some_each(tiny):
  devices = jax.local_devices()
  seeds = named(tiny, dataclasses.replace(tiny, seed=1))
  [one], [many] = plan.jobs(seeds[:1]), plan.jobs(seeds)
  assert one.layout == OneRun(devices)
  assert many.layout == ManyRuns(devices, 2, side_by_side=False)
  asked = [
    m._replace(ex=dataclasses.replace(m.ex, stack='vmap')) for m in seeds
  ]
  assert plan.jobs(asked)[0].layout.side_by_side


def test_runs_that_do_not_fit_come_in_pieces(tiny):
  members, devices = named(*[tiny] * 7), jax.local_devices()
  job = plan.Job(members, tiny, None, {}, run_bytes=100)
  room = 3.5 * 100 * plan.COPIES
  found = plan.chunks(job, devices[:1], room)
  assert names(found) == [['0', '1', '2'], ['3', '4', '5'], ['6']]
  assert found[0].layout == ManyRuns(devices[:1], 3)
  assert found[2].layout == OneRun(devices[:1])
  assert len(plan.chunks(job, devices[:2], room)) == 2
  with pytest.raises(Refused, match='0 needs 4 kB, and a device has 1.4 kB'):
    plan.chunks(job._replace(run_bytes=1000), devices[:1], room)


def test_the_plan_says_what_trains_together(tiny):
  members = named(tiny, dataclasses.replace(tiny, seed=1))
  [job] = plan.jobs(members)
  assert job.title == '2 runs together, 0 to 1'
  assert job.total == tiny.total_steps(16) == 12
  first, second = plan.described([job])
  assert first == 'plan: 2 runs in 1 program'
  assert second.startswith('  2 runs together, 0 to 1: about ')
