/** A session's deps as the browser has them: fetch, lines, timers, and whether we are online and seen. */

import type { SessionDeps } from '../protocol/session'
import type { TitleSave } from '../protocol/title'
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
import { browserClock, randomId } from './browser'
import type { Lines } from './lines'

export function browserDeps(lines: Lines): SessionDeps {
  const clock = browserClock()
  return {
    clock,
    random: () => Math.random(),
    transport: new HttpTransport(clock, lines, (input, init) => fetch(input, init)),
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

/** Input is told of so often at most. */
const STIR_MS = 1000

export class HttpTransport implements Transport {
  readonly #clock: Clock
  readonly #lines: Lines
  readonly #fetch: typeof fetch

  constructor(clock: Clock, lines: Lines, fetcher: typeof fetch) {
    this.#clock = clock
    this.#lines = lines
    this.#fetch = fetcher
  }

  load(page: string, seq?: number): Promise<LoadedPage> {
    const at = seq === undefined ? '' : `?seq=${seq}`
    return this.#call(pagePath(page) + at, { method: 'GET' }, parseLoadedPage, LOAD_MS)
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

  retitle(page: string, { key, base, title }: TitleSave): Promise<PageInfo> {
    const init = withJson('PATCH', JSON.stringify({ title, base_title: base }))
    return this.#call(
      pagePath(page),
      { ...init, headers: { ...init.headers, 'Idempotency-Key': key } },
      parseInfo,
    )
  }

  follow(page: string, where: () => Position, listener: LineListener): Line {
    return this.#lines.follow(page, where, listener)
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

function withJson(method: string, body: string) {
  const keepalive = body.length < KEEPALIVE_UNITS
  return { method, body, keepalive, headers: { 'Content-Type': 'application/json' } }
}

function pagePath(page: string): string {
  return `/api/pages/${encodeURIComponent(page)}`
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
    watchInput(listener) {
      const stop = new AbortController()
      let last = Number.NEGATIVE_INFINITY
      const stir = () => {
        if (performance.now() - last < STIR_MS) return
        last = performance.now()
        listener()
      }
      for (const type of ['keydown', 'pointermove', 'pointerdown', 'wheel', 'touchmove', 'scroll']) {
        addEventListener(type, stir, { signal: stop.signal, passive: true, capture: true })
      }
      return () => stop.abort()
    },
  }
}
