import { describe, expect, it } from 'vitest'
import {
  answered,
  type ClientState,
  edit,
  rebase,
  receive,
  start,
  takeClient,
  unsent,
} from '../src/protocol/client'
import { compose, type Delta, transform } from '../src/protocol/delta'
import type { Change, Edit } from '../src/protocol/wire'
import { Rng, randomChange, randomContent } from './random'

/** Clients and a server with nothing between them: the test says who is heard when. */
class Room {
  readonly history: Change[] = []
  text: Delta
  readonly clients: { state: ClientState; text: Delta; sent: Edit | null; seen: number }[]

  constructor(text: Delta, size: number) {
    this.text = text
    this.clients = Array.from({ length: size }, (_, i) => ({
      state: start(`client${i}`, 0),
      text,
      sent: null,
      seen: 0,
    }))
  }

  types(i: number, delta: Delta): void {
    const client = this.clients[i]!
    client.text = compose(client.text, delta)
    this.#step(i, edit(client.state, delta))
  }

  /** The server takes what client i sent. */
  commit(i: number): void {
    const sent = this.clients[i]!.sent!
    let delta = sent.delta
    for (const earlier of this.history.slice(sent.base)) delta = transform(earlier.delta, delta, false)
    this.text = compose(this.text, delta)
    this.history.push({ seq: this.history.length + 1, delta, author: '', client: sent.client, n: sent.n })
    this.clients[i]!.sent = null
  }

  /** Client i hears the next change. */
  deliver(i: number): void {
    const client = this.clients[i]!
    this.#step(i, receive(client.state, this.history[client.seen++]!))
  }

  canCommit(i: number): boolean {
    return this.clients[i]!.sent !== null
  }

  canDeliver(i: number): boolean {
    return this.clients[i]!.seen < this.history.length
  }

  #step(i: number, [state, effects]: ReturnType<typeof edit>): void {
    const client = this.clients[i]!
    client.state = state
    for (const effect of effects) {
      if (effect.tag === 'send') client.sent = effect.edit
      else if (effect.tag === 'apply') client.text = compose(client.text, effect.delta)
      else throw new Error(effect.tag)
    }
  }
}

type Act = ['commit' | 'deliver', number]

function acts(room: Room): Act[] {
  return room.clients.flatMap((_, i): Act[] => [
    ...(room.canCommit(i) ? [['commit', i] as Act] : []),
    ...(room.canDeliver(i) ? [['deliver', i] as Act] : []),
  ])
}

function play(begin: () => Room, script: readonly Act[]): Room {
  const room = begin()
  for (const [what, i] of script) room[what](i)
  return room
}

function wantEqual(room: Room, what: string): void {
  for (const client of room.clients) {
    expect(client.text, what).toEqual(room.text)
    expect(client.state.tag, what).toBe('synchronized')
  }
}

describe('three clients that write at the same place', () => {
  it('end equal in every order of sending and hearing', () => {
    const begin = () => {
      const room = new Room([{ insert: 'one two\n' }], 3)
      room.types(0, [{ retain: 4 }, { insert: 'A' }])
      room.types(1, [{ retain: 4 }, { insert: 'B' }, { delete: 2 }])
      room.types(2, [{ retain: 3 }, { insert: 'C', attributes: { bold: true } }, { delete: 2 }])
      return room
    }
    let ends = 0
    const explore = (script: Act[]) => {
      const next = acts(play(begin, script))
      if (next.length === 0) {
        wantEqual(play(begin, script), `order ${script.map(act => act.join(' ')).join(', ')}`)
        ends++
      }
      // A client that has nothing to send changes nothing for the others by hearing early:
      // of several that may hear, only the first does, unless one may still send.
      for (const act of next.some(([what]) => what === 'commit') ? next : next.slice(0, 1)) {
        explore([...script, act])
      }
    }
    explore([])
    expect(ends).toBeGreaterThan(1000)
  })

  it('end equal while they go on writing, in random orders', () => {
    for (let seed = 1; seed <= 1500; seed++) {
      const rng = new Rng(seed)
      const room = new Room(randomContent(rng, 6), 3)
      let edits = 12
      for (;;) {
        const next = acts(room)
        if (edits > 0 && rng.chance(0.3)) {
          edits--
          const i = rng.int(3)
          room.types(i, randomChange(rng, room.clients[i]!.text, 2))
        } else if (next.length > 0) {
          const [what, i] = rng.pick(next)
          room[what](i)
        } else if (edits === 0) break
      }
      wantEqual(room, `seed ${seed}`)
    }
  })
})

describe('the state machine', () => {
  const typed = (text: string): Delta => [{ insert: text }]
  const change = (seq: number, delta: Delta, client = 'other', n = 1): Change => ({
    seq,
    delta,
    author: '',
    client,
    n,
  })

  it('keeps one edit in flight and composes the rest', () => {
    let [state, effects] = edit(start('me', 7), typed('a'))
    expect(effects).toEqual([{ tag: 'send', edit: { client: 'me', n: 1, base: 7, delta: typed('a') } }])
    ;[state, effects] = edit(state, [{ retain: 1 }, { insert: 'b' }])
    ;[state, effects] = edit(state, [{ retain: 2 }, { insert: 'c' }])
    expect(effects).toEqual([])
    ;[state, effects] = receive(state, change(8, typed('a'), 'me', 1))
    expect(effects).toEqual([
      { tag: 'send', edit: { client: 'me', n: 2, base: 8, delta: [{ retain: 1 }, { insert: 'bc' }] } },
    ])
    expect(state.tag).toBe('awaitingAck')
  })

  it('passes over what it has seen, and asks for what is missing', () => {
    const state = start('me', 7)
    expect(receive(state, change(7, typed('x')))).toEqual([state, []])
    expect(receive(state, change(9, typed('x')))).toEqual([state, [{ tag: 'fetch' }]])
  })

  it('knows its own change by client and n, whether the answer came or not', () => {
    const [state] = edit(start('me', 0), typed('a'))
    for (const now of [state, answered(state, 1, 1)]) {
      expect(receive(now, change(1, typed('a'), 'me', 1))).toEqual([start2('me', 1, 1), []])
    }
  })

  it('puts its later text to the left of an earlier one at the same place', () => {
    const [state] = edit(start('me', 0), typed('mine'))
    const [, effects] = receive(state, change(1, typed('theirs')))
    expect(effects).toMatchObject([{ tag: 'apply', delta: [{ retain: 4 }, { insert: 'theirs' }] }])
  })

  it('says what is unsent, at its seq', () => {
    let [state] = edit(start('me', 0), typed('a'))
    ;[state] = edit(state, typed('b'))
    expect(unsent(state)).toEqual(typed('ba'))
    expect(unsent(start('me', 0))).toBeNull()
  })

  it('sends the same n again at a newer base when the old one is too old', () => {
    let [state] = edit(start('me', 0), typed('a'))
    ;[state] = receive(state, change(1, [{ insert: '12' }]))
    const [, effects] = rebase(state)
    expect(effects).toEqual([{ tag: 'send', edit: { client: 'me', n: 1, base: 1, delta: typed('a') } }])
  })

  it('begins anew under another client', () => {
    let [state] = edit(start('me', 0), typed('a'))
    ;[state] = edit(state, typed('b'))
    const [next, effects] = takeClient(state, 'you')
    expect(effects).toEqual([{ tag: 'send', edit: { client: 'you', n: 1, base: 0, delta: typed('a') } }])
    expect(next).toMatchObject({ tag: 'awaitingAckWithPending', client: 'you', n: 1 })
  })

  it('gives the n of an edit that came to nothing to the next one', () => {
    let [state] = edit(start('me', 0), [{ delete: 1 }])
    ;[state] = edit(state, typed('b'))
    ;[state] = receive(state, change(1, [{ delete: 1 }]))
    const [, effects] = rebase(state)
    expect(effects).toEqual([{ tag: 'send', edit: { client: 'me', n: 1, base: 1, delta: typed('b') } }])
  })

  it('says so when its own change comes back as another one', () => {
    const [state] = edit(start('me', 0), typed('a'))
    expect(receive(state, change(1, typed('z'), 'me', 1))[1]).toEqual([{ tag: 'diverged' }])
  })
})

function start2(client: string, seq: number, n: number): ClientState {
  return { tag: 'synchronized', client, seq, n }
}
