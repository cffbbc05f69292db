/**
 * Draws lines, and keeps what it drew where only attributes change: a box that
 * is ticked, an indent. It also numbers list items for those who cannot see
 * the list: their place, how many there are, how deep.
 */
import { DOMSerializer, type Node } from 'prosemirror-model'
import type { EditorView, NodeView, ViewMutationRecord } from 'prosemirror-view'
import { indentOf, lineKind, sameFormat } from './format'
import { listKind } from './formatting'
import { lineDOM } from './schema'

export class LineView implements NodeView {
  readonly dom: HTMLElement
  readonly contentDOM: HTMLElement
  #node: Node

  constructor(node: Node) {
    this.#node = node
    const { dom, contentDOM } = draw(node)
    this.dom = dom
    this.contentDOM = contentDOM
  }

  /** The editor also asks this of lines that it then draws anew: what is refused must leave no trace. */
  update(node: Node): boolean {
    if (node.type !== this.#node.type) return false
    if (!sameFormat(node.attrs.format, this.#node.attrs.format)) {
      const { dom } = draw(node)
      if (!isAlike(dom, this.dom, this.contentDOM)) return false
      copyAttributes(dom, this.dom, this.contentDOM)
    }
    this.#node = node
    return true
  }

  ignoreMutation(mutation: ViewMutationRecord): boolean {
    return mutation.type === 'attributes'
  }
}

let drawn = 0

function draw(node: Node): { dom: HTMLElement; contentDOM: HTMLElement } {
  const { dom, contentDOM } = DOMSerializer.renderSpec(document, lineDOM(node.attrs.format))
  const box = (dom as HTMLElement).querySelector('.h-box')
  if (box) {
    contentDOM!.id = `h-item-${++drawn}`
    box.setAttribute('aria-labelledby', contentDOM!.id)
  }
  return { dom: dom as HTMLElement, contentDOM: contentDOM! }
}

/** Whether two trees have the same elements, what is in `content` aside. */
function isAlike(a: Element, b: Element, content: Element): boolean {
  if (a.tagName !== b.tagName) return false
  if (b === content) return a.childElementCount === 0
  if (a.childElementCount !== b.childElementCount) return false
  return Array.from(a.children).every((child, i) => isAlike(child, b.children[i]!, content))
}

/** Makes the attributes of one tree those of another that is alike. */
function copyAttributes(from: Element, to: Element, content: Element): void {
  for (const name of to.getAttributeNames()) if (!from.hasAttribute(name)) to.removeAttribute(name)
  for (const name of from.getAttributeNames()) {
    if (to.getAttribute(name) !== from.getAttribute(name)) to.setAttribute(name, from.getAttribute(name)!)
  }
  if (to === content) return
  Array.from(from.children).forEach((child, i) => {
    copyAttributes(child, to.children[i]!, content)
  })
}

/** Tells each list item's place in its list. The blocks of a document are the children of its element. */
export function numberItems(view: EditorView): void {
  const { doc } = view.state
  const lines = view.dom.children
  if (lines.length !== doc.childCount) return
  /** For each depth, the items of the list that is open there. */
  let open: Element[][] = []
  const close = (depth: number) => {
    for (const items of open.slice(depth)) sayPlaces(items)
    open = open.slice(0, depth)
  }
  const kinds: (string | null)[] = []
  for (let i = 0; i < lines.length; i++) {
    const format = doc.child(i).attrs.format
    const kind = listKind(lineKind(format))
    const depth = kind ? indentOf(format) : -1
    close(depth + 1)
    if (!kind) continue
    if (kinds[depth] !== kind) close(depth)
    kinds[depth] = kind
    for (let d = 0; d <= depth; d++) open[d] ??= []
    const item = lines[i]!.firstElementChild
    if (item) {
      setAttribute(item, 'aria-level', depth + 1)
      open[depth]!.push(item)
    }
  }
  close(0)
}

function sayPlaces(items: readonly Element[]): void {
  items.forEach((item, i) => {
    setAttribute(item, 'aria-posinset', i + 1)
    setAttribute(item, 'aria-setsize', items.length)
  })
}

function setAttribute(element: Element, name: string, value: number): void {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value))
}
