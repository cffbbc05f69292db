import type { Clock } from '../protocol/transport'

const FIRST_PAUSE_MS = 60_000
const LAST_PAUSE_MS = 32 * 60_000

/**
 * Whether streams get through from the server to here. A proxy that keeps an
 * answer until it is whole lets only polls through; after one that did, streams
 * are tried again when a minute has passed, then two, then four.
 */
export class Route {
  readonly #clock: Clock
  #held = 0
  #closedUntil = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether a stream is worth a try now. */
  get open(): boolean {
    return this.#clock.now() >= this.#closedUntil
  }

  /** A poll was answered while a stream, asked for earlier, was silent. */
  held(): void {
    this.#closedUntil = this.#clock.now() + Math.min(FIRST_PAUSE_MS * 2 ** this.#held++, LAST_PAUSE_MS)
  }

  /** A stream spoke. */
  flowed(): void {
    this.#held = 0
  }
}
