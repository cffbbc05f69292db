/**
 * Carries a change into the document as small steps, so that every place in it
 * (selections, decorations) finds itself again. A line's attributes stand on
 * its newline in the Delta and on its block here: whoever adds, removes or
 * formats a newline sets the format of the block that it ends.
 */
import { Fragment, type Node, Slice } from 'prosemirror-model'
import type { Transaction } from 'prosemirror-state'
import { AddMarkStep, RemoveMarkStep, ReplaceStep } from 'prosemirror-transform'
import { type Attributes, composeAttributes } from '../protocol/attributes'
import {
  compose,
  type Delta,
  deltaLength,
  type Insert,
  insertOp,
  normalise,
  type Op,
  opLength,
} from '../protocol/delta'
import { isCode, sameFormat } from './format'
import {
  attributesOf,
  blockAt,
  blockOf,
  blocksOf,
  inlineNode,
  layoutOf,
  lengthOf,
  marksOf,
  placeOf,
  placeOfBlock,
  sliceOf,
  splitAttributes,
  unitsOfBlock,
} from './mapping'
import { schema } from './schema'

/** Beyond so many ops or lines it is cheaper to make the lines anew than to go step by step. */
const MANY = 200

/** Adds the steps that apply `delta` to the transaction's document. */
export function applyDelta(tr: Transaction, delta: Delta): Transaction {
  if (delta.length > MANY || linesTouched(tr.doc, delta) > MANY) return rewrite(tr, delta)
  let index = 0
  for (let i = 0; i < delta.length; i++) {
    const op = delta[i]!
    if ('delete' in op) remove(tr, index, index + op.delete)
    else if ('retain' in op) {
      if (op.attributes) format(tr, index, index + op.retain, op.attributes)
      index += op.retain
    } else {
      const run: Insert[] = [op]
      for (let next = delta[i + 1]; next && 'insert' in next; next = delta[++i + 1]) run.push(next)
      insert(tr, index, run)
      index += deltaLength(run)
    }
  }
  return tr
}

function linesTouched(doc: Node, delta: Delta): number {
  let index = 0
  let lines = 0
  for (const op of delta) {
    if ('insert' in op) continue
    const end = index + opLength(op)
    if ('retain' in op && op.attributes) lines += blockAt(doc, end) - blockAt(doc, index)
    index = end
  }
  return lines
}

/** Replaces all blocks from the first to the last that the change touches, as far as they differ. */
function rewrite(tr: Transaction, delta: Delta): Transaction {
  const doc = tr.doc
  const length = lengthOf(doc)
  const first = delta[0]
  const from = first && 'retain' in first && !first.attributes ? Math.min(first.retain, length - 1) : 0
  const covered = delta.reduce((sum, op) => sum + ('insert' in op ? 0 : opLength(op)), 0)
  // A neighbour on either side, for runs of code that grow together.
  const firstBlock = Math.max(0, blockAt(doc, from) - 1)
  const lastBlock = Math.min(doc.childCount - 1, blockAt(doc, Math.min(covered, length - 1)) + 1)
  const start = layoutOf(doc).starts[firstBlock]!
  const end = layoutOf(doc).starts[lastBlock]! + doc.child(lastBlock).nodeSize - 1
  const local = start === 0 ? delta : normalise([{ retain: from - start }, ...delta.slice(1)])
  const blocks = Fragment.fromArray(blocksOf(compose(sliceOf(doc, start, end), local)))

  const place = placeOfBlock(doc, firstBlock)
  const placeEnd = placeOfBlock(doc, lastBlock) + doc.child(lastBlock).nodeSize
  const old = doc.slice(place, placeEnd).content
  const differs = old.findDiffStart(blocks)
  if (differs === null) return tr
  // Whole blocks, so that the slice is closed on both sides.
  const keepBefore = wholeBlocksBefore(blocks, differs)
  const same = old.findDiffEnd(blocks)!
  const keepAfter = wholeBlocksAfter(blocks, Math.max(same.b, keepBefore), old, Math.max(same.a, keepBefore))
  const middle = blocks.cut(keepBefore, blocks.size - keepAfter)
  return tr.step(new ReplaceStep(place + keepBefore, placeEnd - keepAfter, new Slice(middle, 0, 0)))
}

function wholeBlocksBefore(blocks: Fragment, place: number): number {
  let size = 0
  for (let i = 0; i < blocks.childCount; i++) {
    const next = size + blocks.child(i).nodeSize
    if (next > place) break
    size = next
  }
  return size
}

function wholeBlocksAfter(blocks: Fragment, place: number, old: Fragment, oldPlace: number): number {
  const most = Math.min(blocks.size - place, old.size - oldPlace)
  let size = 0
  for (let i = blocks.childCount - 1; i >= 0; i--) {
    const next = size + blocks.child(i).nodeSize
    if (next > most) break
    size = next
  }
  return size
}

function insert(tr: Transaction, index: number, run: readonly Insert[]): void {
  const lines = linesOf(run)
  const block = tr.doc.child(blockAt(tr.doc, index))
  const own: Attributes | null = block.attrs.format
  const inCode = block.type === schema.nodes.codeBlock
  if (lines.ended.length === 0 || (inCode && lines.ended.every(line => sameFormat(line.format, own)))) {
    const content = lines.ended.flatMap(line => [...line.content, schema.text('\n')])
    insertInline(tr, index, [...content, ...lines.rest])
    return
  }
  if (inCode) isolate(tr, index)
  insertLines(tr, index, run, lines, own)
  joinCode(tr, index, index + deltaLength(run))
}

function insertInline(tr: Transaction, index: number, content: readonly Node[]): void {
  const place = placeOf(tr.doc, index)
  tr.step(new ReplaceStep(place, place, new Slice(Fragment.from(content), 0, 0)))
}

/** The block splits: what is left of the place ends with the first new newline, what is right keeps its own. */
function insertLines(
  tr: Transaction,
  index: number,
  run: readonly Insert[],
  { ended, rest }: Lines,
  own: Attributes | null,
): void {
  const first = ended[0]!
  const between = blocksOf(afterFirstNewline(run))
  const content = Fragment.fromArray([blockOf(own, first.content), ...between, blockOf(own, rest)])
  const place = placeOf(tr.doc, index)
  tr.step(new ReplaceStep(place, place, new Slice(content, 1, 1)))
  setFormat(tr, blockAt(tr.doc, index), first.format)
}

interface Lines {
  /** The lines that a newline in the run ends. */
  readonly ended: { content: Node[]; format: Attributes | null }[]
  /** What follows the last newline. */
  readonly rest: Node[]
}

function linesOf(run: readonly Insert[]): Lines {
  const ended: { content: Node[]; format: Attributes | null }[] = []
  let rest: Node[] = []
  for (const { insert, attributes } of run) {
    if (typeof insert !== 'string') {
      rest.push(inlineNode(insert, attributes))
      continue
    }
    insert.split('\n').forEach((text, i) => {
      if (i > 0) {
        ended.push({ content: rest, format: attributes ?? null })
        rest = []
      }
      if (text !== '') rest.push(inlineNode(text, attributes))
    })
  }
  return { ended, rest }
}

function afterFirstNewline(run: readonly Insert[]): Delta {
  const first = run.findIndex(op => typeof op.insert === 'string' && op.insert.includes('\n'))
  const { insert, attributes } = run[first]!
  const text = insert as string
  const rest: Op[] = run.slice(first + 1)
  const after = text.slice(text.indexOf('\n') + 1)
  return after === '' ? rest : [insertOp(after, attributes), ...rest]
}

function remove(tr: Transaction, from: number, to: number): void {
  const last = blockAt(tr.doc, to)
  const format: Attributes | null = tr.doc.child(last).attrs.format
  const joins = blockAt(tr.doc, from) !== last
  if (joins) {
    // What is left of the first line joins the last, and its newline counts.
    const block = tr.doc.child(blockAt(tr.doc, from))
    if (block.type === schema.nodes.codeBlock && !sameFormat(block.attrs.format, format)) isolate(tr, from)
    setFormat(tr, blockAt(tr.doc, from), format)
  }
  tr.step(new ReplaceStep(placeOf(tr.doc, from), placeOf(tr.doc, to), Slice.empty))
  if (joins) joinCode(tr, from, from)
}

function format(tr: Transaction, from: number, to: number, change: Attributes): void {
  let at = from
  while (at < to) {
    const number = blockAt(tr.doc, at)
    const block = tr.doc.child(number)
    const start = layoutOf(tr.doc).starts[number]!
    const end = Math.min(to, start + block.content.size + 1)
    formatText(tr, at, end, block, start, change)
    const before: Attributes | null = block.attrs.format
    const after = composeAttributes(before ?? undefined, change, false) ?? null
    if (!sameFormat(before, after)) formatNewlines(tr, at, end, after)
    at = end
  }
  joinCode(tr, from, to)
}

/** Formats the text of one block between two positions; newlines within code are none of it. */
function formatText(
  tr: Transaction,
  from: number,
  to: number,
  block: Node,
  start: number,
  change: Attributes,
): void {
  const inCode = block.type === schema.nodes.codeBlock
  let at = start
  block.forEach(node => {
    const begin = Math.max(from, at)
    const end = Math.min(to, at + node.nodeSize)
    const offset = at
    at += node.nodeSize
    if (begin >= end) return
    if (!node.isText || !inCode) formatNode(tr, begin, end, node, change)
    else {
      const text = node.text!
      for (const piece of text.slice(begin - offset, end - offset).matchAll(/[^\n]+/g)) {
        formatNode(tr, begin + piece.index, begin + piece.index + piece[0].length, node, change)
      }
    }
  })
}

function formatNode(tr: Transaction, from: number, to: number, node: Node, change: Attributes): void {
  const attributes = composeAttributes(attributesOf(node), change, false)
  const [embedMarks, extra] = splitAttributes(attributes)
  const marks = node.isText ? marksOf(attributes) : embedMarks
  const [place, end] = [placeOf(tr.doc, from), placeOf(tr.doc, from) + to - from]
  for (const mark of node.marks) if (!mark.isInSet(marks)) tr.step(new RemoveMarkStep(place, end, mark))
  for (const mark of marks) if (!mark.isInSet(node.marks)) tr.step(new AddMarkStep(place, end, mark))
  if (!node.isText && !sameFormat(node.attrs.extra, extra ?? null)) {
    tr.setNodeAttribute(place, 'extra', extra ?? null)
  }
}

/** Gives the newlines of one block that lie between two positions another format. */
function formatNewlines(tr: Transaction, from: number, to: number, after: Attributes | null): void {
  const number = blockAt(tr.doc, from)
  const block = tr.doc.child(number)
  const start = layoutOf(tr.doc).starts[number]!
  if (block.type !== schema.nodes.codeBlock) {
    if (to > start + block.content.size) setFormat(tr, number, after)
    return
  }
  const units = `${unitsOfBlock(block)}\n`
  for (
    let at = units.indexOf('\n', from - start);
    at >= 0 && start + at < to;
    at = units.indexOf('\n', at + 1)
  ) {
    isolate(tr, start + at)
    setFormat(tr, blockAt(tr.doc, start + at), after)
  }
}

/** Sets a block's format; a block of code must be one line, unless it stays code. */
function setFormat(tr: Transaction, number: number, format: Attributes | null): void {
  const block = tr.doc.child(number)
  if (sameFormat(block.attrs.format, format)) return
  const place = placeOfBlock(tr.doc, number)
  const type = isCode(format) ? schema.nodes.codeBlock : schema.nodes.line
  if (block.type === type) tr.setNodeAttribute(place, 'format', format)
  else tr.setNodeMarkup(place, type, { format })
}

/** Makes the line of code at a position a block of its own. */
function isolate(tr: Transaction, index: number): void {
  const number = blockAt(tr.doc, index)
  const block = tr.doc.child(number)
  if (block.type !== schema.nodes.codeBlock) return
  const units = unitsOfBlock(block)
  const offset = index - layoutOf(tr.doc).starts[number]!
  const place = placeOfBlock(tr.doc, number) + 1
  const end = units.indexOf('\n', offset)
  const start = offset === 0 ? -1 : units.lastIndexOf('\n', offset - 1)
  if (end >= 0) splitCode(tr, place + end, block)
  if (start >= 0) splitCode(tr, place + start, block)
}

/** Puts the border of two blocks in place of a newline within code. */
function splitCode(tr: Transaction, place: number, block: Node): void {
  const border = Fragment.fromArray([block.type.create(block.attrs), block.type.create(block.attrs)])
  tr.step(new ReplaceStep(place, place + 1, new Slice(border, 1, 1)))
}

/** Joins blocks of code of one format that touch each other, around a span of the Delta. */
export function joinCode(tr: Transaction, from: number, to: number): void {
  const first = Math.max(0, blockAt(tr.doc, from) - 1)
  for (let i = Math.min(tr.doc.childCount - 2, blockAt(tr.doc, to)); i >= first; i--) {
    const [upper, lower] = [tr.doc.child(i), tr.doc.child(i + 1)]
    if (upper.type !== schema.nodes.codeBlock || lower.type !== schema.nodes.codeBlock) continue
    if (!sameFormat(upper.attrs.format, lower.attrs.format)) continue
    const border = placeOfBlock(tr.doc, i + 1)
    const newline = new Slice(Fragment.from(schema.text('\n')), 0, 0)
    tr.step(new ReplaceStep(border - 1, border + 1, newline))
  }
}
