/**
 * What goes over the wire, and its reading: what is known to be malformed is
 * refused with a MalformedError, what is not known is passed over.
 */
import type { Attributes, Json } from './attributes'
import { type Delta, type Embed, insertOp, isHigh, isLow, normalise, type Op, retainOp } from './delta'

/** The protocol's version that this code speaks; `hello` says the server's. */
export const PROTOCOL = 1

/**
 * A refusal as the server words it, in the form of RFC 9457. `type` is the
 * stable name after `/problems/`; `extra` holds the members beyond the
 * standard ones, such as `head`, and `retryAfter` in seconds where the answer
 * said so. Status 0 and type `unreachable` mean that no answer came.
 */
export class Problem extends Error {
  readonly status: number
  readonly type: string
  readonly title: string
  readonly detail: string
  readonly extra: Record<string, unknown>

  constructor(status: number, type: string, title: string, detail = '', extra: Record<string, unknown> = {}) {
    super(detail || title)
    this.name = 'Problem'
    this.status = status
    this.type = type
    this.title = title
    this.detail = detail
    this.extra = extra
  }
}

/** Something from the server that is not what the protocol says. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

export type Role = 'view' | 'comment' | 'edit' | 'own'

/** A page's settings. Times are RFC 3339 in UTC. */
export interface PageInfo {
  readonly id: string
  readonly title: string
  readonly role: Role
  /** Counts changes of the settings; of two the higher is the newer. */
  readonly version: number
  readonly created: string
  readonly updated: string
}

/** A page as it was loaded: its settings and its content at `seq`. */
export interface LoadedPage {
  readonly info: PageInfo
  readonly seq: number
  readonly epoch: string
  readonly delta: Delta
}

/** One committed edit of a page. */
export interface Change {
  readonly seq: number
  readonly delta: Delta
  readonly author: string
  readonly client: string
  readonly n: number
}

/** An edit as it is submitted: made by `client` as its `n`th, against `base`. */
export interface Edit {
  readonly client: string
  readonly n: number
  readonly base: number
  readonly delta: Delta
}

/** A place in a page: `length` 0 is a caret. Positions in UTF-16 code units. */
export interface Cursor {
  readonly index: number
  readonly length: number
}

export type PresenceState = 'active' | 'typing' | 'idle' | 'away' | 'reconnecting'

/** One open editor, as presence tells of it. */
export interface PresentClient {
  readonly client: string
  readonly user: string
  readonly name: string
  readonly color: string
  readonly base: number
  readonly cursor: Cursor | null
  readonly state: PresenceState
}

export type GoneWhy = 'trashed' | 'forbidden' | 'deleted'

export type ServerEvent =
  | {
      readonly type: 'hello'
      readonly epoch: string
      readonly protocol: number
      /** Seconds between signs of life. */
      readonly heartbeat: number
      readonly pages: Readonly<Record<string, number>>
    }
  | { readonly type: 'change'; readonly page: string; readonly change: Change }
  | {
      readonly type: 'presence'
      readonly page: string
      readonly all: boolean
      readonly clients: readonly PresentClient[]
      readonly left: readonly string[]
      readonly count: number
    }
  | { readonly type: 'page'; readonly info: Omit<PageInfo, 'role'> }
  | { readonly type: 'role'; readonly page: string; readonly role: Role }
  | { readonly type: 'gone'; readonly page: string; readonly why: GoneWhy }
  | { readonly type: 'reset'; readonly page: string; readonly seq: number }
  /** A row of the list of pages is new or changed, or is gone. */
  | { readonly type: 'list'; readonly row: { readonly id: string }; readonly gone: boolean }
  | { readonly type: 'bye'; readonly afterMs: number; readonly why: string | null }

/** Reads one event of a stream; null for a type that is not known. */
export function parseEvent(type: string, data: string): ServerEvent | null {
  return type in readers ? readEvent(type, parseJson(data)) : null
}

/** The same of an event whose data is no text any more, as a long poll brings it. */
export function readEvent(type: string, data: unknown): ServerEvent | null {
  const read = readers[type]
  return read ? read(object(data, type)) : null
}

const readers: Record<string, (data: Fields) => ServerEvent> = {
  hello: data => ({
    type: 'hello',
    epoch: text(data, 'epoch'),
    protocol: whole(data, 'protocol'),
    heartbeat: number(data, 'heartbeat'),
    pages: seqs(data.pages),
  }),
  change: data => ({ type: 'change', page: text(data, 'page'), change: parseChange(data) }),
  presence: data => ({
    type: 'presence',
    page: text(data, 'page'),
    all: data.all === true,
    clients: list(data.clients ?? []).map(parsePresentClient),
    left: list(data.left ?? []).map(client => string(client, 'left')),
    count: whole(data, 'count'),
  }),
  page: data => ({ type: 'page', info: parseSettings(data) }),
  role: data => ({ type: 'role', page: text(data, 'page'), role: role(data.role) }),
  gone: data => ({
    type: 'gone',
    page: text(data, 'page'),
    why: data.why === 'trashed' || data.why === 'deleted' ? data.why : 'forbidden',
  }),
  reset: data => ({ type: 'reset', page: text(data, 'page'), seq: whole(data, 'seq') }),
  list: data => {
    const row = object(data.page, 'list')
    return { type: 'list', row: { ...row, id: text(row, 'id') }, gone: data.gone === true }
  },
  bye: data => ({
    type: 'bye',
    afterMs: data.after_ms === undefined ? 0 : number(data, 'after_ms'),
    why: typeof data.why === 'string' ? data.why : null,
  }),
}

/** Reads the answer of `GET /api/pages/{id}`. */
export function parseLoadedPage(value: unknown): LoadedPage {
  const data = object(value, 'page')
  const delta = parseDelta(data.delta)
  if (!isContent(delta)) throw new MalformedError('page: the content is not inserts that end in a newline')
  return { info: parseInfo(data), seq: whole(data, 'seq'), epoch: text(data, 'epoch'), delta }
}

/** Reads a page object with the caller's role, its content aside. */
export function parseInfo(value: unknown): PageInfo {
  const data = object(value, 'page')
  return { ...parseSettings(data), role: role(data.role) }
}

function parseSettings(data: Fields): Omit<PageInfo, 'role'> {
  return {
    id: text(data, 'id'),
    title: text(data, 'title'),
    version: whole(data, 'version'),
    created: text(data, 'created'),
    updated: text(data, 'updated'),
  }
}

/** Reads the answer of `GET /api/pages/{id}/changes`. */
export function parseChanges(value: unknown): { changes: Change[]; head: number } {
  const data = object(value, 'changes')
  return {
    changes: list(data.changes).map(change => parseChange(object(change, 'change'))),
    head: whole(data, 'head'),
  }
}

/** Reads the answer of a long poll. */
export function parsePoll(value: unknown): { events: ServerEvent[]; cursor: string } {
  const data = object(value, 'poll')
  const events = list(data.events).map(each => {
    const event = object(each, 'event')
    return readEvent(text(event, 'type'), event.data)
  })
  return { events: events.filter(event => event !== null), cursor: text(data, 'cursor') }
}

/** Reads the answer to an edit: its seq. */
export function parseSeq(value: unknown): number {
  return whole(object(value, 'answer'), 'seq')
}

function parseChange(data: Fields): Change {
  return {
    seq: whole(data, 'seq'),
    delta: parseDelta(data.delta),
    author: text(data, 'author'),
    // A change that was made by no open editor (an import, say) has neither.
    client: data.client === undefined ? '' : text(data, 'client'),
    n: data.n === undefined ? 0 : whole(data, 'n'),
  }
}

const STATES: readonly unknown[] = ['active', 'typing', 'idle', 'away', 'reconnecting']

function parsePresentClient(value: unknown): PresentClient {
  const data = object(value, 'presence client')
  return {
    client: text(data, 'client'),
    user: text(data, 'user'),
    name: text(data, 'name'),
    color: text(data, 'color'),
    base: data.base === undefined ? 0 : whole(data, 'base'),
    cursor: data.cursor === null || data.cursor === undefined ? null : parseCursor(data.cursor),
    state: STATES.includes(data.state) ? (data.state as PresenceState) : 'active',
  }
}

function parseCursor(value: unknown): Cursor {
  const data = object(value, 'cursor')
  return { index: whole(data, 'index'), length: whole(data, 'length') }
}

/** Reads a Delta, and puts it in normal form. */
export function parseDelta(value: unknown): Delta {
  return normalise(list(value).map(parseOp))
}

function parseOp(value: unknown): Op {
  const data = object(value, 'op')
  const actions = ['insert', 'retain', 'delete'].filter(action => data[action] !== undefined)
  if (actions.length !== 1) throw new MalformedError(`op: ${actions.length} actions in one op`)
  if (data.delete !== undefined) return { delete: whole(data, 'delete') }
  if (data.retain !== undefined) return retainOp(whole(data, 'retain'), parseAttributes(data.attributes))
  return insertOp(parseInsert(data.insert), withoutNulls(parseAttributes(data.attributes)))
}

function parseInsert(value: unknown): string | Embed {
  if (typeof value === 'string') {
    if (!isWellFormed(value)) throw new MalformedError('op: half a surrogate pair')
    return value
  }
  const embed = object(value, 'embed')
  if (Object.keys(embed).length !== 1) throw new MalformedError('embed: not exactly one member')
  return embed as Embed
}

function parseAttributes(value: unknown): Attributes | undefined {
  return value === undefined || value === null ? undefined : (object(value, 'attributes') as Attributes)
}

function withoutNulls(attributes: Attributes | undefined): Attributes | undefined {
  if (!attributes || !Object.values(attributes).includes(null)) return attributes
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== null)) as Attributes
}

/** Whether a Delta is a text: inserts only, with a newline at the end. */
export function isContent(delta: Delta): boolean {
  const last = delta.at(-1)
  if (!delta.every(op => 'insert' in op)) return false
  return (
    last !== undefined && 'insert' in last && typeof last.insert === 'string' && last.insert.endsWith('\n')
  )
}

/** Whether every surrogate in a text has its other half. */
export function isWellFormed(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if (isHigh(unit)) {
      if (!isLow(value.charCodeAt(++i))) return false
    } else if (isLow(unit)) return false
  }
  return true
}

type Fields = Record<string, unknown>

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw new MalformedError('not JSON')
  }
}

function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedError(`${what}: not an object`)
  }
  return value as Fields
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new MalformedError('not a list')
  return value
}

function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new MalformedError(`${what}: not a string`)
  return value
}

function text(data: Fields, name: string): string {
  return string(data[name], name)
}

function number(data: Fields, name: string): number {
  const value = data[name]
  if (typeof value !== 'number' || !(value >= 0)) throw new MalformedError(`${name}: not a number from 0 up`)
  return value
}

function whole(data: Fields, name: string): number {
  const value = data[name]
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new MalformedError(`${name}: not a whole number from 0 up`)
  }
  return value as number
}

function role(value: unknown): Role {
  if (value === 'view' || value === 'comment' || value === 'edit' || value === 'own') return value
  throw new MalformedError('role: not one that is known')
}

function seqs(value: unknown): Record<string, number> {
  const pages = object(value ?? {}, 'pages')
  for (const id in pages) whole(pages, id)
  return pages as Record<string, Json> as Record<string, number>
}
