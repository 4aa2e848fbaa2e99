import errno
import os
import pathlib

import psutil
import pytest

from vae_jax import files


def test_a_file_is_there_whole_or_as_it_was(tmp_path):
  path = tmp_path / 'new' / 'a.txt'
  with files.replaced(path) as file:
    file.write('first é')
    assert not path.exists()
  assert path.read_text('utf-8') == 'first é'
  with pytest.raises(ZeroDivisionError), files.replaced(path) as file:
    file.write('half')
    1 / 0  # noqa: B018
  assert path.read_text('utf-8') == 'first é'
  assert os.listdir(path.parent) == ['a.txt']


def test_a_file_has_the_permissions_of_any_other(tmp_path):
  with files.replaced(tmp_path / 'a', 'wb') as file:
    file.write(b'1')
  (tmp_path / 'b').touch()
  modes = [(tmp_path / name).stat().st_mode for name in 'ab']
  assert modes[0] == modes[1]


def test_nothing_is_written_through_a_link_that_lies_there(tmp_path):
  (tmp_path / 'other').write_text('kept')
  for name in ('.a.tmp', 'a'):
    (tmp_path / name).symlink_to(tmp_path / 'other')
  with files.replaced(tmp_path / 'a') as file:
    file.write('mine')
  assert (tmp_path / 'other').read_text() == 'kept'
  assert (tmp_path / 'a').read_text() == 'mine'


def test_an_error_names_the_file(tmp_path):
  with pytest.raises(OSError) as error, files.named(tmp_path / 'a'):
    raise OSError(errno.ENOSPC, 'No space left on device')
  assert error.value.filename == str(tmp_path / 'a')
  with pytest.raises(OSError) as error, files.named(tmp_path / 'a'):
    open(tmp_path / 'missing' / 'b', 'rb')
  assert error.value.filename == str(tmp_path / 'missing' / 'b')
  (tmp_path / 'file').touch()
  with pytest.raises(OSError) as error:
    with files.replaced(tmp_path / 'file' / 'c'):
      pass
  assert 'tmp.' not in error.value.filename
  (tmp_path / 'folder').mkdir()
  with pytest.raises(IsADirectoryError) as error:
    with files.replaced(tmp_path / 'folder'):
      pass
  assert error.value.filename == str(tmp_path / 'folder')
  assert sorted(os.listdir(tmp_path)) == ['file', 'folder']


@pytest.mark.parametrize(
  ('texts', 'wanted'),
  [
    (['max\n', '5\n'], None),
    (['6000\n', '5000\n'], 1000),
    (['6000\n', '7000\n'], 0),
    (['gibberish', ''], None),
  ],
)
def test_free_memory_is_the_machine_s_or_its_container_s(
  texts, wanted, monkeypatch
):
  left = iter(texts)
  monkeypatch.setattr(pathlib.Path, 'read_text', lambda *_: next(left))
  free = files.free_memory()
  if wanted is None:
    assert 0 < free < psutil.virtual_memory().total
  else:
    assert free == wanted
