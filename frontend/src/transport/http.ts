/** A session's deps as the browser has them: fetch, a stream, timers, and whether we are online and seen. */

import type { SessionDeps } from '../protocol/session'
import type {
  Clock,
  Line,
  LineListener,
  Position,
  PresencePost,
  Surroundings,
  Transport,
} from '../protocol/transport'
import {
  type LoadedPage,
  MalformedError,
  type PageInfo,
  Problem,
  parseChanges,
  parseInfo,
  parseLoadedPage,
  parseSeq,
} from '../protocol/wire'
import { problemOf } from './api'
import { SseLine } from './line'

export function browserDeps(): SessionDeps {
  const clock = browserClock()
  const random = () => Math.random()
  return {
    clock,
    random,
    transport: new HttpTransport(clock, random, (input, init) => fetch(input, init)),
    surroundings: browserSurroundings(),
    newClient: randomId,
  }
}

/** How long a call may take before it counts as lost. */
const CALL_MS = 30_000
/** A page that is asked to load may be large. */
const LOAD_MS = 120_000
/** Browsers let calls of up to 64 KiB together outlive their tab; a unit of text is 3 bytes at most. */
const KEEPALIVE_UNITS = 20_000

export class HttpTransport implements Transport {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #fetch: typeof fetch

  constructor(clock: Clock, random: () => number, fetcher: typeof fetch) {
    this.#clock = clock
    this.#random = random
    this.#fetch = fetcher
  }

  load(page: string): Promise<LoadedPage> {
    return this.#call(pagePath(page), { method: 'GET' }, parseLoadedPage, LOAD_MS)
  }

  changes(page: string, after: number) {
    return this.#call(`${pagePath(page)}/changes?after=${after}&limit=1000`, { method: 'GET' }, parseChanges)
  }

  submit(page: string, edit: string): Promise<number> {
    return this.#call(`${pagePath(page)}/changes`, withJson('POST', edit), parseSeq, LOAD_MS)
  }

  present(page: string, presence: PresencePost): Promise<void> {
    const init = withJson('POST', JSON.stringify(presence))
    return this.#call(
      `${pagePath(page)}/presence`,
      { ...init, keepalive: presence.state === 'left' },
      () => {},
    )
  }

  retitle(page: string, title: string): Promise<PageInfo> {
    return this.#call(pagePath(page), withJson('PATCH', JSON.stringify({ title })), parseInfo)
  }

  follow(page: string, where: () => Position, listener: LineListener): Line {
    const line = new SseLine(page, where, listener, {
      clock: this.#clock,
      random: this.#random,
      fetch: this.#fetch,
      problemOf,
    })
    // A page that is left lives on in the back/forward cache, and its line would
    // hold one of the few connections that all pages of this host share.
    const stop = new AbortController()
    addEventListener('pagehide', () => line.pause(), { signal: stop.signal })
    addEventListener('pageshow', ({ persisted }) => persisted && line.restart(), { signal: stop.signal })
    return {
      restart: () => line.restart(),
      hurry: () => line.hurry(),
      close() {
        stop.abort()
        line.close()
      },
    }
  }

  async #call<T>(
    path: string,
    init: RequestInit,
    read: (value: unknown) => T,
    limitMs = CALL_MS,
  ): Promise<T> {
    const giveUp = new AbortController()
    const cancel = this.#clock.after(limitMs, () => giveUp.abort())
    try {
      const response = await this.#fetch(path, { ...init, cache: 'no-store', signal: giveUp.signal })
      if (!response.ok) throw await problemOf(response)
      return read(response.status === 204 ? null : await response.json())
    } catch (error) {
      if (error instanceof Problem) throw error
      const detail =
        error instanceof MalformedError ? `What came is no answer of Halley's: ${error.message}` : ''
      throw new Problem(0, 'unreachable', 'Halley cannot be reached', detail)
    } finally {
      cancel()
    }
  }
}

function withJson(method: string, body: string): RequestInit {
  const keepalive = body.length < KEEPALIVE_UNITS
  return { method, body, keepalive, headers: { 'Content-Type': 'application/json' } }
}

function pagePath(page: string): string {
  return `/api/pages/${encodeURIComponent(page)}`
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

function browserSurroundings(): Surroundings {
  let leaving = false
  return {
    online: () => navigator.onLine,
    visible: () => document.visibilityState === 'visible',
    leaving: () => leaving,
    watch(listener) {
      const stop = new AbortController()
      const { signal } = stop
      addEventListener('online', listener, { signal })
      addEventListener('offline', listener, { signal })
      for (const type of ['pagehide', 'pageshow']) {
        addEventListener(
          type,
          () => {
            leaving = type === 'pagehide'
            listener()
          },
          { signal },
        )
      }
      document.addEventListener('visibilitychange', listener, { signal })
      return () => stop.abort()
    },
  }
}

/** 128 random bits in the form of a client's id. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}
