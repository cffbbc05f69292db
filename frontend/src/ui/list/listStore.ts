import { signal } from '@preact/signals'
import type { Api, ListEvent, ListListener, PageList, PageRow } from '../../transport/api'

export interface ListView {
  query: string
  trash: boolean
}

export interface Rows {
  rows: PageRow[]
  /** Where the rows that are not loaded yet begin; null when all are. */
  cursor: string | null
  /** The server is still searching for the first of these rows. */
  searching?: boolean
}

const PAGE_SIZE = 50
const REFRESH_AFTER_MS = 400
/** A search reads many pages, so it is repeated less often. */
const SEARCH_AGAIN_MS = 2000

/**
 * The list as it stands after a live event. Pure. `again` says that the event
 * does not tell all (a search, the trash, what one may do with a new page) and
 * the list must be read again.
 */
export function applyEvent(list: Rows, event: ListEvent, view: ListView): Rows & { again: boolean } {
  const { id } = event.page
  const known = list.rows.find(row => row.id === id)
  const others = known ? list.rows.filter(row => row.id !== id) : list.rows
  if (view.trash) return { ...list, again: true }
  if (event.gone) return { rows: others, cursor: list.cursor, again: false }
  if (view.query && !known) return { ...list, again: true }

  const { updated } = event.page
  const last = list.rows.at(-1)
  if (list.cursor !== null && last && updated < last.updated) {
    // Behind the last row that is loaded: it will come with those.
    return { rows: others, cursor: list.cursor, again: false }
  }
  const at = others.findIndex(row => row.updated < updated)
  const role = event.page.role ?? known?.role
  const row = role ? { ...event.page, role } : event.page
  const rows = others.toSpliced(at < 0 ? others.length : at, 0, row)
  return { rows, cursor: list.cursor, again: !role }
}

/**
 * Rows read later joined to those at hand, each page once. A search finds
 * titles first, so its parts are not in the order of the list.
 */
export function appendPage(list: Rows, next: PageList): Rows {
  const known = new Set(list.rows.map(row => row.id))
  const rows = [...list.rows, ...next.pages.filter(row => !known.has(row.id))]
  rows.sort((a, b) => (a.updated < b.updated ? 1 : a.updated > b.updated ? -1 : 0))
  return { rows, cursor: next.cursor }
}

/**
 * The list of pages: read in parts, kept live while somebody looks at it. It
 * outlives its screen, so that going back shows it at once.
 */
export class ListStore {
  readonly list = signal<Rows | null>(null)
  readonly error = signal<unknown>(null)
  readonly loadingMore = signal(false)
  /** Called when the server says that nobody is signed in. */
  onSignedOut = () => {}

  #view: ListView = { query: '', trash: false }
  /** What the rows at hand were read for. */
  #shown: ListView | null = null
  /** Counts what the list was asked for; an answer to an older question is dropped. */
  #question = 0
  #refreshTimer: ReturnType<typeof setTimeout> | undefined
  #searchTimer: ReturnType<typeof setTimeout> | undefined
  readonly #api: Api
  readonly #follow: (listener: ListListener) => () => void

  constructor(api: Api, follow: (listener: ListListener) => () => void) {
    this.#api = api
    this.#follow = follow
  }

  /** Shows a view; the old rows go at once where they mean something else. */
  show(view: ListView): void {
    if (view.trash !== this.#view.trash) this.list.value = null
    this.#view = view
    void this.refresh()
  }

  /** Forgets everything, as at sign-out. */
  clear(): void {
    this.#question++
    this.list.value = null
    this.#shown = null
    this.error.value = null
  }

  /** Reads the list again, as far as it was shown. */
  async refresh(): Promise<void> {
    const question = ++this.#question
    // What is being asked for with `more` is dropped when it comes, so it is asked for here.
    const rows = (this.list.value?.rows.length ?? 0) + (this.loadingMore.value ? PAGE_SIZE : 0)
    const limit = Math.min(1000, Math.max(PAGE_SIZE, rows))
    const view = this.#view
    try {
      await this.#read(view, null, limit, found => {
        if (question !== this.#question) return false
        // Rows of the same view stay until all of them are there again.
        if (found.searching && this.#shown === view) return true
        this.list.value = found
        this.#shown = view
        this.error.value = null
        return true
      })
    } catch (error) {
      if (question === this.#question) this.#failed(error)
    }
  }

  /** Reads the next rows. */
  async more(): Promise<void> {
    const before = this.list.value
    if (!before?.cursor || before.searching || this.loadingMore.value) return
    const question = this.#question
    this.loadingMore.value = true
    try {
      await this.#read(this.#view, before.cursor, PAGE_SIZE, found => {
        if (question !== this.#question || !this.list.value) return false
        this.list.value = appendPage(this.list.value, { pages: found.rows, cursor: found.cursor })
        return true
      })
    } catch (error) {
      if (question === this.#question) this.error.value = error
    } finally {
      this.loadingMore.value = false
    }
  }

  /**
   * Reads `limit` rows, as often as a search needs. `take` gets all that were
   * read so far, each time, and says whether to go on.
   */
  async #read(
    view: ListView,
    from: string | null,
    limit: number,
    take: (found: Rows) => boolean,
  ): Promise<void> {
    let found: Rows = { rows: [], cursor: from }
    do {
      const cursor = found.cursor ? { cursor: found.cursor } : {}
      const next = await this.#api.pages({ ...view, ...cursor, limit: limit - found.rows.length })
      const joined = appendPage(found, next)
      found = { ...joined, searching: next.incomplete === true && joined.rows.length < limit }
      if (!take(found)) return
    } while (found.searching)
  }

  #failed(error: unknown): void {
    this.error.value = error
    if (this.list.value?.searching) this.list.value = { ...this.list.value, searching: false }
  }

  /** Shows at once what the server has answered; its event follows. */
  update(id: string, answer: Partial<PageRow>): void {
    const list = this.list.value
    if (!list) return
    const rows = list.rows.map(row => (row.id === id ? { ...row, ...answer } : row))
    this.list.value = { ...list, rows }
  }

  /** Takes a row off at once; the server's word follows. */
  remove(id: string): void {
    const list = this.list.value
    if (list) this.list.value = { ...list, rows: list.rows.filter(row => row.id !== id) }
  }

  /** Follows changes while the tab is seen, until the function it returns is called. */
  follow(): () => void {
    let stop: (() => void) | null = null
    const onlyWhileSeen = () => {
      if (document.hidden) {
        stop?.()
        stop = null
      } else stop ??= this.#follow(this.#listener)
    }
    onlyWhileSeen()
    document.addEventListener('visibilitychange', onlyWhileSeen)
    return () => {
      document.removeEventListener('visibilitychange', onlyWhileSeen)
      clearTimeout(this.#refreshTimer)
      clearTimeout(this.#searchTimer)
      this.#searchTimer = undefined
      stop?.()
    }
  }

  readonly #listener = {
    // What changed before the line was open is on no line: read it.
    open: () => void this.refresh(),
    // Whether the server is away, too, is found out by reading.
    lost: () => void this.refresh(),
    change: (event: ListEvent) => this.#change(event),
    signedOut: () => this.onSignedOut(),
  }

  #change(event: ListEvent): void {
    const list = this.list.value
    if (!list) return
    const { again, ...next } = applyEvent(list, event, this.#view)
    this.list.value = next
    if (!again) return
    if (this.#view.query) {
      // Whatever else changes in the meantime is found with it.
      this.#searchTimer ??= setTimeout(() => this.#searchAgain(), SEARCH_AGAIN_MS)
      return
    }
    clearTimeout(this.#refreshTimer)
    this.#refreshTimer = setTimeout(() => void this.refresh(), REFRESH_AFTER_MS)
  }

  #searchAgain(): void {
    this.#searchTimer = undefined
    if (this.#view.query && !this.list.value?.searching) void this.refresh()
  }
}
