import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import pytest

import launch
from vae_jax import config
from vae_jax.config import help
from vae_jax.config.experiment import SHORT
from vae_jax.reports import summary
from vae_jax.runs import command, settings
from vae_jax.runs.directory import Interrupted, RunError

ROOT = pathlib.Path(launch.__file__).parent


@pytest.fixture
def compiled():
  """What has been compiled since the test began."""
  seen = []

  def listen(event, seconds, **kwargs):
    # Also where the persistent cache then spares the compiler.
    if event == '/jax/core/compile/jaxpr_to_mlir_module_duration':
      seen.append(kwargs['fun_name'])

  jax.monitoring.register_event_duration_secs_listener(listen)
  yield seen
  jax.monitoring.unregister_event_duration_listener(listen)


def process(*flags, **options):
  command = [sys.executable, str(ROOT / 'launch.py'), *flags]
  streams = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
  return subprocess.Popen(command, text=True, **streams, **options)


TINY = (
  '--experiment=vae',
  '--dataset=tiny',
  '--latents=3',
  '--batch_size=8',
  '--steps_per_call=4',
  '--report_every=4',
  '--set=network.widths=(16,)',
  '--set=pictures=pictures.latent_scatter, curves',
)

WRONG = [
  (['--latnts=3'], "unknown flag --latnts (did you mean '--latents'?)"),
  (['--zzz'], 'unknown flag --zzz: there are --experiment, --mode'),
  (['--network=conv'], 'use --set=network=VALUE'),
  (['--network.widths=(1,)'], 'use --set=network.widths=VALUE'),
  (['vae'], "unexpected 'vae': flags look like --name=value"),
  (['--latents'], 'Missing value for flag --latents'),
  (['--list=perhaps'], '--list=perhaps'),
  (['--mode=evalute'], "generate, not 'evalute' (did you mean 'evalua"),
  (['--mode='], '--mode= needs a value: train, evaluate'),
  (['--workdir='], '--workdir= needs a value: run directory'),
  (['--experiment='], '--experiment= needs a value'),
  (['--experiment=va'], "unknown experiment 'va' (did you mean 'vae'?)"),
  (['--experiment=../vae'], "unknown experiment '../vae'"),
  (['--latents='], 'latents= needs a value'),
  (['--dataset='], 'dataset= needs a value'),
  (['--set='], 'form FIELD=VALUE'),
  (['--set=network.width=(3,)'], "did you mean 'widths'?"),
  (['--latents=2.5'], "latents must be a whole number or None, not '2.5'"),
  (['--latents=2,x,8'], "latents must be a whole number or None, not 'x'"),
  (['--latents=2,4', '--dataset=tiny', '--batch_size=6'], 'multiple of 4'),
  (['--noise=3'], 'noise is view.noise, and views.clean has no noise: the'),
  (['--sparsity=1'], 'objectives.elbo has no sparsity: the numbers of this'),
  (['--arms=vae'], "unknown arm 'vae': there are none"),
  (['--learning_rate=nan'], 'must be a finite number'),
  (['--seed=4294967296'], 'seed must be from 0 to 4294967295'),
  (['--steps=5', '--epochs=2'], 'give --steps or --epochs, not both'),
  (['--set=steps=5', '--epochs=2'], 'give --steps or --epochs, not both'),
  (['--dataset=dogits'], "unknown dataset 'dogits' (did you mean 'digits'?)"),
  (['--dataset=tiny', '--batch_size=6'], 'use a multiple of 4'),
  (['--dataset=tiny', '--monitor=nelbo'], 'there are kl_nats, loss, mse, n'),
  (
    ['--dataset=tiny', '--set=objective=per_example.quality'],
    'objective per_example.quality does not return',
  ),
  (
    ['--set=network=pooled'],
    'latents must be a multiple of',
  ),
  (
    ['--dataset=tiny', '--set=likelihood=normal', '--set=likelihood.sigma=-1'],
    'sigma must be positive',
  ),
  (
    ['--set=network=conv', '--set=network.dense=0'],
    'network.dense must be 1 or more, not 0',
  ),
]


@pytest.mark.parametrize(('flags', 'words'), WRONG, ids=lambda v: str(v)[:50])
def test_a_wrong_flag_is_one_line_and_leaves_nothing(
  flags, words, launched, compiled, tiny_data, tmp_path
):
  workdir = tmp_path / 'run'
  common = [f'--workdir={workdir}', '--experiment=vae', '--steps=1']
  if any('steps' in flag or 'epochs' in flag for flag in flags):
    common.pop()
  code, out, err = launched(*common, *flags)
  assert code == 2
  assert out == ''
  assert err.startswith('error: ') and err.count('\n') == 1
  assert words in err
  assert list(tmp_path.iterdir()) == []
  assert not [f for f in compiled if 'init' in f or '_fun' in f]


def test_an_experiment_is_needed(launched):
  code, _, err = launched('--latents=3')
  assert code == 2
  assert 'error: --experiment is needed: ' in err and 'vae' in err


def test_a_file_is_no_run_directory(launched, tiny_data, tmp_path):
  file = tmp_path / 'file'
  file.write_text('mine')
  for workdir in (file, file / 'below'):
    code, _, err = launched(*TINY, f'--workdir={workdir}')
    assert code == 2
    assert err == f'error: --workdir={workdir}: {file} is not a directory\n'
  assert file.read_text() == 'mine'


def test_a_run_directory_must_be_writable(launched, tiny_data, monkeypatch):
  monkeypatch.setattr(os, 'access', lambda path, mode: False)  # root may all
  code, _, err = launched(*TINY, '--workdir=/nowhere/run')
  assert code == 2
  assert err == 'error: --workdir=/nowhere/run: / cannot be written to\n'


def test_evaluation_needs_a_run(launched, tmp_path):
  code, _, err = launched('--mode=evaluate', '--experiment=vae')
  assert (code, err) == (2, 'error: --mode=evaluate needs --workdir=RUN\n')
  code, _, err = launched('--mode=evaluate', f'--workdir={tmp_path}')
  assert (code, err) == (2, f'error: --workdir={tmp_path} holds no run\n')


@pytest.mark.parametrize(
  ('error', 'code', 'line'),
  [
    (RunError('not\nfinite'), 1, 'not finite'),
    (Interrupted('SIGTERM at 3', signal.SIGTERM), 143, 'SIGTERM at 3'),
    (Interrupted('SIGINT at 3', signal.SIGINT), 130, 'SIGINT at 3'),
    (KeyboardInterrupt(), 130, 'SIGINT: stopped'),
    (OSError(28, 'No space left on device'), 1, 'No space left on device'),
    (MemoryError('no 3 GB'), 1, 'not enough memory: no 3 GB'),
    (
      jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: 3 GB\nmore'),
      1,
      'not enough memory: RESOURCE_EXHAUSTED: 3 GB',
    ),
    (
      ModuleNotFoundError("No module named 'PIL'", name='PIL'),
      1,
      f"no module 'PIL' in {sys.executable}: pip install -r requirements.txt",
    ),
  ],
)
def test_what_stops_a_run_is_one_line_and_a_code(
  error, code, line, launched, monkeypatch, tmp_path
):
  def fit(*args, **marks):
    raise error

  monkeypatch.setattr(command, 'fit', fit)
  found = launched('--experiment=vae', f'--workdir={tmp_path}')
  assert found == (code, '', f'error: {line}\n')


def test_a_missing_module_of_ours_is_a_bug_and_not_the_users(
  launched, monkeypatch, tmp_path
):
  def fit(*args, **marks):
    raise ModuleNotFoundError('lost', name='vae_jax.lost')

  monkeypatch.setattr(command, 'fit', fit)
  with pytest.raises(ModuleNotFoundError):
    launched('--experiment=vae', f'--workdir={tmp_path}')


def test_without_jax_one_line_says_what_to_install(monkeypatch, capsys):
  monkeypatch.setitem(sys.modules, 'jax', None)
  assert launch.main(['launch.py', '--experiment=vae']) == 1
  _, err = capsys.readouterr()
  assert err.startswith("error: no module 'jax' in ")
  assert err.endswith(': pip install -r requirements.txt\n')


def test_the_list_has_a_line_an_experiment_and_needs_no_jax(
  monkeypatch, capsys
):
  monkeypatch.setitem(sys.modules, 'jax', None)
  assert launch.main(['launch.py', '--list']) == 0
  out, err = capsys.readouterr()
  lines = out.splitlines()
  files = {path.stem for path in (ROOT / 'experiments').glob('*.py')}
  assert {line.split()[0] for line in lines} == files - {'__init__'}
  assert all(len(line.split()) > 3 for line in lines)
  assert err == ''


def test_help_names_every_flag_and_field_in_80_columns(launched):
  code, out, err = launched('--help')
  assert (code, err) == (0, '')
  assert max(map(len, out.splitlines())) <= 80
  for name in help.FLAGS:
    assert f'\n  --{name} ' in out
  for field in config.plain_fields():
    assert f'\n  --{field.name} ' in out
  for field in config.function_fields():
    assert f'\n  {field.name} ' in out
  for name, path in SHORT.items():
    assert f'\n  --{name} ' in out and f'{path}, in short' in out
  assert '(128)' in out and 'objective.free_bits=0.0' in out


def test_help_shows_the_defaults_of_an_experiment(launched):
  _, out, _ = launched('--help', '--experiment=denoise')
  assert 'steps, instead of epochs (600)' in out
  assert 'views.noisy' in out


def test_a_run_from_flags_to_results(launched, compiled, tiny_data, tmp_path):
  workdir = f'--workdir={tmp_path}'
  code, out, _ = launched(*TINY, '--steps=4', workdir)
  assert code == 0
  # So that their absence says something where a flag is wrong.
  assert {'jit(init)', 'jit(_fun)'} <= set(compiled)
  assert 'vae on tiny, test split of 10, trained on 16, after 4 steps' in out
  promised = {'config.json', 'metrics.jsonl', 'results.json', 'pictures'}
  assert promised <= {path.name for path in tmp_path.iterdir()}
  assert (tmp_path / 'checkpoints' / '4').is_dir()
  pictures = {path.stem for path in (tmp_path / 'pictures').iterdir()}
  assert pictures == {'latent_scatter', 'curves'}
  first = read(tmp_path / 'results.json')

  code, _, _ = launched('--mode=evaluate', workdir)
  assert code == 0
  assert read(tmp_path / 'results.json') == first

  code, _, err = launched('--latents=4', '--beta=2', workdir)
  assert code == 2
  assert 'objective was objectives.elbo, now objectives.elbo(beta=2.0)' in err
  code, _, err = launched('--experiment=denoise', workdir)
  assert (code, 'holds a run of' in err) == (2, True)
  assert read(tmp_path / 'results.json') == first

  code, out, err = launched('--steps=8', workdir)
  assert code == 0
  assert 'resuming at step 4' in err and 'after 8 steps' in out
  assert read(tmp_path / 'results.json')['step'] == 8
  found = json.loads((tmp_path / 'config.json').read_text())
  assert found['overrides'][-1] == 'steps=8'
  assert found['fields']['latents'] == '3'


@pytest.mark.slow
def test_a_grid_from_flags_to_results(launched, tiny_data, tmp_path):
  workdir = f'--workdir={tmp_path}'
  flags = [*TINY, '--steps=4', '--seed=0,1']
  code, out, err = launched(*flags, workdir)
  assert code == 0
  assert 'vae: 2 runs, test split' in out
  assert 'plan: 2 runs in 1 program' in err
  assert {'seed=0', 'seed=1', 'sweep.csv', 'sweep.json'} <= {
    path.name for path in tmp_path.iterdir()
  }
  code, again, err = launched(workdir)  # the directory says it all
  assert code == 0 and 'resuming at step 4 of 4' in err
  assert table_of(again) == table_of(out)
  code, again, err = launched(workdir, '--mode=evaluate')
  assert code == 0 and '[1/1] 2 runs together' in err
  assert table_of(again) == table_of(out)
  # A member is a run like any other.
  code, out, _ = launched(f'{workdir}/seed=1', '--steps=8')
  assert code == 0 and 'after 8 steps' in out
  for mode in ('embed', 'generate'):
    code, _, err = launched(workdir, f'--mode={mode}', '--input=x')
    assert code == 2
  code, _, err = launched(workdir, '--mode=generate')
  assert (code, err) == (
    2,
    f'error: {tmp_path} holds a grid, choose a run: seed=0, seed=1\n',
  )
  code, _, err = launched(f'{workdir}/seed=1', '--seed=0,1')
  assert code == 2 and 'holds a single run' in err


def table_of(out):
  return [line for line in out.splitlines() if line.startswith('seed=')]


def read(path):
  """results.json without what depends on the clock."""
  figures = json.loads(path.read_text())
  return {k: v for k, v in figures.items() if k not in summary.TIMES}


@pytest.mark.parametrize(
  ('flags', 'wanted'),
  [
    (['--steps=5'], ['steps=5']),
    (['--epochs=5'], ['epochs=5', 'steps=None']),
    (['--set=epochs=5'], ['epochs=5', 'steps=None']),
    (['--set=a=1', '--set=b.c=(2, 3)'], ['a=1', 'b.c=(2, 3)']),
    (['--set=view=noisy', '--seed=1'], ['seed=1', 'view=noisy']),
  ],
)
def test_flags_become_overrides(flags, wanted):
  assert launch.overrides(launch.parse(['launch.py', *flags])) == wanted


def test_a_repeated_command_adds_no_overrides(monkeypatch):
  found = {'experiment': 'vae', 'overrides': ['latents=3', 'steps=4']}
  monkeypatch.setattr(settings, 'config_of', lambda path: found)
  same = ['launch.py', '--workdir=x', '--latents=3', '--steps=4']
  assert launch.chosen(launch.parse(same)).changes == found['overrides']
  chose = launch.chosen(launch.parse([*same[:2], '--steps=9']))
  assert chose.changes == ['latents=3', 'steps=4', 'steps=9']
  [member] = chose.members
  assert (member.ex.latents, member.ex.steps) == (3, 9)


def test_a_process_works_from_anywhere_and_says_its_code(tmp_path):
  child = process('--experiment=va', cwd=tmp_path)
  out, err = child.communicate(timeout=60)
  assert (child.returncode, out) == (2, '')
  assert err.startswith("error: unknown experiment 'va'")
  assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_terminated_run_exits_with_143_and_can_go_on(tmp_path):
  flags = ['--experiment=vae', '--set=network.widths=(4,)', '--steps=1000000']
  child = process(*flags, '--report_every=50', f'--workdir={tmp_path}')
  checkpoint = tmp_path / 'checkpoints' / '50'
  try:
    while not checkpoint.exists() and child.poll() is None:
      time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=60)
  finally:
    child.kill()
  assert child.returncode == 143
  assert 'error: SIGTERM at step' in err
  assert '--workdir' in err
  assert checkpoint.parent.is_dir()


def test_a_resumed_run_remembers_its_data_dir(monkeypatch):
  found = {'experiment': 'vae', 'overrides': [], 'data_dir': '/sets'}
  monkeypatch.setattr(settings, 'config_of', lambda path: found)
  flags = ['launch.py', '--workdir=x']
  assert launch.chosen(launch.parse(flags)).data_dir == '/sets'
  flags.append('--data_dir=/others')
  assert launch.chosen(launch.parse(flags)).data_dir == '/others'
