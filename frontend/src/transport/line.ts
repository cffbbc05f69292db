/**
 * One open line for a set of pages, which comes back by itself: after a pause
 * that grows and is spread at random, at the server's word after a `bye`, and
 * at once when told to hurry. It is a stream of server-sent events over fetch,
 * or long polls where streams do not get through (see Route). A line on which
 * nothing was heard for one and a half heartbeats is taken for dead.
 *
 * Each connection asks for what comes after the positions that its readers
 * have reached, so there is no need of Last-Event-ID.
 */
import type { Clock, LineListener } from '../protocol/transport'
import { Problem, parseEvent, parsePoll, type ServerEvent } from '../protocol/wire'
import type { Route } from './route'
import { SseParser } from './sse'

export interface LineDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly fetch: typeof fetch
  /** Reads the refusal in an answer that is not 2xx. */
  readonly problemOf: (response: Response) => Promise<Problem>
  readonly route: Route
}

/** What a line is for. */
export interface Asked {
  /** The pages, and where each starts: the changes after that seq are sent. Asked again at each connection. */
  positions(): ReadonlyMap<string, number>
  /** The open editors that the line serves. */
  readonly clients: readonly string[]
  readonly epoch: string
  /** Whether it follows the list of pages, too. */
  readonly list: boolean
}

export interface HubListener extends LineListener {
  /** Something came over the line, be it only a sign of life. */
  alive(): void
}

const FIRST_RETRY_MS = 300
const LAST_RETRY_MS = 20_000
/** Until `hello` says the heartbeat, and for the answer to come at all. */
const FIRST_BYTE_MS = 10_000
const HEARTBEATS = 1.5
/** A stream that has said nothing for so long may be held back by a proxy: a poll begins beside it. */
const STREAM_PATIENCE_MS = 2000
const POLL_WAIT_S = 15
/** How much later than that an answer may come. */
const POLL_SLACK_MS = 7500

export class EventLine {
  /** When something was last heard, by the clock. */
  heardAt: number
  readonly #asked: Asked
  readonly #listener: HubListener
  readonly #deps: LineDeps

  #connection: AbortController | null = null
  #failures = 0
  #patience = FIRST_BYTE_MS
  #cursor: string | null = null
  #cancelRetry: (() => void) | null = null
  #cancelWatch = () => {}
  #closed = false

  constructor(asked: Asked, listener: HubListener, deps: LineDeps) {
    this.#asked = asked
    this.#listener = listener
    this.#deps = deps
    this.heardAt = deps.clock.now()
    // Later, so that whoever makes the line has it before it speaks.
    this.#reopenIn(0)
  }

  /** Tries now, where it is waiting to try again. */
  hurry(): void {
    if (!this.#cancelRetry) return
    this.#drop()
    this.#reopenIn(0)
  }

  close(): void {
    this.#closed = true
    this.#drop()
  }

  #drop(): void {
    this.#connection?.abort()
    this.#connection = null
    this.#cancelWatch()
    this.#cancelRetry?.()
    this.#cancelRetry = null
  }

  #reopenIn(ms: number): void {
    this.#cancelRetry = this.#deps.clock.after(ms, () => {
      this.#cancelRetry = null
      void this.#open()
    })
  }

  async #open(): Promise<void> {
    const connection = new AbortController()
    this.#connection = connection
    this.#cursor = null
    this.#watch(FIRST_BYTE_MS)
    let pause: number | null = null
    try {
      pause = await this.#converse(connection.signal)
    } catch (error) {
      if (this.#connection !== connection) return
      if (error instanceof Problem && isFinal(error)) {
        this.close()
        this.#listener.refused(error)
        return
      }
    }
    if (this.#connection !== connection) return
    this.#drop()
    this.#failures++
    this.#listener.lost(this.#failures)
    if (!this.#closed) this.#reopenIn(pause ?? this.#backoff())
  }

  /** Reads until the connection ends; answers the pause that a `bye` asked for. */
  async #converse(signal: AbortSignal): Promise<number | null> {
    let pause: number | null | 'stream' = 'stream'
    while (pause === 'stream') {
      pause = this.#deps.route.open ? await this.#streamOrPoll(signal) : await this.#poll(signal, () => true)
    }
    return pause
  }

  /** Opens a stream, and polls where that is silent. Whichever speaks first goes on alone. */
  async #streamOrPoll(signal: AbortSignal): Promise<number | null | 'stream'> {
    const { route, clock } = this.#deps
    const stream = childOf(signal)
    const poll = childOf(signal)
    let first: 'stream' | 'poll' | null = null
    const streaming = this.#stream(stream.signal, () => {
      if (first === null) route.flowed()
      first ??= 'stream'
      poll.abort()
    })
    const polling = new Promise<number | null | 'stream'>((settle, fail) => {
      const cancel = clock.after(STREAM_PATIENCE_MS, () => {
        const answers = this.#poll(poll.signal, () => {
          if (first === null) route.held()
          first ??= 'poll'
          stream.abort()
          return first === 'poll'
        })
        answers.then(settle, fail)
      })
      poll.signal.addEventListener('abort', cancel)
    })
    // An end of the one that came second is no end of the line.
    const never = new Promise<never>(() => {})
    const unlessSecond = <T>(who: 'stream' | 'poll', end: Promise<T>): Promise<T> => {
      const isSecond = () => first !== null && first !== who
      return end.then(
        result => (isSecond() ? never : result),
        error => (isSecond() ? never : Promise.reject(error)),
      )
    }
    try {
      return await Promise.race([unlessSecond('stream', streaming), unlessSecond('poll', polling)])
    } finally {
      stream.abort()
      poll.abort()
    }
  }

  async #stream(signal: AbortSignal, speaks: () => void): Promise<number | null> {
    const response = await this.#ask('text/event-stream', this.#query(), signal)
    let pause: number | null = null
    const parser = new SseParser(({ type, data }) => {
      if (signal.aborted) return
      const event = parseEvent(type, data)
      if (event) pause = this.#hear(event) ?? pause
    })
    const reader = response.body!.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done || signal.aborted) return pause
      speaks()
      this.#alive(this.#patience)
      parser.push(value)
    }
  }

  /** Asks again and again, until it fails, is told `bye`, or a stream is worth a try. */
  async #poll(signal: AbortSignal, speaks: () => boolean): Promise<number | null | 'stream'> {
    const patience = POLL_WAIT_S * 1000 + POLL_SLACK_MS
    for (;;) {
      const query = this.#query()
      query.set('wait', String(POLL_WAIT_S))
      if (this.#cursor !== null) query.set('cursor', this.#cursor)
      const response = await this.#ask('application/json', query, signal)
      const { events, cursor } = parsePoll(await response.json())
      if (signal.aborted || !speaks()) return null
      this.#cursor = cursor
      this.#alive(patience)
      let pause: number | null = null
      for (const event of events) {
        if (!signal.aborted) pause = this.#hear(event) ?? pause
      }
      if (pause !== null || signal.aborted) return pause
      this.#alive(patience)
      if (this.#deps.route.open) return 'stream'
    }
  }

  async #ask(accept: string, query: URLSearchParams, signal: AbortSignal): Promise<Response> {
    const response = await this.#deps.fetch(`/api/events?${query}`, {
      headers: { Accept: accept },
      // Firefox would open one stream after the other to the same address.
      cache: 'no-store',
      signal,
    })
    if (!response.ok) throw await this.#deps.problemOf(response)
    return response
  }

  #query(): URLSearchParams {
    const { clients, epoch, list } = this.#asked
    const query = new URLSearchParams()
    for (const [page, seq] of this.#asked.positions()) query.append('page', `${page}@${seq}`)
    for (const client of clients) query.append('client', client)
    if (epoch !== '') query.set('epoch', epoch)
    if (list) query.set('list', '1')
    return query
  }

  #hear(event: ServerEvent): number | null {
    if (event.type === 'hello') {
      this.#failures = 0
      this.#patience = event.heartbeat * 1000 * HEARTBEATS || FIRST_BYTE_MS
      this.#watch(this.#patience)
    }
    this.#listener.event(event)
    return event.type === 'bye' ? event.afterMs : null
  }

  #alive(patienceMs: number): void {
    this.heardAt = this.#deps.clock.now()
    this.#watch(patienceMs)
    this.#listener.alive()
  }

  #watch(ms: number): void {
    this.#cancelWatch()
    this.#cancelWatch = this.#deps.clock.after(ms, () => this.#connection?.abort())
  }

  #backoff(): number {
    const most = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10), LAST_RETRY_MS)
    return most * (0.5 + this.#deps.random() / 2)
  }
}

/** An end that comes with its parent's, or before. */
function childOf(parent: AbortSignal): AbortController {
  const child = new AbortController()
  if (parent.aborted) child.abort()
  else parent.addEventListener('abort', () => child.abort(), { signal: child.signal })
  return child
}

/** Refusals that coming back would not change. */
function isFinal(problem: Problem): boolean {
  return problem.status >= 400 && problem.status < 500 && problem.status !== 408 && problem.status !== 429
}
