/** What edits of the surface are made of. All positions and spans are of the Delta, in UTF-16 code units. */
import type { Node } from 'prosemirror-model'
import { type Attributes, diffAttributes, type Json } from '../protocol/attributes'
import { type Delta, type Embed, type Insert, insertOp, type Op, push, retainOp } from '../protocol/delta'
import { EXCLUSIVE, type LineKind, lineKind } from './format'
import { lineAround, sliceOf } from './mapping'

export interface Span {
  readonly from: number
  readonly to: number
}

export interface Line {
  readonly start: number
  /** Where its newline stands. */
  readonly end: number
  readonly format: Attributes | null
}

/** A change, and where the caret is after it; without that it moves as the text does. */
export interface SurfaceEdit {
  readonly delta: Delta
  readonly caret?: number
}

/** Writes a Delta by positions in the content before it, from left to right. */
export class Draft {
  readonly #ops: Op[] = []
  #at = 0

  insert(at: number, insert: string | Embed, attributes?: Attributes | null): this {
    this.#goTo(at)
    push(this.#ops, insertOp(insert, attributes ?? undefined))
    return this
  }

  insertAll(at: number, inserts: Delta): this {
    this.#goTo(at)
    for (const op of inserts) push(this.#ops, op)
    return this
  }

  delete(from: number, to: number): this {
    this.#goTo(from)
    push(this.#ops, { delete: to - from })
    this.#at = to
    return this
  }

  format(from: number, to: number, change: Attributes | undefined): this {
    if (!change || from >= to) return this
    this.#goTo(from)
    push(this.#ops, retainOp(to - from, change))
    this.#at = to
    return this
  }

  done(): Delta {
    return this.#ops
  }

  #goTo(at: number): void {
    push(this.#ops, { retain: at - this.#at })
    this.#at = at
  }
}

/** The lines that a span touches; one at whose start it merely ends is none of them. */
export function linesIn(doc: Node, { from, to }: Span): Line[] {
  const lines: Line[] = []
  let line = lineAround(doc, from)
  lines.push(line)
  while (line.end + 1 < to) {
    line = lineAround(doc, line.end + 1)
    lines.push(line)
  }
  return lines
}

export function kindOf(line: Line): LineKind {
  return lineKind(line.format)
}

/** The text between two positions of one line; an embed is U+FFFC. */
export function textOf(doc: Node, from: number, to: number): string {
  return (sliceOf(doc, from, to) as readonly Insert[])
    .map(op => (typeof op.insert === 'string' ? op.insert : '\ufffc'))
    .join('')
}

/** What makes a newline's format show `wanted` and none of the other exclusive kinds. */
export function makeKind(format: Attributes | null, wanted: Attributes): Attributes | undefined {
  const now: Record<string, Json> = { ...format }
  for (const name of EXCLUSIVE) delete now[name]
  // The indent of a list item goes with the list.
  if (format?.list !== undefined && wanted.list === undefined) delete now.indent
  return diffAttributes(format ?? undefined, { ...now, ...wanted })
}
