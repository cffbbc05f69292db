/**
 * A line between browsers and the server that can be made bad: a TCP proxy
 * that delays, cuts, stalls and takes packets apart, at a test's word.
 */
import { once } from 'node:events'
import {
  type AddressInfo,
  createServer,
  connect as dial,
  type Server as NetServer,
  type Socket,
} from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Where the line breaks, once, in the next edits that are submitted over it. */
export type Break = 'in the request' | 'in the answer'

/** A connection: towards the browser, and towards the server. */
interface Pair {
  readonly near: Socket
  readonly far: Socket
  /** It carries a submitted edit whose answer is not here yet. */
  submitting: boolean
  /** The last that was asked on it was a stream of events. */
  streaming: boolean
}

const ASKS = /^(GET|POST|PATCH|DELETE) /
const STREAM = /^GET \/api\/events\?.*\r\naccept: text\/event-stream\r\n/is
const SUBMIT = /^POST \/api\/pages\/[^/ ]+\/changes /

export class Wire {
  /** How long each packet takes in each direction, in milliseconds. */
  delayMs = 0
  /** The most bytes that go through at once. */
  pieceBytes = Number.POSITIVE_INFINITY
  /** What the server said to the browsers while `listening` was on, for each connection. */
  get heard(): string[] {
    return [...this.#heard.values()]
  }
  listening = false
  /** How many breaks have happened. */
  broken = 0
  /** How many streams of events were asked for so far. */
  streamed = 0

  readonly #server: NetServer
  readonly #target: number
  readonly #pairs = new Set<Pair>()
  readonly #heard = new Map<Pair, string>()
  readonly #breaks: Break[] = []
  #cut = false
  #stalled: { promise: Promise<void>; end: () => void } | null = null

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer(near => this.#accept(near))
  }

  /** A line to a port of this machine. */
  static async to(target: number): Promise<Wire> {
    const wire = new Wire(target)
    wire.#server.listen(0, '127.0.0.1')
    await once(wire.#server, 'listening')
    return wire
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Ends all connections, and takes no new ones until it is mended. */
  cut(): void {
    this.#cut = true
    for (const pair of this.#pairs) drop(pair)
  }

  /** Nothing goes through any more, and nobody is told: a black hole. */
  stall(): void {
    if (this.#stalled) return
    let end = () => {}
    const promise = new Promise<void>(resolve => {
      end = resolve
    })
    this.#stalled = { promise, end }
  }

  /** All is well again. What was stalled goes through now. */
  mend(): void {
    this.#cut = false
    this.#stalled?.end()
    this.#stalled = null
  }

  /** Breaks the line in the midst of the next edit that is submitted, then of the one after that, and so on. */
  breakNext(...where: Break[]): void {
    this.#breaks.push(...where)
  }

  async close(): Promise<void> {
    this.cut()
    this.#stalled?.end()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(near: Socket): void {
    if (this.#cut) {
      near.resetAndDestroy()
      return
    }
    const far = dial(this.#target, '127.0.0.1')
    const pair: Pair = { near, far, submitting: false, streaming: false }
    this.#pairs.add(pair)
    near.once('close', () => this.#pairs.delete(pair))
    // Each side is read below, where its end is seen, whatever the reason.
    for (const socket of [near, far]) socket.on('error', () => {})
    void this.#carry(near, far, pair, chunk => this.#breaksRequest(pair, chunk))
    void this.#carry(far, near, pair, chunk => this.#breaksAnswer(pair, chunk))
  }

  /** Moves what one side says to the other, in order, and ends both when either ends. */
  async #carry(from: Socket, to: Socket, pair: Pair, breaks: (chunk: Buffer) => boolean): Promise<void> {
    from.setNoDelay()
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (breaks(chunk)) {
          this.broken++
          await this.#pass(chunk.subarray(0, chunk.length / 2), to)
          break
        }
        await this.#pass(chunk, to)
      }
    } catch {
      // A side that fell away ends the connection as well as one that said so.
    }
    await this.#stalled?.promise
    pair.near.end()
    pair.far.end()
  }

  async #pass(chunk: Buffer, to: Socket): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + Math.min(this.pieceBytes, chunk.length - at))
      at += piece.length
      if (this.delayMs > 0) await new Promise(resolve => setTimeout(resolve, this.delayMs))
      await this.#stalled?.promise
      if (to.destroyed) return
      to.write(piece)
      if (at < chunk.length) await nextTurn()
    }
  }

  /** How many streams of events are open now. */
  get streams(): number {
    return Array.from(this.#pairs).filter(({ streaming }) => streaming).length
  }

  #breaksRequest(pair: Pair, chunk: Buffer): boolean {
    const text = chunk.toString('latin1')
    if (ASKS.test(text)) pair.streaming = STREAM.test(text)
    if (pair.streaming) this.streamed++
    if (!SUBMIT.test(text)) return false
    pair.submitting = true
    return this.#isNext('in the request')
  }

  #breaksAnswer(pair: Pair, chunk: Buffer): boolean {
    if (this.listening) this.#heard.set(pair, (this.#heard.get(pair) ?? '') + chunk.toString('utf8'))
    if (!pair.submitting) return false
    pair.submitting = false
    return this.#isNext('in the answer')
  }

  #isNext(where: Break): boolean {
    if (this.#breaks[0] !== where) return false
    this.#breaks.shift()
    return true
  }
}

/** Ends it as a lost line ends: without a goodbye. */
function drop({ near, far }: Pair): void {
  near.resetAndDestroy()
  far.resetAndDestroy()
}
