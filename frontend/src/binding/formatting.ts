/**
 * What the toolbar does to the formats of text and lines: pure functions of a
 * document and a span of it, answering the change to make.
 */
import type { Node } from 'prosemirror-model'
import { type Attributes, diffAttributes, type Json } from '../protocol/attributes'
import { type Insert, opLength } from '../protocol/delta'
import { Draft, kindOf, type Line, linesIn, makeKind, type Span, type SurfaceEdit, textOf } from './draft'
import { indentOf, type LineKind, MAX_INDENT, type Toggle } from './format'
import { lineAround, sliceOf } from './mapping'

/** The text of a span that can be formatted: newlines and code are left out. */
function textIn(doc: Node, { from, to }: Span): Span[] {
  return linesIn(doc, { from, to })
    .filter(line => kindOf(line).kind !== 'code-block')
    .map(line => ({ from: Math.max(from, line.start), to: Math.min(to, line.end) }))
    .filter(span => span.from < span.to)
}

/** The value that all text of a span has for an attribute; null where it differs or there is none. */
export function commonValue(doc: Node, span: Span, name: string): Json {
  let common: Json | undefined
  for (const { from, to } of textIn(doc, span)) {
    for (const op of sliceOf(doc, from, to) as readonly Insert[]) {
      const value = op.attributes?.[name] ?? null
      if (common !== undefined && common !== value) return null
      common = value
    }
  }
  return common ?? null
}

/** Sets an attribute of all text in a span; null removes it. */
export function setText(doc: Node, span: Span, name: string, value: Json): SurfaceEdit {
  const draft = new Draft()
  for (const { from, to } of textIn(doc, span)) draft.format(from, to, { [name]: value })
  return { delta: draft.done() }
}

export function toggleText(doc: Node, span: Span, name: Toggle): SurfaceEdit {
  return setText(doc, span, name, commonValue(doc, span, name) === true ? null : true)
}

/** The whole of the link around a position; null where there is none. */
export function linkAround(doc: Node, index: number): (Span & { href: string }) | null {
  const { start, end } = lineAround(doc, index)
  const links: { from: number; to: number; href: string }[] = []
  let at = start
  for (const op of sliceOf(doc, start, end) as readonly Insert[]) {
    const next = at + opLength(op)
    const href = op.attributes?.link
    const last = links.at(-1)
    if (typeof href === 'string') {
      if (last?.href === href && last.to === at) last.to = next
      else links.push({ from: at, to: next, href })
    }
    at = next
  }
  return links.find(link => link.from <= index && index <= link.to) ?? null
}

/** Links a span, or the link around a caret; puts the address itself where there is no text. */
export function setLink(doc: Node, span: Span, href: string | null): SurfaceEdit {
  const around = span.from === span.to ? linkAround(doc, span.from) : null
  if (around || span.from < span.to) return setText(doc, around ?? span, 'link', href)
  if (href === null) return { delta: [] }
  const text = href.replace(/^mailto:/i, '')
  return { delta: new Draft().insert(span.from, text, { link: href }).done(), caret: span.from + text.length }
}

/** Takes all formats off the text of a span but comments, and off its lines. */
export function clear(doc: Node, span: Span): SurfaceEdit {
  const draft = new Draft()
  for (const line of linesIn(doc, span)) {
    let at = Math.max(span.from, line.start)
    for (const op of sliceOf(doc, at, Math.max(at, Math.min(span.to, line.end))) as readonly Insert[]) {
      const names = Object.keys(op.attributes ?? {}).filter(name => isStyle(op, name))
      if (names.length > 0)
        draft.format(at, at + opLength(op), Object.fromEntries(names.map(name => [name, null])))
      at += opLength(op)
    }
    draft.format(line.end, line.end + 1, diffAttributes(line.format ?? undefined, undefined))
  }
  return { delta: draft.done() }
}

function isStyle(op: Insert, name: string): boolean {
  return typeof op.insert === 'string' && !name.startsWith('comment:')
}

export function setKind(doc: Node, span: Span, wanted: (line: Line) => Attributes): SurfaceEdit {
  const draft = new Draft()
  for (const line of linesIn(doc, span))
    draft.format(line.end, line.end + 1, makeKind(line.format, wanted(line)))
  return { delta: draft.done() }
}

export function setHeader(doc: Node, span: Span, level: number | null): SurfaceEdit {
  const has = (line: Line) => {
    const kind = kindOf(line)
    return kind.kind === 'header' && kind.level === level
  }
  const off = level === null || linesIn(doc, span).every(has)
  return setKind(doc, span, () => (off ? {} : { header: level }))
}

export function setList(doc: Node, span: Span, wanted: 'bullet' | 'ordered' | 'check' | null): SurfaceEdit {
  const has = (line: Line) => listKind(kindOf(line)) === wanted
  const off = wanted === null || linesIn(doc, span).every(has)
  return setKind(doc, span, line => {
    if (off) return {}
    if (has(line)) return { list: line.format!.list! }
    return { list: wanted === 'check' ? 'unchecked' : wanted }
  })
}

export function listKind(kind: LineKind): 'bullet' | 'ordered' | 'check' | null {
  if (kind.kind !== 'list') return null
  return kind.list === 'checked' || kind.list === 'unchecked' ? 'check' : kind.list
}

export function toggleQuote(doc: Node, span: Span): SurfaceEdit {
  return toggleKind(doc, span, 'blockquote')
}

export function toggleCode(doc: Node, span: Span): SurfaceEdit {
  return toggleKind(doc, span, 'code-block')
}

function toggleKind(doc: Node, span: Span, name: 'blockquote' | 'code-block'): SurfaceEdit {
  const off = linesIn(doc, span).every(line => kindOf(line).kind === name)
  return setKind(doc, span, () => (off ? {} : { [name]: true }))
}

/** Checks the item at a position, or takes the check away; null where there is no check item. */
export function toggleCheck(doc: Node, index: number): SurfaceEdit | null {
  const line = lineAround(doc, index)
  if (listKind(kindOf(line)) !== 'check') return null
  const list = line.format!.list === 'checked' ? 'unchecked' : 'checked'
  return { delta: new Draft().format(line.end, line.end + 1, { list }).done() }
}

/** Whether every line of a span is an item of a list, or code. */
export function inListOrCode(doc: Node, span: Span): boolean {
  return linesIn(doc, span).every(line => {
    const { kind } = kindOf(line)
    return kind === 'list' || kind === 'code-block'
  })
}

/** Moves lines in or out by one; in code, their text by a tab. */
export function indent(doc: Node, span: Span, by: 1 | -1): SurfaceEdit {
  const draft = new Draft()
  for (const line of linesIn(doc, span)) {
    if (kindOf(line).kind === 'code-block') indentCode(draft, doc, line, by)
    else {
      const now = indentOf(line.format)
      const next = Math.max(0, Math.min(MAX_INDENT, now + by))
      if (next !== now) draft.format(line.end, line.end + 1, { indent: next || null })
    }
  }
  return { delta: draft.done() }
}

function indentCode(draft: Draft, doc: Node, line: Line, by: 1 | -1): void {
  if (by === 1) {
    draft.insert(line.start, '\t')
    return
  }
  const space = /^(\t| {1,4})/.exec(textOf(doc, line.start, line.end))
  if (space) draft.delete(line.start, line.start + space[0].length)
}
