import { setMaxListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Problem, type ServerEvent } from '../src/protocol/wire'
import { EventLine } from '../src/transport/line'
import { Route } from '../src/transport/route'
import { type SseEvent, SseParser } from '../src/transport/sse'
import { Rng } from './random'
import { TestClock } from './world'

function parse(pieces: Uint8Array[]): SseEvent[] {
  const events: SseEvent[] = []
  const parser = new SseParser(event => events.push(event))
  for (const piece of pieces) parser.push(piece)
  return events
}

const bytes = (text: string) => new TextEncoder().encode(text)

describe('SseParser', () => {
  it.each<[string, string, SseEvent[]]>([
    ['an event', 'event: change\nid: 7\ndata: {}\n\n', [{ type: 'change', data: '{}', id: '7' }]],
    ['no type', 'data: x\n\n', [{ type: 'message', data: 'x', id: '' }]],
    ['several data lines', 'data: a\ndata:b\ndata\n\n', [{ type: 'message', data: 'a\nb\n', id: '' }]],
    ['comments and unknown fields', ': ping\nretry: 5\nfoo: bar\n\n', []],
    [
      'an id that stays',
      'id: 1\ndata: a\n\ndata: b\n\n',
      [
        { type: 'message', data: 'a', id: '1' },
        { type: 'message', data: 'b', id: '1' },
      ],
    ],
    ['all line ends', 'data: a\r\ndata: b\rdata: c\n\r\n', [{ type: 'message', data: 'a\nb\nc', id: '' }]],
    ['a byte order mark', '\ufeffdata: a\n\n', [{ type: 'message', data: 'a', id: '' }]],
    ['an event that never ended', 'data: a\n', []],
    ['only the first space goes', 'data:  a\n\n', [{ type: 'message', data: ' a', id: '' }]],
  ])('reads %s', (_, text, want) => {
    expect(parse([bytes(text)])).toEqual(want)
  })

  it('reads the same however the bytes are cut', () => {
    const parts = [
      'data: ',
      'id: 4',
      'event: x',
      '\n',
      '\r\n',
      '\r',
      ': c',
      '😀',
      '彗星',
      '\n\n',
      ' ',
      'data',
      '\u2028',
    ]
    for (let seed = 1; seed <= 3000; seed++) {
      const rng = new Rng(seed)
      let text = ''
      for (let i = rng.int(30); i >= 0; i--) text += rng.pick(parts)
      const whole = bytes(text)
      const pieces: Uint8Array[] = []
      for (let at = 0; at < whole.length; ) {
        const end = at + 1 + rng.int(5)
        pieces.push(whole.slice(at, end))
        at = end
      }
      expect(parse(pieces), `seed ${seed}`).toEqual(parse([whole]))
    }
  })
})

/** A server end of one connection. */
class Connection {
  readonly response: Response
  readonly url: string
  readonly signal: AbortSignal
  readonly polls: boolean
  #controller!: ReadableStreamDefaultController<Uint8Array>
  constructor(url: string, signal: AbortSignal, accept: string | null) {
    this.url = url
    this.signal = signal
    this.polls = accept === 'application/json'
    const body = new ReadableStream<Uint8Array>({
      start: controller => {
        this.#controller = controller
      },
    })
    // All polls of a line share one signal; fetch would take its listener back.
    setMaxListeners(0, signal)
    signal.addEventListener('abort', () => this.#controller.error(new Error('aborted')))
    this.response = new Response(body)
  }
  send(type: string, data: object): void {
    this.#controller.enqueue(bytes(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`))
  }
  ping(): void {
    this.#controller.enqueue(bytes(':\n'))
  }
  end(): void {
    this.#controller.close()
  }
}

function open(answer?: (connection: Connection) => Response | Promise<Response>) {
  const clock = new TestClock()
  const connections: Connection[] = []
  const events: ServerEvent[] = []
  const lost: number[] = []
  const refused: Problem[] = []
  let seq = 7
  const line = new EventLine(
    { positions: () => new Map([['page', seq]]), clients: ['me'], epoch: 'e', list: false },
    {
      alive: () => {},
      event: event => events.push(event),
      lost: failures => lost.push(failures),
      refused: problem => refused.push(problem),
    },
    {
      clock,
      random: () => 1,
      route: new Route(clock),
      problemOf: async response => new Problem(response.status, 'some', 'Some'),
      fetch: async (url, init) => {
        const accept = new Headers(init!.headers).get('Accept')
        const connection = new Connection(String(url), init!.signal!, accept)
        connections.push(connection)
        return answer ? answer(connection) : connection.response
      },
    },
  )
  const hello = { epoch: 'e', protocol: 1, heartbeat: 10, server: 'x', pages: { page: 7 } }
  return {
    clock,
    connections,
    events,
    lost,
    refused,
    line,
    hello,
    reached(next: number) {
      seq = next
    },
  }
}

describe('EventLine', () => {
  it('asks for its position, and again from where its reader is', async () => {
    const { clock, connections, events, hello, reached } = open()
    await clock.pass(0)
    expect(connections[0]!.url).toBe('/api/events?page=page%407&client=me&epoch=e')
    connections[0]!.send('hello', hello)
    await clock.pass(0)
    expect(events).toMatchObject([{ type: 'hello', heartbeat: 10 }])
    reached(9)
    connections[0]!.end()
    await clock.pass(1000)
    expect(connections[1]!.url).toContain('page%409')
  })

  it('pauses longer and longer, and begins anew after a hello', async () => {
    const { clock, connections, lost, hello } = open()
    const gaps: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = clock.now()
      while (connections.length <= i) await clock.pass(10)
      gaps.push(clock.now() - before)
      connections[i]!.end()
      await clock.pass(0)
    }
    expect(gaps).toEqual([10, 300, 600, 1200, 2400])
    await clock.pass(5000)
    connections[5]!.send('hello', hello)
    connections[5]!.end()
    await clock.pass(0)
    expect(lost).toEqual([1, 2, 3, 4, 5, 1])
  })

  it('takes a line without a sign of life for dead', async () => {
    const { clock, connections, lost, hello } = open()
    await clock.pass(0)
    connections[0]!.send('hello', hello)
    for (let i = 0; i < 5; i++) {
      await clock.pass(14_000)
      connections[0]!.ping()
    }
    await clock.pass(14_900)
    expect(lost).toEqual([])
    await clock.pass(200)
    expect(lost).toEqual([1])
    expect(connections[0]!.signal.aborted).toBe(true)
    await clock.pass(1000)
    expect(connections.length).toBe(2)
  })

  it('comes back when a bye says', async () => {
    const { clock, connections, hello } = open()
    await clock.pass(0)
    connections[0]!.send('hello', hello)
    connections[0]!.send('bye', { after_ms: 5000 })
    connections[0]!.end()
    await clock.pass(4900)
    expect(connections.length).toBe(1)
    await clock.pass(200)
    expect(connections.length).toBe(2)
  })

  it('comes back at once when hurried, but leaves an open line alone', async () => {
    const { clock, connections, line, hello } = open()
    await clock.pass(0)
    connections[0]!.send('hello', hello)
    await clock.pass(0)
    line.hurry()
    await clock.pass(0)
    expect(connections.length).toBe(1)
    connections[0]!.send('bye', { after_ms: 60_000 })
    connections[0]!.end()
    await clock.pass(10)
    line.hurry()
    await clock.pass(1)
    expect(connections.length).toBe(2)
  })

  it('gives up where it is refused, and not where the server is busy', async () => {
    const forbidden = open(() => new Response('{}', { status: 403 }))
    await forbidden.clock.pass(60_000)
    expect(forbidden.refused).toMatchObject([{ status: 403 }])
    expect(forbidden.connections.length).toBe(1)
    const busy = open(() => new Response('{}', { status: 503 }))
    await busy.clock.pass(60_000)
    expect(busy.refused).toEqual([])
    expect(busy.connections.length).toBeGreaterThan(3)
  })

  it('says nothing more once it is closed', async () => {
    const { clock, connections, events, lost, line, hello } = open()
    await clock.pass(0)
    connections[0]!.send('hello', hello)
    await clock.pass(0)
    line.close()
    await clock.pass(60_000)
    expect([events.length, lost.length, connections.length]).toEqual([1, 0, 1])
  })

  it('drops a connection that brings nonsense', async () => {
    const { clock, connections, lost } = open()
    await clock.pass(0)
    connections[0]!.send('change', { page: 'page', seq: 'seven' })
    await clock.pass(0)
    expect(lost).toEqual([1])
  })
})

/** An answer that does not come. */
function held({ signal }: Connection): Promise<Response> {
  return new Promise((_, fail) => signal.addEventListener('abort', () => fail(new Error('aborted'))))
}

/** A proxy that keeps an answer until it is whole, with a server behind it that has news every 5 seconds. */
function behindProxy() {
  const state = { holds: true, dead: false }
  const polls = { first: 0, asked: 0 }
  const world = open(connection => {
    if (state.dead) return held(connection)
    if (!connection.polls) {
      if (!state.holds) connection.send('hello', world.hello)
      return state.holds ? held(connection) : connection.response
    }
    polls.asked++
    const first = !connection.url.includes('cursor=')
    if (first) polls.first++
    const events = first
      ? [{ type: 'hello', data: world.hello }]
      : [{ type: 'presence', data: { page: 'page', clients: [], left: [], count: polls.asked } }]
    const answer = () => Response.json({ events, cursor: `c${polls.asked}` })
    return first ? answer() : new Promise(resolve => world.clock.after(5000, () => resolve(answer())))
  })
  const streams = () => world.connections.filter(({ polls }) => !polls).length
  return { ...world, state, polls, streams }
}

describe('a line through a proxy that holds answers back', () => {
  it('polls when the first byte does not come within 2 seconds, with one cursor', async () => {
    const { clock, events, lost, polls, streams } = behindProxy()
    await clock.pass(1990)
    expect(polls.asked).toBe(0)
    await clock.pass(20)
    expect(events).toMatchObject([{ type: 'hello' }])
    await clock.pass(30_000)
    expect(polls.asked, 'the last one is still open').toBe(8)
    expect(polls.first, 'asked without a cursor').toBe(1)
    expect(events.length).toBe(7)
    expect(streams()).toBe(1)
    expect(lost).toEqual([])
  })

  it('tries the stream again after a minute, then two, then four, and loses nothing meanwhile', async () => {
    const { clock, lost, polls, streams } = behindProxy()
    const tries: number[] = []
    for (let s = 0; s < 8 * 60; s++) {
      while (tries.length < streams()) tries.push(Math.round(clock.now() / 60_000))
      await clock.pass(1000)
    }
    expect(tries).toEqual([0, 1, 3, 7])
    expect(polls.first).toBe(1)
    expect(lost).toEqual([])
  })

  it('goes back to the stream once that gets through', async () => {
    const { clock, events, lost, polls, state, connections } = behindProxy()
    await clock.pass(10_000)
    state.holds = false
    await clock.pass(55_000)
    const asked = polls.asked
    await clock.pass(10_000)
    expect(polls.asked).toBe(asked)
    expect(events.filter(({ type }) => type === 'hello').length).toBe(2)
    expect(connections.at(-1)!.polls).toBe(false)
    expect(lost).toEqual([])
  })

  it('is lost where nothing gets through at all, and asks for a stream first when it comes back', async () => {
    const { clock, lost, state, connections } = behindProxy()
    state.dead = true
    await clock.pass(11_000)
    expect(lost).toEqual([1])
    expect(connections.map(({ polls }) => polls)).toEqual([false, true, false])
  })

  it('stays with a stream that is merely slow', async () => {
    const { clock, connections, events, hello } = open()
    await clock.pass(2100)
    expect(connections.map(({ polls }) => polls)).toEqual([false, true])
    connections[0]!.send('hello', hello)
    await clock.pass(10)
    expect(events.map(({ type }) => type)).toEqual(['hello'])
    expect(connections.map(({ signal }) => signal.aborted)).toEqual([false, true])
    await clock.pass(14_000)
    expect(connections.length).toBe(2)
  })
})
