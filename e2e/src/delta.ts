/** What the tests need to know of Deltas; written without a look at the app's own. */
import type { Op } from './program'

/** Runs with equal attributes joined, names in order: two contents that are the same are equal as JSON. */
export function normal(ops: readonly Op[]): Op[] {
  const joined: Op[] = []
  for (const op of ops.flatMap(byNewline)) {
    const attributes = sorted(op.attributes)
    const last = joined.at(-1)
    const alike = JSON.stringify(last?.attributes) === JSON.stringify(attributes)
    const isText = typeof op.insert === 'string' && typeof last?.insert === 'string'
    if (last && isText && alike && isNewline(op) === isNewline(last))
      last.insert = `${last.insert}${op.insert}`
    else joined.push({ insert: op.insert, ...(attributes ? { attributes } : {}) })
  }
  return joined
}

/** The text of a content; an embed is U+FFFC. */
export function textOf(ops: readonly Op[]): string {
  return ops.map(({ insert }) => (typeof insert === 'string' ? insert : '\ufffc')).join('')
}

function isNewline({ insert }: Op): boolean {
  return typeof insert === 'string' && insert.startsWith('\n')
}

/** Text and newlines apart, since an attribute may be of the one or of the other. */
function byNewline(op: Op): Op[] {
  const { insert } = op
  if (typeof insert !== 'string') return [op]
  return (insert.match(/\n+|[^\n]+/g) ?? []).map(insert => ({ ...op, insert }))
}

function sorted(attributes: Op['attributes']): Op['attributes'] {
  const entries = Object.entries(attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}
