import pytest

from vae_jax import figures
from vae_jax.figures.rolls import below
from vae_jax.music import Note, Song, Track


def song(*tracks, name=''):
  return Song(tracks, 2, name=name)


LEAD = Track((Note(0, 4, 60), Note(4, 40, 64)))
HITS = Track((Note(0, 1, 36), Note(8, 9, 38)), drums=True)


def boxes(axes):
  """(start, width, middle) of every note that is drawn."""
  return [
    tuple(round(v, 2) for v in (b.x0, b.width, b.y0 + b.height / 2))
    for collection in axes.collections
    for b in [collection.get_paths()[0].get_extents()]
  ]


def test_notes_lie_at_their_steps_and_pitches():
  axes = figures.rolls({'a': [song(LEAD)]}).get_axes()[0]
  assert boxes(axes) == [(0, 3.85, 60), (4, 27.85, 64)]  # cut at the end
  labels = [t.get_text() for t in axes.get_yticklabels()]
  assert 'C4' in labels and 'G4' in labels
  assert len(axes.lines) == 1  # between the bars


def test_drums_lie_below_by_their_kinds():
  axes = figures.rolls({'a': [song(LEAD, HITS)]}).get_axes()[0]
  assert [y for *_, y in boxes(axes)][2:] == [below(60, 0), below(60, 1)]
  labels = [t.get_text() for t in axes.get_yticklabels()]
  assert 'drums' in labels and 'C4' in labels and 'snare' not in labels
  alone = figures.rolls({'a': [song(HITS)]}).get_axes()[0]
  assert 'snare' in [t.get_text() for t in alone.get_yticklabels()]
  low, high = axes.get_ylim()
  assert low < below(60, 0) and high > 64


def test_rows_have_labels_and_songs_names():
  rows = {'one': [song(LEAD, name='x')], 'two': [song(LEAD), song(HITS)]}
  figure = figures.rolls(rows, 'title', names=True)
  axes = figure.get_axes()
  assert len(axes) == 3 and axes[0].get_ylabel() == 'one'
  assert axes[0].get_title(loc='left') == 'x'
  assert figure.get_suptitle() == 'title'


def test_tracks_that_play_are_named_in_their_colours():
  silent = Track(())
  figure = figures.rolls(
    {'a': [song(LEAD, silent, HITS)]}, tracks=['lead', 'bass', 'drums']
  )
  [legend] = figure.legends
  assert [t.get_text() for t in legend.get_texts()] == ['lead', 'drums']
  colours = [p.get_facecolor() for p in legend.get_patches()]
  [axes] = figure.get_axes()
  drawn = {tuple(c.get_facecolor()[0]) for c in axes.collections}
  assert len(set(colours)) == 2 and set(map(tuple, colours)) == drawn
  assert not figures.rolls({'a': [song(LEAD)]}, tracks=['lead']).legends


def test_no_songs_are_no_picture():
  with pytest.raises(ValueError, match='no songs'):
    figures.rolls({'a': []})
