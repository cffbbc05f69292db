/** A program that uses the server's API over plain HTTP. */
export interface Op {
  insert: string | Record<string, unknown>
  attributes?: Record<string, unknown> | undefined
}

export type EditOp = Op | { retain: number; attributes?: Record<string, unknown> } | { delete: number }

export interface Change {
  seq: number
  delta: EditOp[]
  author: string
  client: string
  n: number
}

export interface PageObject {
  id: string
  title: string
  seq: number
}

export class Program {
  readonly #url: string
  readonly cookie: string
  readonly id: string

  private constructor(url: string, cookie: string, id: string) {
    this.#url = url
    this.cookie = cookie
    this.id = id
  }

  /** Signs in as a guest. */
  static async signIn(url: string, name: string): Promise<Program> {
    const response = await fetch(`${url}/api/session`, json('POST', { name }))
    if (!response.ok) throw new Error(`sign in: ${response.status} ${await response.text()}`)
    const cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const { id } = (await response.json()) as { id: string }
    return new Program(url, cookie, id)
  }

  create(page: { title?: string; delta?: Op[] } = {}): Promise<PageObject> {
    return this.#json('/api/pages', json('POST', page))
  }

  page(id: string): Promise<PageObject> {
    return this.#json(`/api/pages/${id}`)
  }

  async content(id: string): Promise<Op[]> {
    const { delta } = await this.#json<{ delta: Op[] }>(`/api/pages/${id}/content?format=json`)
    return delta
  }

  async markdown(id: string): Promise<string> {
    return (await this.call(`/api/pages/${id}/content?format=md`)).text()
  }

  /** Uploads a file to a page, which does not name it yet. */
  async upload(
    id: string,
    name: string,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<{ path: string; type: string }> {
    const body = new FormData()
    body.set('file', new Blob([data]), name)
    return this.#json(`/api/pages/${id}/files`, { method: 'POST', body })
  }

  async trash(id: string): Promise<void> {
    await this.call(`/api/pages/${id}`, { method: 'DELETE' })
  }

  /** All changes of a page. */
  async changes(id: string): Promise<Change[]> {
    const all: Change[] = []
    for (;;) {
      const after = all.at(-1)?.seq ?? 0
      const { changes, head } = await this.#json<{ changes: Change[]; head: number }>(
        `/api/pages/${id}/changes?after=${after}&limit=1000`,
      )
      all.push(...changes)
      if (after === head || changes.length === 0) return all
    }
  }

  /** An open editor of this program's, which numbers its edits. */
  editor(id: string): (base: number, delta: EditOp[]) => Promise<number> {
    const client = crypto.randomUUID()
    let n = 0
    return async (base, delta) => {
      const body = json('POST', { client, n: ++n, base, delta })
      const { seq } = await this.#json<{ seq: number }>(`/api/pages/${id}/changes`, body)
      return seq
    }
  }

  /** Makes one edit on the page as it is now. */
  async edit(id: string, delta: EditOp[]): Promise<number> {
    const { seq } = await this.page(id)
    return this.editor(id)(seq, delta)
  }

  async call(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...init.headers, Cookie: this.cookie }
    const response = await fetch(this.#url + path, { ...init, headers })
    if (!response.ok)
      throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`)
    return response
  }

  async #json<T>(path: string, init?: RequestInit): Promise<T> {
    return (await this.call(path, init)).json() as Promise<T>
  }
}

function json(method: string, body: unknown): RequestInit {
  return { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
}
