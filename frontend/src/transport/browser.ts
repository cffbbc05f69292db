/** Lines as the browser has them: with its channels, locks, timers, and the signs of a tab's life. */
import type { Clock } from '../protocol/transport'
import { problemOf } from './api'
import { LockElection, TalkElection } from './election'
import { EventLine, type HubListener, type LineDeps } from './line'
import { Lines } from './lines'
import { Route } from './route'
import type { Channel, Letter } from './words'

/** A line that is seen again, and on which nothing was heard for a heartbeat, is looked after. */
const HEARTBEAT_MS = 15_000

export function browserLines(): Lines {
  const clock = new PunctualClock(browserClock())
  const random = () => Math.random()
  const lineDeps: LineDeps = {
    clock,
    random,
    route: new Route(clock),
    problemOf,
    fetch: (input, init) => fetch(input, init),
  }
  const awake = (listener: HubListener): HubListener => ({
    ...listener,
    alive() {
      clock.catchUp()
      listener.alive()
    },
  })
  const lines = new Lines({
    clock,
    random,
    newId: randomId,
    openLine: (asked, listener) => new EventLine(asked, awake(listener), lineDeps),
    openChannel: (name, hear) =>
      openChannel(name, letter => {
        clock.catchUp()
        hear(letter)
      }),
    newElection: (name, self, say, candidate) =>
      // Types take them for given; on an insecure origin they are not there.
      (navigator.locks as LockManager | undefined)
        ? new LockElection(name, navigator.locks, candidate)
        : new TalkElection(self, say, candidate, { clock, random }),
  })
  watchTab(lines)
  return lines
}

function watchTab(lines: Lines): void {
  // A page that is left may live on in the back/forward cache, as a frozen one
  // lives on in its tab. Neither can lead, and an open channel or lock would
  // keep the page out of that cache.
  addEventListener('pagehide', () => lines.sleep())
  document.addEventListener('freeze', () => lines.sleep())
  addEventListener('pageshow', ({ persisted }) => persisted && lines.wake())
  document.addEventListener('resume', () => lines.wake())
  addEventListener('online', () => lines.check(0))
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') lines.check(HEARTBEAT_MS)
  })
}

function openChannel(name: string, hear: (letter: Letter) => void): Channel | null {
  if (typeof BroadcastChannel === 'undefined') return null
  const channel = new BroadcastChannel(name)
  channel.onmessage = ({ data }: MessageEvent<Letter>) => hear(data)
  return { post: letter => channel.postMessage(letter), close: () => channel.close() }
}

export function browserClock(): Clock {
  return {
    now: () => performance.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
  }
}

/**
 * Browsers run the timers of a tab that is long hidden once a minute. What
 * comes over a line or from other tabs is not held back: it runs what is due.
 */
export class PunctualClock implements Clock {
  readonly #clock: Clock
  readonly #due = new Set<{ at: number; run: () => void }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  after(ms: number, run: () => void): () => void {
    const timer = {
      at: this.now() + ms,
      run: () => {
        cancel()
        run()
      },
    }
    const cancelTimer = this.#clock.after(ms, () => timer.run())
    const cancel = () => {
      cancelTimer()
      this.#due.delete(timer)
    }
    this.#due.add(timer)
    return cancel
  }

  catchUp(): void {
    const now = this.now()
    for (const timer of [...this.#due].sort((a, b) => a.at - b.at)) {
      if (timer.at <= now && this.#due.has(timer)) timer.run()
    }
  }
}

/** 128 random bits in the form of a client's id. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
