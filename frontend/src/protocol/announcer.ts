/** Tells the server where this editor's cursor is and what its person is doing, a few times a second at most. */
import type { SessionDeps } from './transport'
import type { Cursor, PresenceState } from './wire'

/** Where we are, in committed content. */
export interface Whereabouts {
  readonly client: string
  readonly base: number
  readonly cursor: Cursor | null
}

const PAUSE_MS = 200
const TYPING_MS = 2000
const IDLE_MS = 5 * 60_000

export class Announcer {
  readonly #page: string
  readonly #deps: SessionDeps
  readonly #where: () => Whereabouts
  #lastTyped = Number.NEGATIVE_INFINITY
  #lastMoved: number
  #lastSent = Number.NEGATIVE_INFINITY
  #cancelPost: (() => void) | null = null
  #cancelChange = () => {}
  #said: PresenceState | null = null
  #left = false
  #closed = false

  constructor(page: string, deps: SessionDeps, where: () => Whereabouts) {
    this.#page = page
    this.#deps = deps
    this.#where = where
    this.#lastMoved = deps.clock.now()
  }

  typed(): void {
    this.#lastTyped = this.#deps.clock.now()
    this.moved()
  }

  moved(): void {
    this.#lastMoved = this.#deps.clock.now()
    this.post()
  }

  /** Somebody is at the keys or the mouse, be it only to read. */
  stirred(): void {
    this.#lastMoved = this.#deps.clock.now()
    if (this.#said === 'idle') this.post()
  }

  /** Says it soon; at once where nothing was said a moment ago. */
  post(): void {
    this.#left = false
    if (this.#closed || this.#cancelPost) return
    const wait = this.#lastSent + PAUSE_MS - this.#deps.clock.now()
    if (wait <= 0) this.#say()
    else this.#cancelPost = this.#deps.clock.after(wait, () => this.#say())
  }

  /**
   * Says that we are gone, once; the next post says that we are back. Said by
   * nobody, it would be seen from the end of the line, some seconds later, or
   * later still where another post comes after that end.
   */
  leave(): void {
    if (this.#left || this.#closed) return
    this.#left = true
    this.#cancelPost?.()
    this.#cancelPost = null
    this.#cancelChange()
    this.#send('left')
  }

  close(): void {
    this.leave()
    this.#closed = true
  }

  #say(): void {
    this.#cancelPost = null
    this.#lastSent = this.#deps.clock.now()
    const state = this.#state()
    this.#said = state
    this.#send(state)
    // Typing turns into active, active into idle, without anybody doing anything.
    this.#cancelChange()
    const until = state === 'typing' ? this.#lastTyped + TYPING_MS : this.#lastMoved + IDLE_MS
    if (state === 'typing' || state === 'active') {
      this.#cancelChange = this.#deps.clock.after(until - this.#lastSent, () => this.post())
    }
  }

  #state(): PresenceState {
    const now = this.#deps.clock.now()
    if (!this.#deps.surroundings.visible()) return 'away'
    if (now - this.#lastTyped < TYPING_MS) return 'typing'
    return now - this.#lastMoved < IDLE_MS ? 'active' : 'idle'
  }

  #send(state: PresenceState | 'left'): void {
    // Presence is not worth a retry: the next one, or the next hello, says it again.
    this.#deps.transport.present(this.#page, { ...this.#where(), state }).catch(() => {})
  }
}
