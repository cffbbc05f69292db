/**
 * What the keys that make and join lines do, and pasting: pure functions of a
 * document and a span of it, answering the change to make.
 */
import type { Node } from 'prosemirror-model'
import { type Attributes, diffAttributes, type Json } from '../protocol/attributes'
import { type Delta, type Embed, type Insert, insertOp, type Op, opLength, push } from '../protocol/delta'
import { Draft, kindOf, type Line, makeKind, type Span, type SurfaceEdit, textOf } from './draft'
import { EXCLUSIVE, indentOf } from './format'
import { indent, setKind } from './formatting'
import { lengthOf, lineAround, placeOf } from './mapping'

/** Takes a span out. What is left of its last line joins the first, and is as that was. */
export function remove(doc: Node, { from, to }: Span): SurfaceEdit {
  const draft = new Draft().delete(from, to)
  const first = lineAround(doc, from)
  const last = lineAround(doc, to)
  if (first.end < to) draft.format(last.end, last.end + 1, joined(first, last))
  return { delta: draft.done(), caret: from }
}

function joined(first: Line, last: Line): Attributes | undefined {
  return diffAttributes(last.format ?? undefined, first.format ?? undefined)
}

/** The Enter key. */
export function enter(doc: Node, span: Span): SurfaceEdit {
  const line = lineAround(doc, span.from)
  if (span.from === span.to) {
    const left = line.start === line.end ? leaveKind(doc, line) : null
    if (left) return left
    if (kindOf(line).kind === 'header') return enterInHeader(line, span.from)
  }
  const draft = new Draft()
  const upper = line.format
  if (kindOf(line).kind === 'code-block') {
    const space = /^[\t ]*/.exec(textOf(doc, line.start, span.from))![0]
    draft.insert(span.from, '\n', upper).insert(span.from, space).delete(span.from, span.to)
    return { delta: draft.done(), caret: span.from + 1 + space.length }
  }
  draft.insert(span.from, '\n', upper).delete(span.from, span.to)
  const last = lineAround(doc, span.to)
  if (last.format?.list === 'checked') draft.format(last.end, last.end + 1, { list: 'unchecked' })
  return { delta: draft.done(), caret: span.from + 1 }
}

/** Enter on an empty line steps out of its list, quote or code; null where there is nothing to leave. */
function leaveKind(doc: Node, line: Line): SurfaceEdit | null {
  const kind = kindOf(line).kind
  if (kind === 'plain' || kind === 'header') return null
  if (kind === 'list' && indentOf(line.format) > 0)
    return indent(doc, { from: line.start, to: line.start }, -1)
  if (kind === 'code-block' && (isCodeAt(doc, line.end + 1) || !isCodeAt(doc, line.start - 1))) return null
  return setKind(doc, { from: line.start, to: line.start }, () => ({}))
}

function isCodeAt(doc: Node, index: number): boolean {
  return index >= 0 && index < lengthOf(doc) && kindOf(lineAround(doc, index)).kind === 'code-block'
}

/** What follows a heading is plain text, and so is what is pushed above it. */
function enterInHeader(line: Line, at: number): SurfaceEdit {
  const draft = new Draft()
  if (at === line.start && line.start < line.end) draft.insert(at, '\n')
  else {
    draft.insert(at, '\n', line.format)
    if (at === line.end) draft.format(line.end, line.end + 1, makeKind(line.format, {}))
  }
  return { delta: draft.done(), caret: at + 1 }
}

/** Shift-Enter: a new line that is no further item, heading or quote, yet stays in code. */
export function softEnter(doc: Node, span: Span): SurfaceEdit {
  const line = lineAround(doc, span.to)
  const kind = kindOf(line).kind
  if (kind === 'plain' || kind === 'code-block') return enter(doc, span)
  const first = lineAround(doc, span.from)
  const draft = new Draft().insert(span.from, '\n', first.format).delete(span.from, span.to)
  draft.format(line.end, line.end + 1, kind === 'blockquote' ? undefined : makeKind(line.format, {}))
  return { delta: draft.done(), caret: span.from + 1 }
}

/** Backspace at the start of a line; null where the editor's own way is right. */
export function backspace(doc: Node, index: number): SurfaceEdit | null {
  const line = lineAround(doc, index)
  if (index !== line.start) return null
  const kind = kindOf(line).kind
  if (kind === 'code-block' && isCodeAt(doc, index - 1)) return null
  if (kind !== 'plain') return loseKind(line)
  if (indentOf(line.format) > 0) return indent(doc, { from: index, to: index }, -1)
  if (index === 0) return { delta: [] }
  const above = lineAround(doc, index - 1)
  if (isDivider(doc, above)) return { delta: new Draft().delete(above.start, index).done() }
  // An empty line above goes, and this one stays as it is.
  if (above.start === above.end) return { delta: new Draft().delete(above.start, index).done() }
  return remove(doc, { from: index - 1, to: index })
}

/** Back to plain text, the indent kept. */
function loseKind(line: Line): SurfaceEdit {
  const rest: Record<string, Json> = { ...line.format }
  for (const name of EXCLUSIVE) delete rest[name]
  return {
    delta: new Draft().format(line.end, line.end + 1, diffAttributes(line.format ?? undefined, rest)).done(),
  }
}

/** Delete at the end of a line; null where the editor's own way is right. */
export function deleteForward(doc: Node, index: number): SurfaceEdit | null {
  const line = lineAround(doc, index)
  if (index !== line.end) return null
  if (index + 1 >= lengthOf(doc)) return { delta: [] }
  const below = lineAround(doc, index + 1)
  if (isDivider(doc, below)) return { delta: new Draft().delete(below.start, below.end + 1).done() }
  if (line.start === line.end) return { delta: new Draft().delete(index, index + 1).done() }
  return remove(doc, { from: index, to: index + 1 })
}

function isDivider(doc: Node, line: Line): boolean {
  if (line.end !== line.start + 1) return false
  const node = doc.nodeAt(placeOf(doc, line.start))
  return node?.type.name === 'embed' && (node.attrs.value as Embed).divider === true
}

/** A rule of its own line below the caret's, or in its place where that is empty. */
export function divider(doc: Node, span: Span): SurfaceEdit {
  const line = lineAround(doc, span.to)
  const draft = new Draft()
  const rule: Embed = { divider: true }
  if (line.start === line.end) {
    const delta = draft.insert(line.start, rule).insert(line.start, '\n').done()
    return { delta, caret: line.start + 2 }
  }
  draft.insert(line.end, '\n', line.format).insert(line.end, rule).insert(line.end, '\n')
  draft.format(line.end, line.end + 1, makeKind(line.format, {}))
  return { delta: draft.done(), caret: line.end + 3 }
}

/** Puts text or lines in place of a span, fitted to the line that it comes into. */
export function paste(doc: Node, { from, to }: Span, inserts: Delta): SurfaceEdit {
  const line = lineAround(doc, from)
  const last = lineAround(doc, to)
  if (kindOf(line).kind === 'code-block') inserts = asCode(inserts, line.format)
  const { lines, ending } = withoutLastNewline(inserts)
  const fitted = from === line.start ? lines : firstLineAs(lines, line.format)
  const draft = new Draft().insertAll(from, fitted).delete(from, to)
  const hasLines = lines.some(
    op => 'insert' in op && typeof op.insert === 'string' && op.insert.includes('\n'),
  )
  if (hasLines || from === line.start) {
    // An end that stands alone on its line brings that line's format with it.
    if (ending && to === last.end)
      draft.format(last.end, last.end + 1, diffAttributes(last.format ?? undefined, ending))
  } else if (line.end < to) draft.format(last.end, last.end + 1, joined(line, last))
  return { delta: draft.done(), caret: from + fitted.reduce((sum, op) => sum + opLength(op), 0) }
}

function asCode(inserts: Delta, format: Attributes | null): Delta {
  const ops: Op[] = []
  for (const { insert } of inserts as readonly Insert[]) {
    if (typeof insert !== 'string') continue
    insert.split('\n').forEach((text, i) => {
      if (i > 0) push(ops, insertOp('\n', format ?? undefined))
      push(ops, insertOp(text))
    })
  }
  return ops
}

/** `ending`: the format of the newline that was taken off; null where it said nothing, or there was none. */
function withoutLastNewline(inserts: Delta): { lines: Delta; ending: Attributes | null } {
  const last = inserts.at(-1) as Insert | undefined
  if (!last || typeof last.insert !== 'string' || !last.insert.endsWith('\n'))
    return { lines: inserts, ending: null }
  const ops: Op[] = inserts.slice(0, -1)
  push(ops, insertOp(last.insert.slice(0, -1), last.attributes))
  return { lines: ops, ending: last.attributes ?? null }
}

/** The first line of what comes in goes on with a line that has begun, and is as that is. */
function firstLineAs(lines: Delta, format: Attributes | null): Delta {
  const ops: Op[] = []
  let first = true
  for (const op of lines as readonly Insert[]) {
    const at = first && typeof op.insert === 'string' ? op.insert.indexOf('\n') : -1
    if (at < 0) {
      push(ops, op)
      continue
    }
    const text = op.insert as string
    first = false
    push(ops, insertOp(text.slice(0, at), op.attributes))
    push(ops, insertOp('\n', format ?? undefined))
    push(ops, insertOp(text.slice(at + 1), op.attributes))
  }
  return ops
}

/** Plain text as it comes into a line: what it breaks into are lines of the same kind. */
export function plainInserts(
  doc: Node,
  index: number,
  text: string,
  attributes: Attributes | undefined,
): Delta {
  const line = lineAround(doc, index)
  const format = kindOf(line).kind === 'header' ? undefined : (line.format ?? undefined)
  const ops: Op[] = []
  cleanText(text)
    .split('\n')
    .forEach((part, i) => {
      if (i > 0) push(ops, insertOp('\n', format))
      push(ops, insertOp(part, attributes))
    })
  return ops
}

/** Text without what a page may not hold. */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replaceAll('\0', '')
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '')
}
