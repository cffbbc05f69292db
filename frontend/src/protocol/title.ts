/**
 * A page's title while it is edited: what the server has, what is shown, and the
 * one save that is on its way. Others' edits are merged into what is shown, as in
 * the text; one's own can be undone.
 *
 * The server merges too: a save carries the change from `base` to `title` over
 * what came since, under a key that makes sending it again harmless. Whether the
 * server's title holds a save that has not been answered cannot be seen, so what
 * comes in between waits for the answer.
 */
import { compose, type Delta, insidePair, invert, type Op, push, transformPair } from './delta'
import { emptyHistory, type History, others, record, redone, takeRedo, takeUndo, undone } from './undo'

/** One save, sent byte for byte the same until it is answered. */
export interface TitleSave {
  readonly key: string
  readonly base: string
  readonly title: string
}

export class TitleDraft {
  /** The server's title that the shown one is made from. */
  #known: string
  #shown: string
  /** From the server's title, or from that of the save on its way, to the shown one. */
  #own: Delta = []
  #sent: TitleSave | null = null
  #history: History = emptyHistory

  constructor(title: string) {
    this.#known = title
    this.#shown = title
  }

  /** What is shown. */
  get text(): string {
    return this.#shown
  }

  /** Whether a save waits for its answer. */
  get saving(): boolean {
    return this.#sent !== null
  }

  /** Somebody typed here: the field has this text now. `now` is in milliseconds. */
  type(text: string, now: number): void {
    const delta = changeOf(this.#shown, text)
    if (delta.length === 0) return
    this.#history = record(this.#history, delta, invert(delta, asContent(this.#shown)), now)
    this.#edit(delta)
  }

  /** Takes back the newest of one's own edits; null where there is none. */
  undo(): Delta | null {
    return this.#goBack(takeUndo, undone)
  }

  redo(): Delta | null {
    return this.#goBack(takeRedo, redone)
  }

  #goBack(take: typeof takeUndo, taken: typeof undone): Delta | null {
    const found = take(this.#history)
    if (!found) return null
    const [history, delta] = found
    this.#history = taken(history, invert(delta, asContent(this.#shown)))
    this.#edit(delta)
    return delta
  }

  #edit(delta: Delta): void {
    this.#shown = apply(this.#shown, delta)
    this.#own = compose(this.#own, delta)
  }

  /** The server has this title now; returns what that changes of the shown one. */
  receive(title: string): Delta {
    return this.#sent ? [] : this.#carry(this.#known, title)
  }

  /** The save to send: a new one, the one that was not answered, or null where nothing is unsaved. */
  save(newKey: () => string): TitleSave | null {
    if (this.#sent) return this.#sent
    const title = this.#shown.trim()
    if (title === this.#known) return null
    this.#sent = { key: newKey(), base: this.#known, title }
    this.#own = changeOf(title, this.#shown)
    return this.#sent
  }

  /** The save was answered with the title as it is then; returns what that changes of the shown one. */
  answered(title: string): Delta {
    const sent = this.#sent
    this.#sent = null
    return sent ? this.#carry(sent.title, title) : []
  }

  /** The save was refused for good: its words stay as they are shown, unsaved. */
  refused(): void {
    if (!this.#sent) return
    this.#sent = null
    this.#own = changeOf(this.#known, this.#shown)
  }

  /** Carries one's own edits, made on `from`, over what the server made of it. */
  #carry(from: string, title: string): Delta {
    this.#known = title
    const [theirs, own] = meet(changeOf(from, title), this.#own)
    this.#shown = apply(this.#shown, theirs)
    this.#own = own
    this.#history = others(this.#history, theirs)
    return theirs
  }
}

/** Two changes of one title, each as it applies after the other. Where both insert, the own text comes first. */
function meet(theirs: Delta, own: Delta): [Delta, Delta] {
  return transformPair(theirs, own, false)
}

/**
 * The change from one title to another, as the server finds it. Their common
 * beginning and end stay to the character. If what is between only grew, or only
 * shrank, every character that is left stays. Otherwise the words that both have stay
 * (their longest common subsequence).
 */
export function changeOf(before: string, after: string): Delta {
  const most = Math.min(before.length, after.length)
  let start = 0
  while (start < most && before[start] === after[start]) start++
  if (insidePair(before, start) || insidePair(after, start)) start--
  let end = 0
  while (end < most - start && before.at(-1 - end) === after.at(-1 - end)) end++
  if (insidePair(before, before.length - end) || insidePair(after, after.length - end)) end--
  const ops: Op[] = []
  if (start > 0) push(ops, { retain: start })
  const a = before.slice(start, before.length - end)
  const b = after.slice(start, after.length - end)
  const middle =
    grown(a, b, insert => ({ insert })) ??
    grown(b, a, text => ({ delete: text.length })) ??
    changeOfWords(a, b)
  for (const op of middle) push(ops, op)
  while (ops.length > 0 && 'retain' in ops.at(-1)!) ops.pop()
  return ops
}

/** Goes through `more`, which has all characters of `some` in their order; null where it has not. */
function grown(some: string, more: string, extra: (char: string) => Op): Op[] | null {
  const ops: Op[] = []
  let at = 0
  for (const char of more) {
    if (some.startsWith(char, at)) {
      at += char.length
      ops.push({ retain: char.length })
    } else ops.push(extra(char))
  }
  return at === some.length ? ops : null
}

const WORDS = /[\p{L}\p{N}]+|\P{L}/gu

function changeOfWords(before: string, after: string): Op[] {
  const a = before.match(WORDS) ?? []
  const b = after.match(WORDS) ?? []
  // common[i][j]: how many words the rest of a from i and of b from j have in common.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i]![j] =
        a[i] === b[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
  const ops: Op[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && a[i] === b[j]) {
      ops.push({ retain: a[i++]!.length })
      j++
    } else if (j < b.length && (i === a.length || common[i]![j + 1]! >= common[i + 1]![j]!))
      ops.push({ insert: b[j++]! })
    else ops.push({ delete: a[i++]!.length })
  }
  return ops
}

function asContent(text: string): Delta {
  return text ? [{ insert: text }] : []
}

function apply(text: string, delta: Delta): string {
  return compose(asContent(text), delta)
    .map(op => ('insert' in op && typeof op.insert === 'string' ? op.insert : ''))
    .join('')
}
