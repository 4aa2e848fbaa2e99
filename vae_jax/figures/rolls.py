"""Piano rolls: songs as notes over bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vae_jax.figures import style
from vae_jax.figures.style import LABEL_SIZE
from vae_jax.music import BAR, Song
from vae_jax.music.classes import HITS, KIND_OF, KINDS
from vae_jax.music.harmony import ROOTS

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

GAP = 2  # rows between pitches and drums
HEIGHT = 0.95  # inches of a roll


class Played(NamedTuple):
  """A figure of songs, and the songs: for MIDI and sound beside it."""

  figure: Figure
  songs: list[Song]


def rolls(
  rows: Mapping[str, Sequence[Song]],
  title: str | None = None,
  names: bool = False,
  tracks: Sequence[str] = (),
) -> Figure:
  """A row of songs for each label: pitches over bars, a colour for each track,
  what is hit of drums below; each song's name above it with `names`, and those
  of several `tracks` in a legend. ValueError for no songs."""
  songs = [song for own in rows.values() for song in own]
  if not songs:
    raise ValueError('rolls: there are no songs')
  columns = max(map(len, rows.values()))
  height = HEIGHT * len(rows) * (1.5 if has_drums(songs) else 1) + 0.6
  figure = style.chart(style.WIDTH, height, title)
  grid = figure.subplots(
    len(rows), columns, squeeze=False, sharex='all', sharey='all'
  )
  low, high = pitches(songs)
  for (label, own), all_axes in zip(rows.items(), grid, strict=True):
    for axes, song in zip(all_axes, own, strict=False):
      draw(axes, song, low)
      if names:
        axes.set_title(song.name, fontsize=LABEL_SIZE, loc='left')
    for axes in all_axes[len(own) :]:
      axes.remove()
    all_axes[0].set_ylabel(label, fontsize=LABEL_SIZE)
  for axes in grid[-1]:
    if axes.figure is not None:
      axes.set_xlabel('bar', fontsize=LABEL_SIZE)
  named(grid[0, 0], songs, low, high)
  if len(tracks) > 1:
    legend(figure, songs, tracks)
  return figure


def legend(figure: Figure, songs: Sequence[Song], tracks) -> None:
  """The names of the tracks that play in any song, below all."""
  from matplotlib.patches import Patch

  heard = [
    i
    for i in range(len(tracks))
    if any(i < len(s.tracks) and s.tracks[i].notes for s in songs)
  ]
  drums = {i for s in songs for i, track in enumerate(s.tracks) if track.drums}
  figure.legend(
    handles=[Patch(color=colour_of(i, i in drums)) for i in heard],
    labels=[tracks[i] for i in heard],
    loc='outside lower center',
    ncols=len(heard),
    fontsize=LABEL_SIZE - 1,
    frameon=False,
    handlelength=1.2,
  )


def colour_of(i: int, drums: bool) -> str:
  """The colour of track i."""
  return '#555555' if drums else style.LINE_COLOURS[i % len(style.LINE_COLOURS)]


def has_drums(songs: Sequence[Song]) -> bool:
  """Whether any of them has a hit."""
  return any(t.drums and t.notes for song in songs for t in song.tracks)


def pitches(songs: Sequence[Song]) -> tuple[int, int]:
  """The lowest and the highest pitch, an octave apart at least."""
  all_of = [
    note.pitch
    for song in songs
    for track in song.tracks
    if not track.drums
    for note in track.notes
  ] or [60]
  low, high = min(all_of), max(all_of)
  return low, max(high, low + 12)


def draw(axes: Axes, song: Song, low: int) -> None:
  """The notes of a song, lines between its bars and dots at its quarters."""
  for i, track in enumerate(song.tracks):
    colour = colour_of(i, track.drums)
    for note in track.notes:
      y = below(low, KIND_OF.get(note.pitch, 0)) if track.drums else note.pitch
      width = max(1, min(note.end, song.steps) - note.start) - 0.15
      axes.broken_barh([(note.start, width)], (y - 0.4, 0.8), facecolors=colour)
  for bar in range(1, song.bars):
    axes.axvline(BAR * bar, color='#BBBBBB', linewidth=0.6, zorder=0)
  axes.set_xlim(-0.5, song.steps)
  axes.spines[['top', 'right']].set_visible(False)
  axes.tick_params(labelsize=LABEL_SIZE - 2, length=2)


def below(low: int, kind: int) -> int:
  """The row of a kind of drums, under the lowest pitch."""
  return low - GAP - HITS + kind


def named(axes: Axes, songs: Sequence[Song], low: int, high: int) -> None:
  """Names of notes, drums and bars at the axes, which all share."""
  pitched = any(t.notes for s in songs for t in s.tracks if not t.drums)
  rows = [p for p in range(low, high + 1) if p % 12 in (0, 7)] * pitched
  ticks = {p: f'{ROOTS[p % 12]}{p // 12 - 1}' for p in rows}
  top, bottom = high + 1, low - 1
  if has_drums(songs):
    if pitched:  # there is no room for each of them
      ticks[below(low, HITS // 2)] = 'drums'
    else:
      ticks |= {below(low, k): name for k, name in enumerate(KINDS)}
    bottom = below(low, 0) - 1
    top = top if pitched else below(low, HITS)
  axes.set_yticks(list(ticks), list(ticks.values()))
  axes.set_ylim(bottom, top)
  bars = max(song.bars for song in songs)
  every = max(1, bars // 4)
  shown = range(0, bars, every)
  axes.set_xticks([BAR * bar for bar in shown], [bar + 1 for bar in shown])
