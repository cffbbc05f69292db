/**
 * The calls that are no part of an open page: who is asking, the list of
 * pages, files in and out. Every method rejects with a `Problem`: the
 * server's own refusal, or `unreachable` (status 0) where no answer came.
 */
import { Problem, type Role } from '../protocol/wire'

/** Who the browser's session belongs to. */
export interface Identity {
  id: string
  name: string
  /** A CSS colour, the same for everybody who sees this person. */
  color: string
  kind: string
}

/** One row of the list of pages. Times are RFC 3339 in UTC. */
export interface PageRow {
  id: string
  title: string
  seq: number
  /** What the reader may do; live events, which are the same for all readers, do not say. */
  role?: Role
  created: string
  updated: string
  /** The first words of the text. */
  excerpt?: string
  /** Who has the page open now. */
  people?: { user: string; name: string; color: string }[]
  /** When it was put in the trash; only on pages that are there. */
  trashed?: string
}

/** Pages in the order of the list, and where the next ones begin. */
export interface PageList {
  pages: PageRow[]
  cursor: string | null
  /** A search ran out of time before it had found enough: ask again with the cursor. */
  incomplete?: boolean
}

/** What a conversion could not keep. */
export interface Note {
  what: string
  count: number
  /** The first line of the file where it was, from 1. */
  where?: number
  /** A sentence. */
  note: string
}

/** A file format that Halley reads or writes. Extensions begin with a dot. */
export interface Format {
  name: string
  label: string
  extensions: string[]
  import: boolean
  export: boolean
}

export interface ExportedFile {
  name: string
  blob: Blob
  notes: Note[]
}

/** What the live list says: a row that is new or changed, or one that went. */
export type ListEvent = { page: PageRow; gone?: false } | { page: { id: string }; gone: true }

export interface ListListener {
  /** The line is open; whatever changed before this must be read again. */
  open(): void
  change(event: ListEvent): void
  /** The line broke, or a try to open it again failed. */
  lost(): void
  signedOut(): void
}

export class Api {
  readonly #fetch: typeof fetch

  constructor(fetcher: typeof fetch = (input, init) => fetch(input, init)) {
    this.#fetch = fetcher
  }

  /** Who is signed in, or null. */
  async session(): Promise<Identity | null> {
    try {
      return await this.#json<Identity>('GET', '/api/session')
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null
      throw error
    }
  }

  signIn(name: string): Promise<Identity> {
    return this.#json('POST', '/api/session', { name })
  }

  async signOut(): Promise<void> {
    await this.#call('DELETE', '/api/session')
  }

  pages(ask: { query?: string; trash?: boolean; cursor?: string; limit?: number } = {}): Promise<PageList> {
    const params = new URLSearchParams()
    if (ask.query) params.set('q', ask.query)
    if (ask.trash) params.set('trash', '1')
    if (ask.cursor) params.set('cursor', ask.cursor)
    if (ask.limit) params.set('limit', String(ask.limit))
    return this.#json('GET', `/api/pages?${params}`)
  }

  /** `key` makes sending again safe: the same key gives the same page. */
  createPage(key: string, title = ''): Promise<PageRow> {
    return this.#json('POST', '/api/pages', { title }, { 'Idempotency-Key': key })
  }

  renamePage(id: string, title: string): Promise<PageRow> {
    return this.#json('PATCH', pagePath(id), { title })
  }

  async trashPage(id: string): Promise<void> {
    await this.#call('DELETE', pagePath(id))
  }

  async untrashPage(id: string): Promise<void> {
    await this.#call('POST', `${pagePath(id)}/untrash`)
  }

  formats(): Promise<Format[]> {
    return this.#json('GET', '/api/formats')
  }

  /** Makes a page of a file. `key` as for createPage. */
  async importFile(key: string, file: File): Promise<{ page: PageRow; notes: Note[] }> {
    const form = new FormData()
    form.set('file', file)
    const response = await this.#call('POST', '/api/import', form, { 'Idempotency-Key': key })
    const { notes, ...page } = (await response.json()) as PageRow & { notes?: Note[] | null }
    return { page, notes: notes ?? [] }
  }

  /** The page as a file, and what that file cannot hold. */
  async exportPage(id: string, format: string): Promise<ExportedFile> {
    const params = new URLSearchParams({ format, download: '1' })
    const response = await this.#call('GET', `${pagePath(id)}/content?${params}`)
    return {
      name: fileNameOf(response.headers.get('Content-Disposition')) ?? `page.${format}`,
      blob: await response.blob(),
      notes: notesOf(response.headers.get('Halley-Notes')),
    }
  }

  async #json<T>(method: string, path: string, body?: object, headers?: Record<string, string>): Promise<T> {
    const response = await this.#call(method, path, body, headers)
    try {
      return (await response.json()) as T
    } catch {
      throw unreachable('The answer ended too early.')
    }
  }

  async #call(
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const init: RequestInit = { method, headers: { Accept: 'application/json, */*;q=0.5', ...headers } }
    if (body instanceof FormData) init.body = body
    else if (body) {
      init.body = JSON.stringify(body)
      init.headers = { ...init.headers, 'Content-Type': 'application/json' }
    }
    let response: Response
    try {
      response = await this.#fetch(path, init)
    } catch {
      throw unreachable()
    }
    if (!response.ok) throw await problemOf(response)
    return response
  }
}

/** Reads the refusal in an answer that is not 2xx, whatever its body is. */
export async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null)
  const { type, title, detail, status: _, ...extra } = (body ?? {}) as Record<string, unknown>
  const after = response.headers.get('Retry-After')
  return new Problem(
    response.status,
    typeof type === 'string' ? type.replace(/^\/problems\//, '') : 'internal',
    typeof title === 'string' ? title : response.statusText,
    typeof detail === 'string' ? detail : '',
    after === null ? extra : { ...extra, retryAfter: Number(after) },
  )
}

/** The file's name in a Content-Disposition header (RFC 6266). */
export function fileNameOf(header: string | null): string | null {
  if (!header) return null
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(header)?.[1]
  if (encoded) {
    try {
      return decodeURIComponent(encoded)
    } catch {
      // Badly encoded: the plain name below will do.
    }
  }
  const plain = /filename=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(header)
  return plain?.[1]?.replace(/\\(.)/g, '$1') ?? plain?.[2] ?? null
}

/** The notes in a Halley-Notes header: JSON, percent-encoded. */
export function notesOf(header: string | null): Note[] {
  if (!header) return []
  try {
    const notes: unknown = JSON.parse(decodeURIComponent(header))
    return Array.isArray(notes) ? notes : []
  } catch {
    return []
  }
}

function pagePath(id: string): string {
  return `/api/pages/${encodeURIComponent(id)}`
}

function unreachable(detail = ''): Problem {
  return new Problem(0, 'unreachable', 'Halley cannot be reached', detail)
}
