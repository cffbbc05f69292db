/** The shortcuts of Markdown: what was just typed becomes the format that it stands for. Pure. */
import type { Node } from 'prosemirror-model'
import type { Attributes } from '../protocol/attributes'
import { Draft, kindOf, type Line, makeKind, type SurfaceEdit, textOf } from './draft'
import type { Toggle } from './format'
import { lineAround } from './mapping'

/** What is written at the start of a line and a space after it: kind of line. */
const LINE_RULES: readonly [RegExp, (match: RegExpExecArray) => Attributes][] = [
  [/^(#{1,6})$/, match => ({ header: match[1]!.length })],
  [/^[-*+]$/, () => ({ list: 'bullet' })],
  [/^\d{1,3}[.)]$/, () => ({ list: 'ordered' })],
  [/^\[ ?\]$/, () => ({ list: 'unchecked' })],
  [/^\[[xX]\]$/, () => ({ list: 'checked' })],
  [/^>$/, () => ({ blockquote: true })],
]

/** Around text: what is typed last is the rule's last character. */
const TEXT_RULES: readonly [RegExp, Toggle][] = [
  [/(?<![*\w])\*\*([^*\s](?:[^*]*[^*\s])?)\*\*$/, 'bold'],
  [/(?<![_\w])__([^_\s](?:[^_]*[^_\s])?)__$/, 'bold'],
  [/(?<![*\w])\*([^*\s](?:[^*]*[^*\s])?)\*$/, 'italic'],
  [/(?<![_\w])_([^_\s](?:[^_]*[^_\s])?)_$/, 'italic'],
  [/(?<!`)`([^`]+)`$/, 'code'],
  [/(?<!~)~~([^~\s](?:[^~]*[^~\s])?)~~$/, 'strike'],
]

const FENCE = /^```([A-Za-z0-9+#._-]{0,32})$/

/** The edit that the text just typed before `index` asks for; null mostly. */
export function shortcut(doc: Node, index: number): SurfaceEdit | null {
  const line = lineAround(doc, index)
  if (kindOf(line).kind === 'code-block') return null
  const text = textOf(doc, line.start, index)
  if (text.endsWith(' ')) return lineShortcut(line, index, text.slice(0, -1))
  if (text === '---' && index === line.end) return ruleShortcut(line)
  return textShortcut(line, index, text)
}

function lineShortcut(line: Line, index: number, text: string): SurfaceEdit | null {
  const fence = FENCE.exec(text)
  if (fence) return fenced(line, index, fence[1]!)
  for (const [pattern, format] of LINE_RULES) {
    const match = pattern.exec(text)
    if (!match) continue
    const wanted = format(match)
    // In a list only the kind of list changes; a heading stays one.
    if (kindOf(line).kind === 'header' && wanted.header === undefined) return null
    const draft = new Draft().delete(line.start, index)
    return {
      delta: draft.format(line.end, line.end + 1, makeKind(line.format, wanted)).done(),
      caret: line.start,
    }
  }
  return null
}

function fenced(line: Line, index: number, language: string): SurfaceEdit {
  const draft = new Draft().delete(line.start, index)
  const change = makeKind(line.format, { 'code-block': language || true })
  return { delta: draft.format(line.end, line.end + 1, change).done(), caret: line.start }
}

/** Three backticks, perhaps a language, and Enter. */
export function fenceShortcut(doc: Node, index: number): SurfaceEdit | null {
  const line = lineAround(doc, index)
  if (index !== line.end || kindOf(line).kind === 'code-block') return null
  const fence = FENCE.exec(textOf(doc, line.start, line.end))
  return fence && fenced(line, index, fence[1]!)
}

function ruleShortcut(line: Line): SurfaceEdit {
  const delta = new Draft()
    .insert(line.start, { divider: true })
    .insert(line.start, '\n')
    .delete(line.start, line.end)
    .format(line.end, line.end + 1, makeKind(line.format, {}))
    .done()
  return { delta, caret: line.start + 2 }
}

function textShortcut(line: Line, index: number, text: string): SurfaceEdit | null {
  for (const [pattern, name] of TEXT_RULES) {
    const match = pattern.exec(text)
    if (!match) continue
    const inner = match[1]!
    const start = line.start + match.index
    const mark = (match[0].length - inner.length) / 2
    const delta = new Draft()
      .delete(start, start + mark)
      .format(start + mark, index - mark, { [name]: true })
      .delete(index - mark, index)
      .done()
    return { delta, caret: start + inner.length }
  }
  return null
}
