/**
 * Content written as people would sketch it, to keep tests readable: one line a
 * row, `|` for the caret or `[` and `]` for a selection, two spaces for an
 * indent, and in front what the line is: `# ` `- ` `1. ` `[_] ` `[x] ` `> ` `` ` ``.
 * `---` is a divider; **bold**, _italic_.
 */
import type { Node } from 'prosemirror-model'
import type { Span } from '../src/binding/draft'
import { docOf } from '../src/binding/mapping'
import type { Attributes, Json } from '../src/protocol/attributes'
import { type Delta, type Insert, insertOp, type Op, push } from '../src/protocol/delta'

const KINDS: readonly [string, Attributes][] = [
  ['### ', { header: 3 }],
  ['## ', { header: 2 }],
  ['# ', { header: 1 }],
  ['- ', { list: 'bullet' }],
  ['1. ', { list: 'ordered' }],
  ['[_] ', { list: 'unchecked' }],
  ['[x] ', { list: 'checked' }],
  ['> ', { blockquote: true }],
  ['`', { 'code-block': true }],
]

export function read(sketch: string): { doc: Node; content: Delta; span: Span } {
  const ops: Op[] = []
  const marks: number[] = []
  let at = 0
  const text = (part: string, attributes?: Attributes) => {
    for (const piece of part.split(/(?=[|«»])|(?<=[|«»])/)) {
      if (piece === '|' || piece === '«' || piece === '»') marks.push(at)
      else {
        push(ops, insertOp(piece, attributes))
        at += piece.length
      }
    }
  }
  for (const row of sketch.split('\n')) {
    const { indent, kind, rest } = split(row)
    if (rest.replace('|', '') === '---') {
      push(ops, insertOp({ divider: true }))
      at += 1
    } else {
      for (const [, bold, italic, plain] of rest.matchAll(/\*\*(.+?)\*\*|_(.+?)_|([^*_]+|[*_])/g)) {
        if (bold) text(bold, { bold: true })
        else if (italic) text(italic, { italic: true })
        else text(plain!)
      }
    }
    const format: Record<string, Json> = { ...kind, ...(indent > 0 ? { indent } : {}) }
    push(ops, insertOp('\n', format))
    at += 1
  }
  return { doc: docOf(ops), content: ops, span: { from: marks[0] ?? 0, to: marks[1] ?? marks[0] ?? 0 } }
}

function split(row: string): { indent: number; kind: Attributes | undefined; rest: string } {
  const indent = /^(?: {2})*/.exec(row)![0].length / 2
  const line = row.slice(indent * 2)
  const kind = KINDS.find(([prefix]) => line.startsWith(prefix))
  return { indent, kind: kind?.[1], rest: kind ? line.slice(kind[0].length) : line }
}

/** The same sketch of a content; the caret at `caret`. */
export function write(content: Delta, caret?: number): string {
  let row = ''
  let at = 0
  const rows: string[] = []
  const mark = () => {
    if (at === caret) row += '|'
  }
  for (const { insert, attributes } of content as readonly Insert[]) {
    if (typeof insert !== 'string') {
      mark()
      row += '---'
      at += 1
      continue
    }
    const around = attributes?.bold ? '**' : attributes?.italic ? '_' : ''
    let begun = false
    for (const char of insert) {
      if (char === '\n') {
        mark()
        rows.push(prefixOf(attributes) + row)
        row = ''
      } else {
        if (!begun) row += around
        begun = true
        mark()
        row += char
      }
      at += char.length
    }
    if (begun && !insert.endsWith('\n')) row += around
  }
  return rows.join('\n')
}

function prefixOf(format: Attributes | undefined): string {
  const { indent, ...rest } = format ?? {}
  const kind = KINDS.find(([, wanted]) => JSON.stringify(wanted) === JSON.stringify(rest))
  const prefix = kind?.[0] ?? (Object.keys(rest).length > 0 ? JSON.stringify(rest) : '')
  return '  '.repeat(Number(indent ?? 0)) + prefix
}
