import inspect
import warnings

from jax._src import compiler

from vae_jax.runs import machine


def test_programs_of_no_bytes_are_dropped_and_told(tmp_path, capsys):
  cache = tmp_path / 'new'
  assert machine.usable(str(cache)) == str(cache)
  assert capsys.readouterr().err == ''
  (cache / 'whole').write_text('a program')
  (cache / 'empty').touch()
  assert machine.usable(str(cache)) == str(cache)
  assert [path.name for path in cache.iterdir()] == ['whole']
  said = capsys.readouterr().err
  assert said.startswith('note: dropped 1 empty compiled program that')


def test_a_cache_that_cannot_be_is_one_note(tmp_path, capsys):
  (tmp_path / 'file').touch()
  assert machine.usable(f'{tmp_path}/file/xla') is None
  said = capsys.readouterr().err
  assert said.startswith(
    'note: compiled programs are not kept: Not a directory'
  )


def test_a_program_that_cannot_be_read_is_dropped(
  tmp_path, capsys, monkeypatch
):
  shown = []
  monkeypatch.setattr(warnings, 'showwarning', lambda *x, **_: shown.append(x))
  for name in ('jit_a-1-cache', 'jit_ab-1-cache', 'jit_b[0]-1-cache'):
    (tmp_path / name).touch()
  machine.drop_damaged(str(tmp_path))
  said = "Error reading persistent compilation cache entry for '{}': bad data"
  with warnings.catch_warnings():
    warnings.simplefilter('always')
    for name in ('jit_a', 'jit_b[0]', 'jit_c'):
      warnings.warn(said.format(name), stacklevel=1)
    warnings.warn('something else', stacklevel=1)
  assert [path.name for path in tmp_path.iterdir()] == ['jit_ab-1-cache']
  assert [str(warning[0]) for warning in shown] == ['something else']
  note = f'note: damaged compiled programs are dropped from {tmp_path}\n'
  assert capsys.readouterr().err == note


def test_jax_still_says_it_so():
  assert 'Error reading persistent compilation cache entry for "' in (
    inspect.getsource(compiler)
  )
