import { EditorState, type Transaction } from 'prosemirror-state'
import { describe, expect, it } from 'vitest'
import { applyDelta } from '../src/binding/apply'
import { contentOf, docOf, indexOf, lengthOf, placeOf, sliceOf } from '../src/binding/mapping'
import { readTransaction } from '../src/binding/read'
import { schema } from '../src/binding/schema'
import {
  compose,
  type Delta,
  deltaLength,
  insertOp,
  normalise,
  slice,
  transformPosition,
} from '../src/protocol/delta'
import { Rng, randomChange, randomContent, rounds } from './random'

const ODD = 0.3

function transactionOn(content: Delta): Transaction {
  return EditorState.create({ doc: docOf(content) }).tr
}

describe('content and document', () => {
  it('are one to one', () => {
    for (let seed = 1; seed <= rounds(10_000); seed++) {
      const rng = new Rng(seed)
      const content = randomContent(rng, 14, ODD)
      const doc = docOf(content)
      doc.check()
      expect(contentOf(doc), `seed ${seed}`).toEqual(content)
      expect(lengthOf(doc), `seed ${seed}`).toBe(deltaLength(content))
    }
  })

  it('have the same places', () => {
    for (let seed = 1; seed <= 500; seed++) {
      const rng = new Rng(seed)
      const content = randomContent(rng, 14, ODD)
      const doc = docOf(content)
      for (let index = 0; index < lengthOf(doc); index++) {
        const place = placeOf(doc, index)
        expect(indexOf(doc, place), `seed ${seed}`).toBe(index)
        expect(doc.resolve(place).parent.isTextblock, `place ${place} (seed ${seed})`).toBe(true)
      }
      const from = rng.int(lengthOf(doc))
      const to = from + rng.int(lengthOf(doc) - from + 1)
      expect(sliceOf(doc, from, to), `seed ${seed}`).toEqual(slice(content, from, to))
    }
  })
})

describe('a change of the content', () => {
  it('makes of the document what it makes of the content, and reads back as it was', () => {
    for (let seed = 1; seed <= rounds(20_000); seed++) {
      const rng = new Rng(seed)
      const content = randomContent(rng, 10, ODD)
      const change = randomChange(rng, content, 5, ODD)
      const want = compose(content, change)
      const tr = applyDelta(transactionOn(content), change)
      tr.doc.check()
      if (!tr.doc.eq(docOf(want))) expect(tr.doc.toJSON(), `seed ${seed}`).toEqual(docOf(want).toJSON())
      const read = readTransaction(tr)
      expect(compose(content, read), `read back (seed ${seed})`).toEqual(want)
    }
  }, 60_000)

  it('does so when it is large', () => {
    for (let seed = 1; seed <= rounds(40); seed++) {
      const rng = new Rng(seed)
      const content = randomContent(rng, 1000, ODD)
      const change = randomChange(rng, content, 300, ODD)
      const tr = applyDelta(transactionOn(content), change)
      const want = compose(content, change)
      tr.doc.check()
      if (!tr.doc.eq(docOf(want))) expect(tr.doc.toJSON(), `seed ${seed}`).toEqual(docOf(want).toJSON())
      expect(compose(content, readTransaction(tr)), `read back (seed ${seed})`).toEqual(want)
    }
  })

  it('moves every place as the change does', () => {
    for (let seed = 1; seed <= rounds(10_000); seed++) {
      const rng = new Rng(seed)
      const content = randomContent(rng, 10, 0)
      const change = randomChange(rng, content, 2, 0)
      const tr = applyDelta(transactionOn(content), change)
      const index = rng.int(deltaLength(content))
      const got = indexOf(tr.doc, tr.mapping.map(placeOf(tr.before, index), 1))
      const [least, most] = [transformPosition(change, index, true), transformPosition(change, index, false)]
      expect(got, `index ${index} (seed ${seed})`).toBeGreaterThanOrEqual(least)
      expect(got, `index ${index} (seed ${seed})`).toBeLessThanOrEqual(most)
    }
  })

  it('of one letter is one small step, wherever it is', () => {
    const line = insertOp('lorem ipsum dolor sit amet, consectetur adipiscing elit\n')
    const content = normalise(Array.from({ length: 10_000 }, () => line))
    const tr = applyDelta(transactionOn(content), [{ retain: 300_000 }, { insert: 'x' }])
    expect(tr.steps.map(step => step.toJSON())).toEqual([
      { stepType: 'replace', from: 305_358, to: 305_358, slice: { content: [{ type: 'text', text: 'x' }] } },
    ])
  })
})

describe('an edit of the document', () => {
  /** What ProseMirror's own commands, and other plugins, may do. */
  function randomSteps(rng: Rng, tr: Transaction): void {
    const size = tr.doc.content.size
    const place = () => rng.int(size + 1)
    const [from, to] = [place(), place()].sort((a, b) => a - b) as [number, number]
    switch (rng.int(10)) {
      case 0:
        tr.delete(from, to)
        break
      case 1:
        tr.replaceRange(from, to, docOf(randomContent(rng, 3, 0)).slice(1))
        break
      case 2:
        tr.addMark(from, to, schema.mark('bold'))
        break
      case 3:
        tr.removeMark(from, to)
        break
      case 4:
        tr.setBlockType(from, to, schema.nodes.line, { format: { header: 1 + rng.int(3) } })
        break
      case 5:
        tr.setBlockType(from, to, schema.nodes.codeBlock, { format: { 'code-block': true } })
        break
      case 6:
        if (tr.doc.resolve(from).depth > 0) tr.split(from)
        break
      case 7:
        tr.insert(size, docOf(randomContent(rng, 2, 0)).content)
        break
      case 8: {
        const last = tr.doc.lastChild!
        if (tr.doc.childCount > 1) tr.delete(size - last.nodeSize, size)
        break
      }
      default:
        if (tr.doc.resolve(from).parent.isTextblock) tr.insertText('🎉x', from)
    }
  }

  it('is read as the change that it was, one that may be sent', () => {
    for (let seed = 1; seed <= rounds(20_000); seed++) {
      const rng = new Rng(seed)
      const content = randomContent(rng, 8, 0.1)
      const tr = transactionOn(content)
      for (let i = 0; i <= rng.int(3); i++) randomSteps(rng, tr)
      const change = readTransaction(tr)
      const want = contentOf(tr.doc)
      expect(compose(content, change), `seed ${seed}`).toEqual(want)
      expect(leavesEnd(content, change), `leaves the end alone (seed ${seed})`).toBe(true)
    }
  }, 60_000)

  it.each<[string, (tr: Transaction) => void, Delta]>([
    ['a letter among its like', tr => tr.insertText('a', 2), [{ retain: 1 }, { insert: 'a' }]],
    ['the last line deleted', tr => tr.delete(5, 9), [{ retain: 3 }, { delete: 3 }]],
    [
      'a line put behind the last',
      tr => tr.insert(9, schema.node('line', null, schema.text('new'))),
      [{ retain: 6 }, { insert: '\nnew' }],
    ],
    [
      'a line made a heading',
      tr => tr.setNodeAttribute(0, 'format', { header: 1 }),
      [{ retain: 3 }, { retain: 1, attributes: { header: 1 } }],
    ],
  ])('says no more than it did: %s', (_, edit, want) => {
    const tr = transactionOn([{ insert: 'aaa\nbb\n' }])
    edit(tr)
    expect(readTransaction(tr)).toEqual(want)
  })
})

/** Whether a change neither deletes the last newline nor inserts after it. */
function leavesEnd(content: Delta, change: Delta): boolean {
  let at = 0
  for (const op of change) {
    if ('insert' in op) {
      if (at >= deltaLength(content)) return false
    } else if ('delete' in op) {
      at += op.delete
      if (at >= deltaLength(content)) return false
    } else at += op.retain
  }
  return at <= deltaLength(content)
}
