import json

import pytest

from vae_jax import data
from vae_jax.data.own import scores
from vae_jax.music import Note, Song, Track, midi


def test_a_voice_that_stays_is_one_note():
  assert scores.held([60, 60, -1, 62, 60]) == [
    Note(0, 2, 60), Note(3, 4, 62), Note(4, 5, 60)
  ]  # fmt: skip


@pytest.fixture
def chorales(tmp_path):
  steps = [[72, 67, 64, 48]] * 20 + [[74, 67, 65, 47]] * 12
  file = tmp_path / 'chorales.json'
  file.write_text(json.dumps({'train': [steps], 'test': [steps], 'valid': []}))
  return file


def test_chorales_have_four_voices_and_whole_bars(chorales):
  songs = scores.chorales(str(chorales))
  assert set(songs) == {'train', 'test'}
  [song] = songs['train']
  assert song.bars == 2 and len(song.tracks) == 4
  assert song.tracks[0].notes == (Note(0, 20, 72), Note(20, 32, 74))
  batch = data.load(f'chorales:{chorales}', phrase='melody/2')['train']
  assert batch.x[0].tolist().index(74 - 21 + 2) == 20


@pytest.mark.parametrize(
  'content, line',
  [
    ('{"train": [[[1, 2, 3]]], "test": [[[1]]]}', 'holds no chorales'),
    ('{"train": [[[1, 2, 3, 400]]], "test": [[[1, 2, 3, 4]]]}', 'no chorales'),
    ('{"train": []}', 'holds no chorales'),
    ('{"train": [[[1, 2, 3, 4]]], "test": []}', 'holds no chorales in test'),
    ('[1, 2]', 'holds no chorales'),
    ('not json', 'holds no chorales'),
    (None, 'it.json does not exist'),
  ],
)
def test_what_is_no_chorale_is_one_line(content, line, tmp_path):
  file = tmp_path / 'it.json'
  if content is not None:
    file.write_text(content)
  with pytest.raises(data.DataError, match=line) as caught:
    data.load(f'chorales:{file}', phrase='melody/2')
  assert '\n' not in str(caught.value)


def written(folder, count):
  """So many MIDI files of one melody each, and one that is none."""
  for i in range(count):
    notes = tuple(Note(2 * k, 2 * k + 2, 60 + (i + k) % 12) for k in range(32))
    midi.write(Song((Track(notes),), 4), folder / f'sub/{i}.mid')
  (folder / 'bad.mid').write_bytes(b'nothing')


def test_midi_files_are_split_by_their_names_and_refusals_told(
  tmp_path, capsys
):
  written(tmp_path, 12)
  splits = data.load(f'midi:{tmp_path}', phrase='melody/2')
  assert all(batch.size for batch in splits.values())
  assert splits['train'].size > splits['test'].size
  assert '1 of 13 MIDI files refused' in capsys.readouterr().err
  again = scores.midi(str(tmp_path))
  assert not {s.name for s in again['train']} & {s.name for s in again['test']}


def test_folders_without_music_are_one_line(tmp_path):
  written(tmp_path / 'one', 1)
  for path, line in (
    ('', 'needs a path'),
    (f'{tmp_path}/no', 'no'),
    (f'{tmp_path}/one', 'holds 1 song'),
  ):
    with pytest.raises(data.DataError, match=line):
      data.load(f'midi:{path}', phrase='melody/2')


def test_groove_says_where_it_could_be(tmp_path):
  with pytest.raises(data.DataError, match='is not prepared in'):
    data.load('groove', str(tmp_path), 'drums/2')
  with pytest.raises(data.DataError, match='no path of its own'):
    data.load('groove:x', None, 'drums/2')
