/**
 * Quill's Delta: a change of a text, or a text itself (inserts only).
 *
 * Lengths and positions count UTF-16 code units, which is what a JavaScript
 * string's `length` counts; an embed counts 1. Functions return new arrays and
 * change none of their arguments, but results share ops and attributes with
 * them: treat all of it as immutable. compose, transform, transformPosition and
 * invert agree with quill-delta 5.1.0 op for op on normalised input.
 */
import {
  type Attributes,
  composeAttributes,
  diffAttributes,
  invertAttributes,
  type Json,
  orNone,
  sameAttributes,
  sameJson,
  transformAttributes,
} from './attributes'

/** An object in the text, with one member that names its kind. */
export type Embed = { readonly [kind: string]: Json }

export interface Insert {
  readonly insert: string | Embed
  readonly attributes?: Attributes
}
export interface Retain {
  readonly retain: number
  readonly attributes?: Attributes
}
export interface Delete {
  readonly delete: number
}
export type Op = Insert | Retain | Delete
export type Delta = readonly Op[]

/** How much of the text an op covers. */
export function opLength(op: Op): number {
  if ('insert' in op) return typeof op.insert === 'string' ? op.insert.length : 1
  return 'retain' in op ? op.retain : op.delete
}

/** The length of a text, or of a change: what it retains, inserts and deletes, summed. */
export function deltaLength(delta: Delta): number {
  let length = 0
  for (const op of delta) length += opLength(op)
  return length
}

export function insertOp(insert: string | Embed, attributes?: Attributes): Insert {
  const some = attributes && orNone(attributes)
  return some ? { insert, attributes: some } : { insert }
}

export function retainOp(retain: number, attributes?: Attributes): Retain {
  const some = attributes && orNone(attributes)
  return some ? { retain, attributes: some } : { retain }
}

/**
 * Adds an op to `ops` in normal form: nothing empty, equal neighbours joined,
 * and at one place the insert before the delete.
 */
export function push(ops: Op[], op: Op): void {
  if (opLength(op) === 0) return
  const last = ops.at(-1)
  if (last === undefined) {
    ops.push(op)
    return
  }
  if ('delete' in last) {
    if ('delete' in op) ops[ops.length - 1] = { delete: last.delete + op.delete }
    else if ('insert' in op) {
      ops.pop()
      push(ops, op)
      ops.push(last)
    } else ops.push(op)
    return
  }
  if (!joinInto(ops, last, op)) ops.push(op)
}

function joinInto(ops: Op[], last: Insert | Retain, op: Op): boolean {
  if ('delete' in op || !sameAttributes(last.attributes, op.attributes)) return false
  if ('retain' in op && 'retain' in last) {
    ops[ops.length - 1] = retainOp(last.retain + op.retain, op.attributes)
    return true
  }
  if (
    'insert' in op &&
    'insert' in last &&
    typeof op.insert === 'string' &&
    typeof last.insert === 'string'
  ) {
    ops[ops.length - 1] = insertOp(last.insert + op.insert, op.attributes)
    return true
  }
  return false
}

/** Drops a last retain that changes nothing. */
function chop(ops: Op[]): Delta {
  const last = ops.at(-1)
  if (last && 'retain' in last && !last.attributes) ops.pop()
  return ops
}

/** The ops in normal form. */
export function normalise(delta: Delta): Delta {
  const ops: Op[] = []
  for (const op of delta) push(ops, op)
  return chop(ops)
}

/** Whether two Deltas in normal form have the same ops. */
export function sameDelta(a: Delta, b: Delta): boolean {
  return a.length === b.length && a.every((op, i) => sameOp(op, b[i]!))
}

function sameOp(a: Op, b: Op): boolean {
  if ('delete' in a || 'delete' in b) return 'delete' in a && 'delete' in b && a.delete === b.delete
  if (!sameAttributes(a.attributes, b.attributes)) return false
  if ('retain' in a || 'retain' in b) return 'retain' in a && 'retain' in b && a.retain === b.retain
  return sameJson(a.insert, b.insert)
}

/** Reads a Delta piece by piece. Past its end it retains without end. */
class Reader {
  #at = 0
  #offset = 0
  readonly #ops: Delta
  constructor(ops: Delta) {
    this.#ops = ops
  }

  get more(): boolean {
    return this.#at < this.#ops.length
  }

  /** What is left of the op here, in units. */
  get left(): number {
    const op = this.#ops[this.#at]
    return op ? opLength(op) - this.#offset : Number.POSITIVE_INFINITY
  }

  get kind(): 'insert' | 'retain' | 'delete' {
    const op = this.#ops[this.#at]
    if (!op || 'retain' in op) return 'retain'
    return 'insert' in op ? 'insert' : 'delete'
  }

  take(length = Number.POSITIVE_INFINITY): Op {
    const op = this.#ops[this.#at]
    if (!op) return { retain: length }
    const from = this.#offset
    const whole = opLength(op)
    if (length >= whole - from) {
      this.#at++
      this.#offset = 0
      return from === 0 ? op : cut(op, from, whole)
    }
    this.#offset = from + length
    return cut(op, from, from + length)
  }
}

function cut(op: Op, from: number, to: number): Op {
  if ('delete' in op) return { delete: to - from }
  if ('retain' in op) return retainOp(to - from, op.attributes)
  return typeof op.insert === 'string' ? insertOp(op.insert.slice(from, to), op.attributes) : op
}

/** The change (or text) that does `a` and then `b`. */
export function compose(a: Delta, b: Delta): Delta {
  const first = new Reader(a)
  const second = new Reader(b)
  const ops: Op[] = []
  while (first.more || second.more) {
    if (second.kind === 'insert') push(ops, second.take())
    else if (first.kind === 'delete') push(ops, first.take())
    else {
      const length = Math.min(first.left, second.left)
      composeOp(ops, first.take(length) as Insert | Retain, second.take(length) as Retain | Delete)
    }
  }
  return chop(ops)
}

function composeOp(ops: Op[], a: Insert | Retain, b: Retain | Delete): void {
  if ('delete' in b) {
    if ('retain' in a) push(ops, b)
    return
  }
  if (!b.attributes) push(ops, a)
  else if ('retain' in a) push(ops, retainOp(a.retain, composeAttributes(a.attributes, b.attributes, true)))
  else push(ops, insertOp(a.insert, composeAttributes(a.attributes, b.attributes, false)))
}

/**
 * `b` rewritten to follow `a`, both made on the same text. Where both insert at
 * one place the text of `a` comes first with `priority`, and of two values for
 * one attribute that of `a` stays.
 *
 * compose(a, transform(a, b, true)) equals compose(b, transform(b, a, false)).
 */
export function transform(a: Delta, b: Delta, priority: boolean): Delta {
  const first = new Reader(a)
  const second = new Reader(b)
  const ops: Op[] = []
  while (second.more) {
    if (first.kind === 'insert' && (priority || second.kind !== 'insert')) {
      push(ops, { retain: opLength(first.take()) })
    } else if (second.kind === 'insert') push(ops, second.take())
    else {
      const length = Math.min(first.left, second.left)
      transformOp(
        ops,
        first.take(length) as Retain | Delete,
        second.take(length) as Retain | Delete,
        priority,
      )
    }
  }
  return chop(ops)
}

function transformOp(ops: Op[], a: Retain | Delete, b: Retain | Delete, priority: boolean): void {
  if ('delete' in a) return
  if ('delete' in b) push(ops, b)
  else push(ops, retainOp(b.retain, transformAttributes(a.attributes, b.attributes, priority)))
}

/** Both changes rewritten to follow the other: [a after b, b after a], with `priority` as transform(a, b) has it. */
export function transformPair(a: Delta, b: Delta, priority: boolean): [Delta, Delta] {
  return [transform(b, a, !priority), transform(a, b, priority)]
}

/** Where a position is after `change`. An insert right at it pushes it on unless `priority`. */
export function transformPosition(change: Delta, position: number, priority: boolean): number {
  let offset = 0
  for (const op of change) {
    if (offset > position) break
    const length = opLength(op)
    if ('delete' in op) {
      position -= Math.min(length, position - offset)
      continue
    }
    if ('insert' in op && (offset < position || !priority)) position += length
    offset += length
  }
  return position
}

/** Where a position in the text after `change` was before it; inside an insert: where the insert stands. */
export function positionBefore(change: Delta, position: number): number {
  let before = 0
  let after = 0
  for (const op of change) {
    const length = opLength(op)
    if ('delete' in op) {
      // At the seam of a deletion: its left edge.
      if (position <= after) break
      before += length
    } else if ('insert' in op) {
      if (position <= after + length) return before
      after += length
    } else {
      if (position <= after + length) return before + (position - after)
      after += length
      before += length
    }
  }
  return before + Math.max(0, position - after)
}

/** The change that takes `change` back. `base` is the text that it was made on, or a way to read a piece of it. */
export function invert(change: Delta, base: Delta | ((from: number, to: number) => Delta)): Delta {
  const read = typeof base === 'function' ? base : (from: number, to: number) => slice(base, from, to)
  const ops: Op[] = []
  let at = 0
  for (const op of change) {
    const length = opLength(op)
    if ('insert' in op) push(ops, { delete: length })
    else if ('retain' in op && !op.attributes) push(ops, op)
    else {
      for (const old of read(at, at + length) as readonly Insert[]) {
        if ('delete' in op) push(ops, old)
        else push(ops, retainOp(opLength(old), invertAttributes(op.attributes, old.attributes)))
      }
    }
    if (!('insert' in op)) at += length
  }
  return chop(ops)
}

/** A piece of a text. */
export function slice(text: Delta, from: number, to: number): Delta {
  const ops: Op[] = []
  let at = 0
  for (const op of text) {
    if (at >= to) break
    const length = opLength(op)
    const start = Math.max(0, from - at)
    const end = Math.min(length, to - at)
    if (start < end) ops.push(start === 0 && end === length ? op : cut(op, start, end))
    at += length
  }
  return ops
}

/**
 * The change from one short text to another, for a piece that was edited in
 * one go: what both begin and end with stays, and what lies between is replaced.
 * At least the last `tail` units are taken to be the same text in both.
 */
export function difference(before: Delta, after: Delta, tail = 0): Delta {
  const a = units(before)
  const b = units(after)
  const shorter = Math.min(a.text.length, b.text.length)
  let end = tail
  let start = 0
  while (start < shorter - end && sameUnit(a, start, b, start)) start++
  while (end < shorter - start && sameUnit(a, a.text.length - 1 - end, b, b.text.length - 1 - end)) end++
  if (insidePair(a.text, start) || insidePair(b.text, start)) start--
  if (insidePair(a.text, a.text.length - end) || insidePair(b.text, b.text.length - end)) end--

  const ops: Op[] = []
  for (const op of reformat(slice(before, 0, start), slice(after, 0, start))) push(ops, op)
  for (const op of slice(after, start, b.text.length - end)) push(ops, op)
  push(ops, { delete: a.text.length - end - start })
  const [restA, restB] = [a.text.length - end, b.text.length - end]
  for (const op of reformat(slice(before, restA, a.text.length), slice(after, restB, b.text.length)))
    push(ops, op)
  return chop(ops)
}

/** The change between two texts that differ in attributes alone. */
function reformat(before: Delta, after: Delta): Delta {
  const first = new Reader(before)
  const second = new Reader(after)
  const ops: Op[] = []
  while (first.more) {
    const length = Math.min(first.left, second.left)
    const a = first.take(length) as Insert
    const b = second.take(length) as Insert
    push(ops, retainOp(length, diffAttributes(a.attributes, b.attributes)))
  }
  return ops
}

/** Stands for an embed in a plain string. */
const OBJECT = '\ufffc'

interface Units {
  text: string
  embeds: Map<number, Embed>
}

function units(delta: Delta): Units {
  let text = ''
  const embeds = new Map<number, Embed>()
  for (const op of delta as readonly Insert[]) {
    if (typeof op.insert === 'string') text += op.insert
    else {
      embeds.set(text.length, op.insert)
      text += OBJECT
    }
  }
  return { text, embeds }
}

function sameUnit(a: Units, i: number, b: Units, j: number): boolean {
  return a.text.charCodeAt(i) === b.text.charCodeAt(j) && sameJson(a.embeds.get(i), b.embeds.get(j))
}

/** Whether `position` cuts a surrogate pair in two. */
export function insidePair(text: string, position: number): boolean {
  return isHigh(text.charCodeAt(position - 1)) && isLow(text.charCodeAt(position))
}

export function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}

export function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}
