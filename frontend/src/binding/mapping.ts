/**
 * Content and document, one to one. A position in the Delta and a place in the
 * document differ by what lies between: one more for each block that was opened.
 */
import { Fragment, Mark, type Node } from 'prosemirror-model'
import { type Attributes, type Json, orNone } from '../protocol/attributes'
import { type Delta, type Embed, type Insert, insertOp, type Op, push } from '../protocol/delta'
import { hasMark, isCode, sameFormat } from './format'
import { schema } from './schema'

/** Where each block of a document begins, in units of the Delta. */
export interface Layout {
  readonly starts: Int32Array
  /** Of the whole content, the last newline included. */
  readonly length: number
}

const layouts = new WeakMap<Node, Layout>()

export function layoutOf(doc: Node): Layout {
  let layout = layouts.get(doc)
  if (!layout) {
    const starts = new Int32Array(doc.childCount)
    let at = 0
    for (let i = 0; i < starts.length; i++) {
      starts[i] = at
      // A block's two ends are one newline in the Delta.
      at += doc.child(i).nodeSize - 1
    }
    layout = { starts, length: at }
    layouts.set(doc, layout)
  }
  return layout
}

/** The length of a document's content, its last newline included. */
export function lengthOf(doc: Node): number {
  return layoutOf(doc).length
}

/** The number of the block that holds a position of the Delta. */
export function blockAt(doc: Node, index: number): number {
  const { starts } = layoutOf(doc)
  return lastAtMost(starts.length, i => starts[i]! <= index)
}

/** The greatest i below n for which `holds`, which holds for 0 and up to some point. */
function lastAtMost(n: number, holds: (i: number) => boolean): number {
  let low = 0
  let high = n
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (holds(middle)) low = middle
    else high = middle
  }
  return low
}

/** The place in the document of a position in the Delta, inside a block. */
export function placeOf(doc: Node, index: number): number {
  if (index >= lengthOf(doc)) return doc.content.size
  return index + blockAt(doc, index) + 1
}

/** The place before a block. */
export function placeOfBlock(doc: Node, block: number): number {
  return layoutOf(doc).starts[block]! + block
}

/** The position in the Delta of a place in the document. Between two blocks it is where the second begins. */
export function indexOf(doc: Node, place: number): number {
  if (place >= doc.content.size) return lengthOf(doc)
  const { starts } = layoutOf(doc)
  const block = lastAtMost(starts.length, i => starts[i]! + i <= place)
  return Math.max(starts[block]!, place - block - 1)
}

/** A place between `index` and its neighbours that is still in a line: the last newline cannot be passed. */
export function clampIndex(doc: Node, index: number): number {
  return Math.max(0, Math.min(index, lengthOf(doc) - 1))
}

/** Positions of the line around an index: its first unit, and its newline. */
export function lineAround(
  doc: Node,
  index: number,
): { start: number; end: number; format: Attributes | null } {
  const number = blockAt(doc, index)
  const block = doc.child(number)
  const start = layoutOf(doc).starts[number]!
  const end = start + block.content.size
  const format: Attributes | null = block.attrs.format
  if (block.type !== schema.nodes.codeBlock) return { start, end, format }
  const text = unitsOfBlock(block)
  const before = text.lastIndexOf('\n', index - start - 1)
  const after = text.indexOf('\n', index - start)
  return {
    start: index === start ? start : start + before + 1,
    end: after < 0 ? end : start + after,
    format,
  }
}

/** A block's text, one unit for each of its Delta; an embed is U+FFFC. */
export function unitsOfBlock(block: Node): string {
  return block.textBetween(0, block.content.size, undefined, '\ufffc')
}

/** All of a document, as a Delta. */
export function contentOf(doc: Node): Delta {
  return sliceOf(doc, 0, lengthOf(doc))
}

/** A piece of a document, as a Delta. */
export function sliceOf(doc: Node, from: number, to: number): Delta {
  const ops: Op[] = []
  const { starts } = layoutOf(doc)
  for (let i = blockAt(doc, from); i < starts.length && starts[i]! < to; i++) {
    pushBlock(ops, doc.child(i), from - starts[i]!, to - starts[i]!)
  }
  return ops
}

function pushBlock(ops: Op[], block: Node, from: number, to: number): void {
  const format: Attributes | undefined = block.attrs.format ?? undefined
  const inCode = block.type === schema.nodes.codeBlock
  let at = 0
  block.forEach(node => {
    const size = node.nodeSize
    const start = Math.max(0, from - at)
    const end = Math.min(size, to - at)
    at += size
    if (start >= end) return
    const attributes = attributesOf(node)
    if (!node.isText) push(ops, insertOp(node.attrs.value as Embed, attributes))
    else if (inCode) pushCode(ops, node.text!.slice(start, end), attributes, format)
    else push(ops, insertOp(node.text!.slice(start, end), attributes))
  })
  if (from <= at && at < to) push(ops, insertOp('\n', format))
}

function pushCode(
  ops: Op[],
  text: string,
  attributes: Attributes | undefined,
  format: Attributes | undefined,
): void {
  const lines = text.split('\n')
  lines.forEach((line, i) => {
    if (i > 0) push(ops, insertOp('\n', format))
    push(ops, insertOp(line, attributes))
  })
}

/** The attributes that an inline node's op has. */
export function attributesOf(node: Node): Attributes | undefined {
  const extra: Attributes | null = node.isText ? null : node.attrs.extra
  if (node.marks.length === 0) return extra ?? undefined
  const attributes: Record<string, Json> = { ...extra }
  for (const mark of node.marks) {
    if (mark.type === schema.marks.extra) Object.assign(attributes, mark.attrs.attributes)
    else attributes[mark.type.name] = (mark.attrs.value as Json | undefined) ?? true
  }
  return orNone(attributes)
}

/** The inline node that stands for an insert without a newline. */
export function inlineNode(insert: string | Embed, attributes: Attributes | undefined): Node {
  const [marks, extra] = splitAttributes(attributes)
  if (typeof insert !== 'string')
    return schema.node('embed', { value: insert, extra: extra ?? null }, undefined, marks)
  return schema.text(insert, extra ? extraMark(extra).addToSet(marks) : marks)
}

/** The marks that text with these attributes has. */
export function marksOf(attributes: Attributes | undefined): readonly Mark[] {
  const [marks, extra] = splitAttributes(attributes)
  return extra ? extraMark(extra).addToSet(marks) : marks
}

function extraMark(attributes: Attributes): Mark {
  return schema.mark('extra', { attributes })
}

/** [marks, what has none]. */
export function splitAttributes(
  attributes: Attributes | undefined,
): [readonly Mark[], Attributes | undefined] {
  if (!attributes) return [Mark.none, undefined]
  let marks: readonly Mark[] = Mark.none
  const extra: Record<string, Json> = {}
  for (const name in attributes) {
    const value = attributes[name]!
    if (hasMark(name, value)) {
      const attrs = value === true ? null : { value }
      marks = schema.mark(name, attrs).addToSet(marks)
    } else extra[name] = value
  }
  return [marks, orNone(extra)]
}

/** The document that stands for a content. */
export function docOf(content: Delta): Node {
  return schema.node('doc', null, blocksOf(content))
}

/** The blocks that stand for whole lines. */
export function blocksOf(lines: Delta): Node[] {
  const builder = new BlockBuilder()
  for (const op of lines as readonly Insert[]) builder.add(op)
  return builder.blocks()
}

/** The block for one line. */
export function blockOf(format: Attributes | null, content: readonly Node[] | Fragment): Node {
  return schema.node(
    isCode(format) ? 'codeBlock' : 'line',
    { format: format && (orNone(format) ?? null) },
    content,
  )
}

/** Gathers lines into blocks, runs of code lines of one format into one. */
class BlockBuilder {
  readonly #blocks: Node[] = []
  #line: Node[] = []
  #code: { format: Attributes | null; content: Node[] } | null = null

  add({ insert, attributes }: Insert): void {
    if (typeof insert !== 'string') {
      this.#line.push(inlineNode(insert, attributes))
      return
    }
    insert.split('\n').forEach((text, i) => {
      if (i > 0) this.#endLine(attributes ?? null)
      if (text !== '') this.#line.push(inlineNode(text, attributes))
    })
  }

  #endLine(format: Attributes | null): void {
    if (this.#code && sameFormat(this.#code.format, format)) {
      this.#code.content.push(schema.text('\n'), ...this.#line)
    } else {
      this.#endCode()
      if (isCode(format)) this.#code = { format, content: this.#line }
      else this.#blocks.push(blockOf(format, Fragment.fromArray(this.#line)))
    }
    this.#line = []
  }

  #endCode(): void {
    if (this.#code) this.#blocks.push(blockOf(this.#code.format, Fragment.fromArray(this.#code.content)))
    this.#code = null
  }

  /** All blocks; whatever follows the last newline is no line and is left out. */
  blocks(): Node[] {
    this.#endCode()
    return this.#blocks
  }
}
