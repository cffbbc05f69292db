/** What a page shows, read from its elements as a reader would: a content, as far as it can be seen. */
import type { Op } from './program'

/**
 * Runs in the page, so it holds all that it needs. Written from what the
 * elements mean, without a look at how the app makes them of a content.
 */
export function readSurface(): Op[] {
  const MARKS: Record<string, Record<string, unknown>> = {
    STRONG: { bold: true },
    EM: { italic: true },
    U: { underline: true },
    S: { strike: true },
    CODE: { code: true },
    SUB: { script: 'sub' },
    SUP: { script: 'super' },
  }
  const ops: Op[] = []

  const put = (insert: Op['insert'], attributes: Record<string, unknown>) => {
    ops.push(Object.keys(attributes).length > 0 ? { insert, attributes } : { insert })
  }

  const embedOf = (element: Element): Op['insert'] | null => {
    if (element.getAttribute('role') === 'separator') return { divider: true }
    if (element.matches('img.h-image')) return { image: element.getAttribute('src') }
    return null
  }

  const readInline = (
    node: Node,
    attributes: Record<string, unknown>,
    lineEnd: Record<string, unknown> | null,
  ) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const pieces = (node.nodeValue ?? '').split('\n')
      pieces.forEach((text, i) => {
        if (i > 0) put('\n', lineEnd ?? { 'a newline within': 'a line' })
        if (text !== '') put(text, attributes)
      })
      return
    }
    if (!(node instanceof Element) || node.matches('br, .ProseMirror-separator')) return
    const embed = embedOf(node)
    if (embed) return put(embed, attributes)
    const mark = node.tagName === 'A' ? { link: node.getAttribute('href') } : MARKS[node.tagName]
    for (const child of node.childNodes) readInline(child, { ...attributes, ...mark }, lineEnd)
  }

  const formatOf = (block: Element): Record<string, unknown> => {
    const level = /^H([1-6])$/.exec(block.tagName)
    if (level) return { header: Number(level[1]) }
    if (block.tagName === 'BLOCKQUOTE') return { blockquote: true }
    if (block.tagName === 'PRE') return { 'code-block': block.getAttribute('data-language') ?? true }
    if (block.tagName !== 'UL') return {}
    const box = block.querySelector('[role=checkbox]')
    if (box) return { list: box.getAttribute('aria-checked') === 'true' ? 'checked' : 'unchecked' }
    return { list: block.matches('.h-ordered') ? 'ordered' : 'bullet' }
  }

  const surface = document.querySelector('.h-surface')
  if (!surface) return []
  for (const block of surface.children) {
    const indent = Number(block.getAttribute('data-indent') ?? 0)
    const format = { ...formatOf(block), ...(indent ? { indent } : {}) }
    const inCode = block.tagName === 'PRE'
    const text = inCode
      ? block.querySelector('code')
      : (block.querySelector('.h-check-text') ?? block.querySelector('li') ?? block)
    for (const child of text?.childNodes ?? []) readInline(child, {}, inCode ? format : null)
    put('\n', format)
  }
  return ops
}
