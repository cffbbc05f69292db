/** The commands of the toolbar, and what it needs to know of the selection. */
import type { EditorState } from 'prosemirror-state'
import type { EditorView } from 'prosemirror-view'
import type { Json } from '../protocol/attributes'
import { kindOf, type Span, type SurfaceEdit } from './draft'
import { hasMark, isSafeLink, type LineKind, TOGGLES, type Toggle } from './format'
import {
  clear,
  commonValue,
  indent,
  linkAround,
  listKind,
  setHeader,
  setLink,
  setList,
  toggleCode,
  toggleQuote,
  toggleText,
} from './formatting'
import { clampIndex, indexOf, lineAround } from './mapping'
import { schema } from './schema'
import { divider } from './writing'

export type Command =
  | { name: 'bold' | 'italic' | 'underline' | 'strike' | 'code' }
  | { name: 'link'; href: string | null }
  | { name: 'header'; level: 1 | 2 | 3 | 4 | 5 | 6 | null }
  | { name: 'list'; kind: 'bullet' | 'ordered' | 'check' | null }
  | { name: 'blockquote' }
  | { name: 'code-block' }
  | { name: 'divider' }
  | { name: 'indent'; by: 1 | -1 }
  | { name: 'clear' }
  | { name: 'undo' }
  | { name: 'redo' }

/** The formats of the selection. Of lines that differ the first one's count. */
export interface Formats {
  bold: boolean
  italic: boolean
  underline: boolean
  strike: boolean
  code: boolean
  link: string | null
  header: number | null
  list: 'bullet' | 'ordered' | 'check' | null
  blockquote: boolean
  codeBlock: boolean
  canUndo: boolean
  canRedo: boolean
  editable: boolean
  selectionEmpty: boolean
}

/** What commands act on. */
export interface Target {
  readonly view: EditorView
  span(): Span
  act(edit: SurfaceEdit | null): boolean
}

/** Beyond this a selection's text is not looked through for each move of the caret. */
const MANY_UNITS = 20_000

export function formatsOf(
  state: EditorState,
  rest: Pick<Formats, 'canUndo' | 'canRedo' | 'editable'>,
): Formats {
  const { doc, selection } = state
  const from = clampIndex(doc, indexOf(doc, selection.from))
  const to = Math.max(from, clampIndex(doc, indexOf(doc, selection.to)))
  const looked = { from, to: Math.min(to, from + MANY_UNITS) }
  const kind: LineKind = kindOf(lineAround(doc, from))
  const valueIn = (name: string): Json =>
    selection.empty ? markValue(state, name) : commonValue(doc, looked, name)
  const on = (name: Toggle) => valueIn(name) === true
  const link = selection.empty ? (linkAround(doc, from)?.href ?? null) : valueIn('link')
  return {
    bold: on('bold'),
    italic: on('italic'),
    underline: on('underline'),
    strike: on('strike'),
    code: on('code'),
    link: typeof link === 'string' ? link : null,
    header: kind.kind === 'header' ? kind.level : null,
    list: listKind(kind),
    blockquote: kind.kind === 'blockquote',
    codeBlock: kind.kind === 'code-block',
    selectionEmpty: selection.empty,
    ...rest,
  }
}

/** What text typed at the caret would have. */
function markValue(state: EditorState, name: string): Json {
  const marks = state.storedMarks ?? state.selection.$head.marks()
  const mark = marks.find(mark => mark.type.name === name)
  return mark ? ((mark.attrs.value as Json | undefined) ?? true) : null
}

export function runCommand(target: Target, command: Command): void {
  const { doc } = target.view.state
  const span = target.span()
  switch (command.name) {
    case 'link':
      if (command.href === null || isSafeLink(command.href)) target.act(setLink(doc, span, command.href))
      break
    case 'header':
      target.act(setHeader(doc, span, command.level))
      break
    case 'list':
      target.act(setList(doc, span, command.kind))
      break
    case 'blockquote':
      target.act(toggleQuote(doc, span))
      break
    case 'code-block':
      target.act(toggleCode(doc, span))
      break
    case 'divider':
      target.act(divider(doc, span))
      break
    case 'indent':
      target.act(indent(doc, span, command.by))
      break
    case 'clear':
      target.act(clear(doc, span))
      break
    default:
      if (isToggle(command.name)) toggle(target, span, command.name)
  }
}

function isToggle(name: string): name is Toggle {
  return (TOGGLES as readonly string[]).includes(name) && hasMark(name, true)
}

/** With nothing selected, what is typed next is meant. */
function toggle(target: Target, span: Span, name: Toggle): void {
  const { state } = target.view
  if (!state.selection.empty) {
    target.act(toggleText(state.doc, span, name))
    return
  }
  const mark = schema.mark(name)
  const on = markValue(state, name) === true
  target.view.dispatch(on ? state.tr.removeStoredMark(mark) : state.tr.addStoredMark(mark))
}
