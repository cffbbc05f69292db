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
}

const PAGE_SIZE = 50
const REFRESH_AFTER_MS = 400

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

/** Rows read later joined to those at hand, each page once. */
export function appendPage(list: Rows, next: PageList): Rows {
  const known = new Set(list.rows.map(row => row.id))
  return { rows: [...list.rows, ...next.pages.filter(row => !known.has(row.id))], cursor: next.cursor }
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
  /** Counts what the list was asked for; an answer to an older question is dropped. */
  #question = 0
  #refreshTimer: ReturnType<typeof setTimeout> | undefined
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
    this.error.value = null
  }

  /** Reads the list again, as far as it was shown. */
  async refresh(): Promise<void> {
    const question = ++this.#question
    // What is being asked for with `more` is dropped when it comes, so it is asked for here.
    const rows = (this.list.value?.rows.length ?? 0) + (this.loadingMore.value ? PAGE_SIZE : 0)
    const limit = Math.min(1000, Math.max(PAGE_SIZE, rows))
    try {
      const { pages, cursor } = await this.#api.pages({ ...this.#view, limit })
      if (question !== this.#question) return
      this.list.value = { rows: pages, cursor }
      this.error.value = null
    } catch (error) {
      if (question === this.#question) this.error.value = error
    }
  }

  /** Reads the next rows. */
  async more(): Promise<void> {
    const before = this.list.value
    if (!before?.cursor || this.loadingMore.value) return
    const question = this.#question
    this.loadingMore.value = true
    try {
      const next = await this.#api.pages({ ...this.#view, cursor: before.cursor, limit: PAGE_SIZE })
      if (question === this.#question && this.list.value) this.list.value = appendPage(this.list.value, next)
    } catch (error) {
      if (question === this.#question) this.error.value = error
    } finally {
      this.loadingMore.value = false
    }
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
    clearTimeout(this.#refreshTimer)
    this.#refreshTimer = setTimeout(() => void this.refresh(), REFRESH_AFTER_MS)
  }
}
