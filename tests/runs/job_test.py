import dataclasses
import json
import os
import pathlib
import signal

import jax
import numpy as np
import pytest

import vae_jax
from vae_jax import console, data
from vae_jax.config import grid
from vae_jax.config.override import override
from vae_jax.factors import objectives
from vae_jax.measures import per_example, pooled
from vae_jax.reports.summary import TIMES
from vae_jax.runs import command, directory
from vae_jax.runs.directory import Interrupted, Refused, RunError
from vae_jax.runs.prepare import abstract, check_batch
from vae_jax.training import checkpoint, log, replicate
from vae_jax.training.devices import OneRun


def fit(ex, run_dir, changes=()):
  return command.fit('tiny', [grid.alone(ex, changes)], run_dir)


def evaluate(ex, run_dir):
  return command.evaluate('tiny', [grid.alone(ex)], run_dir)


@pytest.fixture
def ex(tiny, tiny_data):
  """Twelve steps in three calls, tested and saved after each call."""
  return dataclasses.replace(tiny, dataset='tiny', report_every=4)


def params(outcome):
  return jax.tree.leaves(jax.device_get(outcome.trained[''].state.params))


def measured(outcome):
  return {k: v for k, v in outcome.runs[''].results.items() if k not in TIMES}


def history(run_dir):
  return [
    {k: v for k, v in row.items() if k not in TIMES}
    for row in log.rows(run_dir)
  ]


def assert_the_same_run(a, b):
  assert measured(a) == measured(b)
  assert history(a.run_dir) == history(b.run_dir)
  for x, y in zip(params(a), params(b), strict=True):
    np.testing.assert_array_equal(x, y)


def test_a_resumed_run_equals_one_that_ran_straight(ex, tmp_path):
  straight = fit(ex, tmp_path / 'straight')
  half = dataclasses.replace(ex, steps=4)
  fit(half, tmp_path / 'halves')
  resumed = fit(ex, tmp_path / 'halves')
  assert_the_same_run(resumed, straight)


@pytest.mark.slow
def test_a_streamed_run_equals_a_resident_one(ex, tmp_path):
  # Reports that K does not divide, so that a superbatch is not used up.
  ex = dataclasses.replace(ex, report_every=3)
  resident = fit(ex, tmp_path / 'resident')
  never = dataclasses.replace(ex, resident='never')
  streamed = fit(never, tmp_path / 'streamed')
  assert_the_same_run(streamed, resident)


def test_a_run_directory_holds_what_is_promised(ex, tmp_path):
  outcome = fit(ex, tmp_path, ['steps=12'])
  found = json.loads((tmp_path / 'config.json').read_text())
  assert found['experiment'] == 'tiny'
  assert found['overrides'] == ['steps=12']
  assert found['fields']['network'] == 'networks.mlp(widths=(16,))'
  assert found['devices'] == '4 x cpu'
  assert 'jax' in found['versions']
  written = json.loads((tmp_path / 'results.json').read_text())
  assert written == outcome.runs[''].results
  assert {'nelbo_nats', *TIMES} <= set(written)
  assert [row['step'] for row in log.rows(tmp_path)] == [0, 4, 8, 12]
  assert list((tmp_path / 'tensorboard').iterdir())


def test_steps_and_images_per_second_agree(ex, tmp_path):
  written = fit(ex, tmp_path).runs[''].results
  assert written['images_per_s'] == pytest.approx(8 * written['steps_per_s'])


def test_another_configuration_is_refused_naming_the_fields(ex, tmp_path):
  fit(ex, tmp_path)
  other = override(dataclasses.replace(ex, latents=5, steps=16), 'beta=2')
  with pytest.raises(RunError, match='beta=2.*latents was 3, now 5') as error:
    fit(other, tmp_path)
  assert 'steps was' not in str(error.value)


def test_a_run_that_diverges_stops_and_keeps_what_was_good(ex, tmp_path):
  ex = dataclasses.replace(ex, learning_rate=1e35)
  with pytest.raises(RunError, match=r'step \d+: .*not finite.*1e\+35'):
    fit(ex, tmp_path)
  manager = checkpoint.open(tmp_path / 'checkpoints')
  batch = data.load('tiny')['train']
  like = abstract(ex, batch, jax.local_devices()[0])
  state, _, _ = checkpoint.restore(manager, like)
  checkpoint.close(manager)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))


@pytest.mark.slow
def test_a_signal_saves_the_run_and_it_goes_on_as_if_nothing_was(
  ex, tmp_path, monkeypatch
):
  straight = fit(ex, tmp_path / 'straight')
  update = console.Bar.update

  def interrupt(self, step, **values):
    update(self, step, **values)
    if step == 8:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(console.Bar, 'update', interrupt)
  with pytest.raises(Interrupted, match='SIGTERM at step 8 of 12.*stopped$'):
    fit(ex, tmp_path / 'stopped')
  monkeypatch.setattr(console.Bar, 'update', update)
  assert_the_same_run(fit(ex, tmp_path / 'stopped'), straight)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_noticed_and_the_older_one_used(
  ex, tmp_path, capsys
):
  straight = fit(ex, tmp_path)
  # Every file: which of them orbax reads from differs from save to save.
  for path in (tmp_path / 'checkpoints' / '12' / 'state').rglob('*'):
    if path.is_file():
      content = bytearray(path.read_bytes())
      content[len(content) // 2] ^= 1
      path.write_bytes(content)
  again = fit(ex, tmp_path)
  assert 'checkpoint 12 is damaged' in capsys.readouterr().err
  for x, y in zip(params(again), params(straight), strict=True):
    np.testing.assert_array_equal(x, y)


@pytest.mark.slow
def test_evaluation_repeats_the_measures_of_training(ex, tmp_path):
  trained = fit(ex, tmp_path)
  again = evaluate(ex, tmp_path)
  assert again.runs[''].results == trained.runs[''].results


@pytest.mark.slow
def test_the_nll_is_measured_after_training_and_by_evaluation(ex, tmp_path):
  ex = dataclasses.replace(ex, nll_samples=3, nll_images=7)
  fit(ex, tmp_path)
  trained = directory.results_of(tmp_path)
  assert (trained['nll_iw_samples'], trained['nll_iw_images']) == (3, 7)
  assert {'nll_iw_nats', 'nll_iw_stderr_nats'} <= set(trained)
  evaluate(dataclasses.replace(ex, nll_samples=4), tmp_path)
  again = directory.results_of(tmp_path)
  assert again['nll_iw_samples'] == 4
  assert again['nll_iw_nats'] != trained['nll_iw_nats']


def test_evaluation_needs_a_checkpoint(ex, tmp_path):
  with pytest.raises(RunError, match='no checkpoint'):
    evaluate(ex, tmp_path)


def test_a_batch_the_devices_cannot_share_is_one_clear_line(ex, tmp_path):
  ex = dataclasses.replace(ex, batch_size=10)
  with pytest.raises(RunError, match='10 cannot be divided over 4 .* 8$'):
    fit(ex, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_a_batch_is_only_cut_into_equal_pieces_of_a_mean(ex, tmp_path):
  def compares_examples(model, params, example, key_B):
    model.gather(example.wanted)
    return objectives.elbo(model, params, example, key_B)

  ex = dataclasses.replace(ex, devices=1, micro_batch=3)
  with pytest.raises(Refused, match='3 does not divide the 8 .* 1, 2, 4'):
    fit(ex, tmp_path / 'run')
  ex = dataclasses.replace(ex, micro_batch=4, objective=compares_examples)
  with pytest.raises(Refused, match='micro_batch must be None$'):
    fit(ex, tmp_path / 'run')
  check_batch(dataclasses.replace(ex, micro_batch=8), 1)


def test_residence_is_one_of_three_words(ex, tmp_path):
  ex = dataclasses.replace(ex, resident='sometimes')
  with pytest.raises(Refused, match="auto, always or never, not 'some"):
    fit(ex, tmp_path / 'run')


def test_a_monitor_nobody_measures_is_refused(ex, tmp_path):
  ex = dataclasses.replace(ex, monitor='accuracy')
  with pytest.raises(RunError, match="'accuracy' is not .* nelbo_nats"):
    fit(ex, tmp_path / 'run')


def test_a_config_that_is_not_ours_is_refused(ex, tmp_path):
  (tmp_path / 'config.json').write_text('{"a": 1}')
  with pytest.raises(RunError, match='not a config of ours'):
    fit(ex, tmp_path)


@pytest.mark.slow
def test_fewer_devices_continue_the_same_run(ex, tmp_path, monkeypatch, capsys):
  straight = fit(ex, tmp_path / 'four')
  fit(dataclasses.replace(ex, steps=4), tmp_path / 'two')
  devices = jax.local_devices()[:2]
  monkeypatch.setattr(jax, 'local_devices', lambda: devices)
  resumed = fit(ex, tmp_path / 'two')
  assert 'devices was 4 x cpu, now 2 x cpu' in capsys.readouterr().err
  for x, y in zip(params(resumed), params(straight), strict=True):
    np.testing.assert_allclose(x, y, atol=1e-5)


@pytest.mark.slow
def test_evaluation_uses_the_means_of_the_whole_split(ex, tmp_path):
  outcome = fit(ex, tmp_path)
  trained = outcome.trained['']
  layout = OneRun(jax.local_devices())
  measure = pooled.means(ex, ex.measured(), layout, batch_size=3)

  state, hyper = replicate((trained.state, trained.hyper))
  [again] = measure(replicate(trained.data['test']), hyper, state)
  assert again['nelbo_nats'] == pytest.approx(trained.results['nelbo_nats'])


def test_a_kill_before_the_first_checkpoint_leaves_no_second_first_row(
  ex, tmp_path
):
  for _ in range(2):  # killed twice between the row of step 0 and step 4
    writer = log.open(tmp_path, resume_step=0)
    if not log.rows(tmp_path):
      writer.scalars(0, {'test/nelbo_nats': 99.0})
    writer.close()
  fit(ex, tmp_path)
  assert [row['step'] for row in log.rows(tmp_path)] == [0, 4, 8, 12]


@pytest.mark.slow
def test_a_damaged_log_and_results_are_told_and_the_run_goes_on(
  ex, tmp_path, capsys
):
  fit(dataclasses.replace(ex, steps=8), tmp_path)
  path = tmp_path / 'metrics.jsonl'
  lines = path.read_bytes().splitlines(keepends=True)
  path.write_bytes(lines[0] + b'\xff' + lines[1][1:] + lines[2][:-20])
  (tmp_path / 'results.json').write_bytes(b'{"step": 8, \xff')
  evaluated = evaluate(dataclasses.replace(ex, steps=8), tmp_path)
  err = capsys.readouterr().err
  assert '1 line of 2 damaged' in err and 'results.json is damaged' in err
  assert 'steps_per_s' not in evaluated.runs[''].results
  fit(ex, tmp_path)
  assert [row['step'] for row in log.rows(tmp_path)] == [0, 12]
  assert directory.results_of(tmp_path)['step'] == 12


LIMIT = {'step': 5.0}


def fails(model, params, example, key_B, beta: float = 1.0):
  """The ELBO, which is not a number once beta is above the limit."""
  values = objectives.elbo(model, params, example, key_B, beta)
  bad = jax.numpy.where(beta > LIMIT['step'], jax.numpy.nan, 0.0)
  return values | {'loss': values['loss'] + bad}


def growing(step):
  """Beta, of which 1 is the whole, is the number of the step."""
  return step


@pytest.mark.slow
def test_a_run_that_was_stopped_by_a_bad_step_tries_it_again(
  ex, tmp_path, monkeypatch
):
  schedule = (('objective.beta', growing),)
  ex = dataclasses.replace(ex, schedule=schedule, objective=fails)
  with pytest.raises(RunError, match='step 7: .*not finite'):
    fit(ex, tmp_path)
  monkeypatch.setitem(LIMIT, 'step', 99.0)  # as on a machine that overflows not
  state = fit(ex, tmp_path).trained[''].state
  assert (int(state.step), int(state.refused)) == (12, 0)


NOVEMBER = pathlib.Path(__file__).parents[1] / 'config' / 'november.json'


@pytest.mark.slow
def test_a_run_of_november_goes_on_and_is_measured_and_loaded(ex, tmp_path):
  """Its config.json is one that was written when the folders were flat."""
  config = json.loads(NOVEMBER.read_text())['config']
  old = dataclasses.replace(ex, measures=(objectives.elbo, per_example.quality))
  fit(dataclasses.replace(old, steps=4), tmp_path)
  (tmp_path / 'config.json').write_text(json.dumps(config))
  for change in config['overrides']:
    assert override(ex, change).measures in (ex.measures, old.measures)
  assert evaluate(old, tmp_path).runs[''].results['step'] == 4
  assert vae_jax.load(tmp_path).results == {'step': 4}
  assert fit(old, tmp_path).runs[''].results['step'] == 12
  other = dataclasses.replace(old, latents=4)
  (tmp_path / 'config.json').write_text(json.dumps(config))
  with pytest.raises(Refused, match='latents was 3, now 4$'):
    fit(other, tmp_path)


@pytest.mark.slow
def test_what_another_began_while_the_data_was_read_is_not_gone_on_with(
  tiny, tiny_data, monkeypatch, tmp_path
):
  monkeypatch.setitem(data.EMBEDDED, 'tiny', lambda: tiny_data)
  ex = dataclasses.replace(tiny, dataset='tiny', steps=4)
  other = dataclasses.replace(ex, seed=7)
  planned = command.plan.jobs

  def slowly(*args):
    monkeypatch.setattr(command.plan, 'jobs', planned)
    command.fit('tiny', [grid.alone(other)], tmp_path)
    return planned(*args)

  monkeypatch.setattr(command.plan, 'jobs', slowly)
  with pytest.raises(Refused, match='seed was 7, now 0'):
    command.fit('tiny', [grid.alone(ex)], tmp_path)
