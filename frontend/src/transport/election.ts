/** How the tabs of one browser agree which of them leads. */
import type { Clock } from '../protocol/transport'
import type { Letter, Word } from './words'

export interface Candidate {
  /** This tab leads from now on. */
  elected(): void
  /** It leads no more: another has taken the lead. */
  deposed(): void
}

export interface Election {
  /** Stands for election, until elected. Who stands also asks whether anybody leads. */
  stand(): void
  /** Takes the lead from a tab that has it and does not answer. */
  seize(): void
  /** Leads no more, and does not want to. */
  withdraw(): void
  /** Hears what another tab said. */
  hear(letter: Letter): void
}

/**
 * By the browser's own locks: who holds the lock leads. When its tab closes or
 * crashes the browser gives the lock to the next in the queue at once.
 */
export class LockElection implements Election {
  readonly #name: string
  readonly #locks: Pick<LockManager, 'request'>
  readonly #candidate: Candidate
  #round: { wish: AbortController; release: (() => void) | null } | null = null

  constructor(name: string, locks: Pick<LockManager, 'request'>, candidate: Candidate) {
    this.#name = name
    this.#locks = locks
    this.#candidate = candidate
  }

  stand(): void {
    const wish = new AbortController()
    this.#request(wish, { signal: wish.signal })
  }

  seize(): void {
    this.#request(new AbortController(), { steal: true })
  }

  withdraw(): void {
    const round = this.#round
    this.#round = null
    round?.wish.abort()
    round?.release?.()
  }

  hear(): void {}

  #request(wish: AbortController, options: LockOptions): void {
    this.withdraw()
    const round: { wish: AbortController; release: (() => void) | null } = { wish, release: null }
    this.#round = round
    const granted = () => {
      if (this.#round !== round) return
      this.#candidate.elected()
      return new Promise<void>(release => {
        round.release = release
      })
    }
    this.#locks.request(this.#name, options, granted).catch(() => {
      // Withdrawn, or the lock was stolen from us, or there are no locks for such a document.
      if (this.#round !== round) return
      this.#round = null
      if (round.release) this.#candidate.deposed()
      else this.#candidate.elected()
    })
  }
}

/** How long a tab waits for an answer of one that leads already. */
const ANSWER_MS = 150
const SPREAD_MS = 100

/**
 * By talk alone, where there are no locks: browsers give them to pages over
 * https and on localhost only, not to http://192.168.0.7. Who gets no answer
 * leads. For a moment two may: each of them serves the tabs whole, so this
 * costs a second connection and nothing else, and the one with the lesser id
 * stays.
 */
export class TalkElection implements Election {
  readonly #self: string
  readonly #say: (word: Word) => void
  readonly #candidate: Candidate
  readonly #clock: Clock
  readonly #random: () => number
  #leads = false
  #cancel: (() => void) | null = null

  constructor(
    self: string,
    say: (word: Word) => void,
    candidate: Candidate,
    deps: { clock: Clock; random: () => number },
  ) {
    this.#self = self
    this.#say = say
    this.#candidate = candidate
    this.#clock = deps.clock
    this.#random = deps.random
  }

  stand(): void {
    this.withdraw()
    this.#leadIn(ANSWER_MS + SPREAD_MS * this.#random())
  }

  seize(): void {
    this.withdraw()
    this.#lead()
  }

  withdraw(): void {
    this.#leads = false
    this.#cancel?.()
    this.#cancel = null
  }

  hear({ say, from }: Letter): void {
    if (say === 'resign') {
      if (!this.#leads) this.#leadIn(SPREAD_MS * this.#random())
    } else if (say === 'lead' || say === 'pong' || say === 'beat') {
      if (!this.#leads) this.withdraw()
      else if (from < this.#self) {
        this.withdraw()
        this.#candidate.deposed()
      } else this.#say({ say: 'lead' })
    }
  }

  #leadIn(ms: number): void {
    this.#cancel?.()
    this.#cancel = this.#clock.after(ms, () => this.#lead())
  }

  #lead(): void {
    this.#cancel = null
    this.#leads = true
    this.#candidate.elected()
  }
}
