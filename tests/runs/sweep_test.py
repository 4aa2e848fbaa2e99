import dataclasses
import functools

import jax
import numpy as np
import optax
import pytest

from vae_jax import networks, training
from vae_jax.config import grid
from vae_jax.factors import likelihoods, objectives, posteriors, views
from vae_jax.measures import importance, per_example, pooled
from vae_jax.runs import padding, run, sweep
from vae_jax.training import feed, replicate, sharded

STEPS = 100
OPTIMIZERS = {'sgd': optax.identity, 'adam': optax.scale_by_adam}


def changed(tiny, **fields):
  return dataclasses.replace(tiny, steps=STEPS, steps_per_call=STEPS, **fields)


def models(tiny):
  """The kinds of model of which a sweep must be exact."""
  conv = functools.partial(networks.conv, widths=(3,), dense=6)
  return {
    'vae': tiny,
    'conv_vae': dataclasses.replace(tiny, network=conv),
    'conditional_vae': dataclasses.replace(
      tiny, view=getattr(views, 'labelled', views.clean)
    ),
    'adversarial': dataclasses.replace(
      tiny,
      posterior=posteriors.Point,
      objective=objectives.adversarial,
      critic=getattr(networks, 'critic', None),
      measures=(per_example.reconstruction,),
      monitor='nll_nats',
    ),
  }


def alone(ex, batch, devices):
  """(losses of every step, final State on the host) of one run."""
  ready = run.Ready(ex, {'train': batch}, None, None, devices)
  state = replicate(run.initial(ready)(ex), devices)
  placed, hyper = replicate((batch, ex.hyper()), devices)
  call = training.over_devices(
    functools.partial(training.steps, ex), devices=devices
  )
  index = feed.step_index(ex, batch.size, devices, 0, ex.steps)
  state, metrics = call(placed, hyper, state, index)
  return np.asarray(metrics['loss']), padding.host(state)


def together(experiments, batch, devices):
  """The same of all these runs as one sweep."""
  members = [
    grid.Member(str(i), e, [], '', '') for i, e in enumerate(experiments)
  ]
  program = sweep.Program(members, sweep.widest(experiments))
  firsts = [first(ex, batch) for ex in experiments]
  wide = max(firsts, key=padding.size)
  base = jax.tree.map(np.zeros_like, wide)
  states = padding.stack([padding.within(one, base) for one in firsts])
  spread = [
    jax.tree.map(lambda x: sweep.laid(x, len(devices)), x)
    for x in (sweep.hypers(program), states)
  ]
  sharding = sharded(devices, jax.sharding.PartitionSpec('devices'))
  hyper, state = jax.device_put(spread, sharding)
  placed = replicate(batch, devices)
  orders = sweep.Orders(program, placed, [0] * len(members), devices)
  _, index = orders(0, STEPS)
  call = sweep.steps(program.ex, devices)
  state, metrics = call(placed, hyper, padding.keyed(state), index)
  losses_KR = np.asarray(metrics['loss']).reshape(STEPS, -1)
  stack = jax.tree.map(sweep.flat, padding.host(state))
  found = padding.unstack(stack, len(members))
  cuts = [padding.cut(a, b) for a, b in zip(found, firsts, strict=True)]
  return [(losses_KR[:, r], cut) for r, cut in enumerate(cuts)]


def first(ex, batch):
  ready = run.Ready(ex, {'train': batch}, None, None, None)
  return padding.host(run.initial(ready)(ex))


def assert_same(found, wanted, atol=1e-6):
  np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5)
  close = functools.partial(np.testing.assert_allclose, atol=atol)
  jax.tree.map(close, found[1].params, wanted[1].params)
  jax.tree.map(np.testing.assert_array_equal, found[1].key, wanted[1].key)
  assert found[1].step == wanted[1].step


@pytest.mark.parametrize('optimizer', OPTIMIZERS)
@pytest.mark.parametrize(
  'kind', ['vae', 'conv_vae', 'conditional_vae', 'adversarial']
)
def test_a_run_in_a_padded_sweep_is_the_run_alone(kind, optimizer, tiny, batch):
  ex = changed(models(tiny)[kind], optimizer=OPTIMIZERS[optimizer])
  ex = dataclasses.replace(ex, learning_rate=1e-4, critic_rate=1e-4)
  few, many = (dataclasses.replace(ex, latents=n) for n in (2, 5))
  devices = jax.local_devices()[:1]
  found = together([few, many], batch, devices)
  for one, result in zip((few, many), found, strict=True):
    assert_same(result, alone(one, batch, devices))


HYPER = {
  'learning_rate': (1e-4, 3e-4),
  'beta': (0.5, 2.0),
  'free_bits': (0.0, 3.0),
  'noise': (0.1, 0.7),
  'sparsity': (0.0, 0.2),
  'critic_rate': (1e-4, 3e-4),
  'seed': (0, 7),
}


def leaf_of(tiny, field):
  """An experiment in which this number matters."""
  if field == 'critic_rate':
    return models(tiny)['adversarial']
  if field == 'sparsity':
    return dataclasses.replace(tiny, objective=objectives.sparse)
  return dataclasses.replace(tiny, view=views.noisy)


@pytest.mark.parametrize('field', HYPER)
def test_sweeping_a_number_is_running_each_of_its_values(field, tiny, batch):
  ex = changed(leaf_of(tiny, field), optimizer=optax.identity)
  rate = {'learning_rate': 1e-4} if field != 'learning_rate' else {}
  values = HYPER[field]
  runs = [dataclasses.replace(ex, **rate | {field: v}) for v in values]
  devices = jax.local_devices()[:1]
  found = together(runs, batch, devices)
  for one, result in zip(runs, found, strict=True):
    assert_same(result, alone(one, batch, devices))
  different = [
    np.abs(a - b).max()
    for a, b in zip(*(jax.tree.leaves(f[1].params) for f in found), strict=True)
  ]
  assert max(different) > 1e-5  # or the number does nothing


def test_every_number_of_hyper_is_tested():
  leaves = {field.name for field in dataclasses.fields(objectives.Hyper)}
  assert leaves - {'z_mask'} == set(HYPER) - {'seed'}


@pytest.mark.parametrize('stack', ['map', 'vmap'])
def test_runs_lie_on_any_devices_one_by_one_or_side_by_side(stack, tiny, batch):
  ex = changed(tiny, stack=stack, learning_rate=1e-4)
  runs = [dataclasses.replace(ex, latents=n) for n in (2, 3, 5)]
  wanted = together(runs, batch, jax.local_devices()[:1])
  found = together(runs, batch, jax.local_devices())  # one device to spare
  alike = together(
    [dataclasses.replace(run, stack='map') for run in runs],
    batch,
    jax.local_devices()[:1],
  )
  for one, two, three in zip(found, wanted, alike, strict=True):
    assert_same(one, two)
    assert_same(one, three)


def explodes(model, params, example, key_B, hyper):
  """The ELBO, which is not a number where beta is 3."""
  loss, metrics = objectives.elbo(model, params, example, key_B, hyper)
  bad = jax.numpy.where(hyper.beta == 3, jax.numpy.nan, 0.0)
  return loss + bad, metrics | {'loss': loss + bad}


@pytest.mark.parametrize('stack', ['map', 'vmap'])
def test_a_run_that_diverges_stays_where_it_was_and_disturbs_nobody(
  stack, tiny, batch
):
  ex = changed(tiny, objective=explodes, stack=stack)
  good, bad = (dataclasses.replace(ex, beta=beta) for beta in (1.0, 3.0))
  devices = jax.local_devices()[:1]
  found = together([good, bad], batch, devices)
  undisturbed = together([good, good], batch, devices)
  jax.tree.map(
    np.testing.assert_array_equal, found[0][1].params, undisturbed[0][1].params
  )
  assert found[1][1].refused == STEPS and found[1][1].step == 0
  params = first(bad, batch).params
  jax.tree.map(np.testing.assert_array_equal, found[1][1].params, params)


def named(*experiments):
  return [grid.Member(str(i), e, [], '', '') for i, e in enumerate(experiments)]


def test_a_program_holds_all_runs_that_differ_in_leaves_alone(tiny):
  other = dataclasses.replace(tiny, batch_size=4)
  members = named(
    tiny,
    other,
    dataclasses.replace(tiny, latents=7, seed=3, beta=2.0, learning_rate=0.1),
    dataclasses.replace(other, noise=0.1),
  )
  found = sweep.programs(members)
  assert [[m.name for m in p.members] for p in found] == [
    ['0', '2'],
    ['1', '3'],
  ]
  assert found[0].ex.latents == 7  # the widest


@pytest.mark.parametrize(
  'fields',
  [
    {'network': functools.partial(networks.mlp, widths=(9,))},
    {'dataset': 'photos'},
    {'likelihood': likelihoods.normal},
    {'steps': 13},
    {'posterior': posteriors.Point},
  ],
)
def test_what_changes_a_shape_or_a_function_is_another_program(fields, tiny):
  members = named(tiny, dataclasses.replace(tiny, **fields))
  assert len(sweep.programs(members)) == 2


def own(latents, shapes, size, heads):
  """A network of the user's own: who knows where it puts z."""
  return networks.mlp(latents, shapes, size, heads)


@pytest.mark.parametrize('network', [networks.pooled, own])
def test_sizes_that_a_network_cannot_mask_get_a_program_each(network, tiny):
  ex = dataclasses.replace(tiny, network=network, latents=16)
  members = named(ex, dataclasses.replace(ex, latents=32))
  assert len(sweep.programs(members)) == 2
  seeds = named(ex, dataclasses.replace(ex, seed=1))
  assert len(sweep.programs(seeds)) == 1


def test_runs_that_do_not_fit_come_in_pieces(tiny):
  program = sweep.Program(named(*[tiny] * 7), tiny)
  room = 3.5 * 100 * sweep.COPIES
  pieces = sweep.chunks(program, 100, room, devices=1)
  assert [[m.name for m in p.members] for p in pieces] == [
    ['0', '1', '2'],
    ['3', '4', '5'],
    ['6'],
  ]
  assert len(sweep.chunks(program, 100, room, devices=2)) == 2
  assert sweep.chunks(program, 1000, room, devices=1) == []


def test_a_run_that_is_ahead_waits(tiny, batch):
  ex = dataclasses.replace(tiny, steps_per_call=4)
  program = sweep.Program(named(ex, dataclasses.replace(ex, seed=1)), ex)
  devices = jax.local_devices()[:1]
  placed = replicate(batch, devices)
  orders = sweep.Orders(program, placed, [0, 3], devices)
  _, index = orders(2, 3)
  for r, member in enumerate(program.members):
    wanted = feed.step_index(member.ex, batch.size, devices, 2, 3)[0]
    wanted[:r] = -1  # the second has made step 2 already
    np.testing.assert_array_equal(index[0, r], wanted)


def test_measures_of_a_sweep_are_those_of_each_run(tiny, batch):
  measures = (
    per_example.elbo,
    per_example.active_latents,
    per_example.kl_per_latent,
    per_example.quality,
  )
  ex = dataclasses.replace(tiny, measures=measures, nll_samples=6, nll_images=9)
  runs = [dataclasses.replace(ex, latents=n) for n in (2, 5)]
  program = sweep.Program(named(*runs), runs[1])
  devices = jax.local_devices()
  firsts = [first(one, batch) for one in runs]
  base = jax.tree.map(np.zeros_like, firsts[1])
  states = padding.stack([padding.within(one, base) for one in firsts])
  hyper, state = (
    jax.tree.map(lambda x: sweep.laid(x, len(devices)), x)
    for x in (sweep.hypers(program), states)
  )
  sharding = sharded(devices, jax.sharding.PartitionSpec('devices'))
  hyper, state = jax.device_put((hyper, state), sharding)
  state = padding.keyed(state)
  placed = replicate(batch, devices)
  found = sweep.measured(program.ex, devices, 8)(placed, hyper, state)
  log_p_RN = sweep.log_likelihoods(program.ex, devices, 4)(placed, hyper, state)
  for r, one in enumerate(runs):
    alone = padding.keyed(firsts[r])
    args = replicate((batch, one.hyper(), alone), devices[:1])
    wanted = pooled.over(one, measures, devices[:1])(*args)
    del found[r]['kl_per_latent_nats'][one.latents :]
    for name, value in wanted.items():
      assert found[r][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    nll = importance.nll(one, devices[:1])(*args)['nll_iw_nats']
    assert -log_p_RN[r].mean() == pytest.approx(nll, rel=1e-6)
