import QuillDelta from 'quill-delta'
import { describe, expect, it } from 'vitest'
import {
  compose,
  type Delta,
  deltaLength,
  difference,
  invert,
  normalise,
  positionBefore,
  sameDelta,
  transform,
  transformPair,
  transformPosition,
} from '../src/protocol/delta'
import { dataLines } from './data'
import { Rng, randomChange, randomContent, unitsOf } from './random'

interface Vector {
  id: number
  doc: Delta
  a: Delta
  b: Delta
  c: Delta
  doc_a: Delta
  doc_ac: Delta
  a_c: Delta
  ab_t: Delta
  ab_f: Delta
  ba_t: Delta
  ba_f: Delta
  doc_ab: Delta
  inv_a: Delta
  pos: [number, boolean, number][]
}
interface Session {
  id: number
  doc: Delta
  steps: { base: number; ops: Delta; server: Delta }[]
  final: Delta
}

function wantSame(got: Delta, want: Delta, what: string): void {
  if (!sameDelta(got, want)) expect(got, what).toEqual(want)
}

const vectors = dataLines<Vector>('delta-vectors/vectors.jsonl.gz')
const sessions = dataLines<Session>('delta-vectors/sessions.jsonl.gz')

describe('agrees with quill-delta op for op', () => {
  it.skipIf(!vectors)('in every vector', () => {
    for (const v of vectors!) {
      const text = (delta: Delta) => normalise(delta)
      wantSame(text(compose(v.doc, v.a)), text(v.doc_a), `doc∘a in vector ${v.id}`)
      wantSame(text(compose(v.doc_a, v.c)), text(v.doc_ac), `doc∘a∘c in vector ${v.id}`)
      wantSame(text(compose(v.doc_a, v.ab_t)), text(v.doc_ab), `doc∘a∘b in vector ${v.id}`)
      wantSame(compose(v.a, v.c), v.a_c, `a∘c in vector ${v.id}`)
      wantSame(transform(v.a, v.b, true), v.ab_t, `a×b true in vector ${v.id}`)
      wantSame(transform(v.a, v.b, false), v.ab_f, `a×b false in vector ${v.id}`)
      wantSame(transform(v.b, v.a, true), v.ba_t, `b×a true in vector ${v.id}`)
      wantSame(transform(v.b, v.a, false), v.ba_f, `b×a false in vector ${v.id}`)
      wantSame(invert(v.a, v.doc), v.inv_a, `inverse of a in vector ${v.id}`)
      for (const [position, priority, want] of v.pos) {
        expect(transformPosition(v.a, position, priority), `position in vector ${v.id}`).toBe(want)
      }
    }
  })

  it.skipIf(!sessions)('in every session through a server', () => {
    for (const session of sessions!) {
      const history: Delta[] = []
      let text = session.doc
      for (const [k, step] of session.steps.entries()) {
        let ops = step.ops
        for (const h of history.slice(step.base)) ops = transform(h, ops, false)
        wantSame(ops, step.server, `step ${k} of session ${session.id}`)
        history.push(ops)
        text = compose(text, ops)
      }
      wantSame(normalise(text), normalise(session.final), `end of session ${session.id}`)
    }
  })

  it('on contents and changes of our own schema', () => {
    for (let seed = 1; seed <= 1500; seed++) {
      const rng = new Rng(seed)
      const doc = randomContent(rng)
      const a = randomChange(rng, doc)
      const b = randomChange(rng, doc)
      const quill = (delta: Delta) => new QuillDelta(structuredClone(delta) as QuillDelta['ops'])
      const ops = (delta: QuillDelta) => delta.ops as Delta
      wantSame(compose(doc, a), ops(quill(doc).compose(quill(a))), `compose (seed ${seed})`)
      wantSame(transform(a, b, false), ops(quill(a).transform(quill(b), false)), `transform (seed ${seed})`)
      wantSame(invert(a, doc), ops(quill(a).invert(quill(doc))), `invert (seed ${seed})`)
    }
  })
})

describe('laws', () => {
  it('hold for random changes', () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const rng = new Rng(seed)
      const doc = randomContent(rng)
      const a = randomChange(rng, doc)
      const b = randomChange(rng, doc)
      const [a2, b2] = transformPair(a, b, true)
      const left = compose(compose(doc, a), b2)
      wantSame(left, compose(compose(doc, b), a2), `convergence (seed ${seed})`)
      wantSame(compose(doc, compose(a, b2)), left, `associativity (seed ${seed})`)
      wantSame(compose(compose(doc, a), invert(a, doc)), doc, `inverse (seed ${seed})`)
      expect(unitsOf(left).isWellFormed(), `no half pairs (seed ${seed})`).toBe(true)
      expect(left.at(-1), `last newline (seed ${seed})`).toMatchObject({ insert: /\n$/ })
    }
  })

  it('the difference of two texts leads from one to the other', () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const rng = new Rng(seed)
      const before = randomContent(rng)
      const after = compose(before, randomChange(rng, before))
      wantSame(compose(before, difference(before, after, 1)), after, `difference (seed ${seed})`)
    }
  })

  it('a position goes forward and back', () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const rng = new Rng(seed)
      const doc = randomContent(rng)
      const change = randomChange(rng, doc)
      const position = rng.int(deltaLength(doc))
      const there = transformPosition(change, position, true)
      const back = positionBefore(change, there)
      // Exactly, or, beside what was inserted or deleted, at the edge of that.
      expect(there, `seed ${seed}`).toBeGreaterThanOrEqual(transformPosition(change, back, true))
      expect(there, `seed ${seed}`).toBeLessThanOrEqual(transformPosition(change, back, false))
    }
  })
})

describe('difference', () => {
  it.each([
    ['one letter', 'abc', 'abxc', [{ retain: 2 }, { insert: 'x' }]],
    ['a smile for another', '😀', '😁', [{ insert: '😁' }, { delete: 2 }]],
    ['a word replaced', 'one two three', 'one 2 three', [{ retain: 4 }, { insert: '2' }, { delete: 3 }]],
    ['nothing', 'same', 'same', []],
  ])('%s', (_, before, after, want) => {
    expect(difference([{ insert: before }], [{ insert: after }])).toEqual(want)
  })
})
