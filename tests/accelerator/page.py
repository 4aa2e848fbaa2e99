"""What was found, as JSON, as Markdown and as a picture."""

import json
import math

from tests.accelerator.parts import PARTS, UNTIMED, VARIANTS, Process
from vae_jax import figures
from vae_jax.figures import history, style

WORTH = 1.1  # times: a flag that wins this at every size is worth a default


def found(names, flags, where, until):
  """(name of a part, {variant: {row: figures}}) as each of them ends."""
  # What looks at no clock runs at once.
  at_once = {
    name: Process(name, '', flags, where, until)
    for name in names
    if name in UNTIMED
  }
  for name, process in at_once.items():
    yield name, {'': process.rows()}
  for name in names:
    if name in UNTIMED:
      continue
    variants = VARIANTS.get(name, {'': ''})
    yield (
      name,
      {
        variant: Process(name, xla_flags, flags, where, until).rows()
        for variant, xla_flags in variants.items()
      },
    )


def write(everything: dict, out):
  """accelerator.json, accelerator.md and, of what was timed, a picture."""
  text = json.dumps(everything, indent=2, allow_nan=False)
  (out / 'accelerator.json').write_text(text + '\n')
  names = [name for name in PARTS if name in everything['parts']]
  parts = [headline(everything), *(section(name, everything) for name in names)]
  (out / 'accelerator.md').write_text('\n\n'.join(parts) + '\n')
  if drawn := picture(everything):
    figures.save(drawn, out / 'accelerator.png')


def headline(everything: dict) -> str:
  """What was measured on what."""
  m = everything['machine']
  versions = [f'{name} {v}' for name, v in m.get('versions', {}).items() if v]
  memory = f', {m["memory_gb"]} GB' if m.get('memory_gb') else ''
  small = 'Tiny nets, to try the program out: no figure here means anything. '
  return (
    f'# {m.get("kind")} ({m.get("platform")}{memory})\n\n'
    + small * everything['small']
    + f'{m.get("cores")} CPU cores, Python {m.get("python")}, '
    + ', '.join(versions)
    + '.'
  )


def section(name: str, everything: dict) -> str:
  """The Markdown of one part."""
  variants = everything['parts'][name]
  special = {'small_step': flags_table, 'members': members_table}
  made = special.get(name, rows_table)(variants)
  notes = [
    f'- {label(variant, row)}: {why}'
    for variant, row, why in told(variants, ('error', 'missing'))
  ]
  return '\n\n'.join(filter(None, [f'## {name}', made, '\n'.join(notes)]))


def label(variant: str, row: str) -> str:
  return ', '.join(filter(None, [variant, row]))


def told(variants: dict, kinds) -> list:
  """(variant, row, line) of the rows that hold such a line."""
  return [
    (variant, row, figures[kind])
    for variant, rows in variants.items()
    for row, figures in rows.items()
    for kind in kinds
    if kind in figures
  ]


def failures(everything: dict) -> list[str]:
  """A line for every row that failed or is not as it should be."""
  lines = []
  for name, variants in everything['parts'].items():
    for variant, row, why in told(variants, ('error',)):
      lines.append(f'failed: {label(name, label(variant, row))}: {why}')
    for variant, rows in variants.items():
      lines += [
        f'not as it should be: {label(name, label(variant, row))}: {figures}'
        for row, figures in rows.items()
        if figures.get('ok') is False
      ]
  return lines


def good(rows: dict) -> dict:
  """The rows that hold figures."""
  return {
    row: figures
    for row, figures in rows.items()
    if not {'error', 'missing'} & figures.keys()
  }


def rows_table(variants: dict) -> str:
  """A line a row, a column a figure."""
  rows = good(variants.get('', {}))
  columns = list(dict.fromkeys(k for f in rows.values() for k in f))
  columns = [c for c in columns if c != 'took_s']
  lines = [[row, *(text(f.get(c)) for c in columns)] for row, f in rows.items()]
  return markdown(['', *columns], lines)


def flags_table(variants: dict) -> str:
  """us a step (share of the limit) by K and unroll, a column a flag; and which
  flags are worth being a default."""
  held = {variant: good(rows) for variant, rows in variants.items()}
  names = dict.fromkeys(row for rows in held.values() for row in rows)
  lines = []
  for name in names:
    cells = [of_limit(rows.get(name)) for rows in held.values()]
    lines.append([name, *cells])
  table = markdown(['us a step (of the limit)', *held], lines)
  worth = worth_a_default(held)
  verdict = f'Worth being a default, {WORTH:g}x at every size: '
  return f'{table}\n\n{verdict}{", ".join(worth) or "none"}.' * bool(lines)


def of_limit(figures) -> str:
  if not figures:
    return ''
  share = f' ({100 * figures["share"]:.0f} %)' if 'share' in figures else ''
  return text(figures['us']) + share


def worth_a_default(held: dict) -> list[str]:
  """The variants that win WORTH at every size against 'none'."""
  sizes = {
    variant: {row: f['us'] for row, f in rows.items() if row[:4] == 'size'}
    for variant, rows in held.items()
  }
  plain = sizes.pop('none', {})
  return [
    variant
    for variant, us in sizes.items()
    if plain
    and us.keys() == plain.keys()
    and all(plain[row] / us[row] >= WORTH for row in plain)
  ]


def members_table(variants: dict) -> str:
  """The time of all members over that of one."""
  rows = good(variants.get('', {}))
  one = rows.get('1 one')
  lines = [
    [
      row,
      text(f['us']),
      text(f['us'] / one['us']) if one else '',
      text(f['gemm_share']),
    ]
    for row, f in rows.items()
  ]
  heads = ['members', 'us a step of all', 'times one', 'of the GEMM rate']
  return markdown(heads, lines)


def markdown(heads, lines) -> str:
  """A table, or nothing if it has no lines."""
  if not lines:
    return ''
  ruled = [heads, ['---'] * len(heads), *lines]
  return '\n'.join('| ' + ' | '.join(cells) + ' |' for cells in ruled)


def text(value) -> str:
  """A figure as it stands in a table."""
  if isinstance(value, bool):
    return 'yes' if value else 'NO'
  if isinstance(value, float):
    return f'{value:.3g}' if abs(value) < 1000 else f'{value:,.0f}'
  if isinstance(value, list):
    return ', '.join(map(str, value)) or 'none'
  return '' if value is None else str(value)


def picture(everything: dict):
  """Three panels: the small step, members, batches; None if none was timed."""
  parts = everything['parts']
  panels = {
    'dense VAE': (
      small_step_lines(parts.get('small_step', {})),
      'steps a call (K)',
      'microseconds a step',
    ),
    'runs of a sweep': (
      members_lines(good(parts.get('members', {}).get('', {}))),
      'members',
      'times a step of one',
    ),
    'convolutional VAE': (
      batch_lines(good(parts.get('batches', {}).get('', {}))),
      'batch size',
      'share of the GEMM rate',
    ),
  }
  panels = {title: panel for title, panel in panels.items() if panel[0]}
  if not panels:
    return None
  title = f'Train steps on {everything["machine"].get("kind")}'
  figure, all_axes = history.panel_axes(len(panels), title, height=3.3)
  for axes, (name, panel) in zip(all_axes, panels.items(), strict=True):
    lines, x_label, y_label = panel
    style.label(axes, x_label, y_label)
    axes.set_title(name, fontsize=style.LABEL_SIZE, loc='left')
    draw(axes, lines)
  return figure


def draw(axes, lines: dict):
  """{label: {x: y}} as lines over powers, named in a legend below."""
  for i, (name, points) in enumerate(lines.items()):
    x, y = zip(*sorted(points.items()), strict=True)
    colour = style.LINE_COLOURS[i % len(style.LINE_COLOURS)]
    axes.plot(x, y, 'o-', color=colour, markersize=3, linewidth=1.2, label=name)
  axes.set_xscale('log')
  if max(max(p.values()) for p in lines.values()) > 10 * min(
    min(p.values()) for p in lines.values()
  ):
    axes.set_yscale('log')
  ticks = sorted({x for points in lines.values() for x in points})
  axes.set_xticks(ticks, map(str, ticks), fontsize=style.LABEL_SIZE - 1)
  axes.minorticks_off()
  axes.legend(
    fontsize=style.LABEL_SIZE - 1,
    frameon=False,
    loc='upper center',
    bbox_to_anchor=(0.5, -0.2),
  )


def small_step_lines(variants: dict) -> dict:
  """us a step over K of every flag, without unrolling."""
  lines = {}
  for variant, rows in variants.items():
    points = {}
    for row, f in good(rows).items():
      if row.startswith('K=') and row.endswith('unroll=1'):
        points[int(row.split()[0][2:])] = f['us']
    lines[variant] = points
  return {name: points for name, points in lines.items() if points}


def members_lines(rows: dict) -> dict:
  """Time over that of one member, over their number."""
  if '1 one' not in rows:
    return {}
  lines = {'vmap': {}, 'map': {}}
  for row, f in rows.items():
    count, stack = row.split()
    for name in lines:
      if stack in (name, 'one'):
        lines[name][int(count)] = f['us'] / rows['1 one']['us']
  return lines


def batch_lines(rows: dict) -> dict:
  """Share of the measured GEMM rate over the batch, by precision."""
  lines = {}
  for row, f in rows.items():
    kind, size, *rest = row.split()
    if kind == 'batch' and math.isfinite(f['gemm_share']):
      lines.setdefault(rest[0], {})[int(size)] = f['gemm_share']
  return lines
