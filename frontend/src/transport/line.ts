/**
 * An open line of server-sent events over fetch, which comes back by itself:
 * after a pause that grows and is spread at random, at the server's word after
 * a `bye`, and at once when told to hurry. A line on which nothing was heard
 * for two and a half heartbeats is taken for dead.
 *
 * Each connection asks for what comes after the position that its reader has
 * reached, so there is no need of Last-Event-ID.
 */
import type { Clock, Line, LineListener, Position } from '../protocol/transport'
import { Problem, parseEvent } from '../protocol/wire'
import { SseParser } from './sse'

export interface LineDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly fetch: typeof fetch
  /** Reads the refusal in an answer that is not 2xx. */
  readonly problemOf: (response: Response) => Promise<Problem>
}

const FIRST_RETRY_MS = 300
const LAST_RETRY_MS = 20_000
/** Until `hello` says the heartbeat, and for the answer to come at all. */
const FIRST_BYTE_MS = 15_000
const HEARTBEATS = 2.5

export class SseLine implements Line {
  readonly #page: string
  readonly #where: () => Position
  readonly #listener: LineListener
  readonly #deps: LineDeps

  #connection: AbortController | null = null
  #failures = 0
  #patience = FIRST_BYTE_MS
  #cancelRetry: (() => void) | null = null
  #cancelWatch = () => {}
  #closed = false

  constructor(page: string, where: () => Position, listener: LineListener, deps: LineDeps) {
    this.#page = page
    this.#where = where
    this.#listener = listener
    this.#deps = deps
    // Later, so that whoever makes the line has it before it speaks.
    this.#reopenIn(0)
  }

  restart(): void {
    this.#drop()
    if (!this.#closed) this.#reopenIn(0)
  }

  /** Drops the connection until `restart`. */
  pause(): void {
    this.#drop()
  }

  hurry(): void {
    if (this.#cancelRetry) this.restart()
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
    this.#patience = FIRST_BYTE_MS
    this.#watch()
    let pause: number | null = null
    try {
      pause = await this.#read(connection.signal)
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
  async #read(signal: AbortSignal): Promise<number | null> {
    const response = await this.#deps.fetch(this.#address(), {
      headers: { Accept: 'text/event-stream' },
      // Firefox would open one stream after the other to the same address.
      cache: 'no-store',
      signal,
    })
    if (!response.ok) throw await this.#deps.problemOf(response)
    let pause: number | null = null
    const parser = new SseParser(({ type, data }) => {
      if (signal.aborted) return
      pause = this.#hear(type, data) ?? pause
    })
    const reader = response.body!.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done || signal.aborted) return pause
      this.#watch()
      parser.push(value)
    }
  }

  #hear(type: string, data: string): number | null {
    const event = parseEvent(type, data)
    if (!event) return null
    if (event.type === 'hello') {
      this.#failures = 0
      this.#patience = event.heartbeat * 1000 * HEARTBEATS || FIRST_BYTE_MS
      this.#watch()
    }
    this.#listener.event(event)
    return event.type === 'bye' ? event.afterMs : null
  }

  #watch(): void {
    this.#cancelWatch()
    this.#cancelWatch = this.#deps.clock.after(this.#patience, () => this.#connection?.abort())
  }

  #address(): string {
    const { seq, epoch, client } = this.#where()
    const query = new URLSearchParams({ page: `${this.#page}@${seq}`, client, epoch })
    return `/api/events?${query}`
  }

  #backoff(): number {
    const most = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10), LAST_RETRY_MS)
    return most * (0.5 + this.#deps.random() / 2)
  }
}

/** Refusals that coming back would not change. */
function isFinal(problem: Problem): boolean {
  return problem.status >= 400 && problem.status < 500 && problem.status !== 408 && problem.status !== 429
}
