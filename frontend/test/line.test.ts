import { describe, expect, it } from 'vitest'
import { Problem, type ServerEvent } from '../src/protocol/wire'
import { SseLine } from '../src/transport/line'
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
  #controller!: ReadableStreamDefaultController<Uint8Array>
  constructor(url: string, signal: AbortSignal) {
    this.url = url
    this.signal = signal
    const body = new ReadableStream<Uint8Array>({
      start: controller => {
        this.#controller = controller
      },
    })
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

function open(answer?: () => Response) {
  const clock = new TestClock()
  const connections: Connection[] = []
  const events: ServerEvent[] = []
  const lost: number[] = []
  const refused: Problem[] = []
  let seq = 7
  const line = new SseLine(
    'page',
    () => ({ seq, epoch: 'e', client: 'me' }),
    {
      event: event => events.push(event),
      lost: failures => lost.push(failures),
      refused: problem => refused.push(problem),
    },
    {
      clock,
      random: () => 1,
      problemOf: async response => new Problem(response.status, 'some', 'Some'),
      fetch: async (url, init) => {
        const connection = new Connection(String(url), init!.signal!)
        connections.push(connection)
        return answer ? answer() : connection.response
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

describe('SseLine', () => {
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
      await clock.pass(20_000)
      connections[0]!.ping()
    }
    expect(lost).toEqual([])
    await clock.pass(25_100)
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
