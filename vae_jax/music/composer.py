"""Songs made by rules from a seed: nothing to download, never the same bar.

No bar of melody and no bar of drums is in songs of both splits, of any seeds:
a hash of the bar says which of the two may have it, and the composer draws
until all bars of a song are its own. The rules are the same in both.
"""

import gc
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

from vae_jax.music import harmony
from vae_jax.music.harmony import Chord, Dice, Phrase, pick, spans
from vae_jax.music.songs import BAR, Note, Song, Track

FORMS = ('AABA', 'ABAB', 'ABAC', 'AABB', 'ABCA', 'ABCB', 'AABC', 'ABBA')
SPLITS = ('train', 'test')
Splits = dict[str, list[Song]]
Hits = list[tuple[int, int, int, int]]  # of a bar: start, end, pitch, velocity
Parts = tuple[str, ...]  # a bar of drums: kick of either half, snare, hat


class Style(NamedTuple):
  """How a band plays; how late is in hundredths of a step."""

  name: str
  tempos: range
  swing: tuple[int, ...]  # how late, by the step of a beat
  lags: tuple[int, ...]  # how late: kick, snare, what else is struck
  basses: tuple[str, ...]
  drums: tuple[tuple[str, ...], ...]  # for each part, what to choose from


# A line as in Style, then drums: kick of either half, snare, hat.
STYLES = """
rock, 104 144, 0 3 1 3, 0 6 -2, roots fifths
K....... K.....K. K...K... K..K.... K.K.....
K....... ..K..... K.K..... K.....K. ..K..K.. K......k
....X.......X... ....X..g....X... ....X..g.g..X... ....X.......X.g.
x.x.x.x.x.x.x.x. x.x.x.x.x.x.x.o. x...x...x...x... r.r.r.r.r.r.r.r.
funk, 88 112, 0 14 2 14, 0 10 -3, syncopated octave
K..K.... K.....K. K..k..K. K......k K.K....K
..K..... ..K..K.. K..K.... ...K..K. ..k..... K.K..k..
....X..g.g..X... ....X..g.g..X..g .g..X.......X..g ....X....g.gX...
xxxxxxxxxxxxxxxx x.xxx.xxx.xxx.xx x.x.x.xox.x.x.xo x.x.x.o.x.x.x.o.
disco, 112 128, 0 -2 -3 -2, 0 2 -4, octave roots
K...K... K...K..k K..kK... K...K.k. K.k.K...
K...K... K...K..k K...K.k. K..kK... K.k.K...
....X.......X... ....c.......c... ....X.......X..g ....X..g....X...
x.o.x.o.x.o.x.o. ..o...o...o...o. xxoxxxoxxxoxxxox x.x.x.o.x.x.x.o.
latin, 92 126, 0 -5 3 -5, 2 4 -2, syncopated fifths
K..K.... K..KK... K......K K.....K. K...K..K
K..K.... K..KK..K K......k ..K.K..K K.....K.
s..s..s...s.s... ..s.s...s..s..s. s..s..s....s..s. ...s..s.s...s.s.
x.xxx.xxx.xxx.xx b...b...b...b... b.b.bb.bb.b.bb.b x.x.x.x.x.x.x.x.
half-time, 120 152, 0 6 3 6, 0 14 2, roots syncopated
K....... K..K.... K.....K. K..k..K. K....K..
........ ..K..... .....K.. ..K...k. ......K. ...k.K..
........X....... ....g...X....... ........X.....g. ..g.....X..g....
x.x.x.x.x.x.x.x. x...x...x...x... r.r.r.r.r.r.r.r. x.xxx.x.x.xxx.x.
shuffle, 96 132, 0 33 34 -30, 0 8 0, walking roots fifths
K....... K......k K...K... K..K.... K..kK...
K....... K..K.... ...K.... K......k ...kK...
....X.......X... ....X..g....X... ....X.......X..g ...gX.......X...
x..xx..xx..xx..x x...x..xx...x..x r..rr..rr..rr..r x..xx..xx..xx..o
swing, 120 168, 0 33 34 -31, 3 6 -1, walking
k....... k...k... k......K k..k.... k...k..K
k....... ...k.... ....k..K k...k... .......K
....g.......g... ...g........g... ....g..g........ .......g....g..g
r...r..rr...r..r r...r..rr..rr..r r..rr...r..rr... r...r...r..rr..r
"""
# Kick, snare (and its ghosts), side stick, clap, toms, hats, ride, bell, crash.
PITCHES = (36, 36, 38, 38, 37, 39, 50, 47, 43, 42, 46, 51, 56, 49)
DRUMS = dict(zip('KkXgscHMLxorbC', PITCHES, strict=True))
LOUD = {'k': 76, 'g': 42, 'x': 78, 'o': 86, 'r': 80, 'b': 74, 'C': 108}
LATE = {36: 0, 37: 1, 38: 1, 39: 1}  # which lag of a style's; others are 2
FILLS = (
  '....XXXX X.XXHHML X.X.M.L. ..XX..XX XXHHMMLL X..X..X. ....HHML X.H.M.L. '
  '..X.XXXX H.HM.MLL X...X.LL ..HHMMLL X.gXH.ML ....X.ML g.XXX.LL HHH.LLL.'
).split()
# Half bars: 1, 3, 5 and 8 of the chord, and `a` leads to the next one's root.
BASSES = {
  'roots': '1------- 1---1--- 1-1-1-1- 1-----1- 1---..1- 1--1--a- 1-----a-',
  'fifths': '1---5--- 1-----5- 1-5-1-5- 5---1--- 1--5..5- 1---5-a- 5-----a-',
  'walking': '1---3--- 5---a--- 5---3--- 8---5--- 3---5--- 1---5--- 3---a---',
  'syncopated': '1--1--1- 1-..1..1 ....5-a- 1..1..8- .1..5-.1 1--5--a-',
  'octave': '1-8-1-8- 1.8.1.8. 1-1-8-8- 1..8..8. 1-8-5-8- 1-8-1-a- ..8...8.',
}
ARPEGGIOS = '0-1-2-1- 2-1-0-1- 0-2-1-2- 01210121 0--1--2- ..0-1-2- 02120212'
COMPS = '..o-..o- o-o-o-o- ....o--- o-..o-.. ...o...o o--o--o- o-----oo'
PADS = ('o---------------', 'o-------o-------', 'o-----------o---')
COUNTERS = (*PADS, '....o-----------', '........o-------', '....o---....o---')
ACCENTS = (10, -8, 0, -8, 4, -8, 0, -8, 8, -8, 0, -8, 4, -8, 0, -8)
NOISE = tuple(a + b for a in range(-3, 4) for b in range(-3, 4))


def songs(seed: int = 0, train: int = 2000, test: int = 200) -> Splits:
  """{'train': songs, 'test': songs}: more begin with those of fewer."""
  sizes = dict(zip(SPLITS, (train, test), strict=True))
  # Millions of tuples and no cycle: to look for one would double the time.
  collects = gc.isenabled()
  gc.disable()
  try:
    return {
      split: [song(seed, side, index) for index in range(sizes[split])]
      for side, split in enumerate(SPLITS)
    }
  finally:
    if collects:
      gc.enable()


@cache
def styles() -> tuple[Style, ...]:
  """The styles of the text above."""
  lines, each = iter(STYLES.strip().split('\n')), []
  for head, *parts in zip(*[lines] * 5, strict=True):
    name, tempos, swing, lags, basses = head.split(', ')
    slowest, fastest = map(int, tempos.split())
    late = [tuple(map(int, text.split())) for text in (swing, lags)]
    drums = tuple(tuple(part.split()) for part in parts)
    tempos, basses = range(slowest, fastest + 1), tuple(basses.split())
    each.append(Style(name, tempos, *late, basses, drums))
  return tuple(each)


def song(seed: int, side: int, index: int) -> Song:
  """Song `index`, of 16 bars, of a seed and a side (0 train, 1 test)."""
  dice = harmony.words(seed, side, index)
  style, form = pick(dice, styles()), pick(dice, FORMS)
  key, mode = next(dice) % 12, pick(dice, tuple(harmony.SCALES))
  phrases = harmony.phrases(dice, side, key, mode, form)
  chords = [chord for phrase in phrases for chord in phrase.chords]
  return Song(
    tracks=tuple(band(dice, side, style, phrases, chords)),
    bars=len(chords),
    chords=tuple(chord.name for chord in chords),
    tempo=float(pick(dice, style.tempos)),
    name=f'{SPLITS[side]} {index}: {style.name} in {harmony.ROOTS[key]} {mode}',
  )


def band(dice: Dice, side: int, style: Style, phrases: list[Phrase], chords):
  """Melody, bass, drums and pad, and one to three more."""
  form = ''.join(phrase.letter for phrase in phrases)

  def track(bars: list[Hits], programs: Sequence[int], lags=None) -> Track:
    notes = played(dice, bars, style.swing, lags or {})
    return Track(notes, pick(dice, programs), drums=lags is not None)

  yield track(melody(phrases, chords), (0, 0, 0, 1, 4, 11))
  yield track(bass(dice, style, form, chords), range(32, 40))
  lags = {p: style.lags[LATE.get(p, 2)] for p in PITCHES}
  yield track(drums(dice, side, style, form), (0,), lags)
  yield track(strummed(pick(dice, PADS), chords, 52), (48,))
  more = 1 + next(dice) % 7  # a bit for each of three
  if more & 1:
    yield track(arpeggio(dice, form, chords), (24, 46))
  if more & 2:
    pattern = pick(dice, COMPS.split()) + pick(dice, COMPS.split())
    yield track(strummed(pattern, chords, 58), (27,))
  if more & 4:
    yield track(counter(dice, form, chords), (68, 73))


def played(dice: Dice, bars: list[Hits], swing, lags) -> tuple[Note, ...]:
  """Notes as people play them: with accents, a style's swing, and noise."""
  notes = []
  for bar, hits in enumerate(bars):
    for (start, end, pitch, loud), word in zip(hits, dice):  # noqa: B905
      loud += ACCENTS[start] + NOISE[word % 49]
      late = swing[start % 4] + lags.get(pitch, 0) + NOISE[(word >> 32) % 49]
      start, end = BAR * bar + start, BAR * bar + end
      notes.append(Note(start, end, pitch, loud, late / 100))
  return tuple(notes)


def melody(phrases: list[Phrase], chords: list[Chord]) -> list[Hits]:
  """What is sung, louder where it is high."""
  lines = [line for phrase in phrases for line in phrase.lines]
  return [
    [(*note, 88 + (note[2] - 66) // 2) for note in harmony.sung(line, chord)]
    for line, chord in zip(lines, chords, strict=True)
  ]


def bass(dice: Dice, style: Style, form: str, chords: list[Chord]):
  """One note at a time, from the chords' roots."""
  halves = BASSES[pick(dice, style.basses)].split()
  lead = pick(dice, (-1, 1, 2))
  # What leads on leads nowhere in the middle of a bar.
  firsts = {x: pick(dice, halves).replace('a', '5') for x in 'ABC'}
  seconds = {x: [pick(dice, halves) for _ in '12'] for x in 'ABC'}
  bars = []
  for bar, chord in enumerate(chords):
    letter, after = form[bar // 4], chords[(bar + 1) % len(chords)].root
    root = within(chord.root, 28)
    third, fifth = (root + interval for interval in chord.intervals[1:3])
    pitches = {'1': root, '3': third, '5': fifth, '8': root + 12}
    pitches['a'] = within(after + lead, 28)
    half_bars = firsts[letter] + seconds[letter][bar % 2]
    bars.append([(i, end, pitches[x], 90) for i, end, x in spans(half_bars)])
  return bars


def within(pitch: int, lowest: int) -> int:
  """The pitch in the octave that begins at another."""
  return lowest + (pitch - lowest) % 12


def drums(dice: Dice, side: int, style: Style, form: str) -> list[Hits]:
  """A groove a letter, with something else now and then, and fills."""
  bars = []
  begun = {x: groove(dice, side, style.drums) for x in 'ABC'}
  for usual, three in map(begun.get, form):
    bars += three
    bars.append(owned(side, partial(filled, dice, usual, style.drums)))
  return [struck(parts) for parts in bars]


def groove(dice: Dice, side: int, options) -> tuple[Parts, list[Parts]]:
  """Parts that fit together, and three bars of them or nearly."""
  usual = owned(side, lambda: tuple(pick(dice, part) for part in options))
  *rest, hat = usual
  first = owned(side, lambda: (*rest, pick(dice, ('C', hat[0])) + hat[1:]))
  more = [owned(side, partial(changed, dice, usual, options)) for _ in '23']
  return usual, [first, *more]


def owned(side: int, draw: Callable[[], Parts]) -> Parts:
  """The first bar drawn that songs of that side may have."""
  while True:
    parts = draw()
    content = (n for i, _, pitch, _ in struck(parts) for n in (i, pitch))
    if harmony.side(content) == side:
      return parts


def changed(dice: Dice, parts: Parts, options) -> Parts:
  """The parts as they were (half of the time), or with another one of them."""
  which = next(dice) % 8
  if which >= len(parts):
    return parts
  return (*parts[:which], pick(dice, options[which]), *parts[which + 1 :])


def filled(dice: Dice, parts: Parts, options) -> Parts:
  """The parts with another kick, then half a bar of a fill alone."""
  # Another kick, lest a fill for these parts be nowhere on a song's side.
  kick, (snare, hat) = pick(dice, options[0]), parts[2:]
  return kick, '', snare[:8] + pick(dice, FILLS), hat[:8]


@cache
def struck(parts: Parts) -> Hits:
  """The hits of a bar; a fill grows louder."""
  first, second, *layers = parts
  louder = 0 if second else 3
  return sorted(
    (i, i + 1, DRUMS[x], LOUD.get(x, 96) + louder * max(i - 11, 0))
    for layer in (first + second, *layers)
    for i, x in enumerate(layer)
    if x != '.'
  )


def strummed(pattern: str, chords: list[Chord], lowest: int) -> list[Hits]:
  """The chords whole, each in the octave from `lowest`."""
  return [
    [(i, end, p, 70) for i, end, _ in spans(pattern) for p in tones]
    for tones in (voiced(chord, lowest) for chord in chords)
  ]


@cache
def voiced(chord: Chord, lowest: int) -> tuple[int, ...]:
  """The chord's pitches in the octave from `lowest`, upward."""
  return tuple(sorted(within(chord.root + i, lowest) for i in chord.intervals))


def arpeggio(dice: Dice, form: str, chords: list[Chord]) -> list[Hits]:
  """The chords broken, a pattern a letter."""
  patterns = {x: pick(dice, ARPEGGIOS.split()) * 2 for x in 'ABC'}
  bars = []
  for bar, chord in enumerate(chords):
    drawn, tones = spans(patterns[form[bar // 4]]), voiced(chord, 60)
    bars.append([(i, end, tones[int(x)], 74) for i, end, x in drawn])
  return bars


def counter(dice: Dice, form: str, chords: list[Chord]) -> list[Hits]:
  """Long tones of the chords, a voice that moves as little as it can."""
  rhythms = {x: pick(dice, COUNTERS) for x in 'ABC'}
  degree, bars = 4, [[] for _ in chords]
  for bar, chord in enumerate(chords):
    for start, end, _ in spans(rhythms[form[bar // 4]]):
      degree = chord.nearest(degree + (-1 if degree > 4 else 1))
      bars[bar].append((start, end, chord.pitch(degree), 72))
  return bars
