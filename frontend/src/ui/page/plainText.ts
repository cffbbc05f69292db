import type { Delta } from '../../protocol/delta'

/** The text of a page's content. What is no text is named in brackets. */
export function plainText(contents: Delta): string {
  let text = ''
  for (const op of contents) {
    if (!('insert' in op)) continue
    if (typeof op.insert === 'string') text += op.insert
    else text += 'divider' in op.insert ? '---' : `[${Object.keys(op.insert)[0]}]`
  }
  return text
}
