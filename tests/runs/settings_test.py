import dataclasses
import json

import jax
import pytest

from vae_jax import config, data
from vae_jax.config import grid
from vae_jax.runs import command, settings
from vae_jax.runs.directory import Refused


def saved_steps(run_dir, *steps):
  for step in steps:
    (run_dir / 'checkpoints' / str(step)).mkdir(parents=True)
  (run_dir / 'checkpoints' / '9.orbax-checkpoint-tmp').mkdir()


def test_what_is_saved_is_said(tmp_path):
  assert settings.saved(tmp_path).startswith('stopped before anything')
  saved_steps(tmp_path / 'run', 3, 12)
  said = settings.saved(tmp_path / 'run')
  assert said == f'step 12 is saved, go on with --workdir={tmp_path / "run"}'
  (tmp_path / 'config.json').write_text('{}')
  assert settings.saved(tmp_path).startswith('what 1 run had learned is saved')


def test_what_changed_since_a_run_was_made_is_told(tmp_path, tiny, capsys):
  [device] = jax.local_devices()[:1]
  with pytest.raises(Refused, match='config.json is missing'):
    settings.tell_of_changes(tmp_path, [device])
  batch = data.EMBEDDED['digits']()['test']
  member = grid.alone(tiny)
  settings.write_config(tmp_path, 'tiny', member, batch, [device])
  settings.tell_of_changes(tmp_path, [device])
  assert capsys.readouterr().err == ''
  path = tmp_path / 'config.json'
  text = json.loads(path.read_text())
  text['versions']['jax'] = '0.1'
  text['jax']['x64'] = True
  path.write_text(json.dumps(text))
  settings.tell_of_changes(tmp_path, [device] * 2)
  err = capsys.readouterr().err
  assert 'devices was 1 x cpu, now 2 x cpu' in err
  assert 'x64 was True, now False' in err and 'jax was 0.1, now ' in err


def test_runs_that_leave_a_grids_tables_are_named(tmp_path, tiny, capsys):
  def written(changes):
    members = grid.members(tiny, [changes])
    settings.write_grid_config(tmp_path, 'tiny', members, [changes])

  written('seed=0,1,2')
  written('seed=1,2,3')
  assert f'no longer in the tables of {tmp_path}: seed=0' in (
    capsys.readouterr().err
  )
  written('seed=1,2,3')
  assert capsys.readouterr().err == ''


@pytest.mark.slow
def test_a_run_whose_checkpoints_or_config_are_gone_is_not_begun_again(
  tiny, tiny_data, monkeypatch, tmp_path
):
  import shutil

  monkeypatch.setitem(data.EMBEDDED, 'tiny', lambda: tiny_data)
  ex = dataclasses.replace(tiny, dataset='tiny', steps=4)
  members = [grid.alone(ex)]
  command.fit('tiny', members, tmp_path / 'run')
  shutil.copytree(tmp_path / 'run', tmp_path / 'bare')
  shutil.rmtree(tmp_path / 'bare' / 'checkpoints')
  results = (tmp_path / 'bare' / 'results.json').read_bytes()
  with pytest.raises(Refused, match='results of step 4 and no checkpoint'):
    command.fit('tiny', members, tmp_path / 'bare')
  assert (tmp_path / 'bare' / 'results.json').read_bytes() == results
  (tmp_path / 'run' / 'config.json').unlink()
  with pytest.raises(Refused, match='config.json is missing'):
    command.fit('tiny', members, tmp_path / 'run')


@pytest.mark.slow
def test_a_step_that_was_renamed_is_not_taken_for_another(
  tiny, tiny_data, monkeypatch, tmp_path, capsys
):
  monkeypatch.setitem(data.EMBEDDED, 'tiny', lambda: tiny_data)
  ex = dataclasses.replace(tiny, dataset='tiny', steps=8, report_every=4)
  ex = dataclasses.replace(ex, steps_per_call=4)
  command.fit('tiny', [grid.alone(ex)], tmp_path)
  (tmp_path / 'checkpoints' / '8').rename(tmp_path / 'checkpoints' / '7')
  found = command.evaluate('tiny', [grid.alone(ex)], tmp_path)
  assert found.runs[''].results['step'] == 4
  assert 'checkpoint 7 is damaged (it is of step 8)' in capsys.readouterr().err


def test_a_config_is_read_as_it_was_written(tmp_path, tiny):
  batch = data.EMBEDDED['digits']()['test']
  member = grid.alone(tiny)
  devices = jax.local_devices()
  settings.write_config(tmp_path, 'tiny', member, batch, devices)
  assert settings.config_of(tmp_path)['fields'] == config.rendered(tiny)
