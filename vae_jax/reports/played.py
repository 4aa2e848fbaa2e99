"""What a model of phrases plays, as piano rolls with MIDI and sound beside
them, and how right it is.

A picture is None where the model's data is no music.
"""

import math

import numpy as np

from vae_jax import data, figures
from vae_jax.data.phrases import Phrase, phrase, song
from vae_jax.figures import Played
from vae_jax.measures import attributes
from vae_jax.measures.trained import Run, Trained
from vae_jax.measures.ways import along_circle
from vae_jax.music import BEAT
from vae_jax.reports.claims import Report, by_label, mean_and_error
from vae_jax.reports.pictures import test_examples

LN2 = math.log(2)


def reconstructed(trained: Trained, count: int = 4):
  """Unseen phrases, and what is decoded of their mean codes, free-running."""
  what = phrase_of(trained)
  if what is None:
    return None
  seen, wanted, given = test_examples(trained, fitting(what, count))
  said = trained.reconstruct(seen, given)
  rows = {
    'unseen': songs(wanted, what, 'unseen'),
    'decoded': songs(said, what, 'decoded'),
  }
  title = f'Unseen phrases through {trained.ex.latents} latents'
  return played(rows, f'{title}, free-running', what)


def performed(trained: Trained, count: int = 4):
  """Velocities of unseen phrases as they were played and as they are said of
  the hits alone, a row a drum."""
  if trained.ex.phrase is None or not trained.ex.phrase.startswith('groove/'):
    return None
  seen, wanted, given = test_examples(trained, count)
  said = trained.reconstruct(seen, given) * wanted[..., :1]
  said[..., 0] = wanted[..., 0]
  rows = {
    label: np.flip(x[..., 1:2].swapaxes(1, 2), 1)
    for label, x in (('played', wanted), ('said', said))
  }
  title = 'Velocities (white: 127) of unseen phrases, drums over sixteenths'
  figure, what = figures.rows(rows, title=title), phrase(trained.ex.phrase)
  own = [
    song(one, what, f'{label} {i + 1}')
    for label, x in (('played', wanted), ('said', said))
    for i, one in enumerate(x)
  ]
  return Played(figure, own)


def sampled(trained: Trained, rows: int = 2, columns: int = 4):
  """Draws of the prior, each step drawn at the network's temperature."""
  what = phrase_of(trained)
  if what is None:
    return None
  columns = fitting(what, columns)
  given = trained.test.given
  if given is not None:
    given = given[data.spread(len(given), rows * columns)]
  drawn = trained.generate(rows * columns, trained.ex.seed, given)
  own = songs(drawn, what, 'draw')
  title = 'Draws from the prior, decoded by draws'
  parts = {
    f'draws {i + 1}': own[i * columns : (i + 1) * columns] for i in range(rows)
  }
  return played(parts, title, what)


def between(trained: Trained, steps: int = 6):
  """From one unseen phrase to another: both, and what is decoded on the great
  circle between their mean codes."""
  what = phrase_of(trained)
  if what is None:
    return None
  way = on_the_way(trained, steps)
  names = ['first', *(f'{t:.1f}' for t in way['share']), 'second']
  pairs = zip(way['phrases'], names, strict=True)
  own, per_row = [song(x, what, name) for x, name in pairs], fitting(what, 4)
  starts = range(0, len(own), per_row)
  rows = {' ' * i: own[at : at + per_row] for i, at in enumerate(starts)}
  title = 'Between two unseen phrases, on a great circle between their codes'
  return Played(figures.rolls(rows, title, True, what.names), own)


def on_the_way(trained: Trained, steps: int) -> dict:
  """{'share': [S], 'phrases': class numbers of both ends and of each step
  between them [S + 2, L, T]}."""
  seen, wanted, given = test_examples(trained, 2)
  z = trained.encode(seen, given)
  share_S = np.linspace(0, 1, steps, dtype=np.float32)
  z_SZ = along_circle(z[:1], z[1:], share_S)[0]
  given = None if given is None else np.repeat(given[:1], steps, 0)
  said = trained.decode(z_SZ, given).argmax(-1)
  ends = wanted.argmax(-1)
  parts = ends[:1], said, ends[1:]
  return {'share': share_S, 'phrases': np.concatenate(parts)}


def steered(trained: Trained):
  """An unseen phrase, and what is decoded where an attribute's vector is added
  to its code: a row for each attribute."""
  what = phrase_of(trained)
  if what is None or trained.test.given is not None:
    return None
  seen, _, _ = test_examples(trained, 1)
  code_Z, rows = trained.encode(seen)[0], {}
  for name, vector_Z in attributes.vectors(trained).items():
    z_SZ = np.stack([code_Z + s * vector_Z for s in attributes.STEPS])
    x = attributes.said(trained, z_SZ)
    rows[name.replace(' ', '\n')] = [
      song(one, what, f'{name} {s:+g}' if s else name)
      for one, s in zip(x, attributes.STEPS, strict=True)
    ][:: 1 if what.bars <= 4 else 4]
  title = f'An unseen phrase, its code plus {said_of(attributes.STEPS)} vectors'
  return played(rows, title, what) if rows else None


def said_of(numbers) -> str:
  """'-1, 0 or 1'."""
  *others, last = [f'{number:g}' for number in numbers]
  return f'{", ".join(others)} or {last}'


def drift(trained: Trained):
  """The share of phrases that are right in each quarter note, after the right
  step and free-running."""
  names = 'accuracy_taught_by_step', 'accuracy_free_by_step'
  if not trained.results.keys() >= set(names):
    return None
  beats = [np.reshape(trained.results[n], (-1, BEAT)).mean(1) for n in names]
  history = [
    {'quarter note': i, 'after the right step': a, 'free-running': b}
    for i, (a, b) in enumerate(zip(*beats, strict=True), 1)
  ]
  title = f'Unseen phrases of {trained.ex.dataset}'
  title += f', {trained.label}' * bool(trained.label)
  panel = {'steps that are right': tuple(history[0])[1:]}
  units = {'steps that are right': 'share'}
  return figures.curves(history, panel, title, 'quarter note', units)


def phrase_of(trained: Trained) -> Phrase | None:
  """What the model's phrases are, None if it has none."""
  if not trained.data['test'].numbers or trained.ex.phrase is None:
    return None
  return phrase(trained.ex.phrase)


def fitting(what: Phrase, count: int) -> int:
  """How many phrases stand beside each other."""
  return max(1, min(count, 16 // what.bars))


def songs(x_NLTV, what: Phrase, name: str) -> list:
  """One-hot phrases, or what is likely at each step, as songs."""
  numbers_NLT = np.asarray(x_NLTV).argmax(-1)
  return [song(x, what, f'{name} {i + 1}') for i, x in enumerate(numbers_NLT)]


def played(rows: dict, title: str, what: Phrase) -> Played:
  """The rolls of songs, and the songs."""
  own = [one for songs in rows.values() for one in songs]
  return Played(figures.rolls(rows, title, tracks=what.names), own)


def reproduced(runs: list[Run]) -> Report:
  """The verdict on phrases for each label: free-running beside teacher-forced
  and the best rival, what the code adds, and what it costs."""
  verdicts = [
    f'{label}: {line}' if label else line
    for label, members in by_label(runs).items()
    if (line := of_phrases(members))
  ]
  return Report(pictures=rate_and_accuracy(runs), verdicts=verdicts)


def rate_and_accuracy(runs: list[Run]) -> dict:
  """{'rate': what is right free-running over the bits of the code}, a point for
  each of several labels, means over their seeds."""
  lines = {'free-running': {}, 'after the right step': {}}
  names = 'accuracy_free', 'accuracy_taught', 'kl_nats'
  for members in by_label(runs).values():
    if all(run.results.keys() >= set(names) for run in members):
      free, taught, kl = (
        [run.results[name] for run in members] for name in names
      )
      bits = float(np.mean(kl)) / LN2
      lines['free-running'][bits] = free
      lines['after the right step'][bits] = taught
  if len(lines['free-running']) < 3:
    return {}
  panels = {'steps that are right': lines}
  title = f'Unseen phrases of {runs[0].ex.dataset}'
  return {'rate': figures.lines(panels, 'bits of the code', title, log=None)}


def humanised(runs: list[Run]) -> Report:
  """The verdict on how drums are hit, for each label, beside habits."""
  verdicts = []
  for label, members in by_label(runs).items():
    names = 'velocity_error', 'delay_error_steps'
    if any(run.results.keys().isdisjoint(names) for run in members):
      continue
    velocity, delay = (
      mean_and_error([run.results[name] for run in members]) for name in names
    )
    line = f'velocities are {velocity} of 127 off, delays {delay} of a step'
    for rival, (fast, late) in members[0].studies.get('habits', {}).items():
      line += f'; by the mean of {rival} {fast:.2f} and {late:.2f}'
    verdicts.append(f'{label}: {line}' if label else line)
  return Report(verdicts=verdicts)


def steering(runs: list[Run]) -> str:
  """What attribute vectors do, in words; '' if it is not known."""
  found = runs[0].studies.get('steered', {})
  parts = [
    f'{name} {found[name][0]:.2g} to {found[name][-1]:.2g} {unit}'
    for name, unit in zip(attributes.NAMES, attributes.UNITS, strict=True)
    if name in found
  ]
  return f'; steered: {", ".join(parts)}' if parts else ''


def going(runs: list[Run]) -> str:
  """How the ends of a way between codes come and go, in words; '' if it is not
  known."""
  found = [run.studies.get('apart', {}) for run in runs]
  if not all(found):
    return ''
  first, second = (
    np.mean([study[name] for study in found], 0)
    for name in ('from_first', 'from_second')
  )
  away, nearer = (np.diff(first) > 0).sum(), (np.diff(second) < 0).sum()
  steps = len(first) - 1
  return (
    f'; from one phrase to another {away} of {steps} parts of a great circle '
    f'lead away from the one and {nearer} nearer to the other'
  )


def of_phrases(runs: list[Run]) -> str:
  """One line on runs of one label, '' if they have no phrases."""
  if any('accuracy_free' not in run.results for run in runs):
    return ''

  def share(name):
    return mean_and_error([100 * run.results[name] for run in runs], ' %')

  rivals = runs[0].studies.get('rivals', {})
  best = max(rivals, key=rivals.get, default=None)
  line = (
    f'{share("accuracy_free")} of the steps right free-running, '
    f'{share("accuracy_taught")} after the right step, '
    f"{share('accuracy_shuffled')} with another phrase's code; onset F1 "
    f'{mean_and_error([run.results["onset_f1"] for run in runs])}'
  )
  if all('kl_nats' in run.results for run in runs):
    bits = [run.results['kl_nats'] / LN2 for run in runs]
    line += f'; the code carries {mean_and_error(bits, " bits")}'
  if best is None:
    return line
  line += steering(runs) + going(runs)
  beats = all(run.results['accuracy_free'] > rivals[best] for run in runs)
  fate = 'above' if beats else 'NOT above'
  return f'{line}; {fate} {best}, {100 * rivals[best]:.1f} %'
