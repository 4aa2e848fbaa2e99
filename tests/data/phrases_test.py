import numpy as np
import pytest

from vae_jax import data
from vae_jax.data import phrases
from vae_jax.data.phrases import Phrase
from vae_jax.music import Note, Song, Track
from vae_jax.music.classes import LOWEST


def song(**changes):
  """Four bars: a lead, chords, a bass and drums."""
  lead = Track(tuple(Note(4 * i, 4 * i + 4, 72 + i % 5) for i in range(16)))
  chords = Track(
    tuple(Note(16 * i, 16 * i + 16, p) for i in range(4) for p in (48, 52, 79))
  )
  bass = Track(tuple(Note(8 * i, 8 * i + 8, 30 + i) for i in range(8)), 33)
  drums = Track(tuple(Note(4 * i, 4 * i + 1, 36) for i in range(16)), 0, True)
  whole = Song((chords, lead, bass, drums), 4, ('C', 'Am', 'F#m', 'Gsus4'))
  return whole._replace(**changes)


def test_a_trio_has_the_lead_the_bass_and_the_drums():
  found = phrases.batch([song()], Phrase('trio', 2), 'it')
  assert found.shape == (32, 3, 512) and found.scale == 511 and found.numbers
  first_LT = np.asarray(found.x[0]).reshape(32, 3)
  assert first_LT[0].tolist() == [72 - LOWEST + 2, 30 - LOWEST + 2, 1]
  # One begins with every bar.
  assert len(found.x) == 3


def test_drums_of_a_groove_are_an_image_and_a_song_again():
  notes = (
    Note(0, 1, 36, 100, -0.25), Note(0, 1, 42, 30), Note(20, 21, 38, 1, 0.4)
  )  # fmt: skip
  what = Phrase('groove', 2)
  one = Song((Track(notes, drums=True),), 2)
  found = phrases.batch([one], what, 'it')
  assert found.shape == (32, 9, 3) and not found.numbers
  [drums] = phrases.song(found.images()[0], what).tracks
  assert drums.drums and [n[:4] for n in drums.notes] == [n[:4] for n in notes]
  far = [a.offset - b.offset for a, b in zip(drums.notes, notes, strict=True)]
  assert np.abs(far).max() < 1 / 255


@pytest.mark.parametrize('kind', sorted(phrases.KINDS.keys() - {'groove'}))
def test_a_song_of_a_phrase_is_that_phrase_again(kind):
  what = Phrase(kind, 2)
  found = phrases.batch([song()], what, 'it')
  played = [phrases.song(x, what)._replace(bars=2) for x in found.x]
  for one, x in zip(played, found.x, strict=True):
    assert one.steps == 32 and len(one.tracks) == len(what.tracks)
    columns = np.asarray(x).reshape(32, -1)
    again = [
      (phrases.drums if role == 'drums' else phrases.melody)(track.notes, 32)
      for role, track in zip(what.tracks, one.tracks, strict=True)
    ]
    np.testing.assert_array_equal(np.stack(again, 1), columns)


def test_a_bar_of_several_tracks_is_labelled_with_its_chord():
  found = phrases.batch([song()], Phrase('multitrack', 1), 'it')
  names = [found.classes[i] for i in found.label]
  assert names == ['C', 'Am', 'F#m', 'none'] and len(found.classes) == 49
  unknown = phrases.batch([song(chords=())], Phrase('multitrack', 1), 'it')
  assert set(unknown.label) == {0}


def test_no_phrase_is_there_twice_and_none_is_nearly_empty():
  sparse = song(tracks=(Track((Note(0, 1, 60),)),))
  found = phrases.batch([song(), song(), sparse], Phrase('melody', 2), 'it')
  assert len(found.x) == len(np.unique(found.x, axis=0)) == 4
  with pytest.raises(data.DataError, match='it has no phrase drums/2'):
    phrases.batch([sparse], Phrase('drums', 2), 'it')


@pytest.mark.parametrize(
  'text, line',
  [
    ('melody', 'KIND/BARS is expected'),
    ('melody/0', '1 to 64 bars'),
    ('melody/x', 'KIND/BARS'),
    ('melodie/2', "did you mean 'melody'"),
    ('', 'is no kind'),
  ],
)
def test_a_phrase_that_cannot_be_is_said_in_one_line(text, line):
  with pytest.raises(data.DataError, match=line) as caught:
    phrases.phrase(text)
  assert '\n' not in str(caught.value)


def test_music_needs_a_phrase_and_pictures_none():
  with pytest.raises(data.DataError, match='songs is music'):
    data.load('songs')
  with pytest.raises(data.DataError, match='digits is none'):
    data.load('digits', phrase='melody/2')


def test_as_many_songs_as_asked_for_begin_with_those_of_fewer():
  few, more = (
    data.load(f'songs:{n}', phrase='melody/16')['train'] for n in (3, 5)
  )
  assert (few.size, more.size) == (3, 5)
  np.testing.assert_array_equal(more.x[:3], few.x)


@pytest.mark.parametrize('path', ['1', '0', '-5', '1e3', '100001', 'x', '²'])
def test_songs_have_a_count_and_no_path(path):
  with pytest.raises(data.DataError, match='songs:COUNT, from 2 to 100,000'):
    data.load(f'songs:{path}', phrase='melody/2')


def test_test_phrases_of_the_embedded_songs_share_no_bar_with_training():
  splits = data.load('songs', phrase='melody/2')
  bars = {
    split: {
      bar.tobytes()
      for bar in np.asarray(batch.x).reshape(-1, 16)
      if (bar > 1).any()
    }
    for split, batch in splits.items()
  }
  assert len(bars['test']) > 500 and not bars['test'] & bars['train']


def test_one_hot_phrases_say_their_numbers():
  batch = data.load('songs', phrase='melody/2')['test'].take(np.arange(5))
  hot = np.asarray(batch.images())
  assert hot.shape == (5, 32, 1, 90) and (hot.sum(-1) == 1).all()
  np.testing.assert_array_equal(hot.argmax(-1).reshape(5, -1), batch.x)
