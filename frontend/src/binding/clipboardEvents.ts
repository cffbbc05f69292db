/** Copying, cutting, pasting and dropping on the surface. */
import type { EditorView } from 'prosemirror-view'
import { type Delta, deltaLength, type Op } from '../protocol/delta'
import { MalformedError, parseDelta } from '../protocol/wire'
import { cleaned, DELTA_TYPE, fromHtml, toHtml, toText } from './clipboard'
import type { Target } from './commands'
import type { Span } from './draft'
import { toSafeLink } from './format'
import { setText } from './formatting'
import { attributesOf, clampIndex, indexOf, lengthOf, sliceOf } from './mapping'
import { paste, plainInserts, remove } from './writing'

type Handler<E extends Event> = (view: EditorView, event: E) => boolean

interface Handlers {
  keydown: Handler<KeyboardEvent>
  copy: Handler<ClipboardEvent>
  cut: Handler<ClipboardEvent>
  paste: Handler<ClipboardEvent>
  drop: Handler<DragEvent>
}

/** What a page and a single edit may hold at most, by the protocol. */
const MAX_PAGE_UNITS = 10_000_000
const MAX_EDIT_OPS = 100_000

/** What a page did not take. */
interface Refusals {
  /** It was more than a page may hold. */
  tooLarge(): void
  /** It was files, such as a picture from the screen. */
  files(): void
}

export function clipboardHandlers(target: Target, refused: Refusals): Handlers {
  const bringIn = (span: Span, data: DataTransfer, plain: boolean) => {
    const came = bring(target, span, data, plain)
    if (came === 'too-large') refused.tooLarge()
    else if (came === 'nothing' && data.files.length > 0) refused.files()
  }

  // With Shift held, what comes in is taken as plain text.
  let shift = false
  return {
    keydown: (_, event) => {
      shift = event.shiftKey
      return false
    },
    copy: (view, event) => copy(target, view, event),
    cut: (view, event) => {
      const span = target.span()
      if (!copy(target, view, event)) return false
      target.act(remove(view.state.doc, span))
      return true
    },
    paste: (view, event) => {
      if (!event.clipboardData || !view.editable) return false
      event.preventDefault()
      bringIn(target.span(), event.clipboardData, shift)
      return true
    },
    drop: (view, event) => {
      // What is moved within the surface ProseMirror knows how to move.
      if (!event.dataTransfer || view.dragging) return false
      // The browser would leave the page for a file that is dropped on it.
      event.preventDefault()
      const place = view.posAtCoords({ left: event.clientX, top: event.clientY })
      if (!place || !view.editable) return true
      const index = clampIndex(view.state.doc, indexOf(view.state.doc, place.pos))
      bringIn({ from: index, to: index }, event.dataTransfer, false)
      return true
    },
  }
}

function copy(target: Target, view: EditorView, event: ClipboardEvent): boolean {
  const { from, to } = target.span()
  if (from === to || !event.clipboardData) return false
  event.preventDefault()
  const content = sliceOf(view.state.doc, from, to)
  event.clipboardData.setData('text/plain', toText(content))
  event.clipboardData.setData('text/html', toHtml(content))
  event.clipboardData.setData(DELTA_TYPE, JSON.stringify(content))
  return true
}

/** Puts in the text that a transfer holds. */
function bring(
  target: Target,
  span: Span,
  data: DataTransfer,
  plain: boolean,
): 'text' | 'nothing' | 'too-large' {
  const { doc } = target.view.state
  const text = data.getData('text/plain')
  const address = isOneWord(text) ? toSafeLink(text) : null
  if (address?.includes(':')) {
    // An address over text links that text; alone it becomes a link.
    if (span.from < span.to) target.act(setText(doc, span, 'link', address))
    else target.act(paste(doc, span, [{ insert: address, attributes: { link: address } }]))
    return 'text'
  }
  const rich = plain ? null : richContent(data)
  const inserts = rich ?? plainInserts(doc, span.from, text, typedAttributes(target))
  if (inserts.length > MAX_EDIT_OPS || lengthOf(doc) + deltaLength(inserts) > MAX_PAGE_UNITS)
    return 'too-large'
  if (inserts.length === 0) return 'nothing'
  target.act(paste(doc, span, inserts))
  return 'text'
}

function isOneWord(text: string): boolean {
  return /^\s*\S+\s*$/.test(text)
}

/** Formatted content, our own or others'; null where there is none. */
function richContent(data: DataTransfer): Delta | null {
  try {
    const own = data.getData(DELTA_TYPE)
    const content = own ? parseDelta(JSON.parse(own)) : []
    if (content.length > 0 && content.every(op => 'insert' in op)) return cleaned(content)
  } catch (error) {
    // Not what we wrote: anybody can put anything there.
    if (!(error instanceof MalformedError || error instanceof SyntaxError)) throw error
  }
  const html = data.getData('text/html')
  if (html === '') return null
  const content = fromHtml(html)
  return content.some(hasSomething) ? content : null
}

function hasSomething(op: Op): boolean {
  return 'insert' in op && (typeof op.insert !== 'string' || op.insert.trim() !== '')
}

/** What plain text that comes in looks like: as what stands before it, a link aside. */
function typedAttributes({ view }: Target) {
  const before = view.state.selection.$from.nodeBefore
  if (!before?.isText) return undefined
  const { link: _, ...rest } = attributesOf(before) ?? {}
  return rest
}
