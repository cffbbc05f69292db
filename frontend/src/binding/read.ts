/**
 * Reads the change that a transaction made to the content.
 *
 * Steps are not a closed list: what is asked of one is the places it mapped,
 * and where it mapped none (formats), where the documents differ. After each
 * such place the block that held its end may have become another one, with
 * another newline further on.
 */
import type { Node } from 'prosemirror-model'
import type { Transaction } from 'prosemirror-state'
import type { StepMap } from 'prosemirror-transform'
import { compose, type Delta, deltaLength, difference, type Op, opLength, push } from '../protocol/delta'
import { sameFormat } from './format'
import { blockAt, contentOf, indexOf, layoutOf, lengthOf, sliceOf } from './mapping'

export function readTransaction(tr: Transaction): Delta {
  let delta: Delta = []
  tr.steps.forEach((_, i) => {
    const after = tr.docs[i + 1] ?? tr.doc
    delta = compose(delta, readStep(tr.docs[i]!, after, tr.mapping.maps[i]!))
  })
  return delta
}

/** A piece of the content before, what it became, and how much at the end of both is the same text. */
interface Piece {
  from: number
  to: number
  newFrom: number
  newTo: number
  tail: number
}

function readStep(before: Node, after: Node, map: StepMap): Delta {
  if (before === after) return []
  const ops: Op[] = []
  let at = 0
  for (const piece of piecesOf(before, after, map)) {
    push(ops, { retain: piece.from - at })
    const old = sliceOf(before, piece.from, piece.to)
    for (const op of difference(old, sliceOf(after, piece.newFrom, piece.newTo), piece.tail)) push(ops, op)
    push(ops, { retain: piece.to - piece.from - consumed(ops, piece.from) })
    at = piece.to
  }
  const last = ops.at(-1)
  if (last && 'retain' in last && !last.attributes) ops.pop()
  return fits(ops, before, after) ? ops : difference(contentOf(before), contentOf(after), 1)
}

/** How much of the content before is covered by the ops since a position. */
function consumed(ops: readonly Op[], since: number): number {
  return ops.reduce((sum, op) => sum + ('insert' in op ? 0 : opLength(op)), 0) - since
}

function fits(ops: readonly Op[], before: Node, after: Node): boolean {
  let growth = 0
  for (const op of ops) {
    if ('insert' in op) growth += opLength(op)
    else if ('delete' in op) growth -= op.delete
  }
  return lengthOf(before) + growth === lengthOf(after) && deltaLength(ops) >= growth
}

function piecesOf(before: Node, after: Node, map: StepMap): Piece[] {
  const pieces: Piece[] = []
  map.forEach((oldStart, oldEnd, newStart, newEnd) => {
    add(pieces, pieceOf(before, after, oldStart, oldEnd, newStart, newEnd))
  })
  if (pieces.length > 0) return pieces
  const start = before.content.findDiffStart(after.content)
  if (start === null) return []
  // Nothing was mapped, so every place is where it was.
  const end = Math.max(start, before.content.findDiffEnd(after.content)!.a)
  return [pieceOf(before, after, start, end, start, end)]
}

function pieceOf(
  before: Node,
  after: Node,
  oldStart: number,
  oldEnd: number,
  newStart: number,
  newEnd: number,
): Piece {
  const piece: Piece = {
    from: indexOf(before, oldStart),
    to: indexOf(before, oldEnd),
    newFrom: indexOf(after, newStart),
    newTo: indexOf(after, newEnd),
    tail: 0,
  }
  if (before.resolve(oldEnd).depth > 0) takeInNewline(piece, before, after)
  takeInEnd(piece, before, after)
  return piece
}

/** Where the block that holds the end has another format than before, the piece goes on to its newline. */
function takeInNewline(piece: Piece, before: Node, after: Node): void {
  const [a, b] = [blockAt(before, piece.to), blockAt(after, piece.newTo)]
  const [old, now] = [before.child(a), after.child(b)]
  if (old.type === now.type && sameFormat(old.attrs.format, now.attrs.format)) return
  piece.tail = layoutOf(before).starts[a]! + old.nodeSize - 1 - piece.to
  piece.newTo += piece.tail
  piece.to += piece.tail
}

/** The last newline stays: what was put behind it, or taken with it, is said of the newline before. */
function takeInEnd(piece: Piece, before: Node, after: Node): void {
  if (piece.to < lengthOf(before)) return
  if (piece.from === piece.to || piece.newFrom === lengthOf(after)) {
    piece.from--
    piece.newFrom--
  }
  piece.tail = Math.max(piece.tail, 1)
}

function add(pieces: Piece[], piece: Piece): void {
  const last = pieces.at(-1)
  if (!last || piece.from >= last.to) {
    pieces.push(piece)
    return
  }
  last.tail = last.to > piece.to ? last.to - piece.to : piece.tail
  last.to = Math.max(last.to, piece.to)
  last.newTo = Math.max(last.newTo, piece.newTo)
}
