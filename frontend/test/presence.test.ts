import { describe, expect, it } from 'vitest'
import type { Delta } from '../src/protocol/delta'
import { advance, cursors, hear, nobody, people } from '../src/protocol/presence'
import { type Change, type PresentClient, parseEvent, type ServerEvent } from '../src/protocol/wire'

function client(id: string, more: Partial<PresentClient> = {}): PresentClient {
  return {
    client: id,
    user: id,
    name: id,
    color: '#000000',
    base: 0,
    cursor: { index: 5, length: 0 },
    state: 'active',
    ...more,
  }
}

function says(clients: PresentClient[], more: Partial<ServerEvent & { type: 'presence' }> = {}) {
  return {
    type: 'presence' as const,
    page: 'p',
    all: false,
    clients,
    left: [],
    count: clients.length,
    ...more,
  }
}

const change = (seq: number, delta: Delta, by = 'x'): Change => ({ seq, delta, author: by, client: by, n: 1 })
const insertAt5: Delta = [{ retain: 5 }, { insert: 'ab' }]

describe('presence', () => {
  it('adds, replaces and takes away', () => {
    let model = hear(nobody, says([client('a'), client('b')]), [])
    model = hear(model, says([client('c')], { left: ['a'], count: 7 }), [])
    expect([...model.clients.keys()]).toEqual(['b', 'c'])
    expect(model.count).toBe(7)
    model = hear(model, says([client('d')], { all: true }), [])
    expect([...model.clients.keys()]).toEqual(['d'])
  })

  it('pushes a cursor on for its own change, and leaves it for another’s', () => {
    const model = hear(nobody, says([client('a')]), [])
    const index = (by: string) => cursors(advance(model, change(1, insertAt5, by)), 'me', 1, [])[0]!.index
    expect(index('a')).toBe(7)
    expect(index('b')).toBe(5)
  })

  it('keeps a cursor until its base has come', () => {
    let model = hear(nobody, says([client('a', { base: 2 })]), [])
    model = advance(model, change(1, [{ insert: 'xyz' }]))
    expect(cursors(model, 'me', 1, [])).toEqual([])
    model = advance(model, change(2, [{ insert: 'xyz' }]))
    expect(cursors(model, 'me', 2, [])[0]!.index).toBe(5)
    model = advance(model, change(3, [{ insert: 'xyz' }]))
    expect(cursors(model, 'me', 3, [])[0]!.index).toBe(8)
  })

  it('brings a late cursor forward, or loses it', () => {
    const recent = [change(4, [{ insert: '1' }]), change(5, [{ insert: '2' }])]
    const of = (base: number) => cursors(hear(nobody, says([client('a', { base })]), recent), 'me', 5, [])
    expect(of(3)[0]!.index).toBe(7)
    expect(of(4)[0]!.index).toBe(6)
    expect(of(2)).toEqual([])
  })

  it('shows cursors after our own edits that are on the way', () => {
    const model = hear(nobody, says([client('a', { cursor: { index: 5, length: 3 } }), client('me')]), [])
    expect(cursors(model, 'me', 0, [[{ insert: '12' }], [{ retain: 8 }, { delete: 1 }]])).toMatchObject([
      { client: 'a', index: 7, length: 2 },
    ])
  })

  it('makes one person of several tabs, oneself first', () => {
    const model = hear(
      nobody,
      says([
        client('1', { user: 'u1', name: 'Zoe', state: 'away' }),
        client('2', { user: 'u1', name: 'Zoe', state: 'typing' }),
        client('3', { user: 'u2', name: 'Ada' }),
        client('me', { user: 'u3', name: 'Pat' }),
      ]),
      [],
    )
    expect(people(model, 'me').map(({ name, self, state, clients }) => [name, self, state, clients])).toEqual(
      [
        ['Pat', true, 'active', ['me']],
        ['Ada', false, 'active', ['3']],
        ['Zoe', false, 'typing', ['1', '2']],
      ],
    )
  })
})

describe('events from the wire', () => {
  it('are read where they are known and passed over where not', () => {
    expect(parseEvent('weather', '{"rain":true}')).toBeNull()
    expect(parseEvent('bye', '{"after_ms":20}')).toEqual({ type: 'bye', afterMs: 20, why: null })
    expect(
      parseEvent(
        'change',
        '{"page":"p","seq":1,"delta":[{"insert":""},{"insert":"a"}],"author":"u","client":"c","n":1}',
      ),
    ).toMatchObject({ type: 'change', change: { seq: 1, delta: [{ insert: 'a' }] } })
  })

  it.each([
    ['change', 'nonsense'],
    ['change', '[]'],
    ['change', '{"page":"p","seq":-1,"delta":[],"author":"u"}'],
    ['change', '{"page":"p","seq":1,"delta":[{"insert":"a","delete":1}],"author":"u"}'],
    ['change', '{"page":"p","seq":1,"delta":[{"retain":1.5}],"author":"u"}'],
    ['change', '{"page":"p","seq":1,"delta":[{"insert":{"a":1,"b":2}}],"author":"u"}'],
    ['change', '{"page":"p","seq":1,"delta":[{"insert":"\\ud83d"}],"author":"u"}'],
    ['presence', '{"page":"p","clients":[{"client":"c"}],"left":[],"count":1}'],
    ['hello', '{"protocol":1}'],
    ['role', '{"page":"p","role":"king"}'],
  ])('are refused where they are malformed: %s %s', (type, data) => {
    expect(() => parseEvent(type, data)).toThrowError(expect.objectContaining({ name: 'MalformedError' }))
  })
})
