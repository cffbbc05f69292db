/** Others' carets and selections, drawn over the surface and outside of what can be edited. */
import type { EditorView } from 'prosemirror-view'
import type { RemoteCursor } from '../protocol/presence'
import { clampIndex, placeOf } from './mapping'

/** A cursor that moved says its name for so long. */
const NAME_MS = 2500
/** A selection of more pieces than this is drawn only so far. */
const MAX_RECTANGLES = 300

interface Drawn {
  readonly caret: HTMLElement
  readonly flag: HTMLElement
  readonly selection: HTMLElement
  at: string
  timer: ReturnType<typeof setTimeout> | undefined
}

export class Overlay {
  readonly element: HTMLElement
  readonly #view: EditorView
  readonly #cursors: () => readonly RemoteCursor[]
  readonly #drawn = new Map<string, Drawn>()
  readonly #resized: ResizeObserver
  #frame = 0

  /** `cursors` answers positions on the surface as it is now. */
  constructor(view: EditorView, cursors: () => readonly RemoteCursor[]) {
    this.#view = view
    this.#cursors = cursors
    this.element = document.createElement('div')
    this.element.className = 'h-overlay'
    this.element.setAttribute('aria-hidden', 'true')
    this.#resized = new ResizeObserver(() => this.schedule())
    this.#resized.observe(view.dom)
  }

  /** Draws again before the next frame. */
  schedule(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw())
  }

  destroy(): void {
    cancelAnimationFrame(this.#frame)
    this.#resized.disconnect()
    for (const { timer } of this.#drawn.values()) clearTimeout(timer)
    this.element.remove()
  }

  #draw(): void {
    this.#frame = 0
    const cursors = this.#cursors()
    const here = new Set(cursors.map(cursor => cursor.client))
    for (const [client, drawn] of this.#drawn) if (!here.has(client)) this.#remove(client, drawn)
    if (cursors.length === 0) return
    const origin = this.element.getBoundingClientRect()
    for (const cursor of cursors) this.#drawCursor(cursor, origin)
  }

  #drawCursor(cursor: RemoteCursor, origin: DOMRect): void {
    const drawn = this.#drawn.get(cursor.client) ?? this.#add(cursor)
    const { doc } = this.#view.state
    const from = placeOf(doc, clampIndex(doc, cursor.index))
    const to = placeOf(doc, clampIndex(doc, cursor.index + cursor.length))
    const caret = this.#view.coordsAtPos(to, 1)
    drawn.caret.style.transform = `translate(${caret.left - origin.left}px, ${caret.top - origin.top}px)`
    drawn.caret.style.height = `${caret.bottom - caret.top}px`
    drawn.caret.classList.toggle('h-cursor-first-line', caret.top - origin.top < 20)
    drawn.caret.classList.toggle('h-cursor-away', cursor.state === 'away' || cursor.state === 'reconnecting')
    this.#drawSelection(drawn.selection, from, to, origin)
    const at = `${from}-${to}`
    if (drawn.at !== at) this.#sayName(drawn)
    drawn.at = at
  }

  #drawSelection(element: HTMLElement, from: number, to: number, origin: DOMRect): void {
    const rectangles = from < to ? this.#rectangles(from, to) : []
    while (element.childElementCount > rectangles.length) element.lastElementChild!.remove()
    rectangles.forEach((rectangle, i) => {
      const piece = (element.children[i] ?? element.appendChild(document.createElement('div'))) as HTMLElement
      piece.style.transform = `translate(${rectangle.left - origin.left}px, ${rectangle.top - origin.top}px)`
      piece.style.width = `${rectangle.width}px`
      piece.style.height = `${rectangle.height}px`
    })
  }

  #rectangles(from: number, to: number): DOMRect[] {
    const range = document.createRange()
    const start = this.#view.domAtPos(from, 1)
    const end = this.#view.domAtPos(to, -1)
    range.setStart(start.node, start.offset)
    range.setEnd(end.node, end.offset)
    const all = Array.from(range.getClientRects())
    // The rectangles of elements that hold whole lines lie over those of their text.
    const text = all.filter(a => a.width > 0 && !all.some(b => b !== a && contains(a, b)))
    return text.slice(0, MAX_RECTANGLES)
  }

  #sayName(drawn: Drawn): void {
    drawn.caret.classList.remove('h-cursor-quiet')
    clearTimeout(drawn.timer)
    drawn.timer = setTimeout(() => drawn.caret.classList.add('h-cursor-quiet'), NAME_MS)
  }

  #add(cursor: RemoteCursor): Drawn {
    const caret = document.createElement('div')
    caret.className = 'h-cursor'
    const flag = document.createElement('span')
    flag.className = 'h-cursor-name'
    flag.textContent = cursor.name
    caret.append(flag)
    const selection = document.createElement('div')
    selection.className = 'h-selection'
    for (const element of [caret, selection]) element.style.setProperty('--h-color', cursor.color)
    this.element.append(selection, caret)
    const drawn: Drawn = { caret, flag, selection, at: '', timer: undefined }
    this.#drawn.set(cursor.client, drawn)
    return drawn
  }

  #remove(client: string, drawn: Drawn): void {
    clearTimeout(drawn.timer)
    drawn.caret.remove()
    drawn.selection.remove()
    this.#drawn.delete(client)
  }
}

function contains(outer: DOMRect, inner: DOMRect): boolean {
  return (
    outer.left <= inner.left &&
    outer.right >= inner.right &&
    outer.top <= inner.top &&
    outer.bottom >= inner.bottom &&
    (outer.width > inner.width || outer.height > inner.height)
  )
}
