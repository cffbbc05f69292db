/** Joins an editing surface to an open page. This is all that the user interface sees of it. */
import { baseKeymap } from 'prosemirror-commands'
import { keymap } from 'prosemirror-keymap'
import type { Node } from 'prosemirror-model'
import { EditorState, Plugin, TextSelection, type Transaction } from 'prosemirror-state'
import { EditorView } from 'prosemirror-view'
import { compose, type Delta, invert, opLength, transformPosition } from '../protocol/delta'
import type { Cursor, PageSession, Surface } from '../protocol/session'
import {
  emptyHistory,
  type History,
  others,
  record,
  redone,
  seal,
  takeRedo,
  takeUndo,
  undone,
} from '../protocol/undo'
import { applyDelta } from './apply'
import { clipboardHandlers } from './clipboardEvents'
import { type Command, type Formats, formatsOf, runCommand } from './commands'
import type { Span, SurfaceEdit } from './draft'
import { toggleCheck } from './formatting'
import { Gate, Inbox } from './inbox'
import { keys } from './keys'
import { LineView, numberItems } from './lineView'
import { clampIndex, contentOf, docOf, indexOf, lengthOf, lineAround, placeOf, sliceOf } from './mapping'
import { mending, REMOTE } from './mend'
import { Overlay } from './overlay'
import { readTransaction } from './read'
import { shortcut } from './shortcuts'
import './surface.css'

export type { Command, Formats } from './commands'

export interface Editor {
  formats(): Formats
  /** Does it to the selection, and takes the focus back. */
  run(command: Command): void
  /** Calls `listener` when the selection, its formats or the content changed; returns how to stop. */
  subscribe(listener: () => void): () => void
  /** Where the selection is in the window, to place something beside it. */
  selectionRect(): DOMRect | null
  /** What is on the screen, unsent text included. */
  contents(): Delta
  focus(): void
  destroy(): void
}

export interface EditorOptions {
  /** Somebody pressed Mod-K. */
  onLinkRequest?: () => void
  /** Somebody pasted or dropped more than a page may hold; nothing was put in. */
  onTooLarge?: () => void
  /** Somebody pasted or dropped files, which the page did not take. */
  onFiles?: () => void
  /** Shown while the page is empty. */
  placeholder?: string
  /** What the surface is called for those who cannot see it. */
  label?: string
  /** How to use it with the keyboard, for those who cannot see it. */
  help?: string
}

/** Shows a page in `place`, which should be empty, and edits it. */
export function mountEditor(place: HTMLElement, session: PageSession, options: EditorOptions = {}): Editor {
  return new PageEditor(place, session, options)
}

/** How a local transaction came about, where it was no plain typing. */
const DELTA = 'delta'
const ORIGIN = 'origin'
type Origin = 'undo' | 'redo'

/** A remote change so near to the caret is shown at the next frame. */
const NEAR_UNITS = 200
const NUMBERING_MS = 300

export class PageEditor implements Editor, Surface {
  readonly view: EditorView
  deeds = 0
  readonly #session: PageSession
  readonly #overlay: Overlay
  readonly #inbox = new Inbox()
  readonly #gate = new Gate(() => this.flush())
  readonly #listeners = new Set<() => void>()
  readonly #root: HTMLElement
  readonly #unsubscribe: () => void
  readonly #stop = new AbortController()
  #history: History = emptyHistory
  /** The document after a shortcut of Markdown, while Backspace may still take it back. */
  #afterShortcut: Node | null = null
  #formats: Formats | null = null
  #wasFocused = false
  #numbering: ReturnType<typeof setTimeout> | undefined

  constructor(place: HTMLElement, session: PageSession, options: EditorOptions) {
    this.#session = session
    this.#root = document.createElement('div')
    this.#root.className = 'h-editor'
    if (options.placeholder)
      this.#root.style.setProperty('--h-placeholder', JSON.stringify(options.placeholder))
    place.append(this.#root)
    this.view = this.#createView(docOf(session.attach(this)), options)
    this.#overlay = new Overlay(this.view, () => this.#cursors())
    this.#root.append(this.#overlay.element)
    this.#listen()
    this.#unsubscribe = session.subscribe(() => this.#sessionChanged())
    this.#contentChanged()
  }

  #createView(doc: Node, options: EditorOptions): EditorView {
    const plugins = [keymap(keys(this, options)), keymap(baseKeymap), mending, this.#typing(options)]
    return new EditorView(this.#root, {
      state: EditorState.create({ doc, plugins }),
      nodeViews: { line: node => new LineView(node), codeBlock: node => new LineView(node) },
      dispatchTransaction: tr => this.#dispatch(tr),
      editable: () => this.#session.editable,
      attributes: () => ({
        class: 'h-surface',
        role: 'textbox',
        'aria-multiline': 'true',
        'aria-readonly': String(!this.#session.editable),
        ...(options.label ? { 'aria-label': options.label } : {}),
        ...(options.help ? { 'aria-description': options.help } : {}),
      }),
    })
  }

  /** Shortcuts, the clipboard and clicks. */
  #typing(options: EditorOptions): Plugin {
    const clipboard = clipboardHandlers(this, {
      tooLarge: () => options.onTooLarge?.(),
      files: () => options.onFiles?.(),
    })
    return new Plugin({
      props: {
        handleTextInput: (view, _from, _to, _text, insertion) => {
          if (view.composing) return false
          view.dispatch(insertion())
          this.#tryShortcut()
          return true
        },
        handleDOMEvents: {
          ...clipboard,
          keydown: (view, event) => {
            readSelection(view)
            return clipboard.keydown(view, event)
          },
          mousedown: (_, event) => this.#pressed(event),
          click: (_, event) => this.#clicked(event),
          focus: () => {
            this.#wasFocused = true
            this.#session.moved()
            return false
          },
        },
      },
    })
  }

  #listen(): void {
    const { signal } = this.#stop
    const { dom } = this.view
    // While an input method composes, the text it stands in must not move.
    for (const type of ['compositionstart', 'compositionupdate']) {
      dom.addEventListener(type, () => this.#gate.composes(), { signal })
    }
    dom.addEventListener('compositionend', () => this.#gate.composed(), { signal })
    addEventListener('resize', () => this.#overlay.schedule(), { signal })
  }

  // What the user interface asks for

  formats(): Formats {
    this.#formats ??= formatsOf(this.view.state, {
      canUndo: this.#history.undo.length > 0,
      canRedo: this.#history.redo.length > 0,
      editable: this.#session.editable,
    })
    return this.#formats
  }

  run(command: Command): void {
    if (command.name === 'undo') this.undo()
    else if (command.name === 'redo') this.redo()
    else if (this.#session.editable) runCommand(this, command)
    this.view.focus()
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  selectionRect(): DOMRect | null {
    const { from, to } = this.view.state.selection
    const start = this.view.coordsAtPos(from)
    const end = this.view.coordsAtPos(to, -1)
    const left = Math.min(start.left, end.left)
    const right = start.top === end.top ? end.right : this.view.dom.getBoundingClientRect().right
    return new DOMRect(
      left,
      start.top,
      Math.max(0, right - left),
      Math.max(start.bottom, end.bottom) - start.top,
    )
  }

  contents(): Delta {
    return contentOf(this.view.state.doc)
  }

  focus(): void {
    this.view.focus()
  }

  destroy(): void {
    this.flush()
    this.#gate.close()
    this.#unsubscribe()
    this.#stop.abort()
    clearTimeout(this.#numbering)
    this.#session.detach(this.contents())
    this.#overlay.destroy()
    this.view.destroy()
    this.#root.remove()
  }

  // What the session asks for

  apply(delta: Delta): void {
    this.#inbox.add(delta)
    this.#gate.knock(this.#isNear(delta))
  }

  replace(content: Delta): void {
    this.#inbox.take()
    this.#history = emptyHistory
    const { plugins } = this.view.state
    this.view.updateState(EditorState.create({ doc: docOf(content), plugins }))
    this.#contentChanged()
  }

  selection(): Cursor | null {
    if (!this.#wasFocused) return null
    const { from, to } = this.span()
    const index = this.#inbox.after(from)
    return { index, length: this.#inbox.after(to) - index }
  }

  // What keys and commands ask for

  /** The selection, as positions of the content. */
  span(): Span {
    const { doc, selection } = this.view.state
    const from = clampIndex(doc, indexOf(doc, selection.from))
    return { from, to: Math.max(from, clampIndex(doc, indexOf(doc, selection.to))) }
  }

  /** Makes a change of one's own; does nothing, and says so, where there is none. */
  act(edit: SurfaceEdit | null): boolean {
    if (!edit || !this.#session.editable) return false
    if (edit.delta.length > 0) this.view.dispatch(this.#transactionOf(edit).scrollIntoView())
    return true
  }

  #transactionOf({ delta, caret }: SurfaceEdit): Transaction {
    const { state } = this.view
    const tr = applyDelta(state.tr, delta)
    tr.setMeta(DELTA, delta)
    if (caret !== undefined)
      return tr.setSelection(TextSelection.create(tr.doc, placeOf(tr.doc, clampIndex(tr.doc, caret))))
    return keepSelection(tr, state, delta, false)
  }

  undo(): boolean {
    return this.#goBack('undo')
  }

  redo(): boolean {
    return this.#goBack('redo')
  }

  /** Takes a shortcut of Markdown back that was made by the last key. */
  undoShortcut(): boolean {
    if (this.#afterShortcut === null || this.#afterShortcut !== this.view.state.doc) return false
    return this.undo()
  }

  #goBack(origin: Origin): boolean {
    if (!this.#session.editable) return false
    const taken = origin === 'undo' ? takeUndo(this.#history) : takeRedo(this.#history)
    if (!taken) return false
    const [history, delta] = taken
    const { doc } = this.view.state
    const inverse = invert(delta, (from, to) => sliceOf(doc, from, to))
    this.#history = origin === 'undo' ? undone(history, inverse) : redone(history, inverse)
    const tr = this.#transactionOf({ delta, caret: endOf(delta) })
    this.view.dispatch(tr.setMeta(ORIGIN, origin).scrollIntoView())
    return true
  }

  #tryShortcut(): void {
    const { selection, doc } = this.view.state
    if (!selection.empty) return
    const edit = shortcut(doc, indexOf(doc, selection.from))
    if (!edit) return
    this.#history = seal(this.#history)
    this.act(edit)
    // What is typed next is outside of what was marked.
    this.view.dispatch(this.view.state.tr.setStoredMarks([]))
    this.#history = seal(this.#history)
    this.#afterShortcut = this.view.state.doc
  }

  // Transactions

  #dispatch(tr: Transaction): void {
    if (tr.docChanged && !this.#session.editable && tr.getMeta(REMOTE) === undefined) return
    if ((tr.docChanged || tr.selectionSet) && tr.getMeta(REMOTE) === undefined) this.deeds++
    const { state, transactions } = this.view.state.applyTransaction(tr)
    let delta: Delta = []
    let inverse: Delta = []
    for (const part of transactions) {
      if (!part.docChanged || part.getMeta(REMOTE) !== undefined) continue
      const change: Delta = part.getMeta(DELTA) ?? readTransaction(part)
      inverse = compose(
        invert(change, (from, to) => sliceOf(part.before, from, to)),
        inverse,
      )
      delta = compose(delta, change)
    }
    this.view.updateState(state)
    if (delta.length > 0) {
      if (tr.getMeta(ORIGIN) === undefined)
        this.#history = record(this.#history, delta, inverse, performance.now())
      this.#session.edit(this.#inbox.passing(delta))
    } else if (tr.selectionSet && tr.getMeta(REMOTE) === undefined) this.#session.moved()
    if (tr.docChanged) this.#contentChanged(tr.before)
    else this.#selectionChanged()
  }

  /** Others' changes come onto the screen. */
  flush(): void {
    if (this.#inbox.empty) return
    const delta = this.#inbox.take()
    const { state } = this.view
    const tr = keepSelection(applyDelta(state.tr, delta), state, delta, true)
    this.#history = others(this.#history, delta)
    // A change of the document forgets what was just switched on or off for
    // the next letter; that of somebody else must not.
    this.view.dispatch(tr.setStoredMarks(state.storedMarks).setMeta(REMOTE, true))
  }

  #isNear(delta: Delta): boolean {
    const { from, to } = this.span()
    const start = firstTouched(delta)
    return start <= to + NEAR_UNITS && endOf(delta) >= from - NEAR_UNITS
  }

  // What follows from a change

  /** `before`: the document that was shown, where there was one. */
  #contentChanged(before?: Node): void {
    const { doc } = this.view.state
    this.#root.classList.toggle('h-empty', lengthOf(doc) === 1 && lineAround(doc, 0).format === null)
    if (!before || !sameLines(before, doc)) this.#numberSoon()
    this.#selectionChanged()
  }

  #numberSoon(): void {
    this.#numbering ??= setTimeout(() => {
      this.#numbering = undefined
      numberItems(this.view)
    }, NUMBERING_MS)
  }

  #selectionChanged(): void {
    this.#formats = null
    this.#overlay.schedule()
    for (const listener of [...this.#listeners]) listener()
  }

  #sessionChanged(): void {
    this.#overlay.schedule()
    if (this.view.editable === this.#session.editable) return
    // Asked again with every update of the props.
    this.view.setProps({})
    this.#selectionChanged()
  }

  #cursors() {
    return this.#session.cursors.map(cursor => {
      const index = this.#inbox.before(cursor.index)
      return { ...cursor, index, length: this.#inbox.before(cursor.index + cursor.length) - index }
    })
  }

  // The mouse

  #pressed(event: MouseEvent): boolean {
    const target = event.target instanceof Element ? event.target : null
    if (event.button === 0 && (event.ctrlKey || event.metaKey) && target?.closest('a')) {
      event.preventDefault() // the click follows the link, and the selection stays
      return true
    }
    const box = target?.closest('.h-box')
    if (!box || event.button !== 0) return false
    event.preventDefault()
    const { doc } = this.view.state
    const text = box.nextElementSibling
    if (text) this.act(toggleCheck(doc, indexOf(doc, this.view.posAtDOM(text, 0))))
    return true
  }

  #clicked(event: MouseEvent): boolean {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!link) return false
    const follow = event.ctrlKey || event.metaKey || !this.#session.editable
    event.preventDefault()
    if (follow) window.open(link.href, '_blank', 'noopener,noreferrer')
    return follow
  }
}

/**
 * Carries a selection of text over a change as the content would: beside what
 * others insert it stays where it is, and one's own text pushes it on.
 */
function keepSelection(tr: Transaction, before: EditorState, delta: Delta, others: boolean): Transaction {
  if (!(before.selection instanceof TextSelection)) return tr
  const { anchor, head } = before.selection
  const place = (at: number) => {
    const index = transformPosition(delta, clampIndex(before.doc, indexOf(before.doc, at)), others)
    return placeOf(tr.doc, clampIndex(tr.doc, index))
  }
  return tr.setSelection(TextSelection.create(tr.doc, place(anchor), place(head)))
}

/** Whether two documents have as many lines, of the same formats. */
function sameLines(a: Node, b: Node): boolean {
  if (a.childCount !== b.childCount) return false
  for (let i = 0; i < a.childCount; i++)
    if (a.child(i) !== b.child(i) && !a.child(i).sameMarkup(b.child(i))) return false
  return true
}

/**
 * Takes the selection from the browser before a key acts on it. The browser
 * tells of a selection that the last key moved only after the keys that wait
 * already: where it is busy, End and Enter would break the line at the old place.
 */
function readSelection(view: EditorView): void {
  if (!view.composing) view.dom.ownerDocument.dispatchEvent(new Event('selectionchange'))
}

function firstTouched(delta: Delta): number {
  const first = delta[0]
  return first && 'retain' in first && !first.attributes ? first.retain : 0
}

/** Where the last thing that a change does ends, in the text after it. */
function endOf(delta: Delta): number {
  return delta.reduce((at, op) => ('delete' in op ? at : at + opLength(op)), 0)
}
