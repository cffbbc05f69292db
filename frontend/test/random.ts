/** Random texts, changes and choices from a seed: the same on every machine. */
import type { Attributes, Json } from '../src/protocol/attributes'
import { type Delta, type Embed, insertOp, insidePair, type Op, push, retainOp } from '../src/protocol/delta'

/** mulberry32 */
export class Rng {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  /** A whole number from 0 to n - 1. */
  int(n: number): number {
    return Math.floor(this.next() * n)
  }
  chance(p: number): boolean {
    return this.next() < p
  }
  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)]!
  }
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1)
      ;[items[i], items[j]] = [items[j]!, items[i]!]
    }
    return items
  }
}

const WORDS = [
  'a',
  'the',
  'page ',
  'team',
  'comet ',
  'aaa',
  'abab',
  'note',
  ' ',
  '彗星',
  '😀',
  '👩‍💻',
  '🎉🎉',
  'é',
  '\t',
]

export function randomText(rng: Rng): string {
  let text = ''
  for (let i = 0; i <= rng.int(3); i++) text += rng.pick(WORDS)
  return text
}

const INLINE: Record<string, readonly Json[]> = {
  bold: [true],
  italic: [true],
  code: [true],
  link: ['https://example.org/a', '/p/1'],
  script: ['sub', 'super'],
  color: ['#ff0000', 'red'],
  'comment:c1': [true],
}
const LINE: Record<string, readonly Json[]> = {
  header: [1, 2, 3],
  list: ['bullet', 'ordered', 'checked', 'unchecked'],
  indent: [1, 2],
  blockquote: [true],
  'code-block': [true, 'go'],
  align: ['center', 'right'],
}
/** What no version of ours writes, or what stands where it has no meaning. */
const ODD: Record<string, readonly Json[]> = {
  unknown: [1, 'x', { a: [1, 2] }],
  bold: ['yes'],
  header: [9],
  list: ['roman'],
}

/** Attributes for text or for a newline; `odd` is how often they are strange or out of place. */
export function randomAttributes(rng: Rng, newline: boolean, nulls: boolean, odd = 0.1): Attributes {
  const result: Record<string, Json> = {}
  for (let i = 0; i <= rng.int(3); i++) {
    const misplaced = rng.chance(odd)
    const source = misplaced && rng.chance(0.5) ? ODD : newline !== misplaced ? LINE : INLINE
    const name = rng.pick(Object.keys(source))
    result[name] = nulls && rng.chance(0.4) ? null : rng.pick(source[name]!)
  }
  return result
}

export function randomEmbed(rng: Rng): Embed {
  switch (rng.int(5)) {
    case 0:
      return { image: `https://example.org/${rng.int(9)}.png` }
    case 1:
      return { divider: true }
    case 2:
      return { mention: { id: String(rng.int(9)), label: 'Ada' } }
    case 3:
      return { formula: `x^${rng.int(9)}` }
    default:
      return { table: { rows: rng.int(9) } }
  }
}

function randomInsert(rng: Rng, odd: number): Op {
  if (rng.chance(0.1)) {
    const extra = rng.chance(0.3)
      ? { alt: 'a picture', ...randomAttributes(rng, false, false, odd) }
      : undefined
    return insertOp(randomEmbed(rng), extra)
  }
  const newline = rng.chance(0.3)
  const attributes = rng.chance(0.4) ? randomAttributes(rng, newline, false, odd) : undefined
  return insertOp(newline ? '\n'.repeat(1 + rng.int(2)) : randomText(rng), attributes)
}

/** A page's content: inserts that end in a newline. Code lines come in runs. */
export function randomContent(rng: Rng, pieces = 12, odd = 0.1): Delta {
  const ops: Op[] = []
  for (let i = rng.int(pieces + 1); i > 0; i--) {
    if (rng.chance(0.15)) {
      for (let line = 1 + rng.int(3); line > 0; line--) {
        push(ops, insertOp(randomText(rng)))
        push(ops, insertOp('\n', { 'code-block': rng.pick([true, 'go']) }))
      }
    } else push(ops, randomInsert(rng, odd))
  }
  push(ops, insertOp('\n', rng.chance(0.4) ? randomAttributes(rng, true, false, odd) : undefined))
  return ops
}

/** One unit a character; an embed is U+FFFC. */
export function unitsOf(text: Delta): string {
  return text.map(op => ('insert' in op && typeof op.insert === 'string' ? op.insert : '\ufffc')).join('')
}

/**
 * A change that a client may send against `text`: it leaves the last newline
 * where it is, inserts nothing after it and cuts no surrogate pair.
 */
export function randomChange(rng: Rng, text: Delta, pieces = 4, odd = 0.1): Delta {
  const units = unitsOf(text)
  const last = units.length - 1
  const cuts: number[] = []
  for (let i = 2 * (1 + rng.int(pieces)); i > 0; i--) {
    const cut = rng.chance(0.3) ? newlineNear(rng, units) : rng.int(last + 1)
    cuts.push(insidePair(units, cut) ? cut + 1 : cut)
  }
  cuts.sort((a, b) => a - b)

  const ops: Op[] = []
  let at = 0
  for (let i = 0; i < cuts.length; i += 2) {
    const from = Math.max(at, cuts[i]!)
    const to = Math.max(from, cuts[i + 1]!)
    if (from > last) break
    push(ops, { retain: from - at })
    at = from
    const choice = rng.next()
    if (choice < 0.45) push(ops, randomInsert(rng, odd))
    if (choice > 0.35 && choice < 0.65) {
      push(ops, { delete: to - at })
      at = to
    } else if (choice >= 0.65) at = formatSome(rng, ops, units, at, to, odd)
  }
  const end = ops.at(-1)
  if (end && 'retain' in end && !end.attributes) ops.pop()
  return ops
}

function newlineNear(rng: Rng, units: string): number {
  const at = units.indexOf('\n', rng.int(units.length))
  return Math.min(at + rng.int(2), units.length - 1)
}

function formatSome(rng: Rng, ops: Op[], units: string, at: number, to: number, odd: number): number {
  const newline = units.indexOf('\n', at)
  if (rng.chance(0.5) && newline >= to) {
    push(ops, { retain: newline - at })
    push(ops, retainOp(1, randomAttributes(rng, true, true, odd)))
    return newline + 1
  }
  push(ops, retainOp(to - at, randomAttributes(rng, rng.chance(0.2), true, odd)))
  return to
}

/** How many seeds a test runs: a sample, or with HALLEY_SOAK=1 all of them. */
export function rounds(all: number): number {
  return process.env.HALLEY_SOAK === '1' ? all : Math.ceil(all / 10)
}
