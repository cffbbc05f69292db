/**
 * Keeps the document in the one form that its content has, whatever a browser
 * or a plugin put into it: no newline inside a line, nothing that a page may
 * not hold, and one block for a run of code.
 */
import type { Node } from 'prosemirror-model'
import { type EditorState, Plugin, type Transaction } from 'prosemirror-state'
import type { Attributes } from '../protocol/attributes'
import { type Insert, insertOp, type Op, push } from '../protocol/delta'
import { isWellFormed } from '../protocol/wire'
import { joinCode } from './apply'
import { blockAt, blocksOf, indexOf, layoutOf, placeOfBlock, sliceOf, unitsOfBlock } from './mapping'
import { schema } from './schema'
import { cleanText } from './writing'

/** Set on transactions that carry others' changes: these are as they should be. */
export const REMOTE = 'remote'

export const mending = new Plugin({
  appendTransaction(transactions, before, after) {
    const local = transactions.some(tr => tr.docChanged && tr.getMeta(REMOTE) === undefined)
    return local ? mend(before, after) : null
  },
})

function mend(before: EditorState, after: EditorState): Transaction | null {
  const start = before.doc.content.findDiffStart(after.doc.content)
  if (start === null) return null
  const end = before.doc.content.findDiffEnd(after.doc.content)!.b
  const { tr } = after
  const [from, to] = [indexOf(tr.doc, start), Math.max(indexOf(tr.doc, start), indexOf(tr.doc, end))]
  const first = blockAt(tr.doc, Math.max(0, from - 1))
  for (let i = Math.min(blockAt(tr.doc, to), tr.doc.childCount - 1); i >= first; i--) mendBlock(tr, i)
  joinCode(tr, Math.max(0, from - 1), Math.min(layoutOf(tr.doc).length - 1, to + 1))
  return tr.docChanged ? tr : null
}

function mendBlock(tr: Transaction, number: number): void {
  const block = tr.doc.child(number)
  if (isFine(block)) return
  const start = layoutOf(tr.doc).starts[number]!
  const format: Attributes | undefined = block.attrs.format ?? undefined
  const ops: Op[] = []
  for (const { insert, attributes } of sliceOf(
    tr.doc,
    start,
    start + block.content.size,
  ) as readonly Insert[]) {
    if (typeof insert !== 'string') push(ops, insertOp(insert, attributes))
    else {
      cleanText(insert)
        .split('\n')
        .forEach((text, i) => {
          if (i > 0) push(ops, insertOp('\n', format))
          push(ops, insertOp(text, attributes))
        })
    }
  }
  push(ops, insertOp('\n', format))
  const place = placeOfBlock(tr.doc, number)
  tr.replaceWith(place, place + block.nodeSize, blocksOf(ops))
}

function isFine(block: Node): boolean {
  const text = unitsOfBlock(block)
  const inLine = block.type !== schema.nodes.codeBlock
  return (
    !(text.includes('\r') || text.includes('\0') || (inLine && text.includes('\n'))) && isWellFormed(text)
  )
}
