import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

from vae_jax.music import Note, Song, Track, midi, reader

REASONS = {
  'not MIDI',
  'damaged MIDI',
  'SMPTE time',
  'no ticks a quarter note',
  'no notes',
  'too many tracks',
  'too many notes',
  'longer than an hour',
}
# Does to its worker what a native parser may do.
PARSER = """
import os, signal, sys, time
from vae_jax.music import Note, Song, Track, midi

SONG = midi.content(Song((Track((Note(0, 4, 60),)),), 1))

def song(content, name):
  if content == b'crash':
    os.kill(os.getpid(), signal.SIGSEGV)
  if content == b'kill':
    os.kill(os.getpid(), signal.SIGKILL)
  if content == b'exit':
    os._exit(0)
  if content == b'wrong':
    raise KeyError('a mistake of ours')
  while content == b'hang':
    time.sleep(1)
  if content == b'noise':
    os.write(1, b'a warning from C')
    print('a warning', flush=True)
    content = b'' if 'jax' in sys.modules else SONG
  return midi.song(content, name)
"""


@pytest.fixture
def parser(tmp_path, monkeypatch):
  """The name of a parser that crashes or hangs as a file says."""
  place = tmp_path / 'modules'
  place.mkdir()
  (place / 'unkind.py').write_text(PARSER)
  monkeypatch.setenv('PYTHONPATH', str(place))
  return 'unkind:song'


def some_song(seed=0):
  rng = random.Random(seed)
  starts = sorted(rng.randrange(64) for _ in range(40))
  notes = [Note(s, s + 4, rng.randrange(30, 90)) for s in starts]
  notes = tuple(sorted(set(notes), key=lambda n: (n.start, n.pitch)))
  return Song((Track(notes), Track(notes[:9], 0, True)), 5)


def files(folder, contents):
  """Paths of new files, in order."""
  folder.mkdir(parents=True, exist_ok=True)
  paths = [folder / f'{i:04}.mid' for i in range(len(contents))]
  for path, content in zip(paths, contents, strict=True):
    path.write_bytes(content)
  return paths


def test_songs_come_in_the_order_of_their_paths_and_have_their_names(tmp_path):
  paths = files(tmp_path, [midi.content(some_song(i)) for i in range(5)])[::-1]
  read, refused = reader.songs(paths)
  assert refused == {}
  assert read == [
    midi.song(path.read_bytes(), path.as_posix()) for path in paths
  ]


def test_what_is_refused_is_counted_by_its_reason(tmp_path):
  good = midi.content(some_song())
  contents = [b'', good, b'text' * 9, good[:-9], midi.content(Song((), 1))]
  paths = files(tmp_path, contents)
  paths += [tmp_path / 'missing.mid', tmp_path]
  read, refused = reader.songs(paths)
  assert [song.name for song in read] == [paths[1].as_posix()]
  counts = {'not MIDI': 2, 'damaged MIDI': 1, 'no notes': 1}
  assert refused == counts | {'cannot be read': 2}


def test_no_files_are_no_songs():
  assert reader.songs([]) == ([], {})


def corrupted(content, rng):
  """Some bytes of it changed, put in, or the end cut off."""
  content = bytearray(content)
  for _ in range(rng.choice([1, 1, 1, 2, 8])):
    at = rng.randrange(len(content))
    kind = rng.choice('ccccccit')
    if kind == 'c':
      content[at] = rng.randrange(256)
    elif kind == 'i':
      content[at:at] = rng.randbytes(rng.choice([1, 2, 40]))
    else:
      del content[max(at, 1) :]
  return bytes(content)


def test_a_thousand_corrupted_files_end_neither_the_reader_nor_its_parent(
  tmp_path,
):
  rng = random.Random(0)
  whole = [midi.content(some_song(i)) for i in range(10)]
  contents = [corrupted(rng.choice(whole), rng) for _ in range(1000)]
  paths = files(tmp_path, contents)
  read, refused = reader.songs(paths)
  assert len(read) + sum(refused.values()) == 1000
  assert 100 < len(read) < 900
  assert {'damaged MIDI', 'not MIDI'} <= refused.keys() <= REASONS
  for song in read:
    assert 0 < len(song.tracks) <= 256 and 4 <= song.tempo <= 1000
    assert song.steps / 4 / song.tempo <= 61
    for note in (note for track in song.tracks for note in track.notes):
      assert 0 <= note.start < note.end <= song.steps
      assert 0 <= note.pitch < 128 and 1 <= note.velocity < 128
      assert -0.5 <= note.offset < 0.5
    assert midi.content(song)


@pytest.mark.parametrize('end', [b'crash', b'kill', b'exit', b'wrong'])
def test_a_worker_that_dies_costs_its_file_only(tmp_path, parser, end):
  good = midi.content(some_song())
  paths = files(tmp_path / 'songs', [good, end, good, b'text', end, end, good])
  read, refused = reader.songs(paths, parser=parser)
  names = [paths[i].as_posix() for i in (0, 2, 6)]
  assert [song.name for song in read] == names
  assert refused == {'the reader crashed': 3, 'not MIDI': 1}


def test_a_worker_that_hangs_costs_its_file_and_the_limit(tmp_path, parser):
  good = midi.content(some_song())
  paths = files(tmp_path / 'songs', [good, b'hang', good, b'hang'])
  began = time.monotonic()
  read, refused = reader.songs(paths, limit_s=0.5, parser=parser)
  assert time.monotonic() - began < 10
  assert len(read) == 2 and refused == {'took longer than 0.5 s': 2}


def test_a_pipe_that_nobody_writes_to_is_late_too(tmp_path):
  os.mkfifo(tmp_path / 'a.mid')
  refused = reader.songs([tmp_path / 'a.mid'], limit_s=0.2)[1]
  assert refused == {'took longer than 0.2 s': 1}


def test_the_limit_is_of_one_file_not_of_all(tmp_path):
  paths = files(tmp_path, [midi.content(some_song())] * 300)
  assert len(reader.songs(paths, limit_s=0.15)[0]) == 300


def test_the_worker_has_no_jax_and_what_it_prints_is_no_answer(
  tmp_path, parser
):
  # The parser makes a song of this where jax was not imported.
  paths = files(tmp_path / 'songs', [b'noise', b'noise'])
  read, refused = reader.songs(paths, parser=parser)
  assert len(read) == 2 and refused == {}


def test_a_worker_killed_between_files_is_survived(tmp_path, monkeypatch):
  paths = files(tmp_path, [midi.content(some_song())] * 4)
  answer, asked = reader._answer, []

  def killed(worker, path, name):
    asked.append(name)
    if len(asked) == 2:
      worker.kill()
      worker.wait()
    return answer(worker, path, name)

  monkeypatch.setattr(reader, '_answer', killed)
  read, refused = reader.songs(paths)
  assert len(read) == 3 and refused == {'the reader crashed': 1}


def test_the_limit_is_not_of_the_time_between_files(tmp_path, monkeypatch):
  paths = files(tmp_path, [midi.content(some_song())] * 2)
  answer = reader._answer

  def slow(*args):
    time.sleep(0.4)
    return answer(*args)

  monkeypatch.setattr(reader, '_answer', slow)
  assert len(reader.songs(paths, limit_s=0.2)[0]) == 2


def test_no_worker_is_left_behind(tmp_path, parser, monkeypatch):
  workers, start = [], reader._worker
  monkeypatch.setattr(
    reader, '_worker', lambda *args: workers.append(start(*args)) or workers[-1]
  )
  reader.songs(files(tmp_path / 'a', [b'kill', b'text']), parser=parser)
  monkeypatch.setattr(reader, '_answer', lambda *_: 1 / 0)
  with pytest.raises(ZeroDivisionError):
    reader.songs(files(tmp_path / 'b', [b'text']))
  assert [worker.returncode for worker in workers] == [-9] * 3


def test_a_reader_that_cannot_start_is_an_error(tmp_path):
  with pytest.raises(
    reader.NoMusic, match="not start: .*No module named 'nix'"
  ):
    reader.songs(files(tmp_path, [b'text']), parser='nix:song')


def test_files_of_the_folder_one_is_in_are_no_modules(tmp_path, monkeypatch):
  (tmp_path / 'numpy.py').write_text('raise ImportError')
  monkeypatch.chdir(tmp_path)
  paths = files(tmp_path, [midi.content(some_song())])
  assert len(reader.songs(paths)[0]) == 1


def test_a_blocked_alarm_of_the_parent_is_none_of_the_worker(tmp_path, parser):
  path = files(tmp_path / 'songs', [b'hang'])[0]
  line = (
    'import signal, pathlib\n'
    'signal.signal(signal.SIGALRM, signal.SIG_IGN)\n'
    'signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n'
    'from vae_jax.music import reader\n'
    f'print(reader.songs([{str(path)!r}], 0.2, {parser!r})[1])'
  )
  root = pathlib.Path(reader.HERE)
  paths = os.pathsep.join([str(root), os.environ['PYTHONPATH']])
  told = subprocess.run(
    [sys.executable, '-c', line],
    env=os.environ | {'PYTHONPATH': paths},
    capture_output=True,
    text=True,
    timeout=20,
  )
  assert told.stdout == "{'took longer than 0.2 s': 1}\n"


def test_a_folder_gives_its_files_by_relative_name_without_hidden_ones(
  tmp_path,
):
  good = midi.content(some_song())
  names = 'b/x.mid', 'a.MID', 'b/c/y.Midi', 'a-2.midi'
  hidden = '.a.mid', '.b/x.mid', 'b/._x.mid', 'b/x.txt', 'mid'
  for name in names + hidden:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(good)
  (tmp_path / 'empty.mid').mkdir()
  (tmp_path / 'bad.mid').write_bytes(b'text')
  read, refused = reader.folder(tmp_path)
  assert [song.name for song in read] == sorted(names)
  assert refused == {'not MIDI': 1}


def test_a_folder_without_songs_is_one_clear_line(tmp_path):
  def line(path):
    with pytest.raises(reader.NoMusic) as error:
      reader.folder(path)
    return str(error.value)

  assert line(tmp_path / 'no') == f'{tmp_path}/no does not exist'
  assert line(tmp_path) == f'{tmp_path} holds no .mid or .midi file'
  first, _ = files(tmp_path, [b'text', midi.content(Song((), 1))])
  assert line(first) == f'{first} is not a folder'
  assert line(tmp_path) == (
    f'{tmp_path}: 2 of 2 MIDI files refused: 1 no notes, 1 not MIDI'
  )


def test_refused_files_are_told_on_one_line_the_most_frequent_reason_first():
  refused = {'the reader crashed': 2, 'no notes': 7, 'not MIDI': 3}
  assert reader.told(refused, 340) == (
    '12 of 340 MIDI files refused: 7 no notes, 3 not MIDI, 2 the reader crashed'
  )
  assert reader.told({}, 340) == '0 of 340 MIDI files refused'
