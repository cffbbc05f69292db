/**
 * Gets the edit in flight to the server: sends it, and again, byte for byte,
 * until there is an answer. It holds one edit at a time.
 */
import type { SessionDeps } from './transport'
import { type Edit, Problem } from './wire'

export interface OutboxListener {
  answered(n: number, seq: number): void
  /** A refusal that sending again would not change. */
  refused(n: number, problem: Problem): void
  /** No answer came, though it should have: perhaps the server cannot be reached. */
  unanswered(): void
  /** `waiting` or `trouble` changed. */
  changed(): void
}

/** An edit that has no answer after this long is said to wait. */
const PATIENCE_MS = 3000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 15_000
const DEFAULT_RETRY_AFTER_S = 2

export class Outbox {
  readonly #page: string
  readonly #deps: SessionDeps
  readonly #listener: OutboxListener
  #letter: { n: number; text: string } | null = null
  #underway = false
  #failures = 0
  #waiting = false
  #trouble: string | null = null
  #cancelRetry = () => {}
  #cancelPatience = () => {}

  constructor(page: string, deps: SessionDeps, listener: OutboxListener) {
    this.#page = page
    this.#deps = deps
    this.#listener = listener
  }

  /** Whether the edit has been here longer than one would expect. */
  get waiting(): boolean {
    return this.#waiting || this.#trouble !== null
  }

  /** Why the server does not take edits now, in its words. */
  get trouble(): string | null {
    return this.#trouble
  }

  /** Sends an edit in place of what was there. */
  send(edit: Edit, epoch: string): void {
    this.clear()
    this.#letter = { n: edit.n, text: JSON.stringify({ ...edit, epoch }) }
    this.#cancelPatience = this.#deps.clock.after(PATIENCE_MS, () => {
      this.#waiting = true
      this.#listener.unanswered()
      this.#listener.changed()
    })
    void this.#post(this.#letter)
  }

  /** The edit was acknowledged, by whatever way, or given up. */
  clear(): void {
    this.#letter = null
    this.#failures = 0
    this.#waiting = false
    this.#trouble = null
    this.#underway = false
    this.#cancelRetry()
    this.#cancelPatience()
  }

  /** The server seems to be there again: try now what waits for a retry. */
  hurry(): void {
    if (!this.#letter || this.#underway || this.#trouble !== null) return
    this.#cancelRetry()
    void this.#post(this.#letter)
  }

  async #post(letter: { n: number; text: string }): Promise<void> {
    this.#underway = true
    try {
      const seq = await this.#deps.transport.submit(this.#page, letter.text)
      if (this.#letter !== letter) return
      this.clear()
      this.#listener.answered(letter.n, seq)
    } catch (error) {
      // Late answers, to an edit that is no longer here, say nothing.
      if (this.#letter !== letter) return
      this.#underway = false
      this.#failed(letter, error)
    }
  }

  #failed(letter: { n: number; text: string }, error: unknown): void {
    const problem = error instanceof Problem ? error : new Problem(0, 'unreachable', String(error))
    if (!isPassing(problem)) {
      this.clear()
      this.#listener.refused(letter.n, problem)
      return
    }
    if (problem.status === 0) this.#listener.unanswered()
    this.#trouble = REFUSALS_FOR_NOW.has(problem.status) ? problem.title : null
    this.#cancelRetry = this.#deps.clock.after(this.#delay(problem), () => {
      this.#trouble = null
      void this.#post(letter)
    })
    this.#listener.changed()
  }

  #delay(problem: Problem): number {
    const spread = 0.75 + this.#deps.random() / 2
    if (REFUSALS_FOR_NOW.has(problem.status)) {
      const seconds = Number(problem.extra.retryAfter ?? DEFAULT_RETRY_AFTER_S)
      return Math.max(seconds, 0.2) * 1000 * (1 + this.#deps.random() / 4)
    }
    return Math.min(FIRST_RETRY_MS * 2 ** this.#failures++, LAST_RETRY_MS) * spread
  }
}

/** Too many; going away; disk full. */
const REFUSALS_FOR_NOW: ReadonlySet<number> = new Set([429, 503, 507])

/** Whether the same call may well succeed later. */
export function isPassing(problem: Problem): boolean {
  return problem.status === 0 || problem.status === 408 || problem.status === 429 || problem.status >= 500
}
