/**
 * Who has the page open and where they are. Pure: each function returns a new
 * model. Cursors speak of committed content; one whose `base` lies ahead is
 * kept until that change has come.
 */
import { type Delta, transformPosition } from './delta'
import type { Change, Cursor, PresenceState, PresentClient, ServerEvent } from './wire'

/** A person who is here, with however many tabs. */
export interface Person {
  readonly user: string
  readonly name: string
  /** A CSS colour. */
  readonly color: string
  readonly state: PresenceState
  /** Whether this is who uses this tab. */
  readonly self: boolean
  readonly clients: readonly string[]
}

/** Another editor's cursor, in the text on this side. */
export interface RemoteCursor extends Cursor {
  readonly client: string
  readonly user: string
  readonly name: string
  readonly color: string
  readonly state: PresenceState
}

export interface Presence {
  readonly clients: ReadonlyMap<string, PresentClient>
  /** How many clients there are, also those who are not listed. */
  readonly count: number
}

export const nobody: Presence = { clients: new Map(), count: 0 }

/** How many changes back a cursor's base may lie. */
export const RECENT_CHANGES = 500

/** Takes in a presence event. `recent` are the changes before our seq, oldest first. */
export function hear(
  presence: Presence,
  event: ServerEvent & { type: 'presence' },
  recent: readonly Change[],
): Presence {
  const clients = new Map(event.all ? [] : presence.clients)
  for (const client of event.left) clients.delete(client)
  for (const client of event.clients) clients.set(client.client, catchUp(client, recent))
  return { clients, count: event.count }
}

/** Brings a cursor forward to our seq; it is lost where it is too old for that. */
function catchUp(client: PresentClient, recent: readonly Change[]): PresentClient {
  const first = recent[0]
  if (!client.cursor || !first) return client
  if (client.base < first.seq - 1) return { ...client, cursor: null }
  return recent.reduce(follow, client)
}

/** Moves every cursor over a committed change. */
export function advance(presence: Presence, change: Change): Presence {
  const clients = new Map<string, PresentClient>()
  for (const [id, client] of presence.clients) clients.set(id, follow(client, change))
  return { clients, count: presence.count }
}

function follow(client: PresentClient, change: Change): PresentClient {
  if (!client.cursor || client.base !== change.seq - 1) return client
  // A change by the same client pushes its cursor to the right; another's at the same place leaves it.
  const cursor = moveCursor(client.cursor, change.delta, change.client !== client.client)
  return { ...client, base: change.seq, cursor }
}

function moveCursor(cursor: Cursor, change: Delta, priority: boolean): Cursor {
  const index = transformPosition(change, cursor.index, priority)
  const end = transformPosition(change, cursor.index + cursor.length, priority)
  return { index, length: Math.max(0, end - index) }
}

/** The cursors of all clients but `self`, where they are after our `own` edits that are not committed yet. */
export function cursors(
  presence: Presence,
  self: string,
  seq: number,
  own: readonly Delta[],
): RemoteCursor[] {
  const result: RemoteCursor[] = []
  for (const { client, user, name, color, state, base, cursor } of presence.clients.values()) {
    if (client === self || !cursor || base !== seq) continue
    const here = own.reduce((at, edit) => moveCursor(at, edit, true), cursor)
    result.push({ ...here, client, user, name, color, state })
  }
  return result
}

/** The liveliest first: of someone with several tabs this is the state that is shown. */
const LIVELINESS: readonly PresenceState[] = ['typing', 'active', 'idle', 'away', 'reconnecting']

/** Everybody who is listed, oneself first, then by name. */
export function people(presence: Presence, self: string): Person[] {
  const me = presence.clients.get(self)?.user
  const byUser = new Map<string, Person>()
  for (const { client, user, name, color, state } of presence.clients.values()) {
    const known = byUser.get(user)
    byUser.set(user, {
      user,
      name,
      color,
      state: known && LIVELINESS.indexOf(known.state) < LIVELINESS.indexOf(state) ? known.state : state,
      self: user === me,
      clients: [...(known?.clients ?? []), client],
    })
  }
  return [...byUser.values()].sort(
    (a, b) => Number(b.self) - Number(a.self) || compareText(a.name, b.name) || compareText(a.user, b.user),
  )
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
