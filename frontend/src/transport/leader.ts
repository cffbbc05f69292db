/**
 * The one tab's part that holds the lines to the server for all of them. The
 * pages and clients of a line never change, so that a changed set is a new
 * line: it is opened before the old one is closed, and when it says hello its
 * followers are told to listen to it from then on.
 *
 * Of each follower it is known which changes were passed on to it, by the same
 * rule as the follower's own: each is one higher than the last. A connection
 * asks for what comes after the least of them.
 */
import type { Clock } from '../protocol/transport'
import type { Problem, ServerEvent } from '../protocol/wire'
import type { Asked, EventLine, HubListener } from './line'
import type { Named, Wanted, Word } from './words'

export type OpenLine = (asked: Asked, listener: HubListener) => Pick<EventLine, 'heardAt' | 'hurry' | 'close'>

export interface LeaderDeps {
  readonly clock: Clock
  readonly openLine: OpenLine
  /** Tells all tabs, this one too; `no` counts what is said. */
  readonly say: (word: Word, no: number) => void
}

/** Half of what the server allows, so that the address stays below the 8 KB that proxies take. */
const MOST_A_LINE = 50
/** As many pages times clients as the server allows on a line. */
const MOST_PLACES = 500
/** What tabs say within this time makes one new line. */
const GATHER_MS = 20
/** A tab that goes says so to the server itself; its name on the line does no harm for a while. */
const SHRINK_MS = 1000
export const BEAT_MS = 5000
/** A tab that did not answer so many beats is gone, or frozen. */
const MOST_MISSED = 3
/** How long a line that is to be tried may stay silent, while another is opened beside it. */
const CHECK_MS = 4000

interface Tab {
  wanted: readonly Wanted[]
  list: boolean
  missed: number
}

/** What one line is for. */
interface Group {
  readonly epoch: string
  readonly pages: Set<string>
  readonly clients: string[]
  list: boolean
}

interface Held extends Group {
  readonly no: number
  readonly line: ReturnType<OpenLine>
  open: boolean
}

export class Leader {
  readonly #deps: LeaderDeps
  readonly #tabs = new Map<string, Tab>()
  /** Everything that is followed, by client. */
  #wanted = new Map<string, Wanted>()
  /** The lines that serve, and those that are to take over from them. */
  #current: Held[] = []
  #next: Held[] = []
  #count = 0
  #said = 0
  /** Which line serves each client. */
  readonly #serving = new Map<string, number>()
  /** What the newest lines are for; null: whatever it is, new ones are needed. */
  #planned: string | null = ''
  #plan: { at: number; cancel: () => void } | null = null
  #lastBeat: number
  #cancelBeat = () => {}
  #cancelCheck = () => {}

  constructor(deps: LeaderDeps) {
    this.#deps = deps
    this.#lastBeat = deps.clock.now()
    this.#cancelBeat = deps.clock.after(BEAT_MS, () => this.#beat())
  }

  /** Takes word of all that a tab follows. */
  follow(tab: string, wanted: readonly Wanted[], list: boolean, again: boolean): void {
    const before = this.#tabs.get(tab)
    this.#tabs.set(tab, {
      wanted: wanted.map(each => ({ ...each, seq: again ? each.seq : this.#known(each) })),
      list,
      missed: 0,
    })
    if (again) {
      this.#planned = null
      for (const { client } of wanted) this.#serving.delete(client)
    }
    const grows =
      again ||
      (list && !before?.list) ||
      wanted.some(({ client }) => !before?.wanted.some(each => each.client === client))
    this.#gather()
    this.#planIn(grows ? GATHER_MS : SHRINK_MS)
  }

  /** How far a follower is that may have said so before it got what we have passed on since. */
  #known({ client, page, epoch, seq }: Wanted): number {
    const known = this.#wanted.get(client)
    return known?.page === page && known.epoch === epoch ? Math.max(known.seq, seq) : seq
  }

  leave(tab: string): void {
    if (!this.#tabs.delete(tab)) return
    this.#gather()
    this.#planIn(SHRINK_MS)
  }

  here(tab: string): void {
    const known = this.#tabs.get(tab)
    if (known) known.missed = 0
  }

  /** Makes sure of lines on which nothing was heard for so long, and hurries those that are lost. */
  check(quietMs: number): void {
    const { clock } = this.#deps
    for (const { line } of [...this.#current, ...this.#next]) line.hurry()
    const quiet = ({ open, line }: Held) => open && clock.now() - line.heardAt > quietMs
    if (this.#next.length > 0 || !this.#current.some(quiet)) return
    this.#planned = null
    this.#replan()
    this.#cancelCheck()
    this.#cancelCheck = clock.after(CHECK_MS, () => {
      for (const held of this.#current) if (clock.now() - held.line.heardAt >= CHECK_MS) this.#drop(held)
    })
  }

  close(): void {
    this.#cancelBeat()
    this.#cancelCheck()
    this.#plan?.cancel()
    for (const { line } of [...this.#current, ...this.#next]) line.close()
    this.#current = []
    this.#next = []
  }

  // Which lines there are to be

  #gather(): void {
    this.#wanted = new Map()
    for (const { wanted } of this.#tabs.values())
      for (const each of wanted) this.#wanted.set(each.client, each)
    for (const client of this.#serving.keys()) if (!this.#wanted.has(client)) this.#serving.delete(client)
  }

  #planIn(ms: number): void {
    const at = this.#deps.clock.now() + ms
    if (this.#plan && this.#plan.at <= at) return
    this.#plan?.cancel()
    this.#plan = { at, cancel: this.#deps.clock.after(ms, () => this.#replan()) }
  }

  #replan(): void {
    this.#plan?.cancel()
    this.#plan = null
    const groups = this.#groups()
    const plan = JSON.stringify(groups.map(({ epoch, clients, list }) => [epoch, clients, list]))
    if (plan === this.#planned) return
    this.#planned = plan
    for (const { line } of this.#next) line.close()
    this.#next = groups.map(group => this.#open(group))
    this.#promote()
  }

  #groups(): Group[] {
    const groups: Group[] = []
    for (const { client, page, epoch } of this.#wanted.values()) {
      const hasRoom = (group: Group) =>
        group.epoch === epoch &&
        group.clients.length < MOST_A_LINE &&
        (group.pages.size < MOST_A_LINE || group.pages.has(page)) &&
        (group.clients.length + 1) * (group.pages.size + (group.pages.has(page) ? 0 : 1)) <= MOST_PLACES
      const group = groups.find(hasRoom) ?? { epoch, pages: new Set(), clients: [], list: false }
      if (group.clients.length === 0) groups.push(group)
      group.pages.add(page)
      group.clients.push(client)
    }
    if (Array.from(this.#tabs.values()).some(({ list }) => list)) {
      if (groups.length === 0) groups.push({ epoch: '', pages: new Set(), clients: [], list: true })
      groups[0]!.list = true
    }
    return groups
  }

  #open(group: Group): Held {
    const held: Held = {
      ...group,
      no: ++this.#count,
      open: false,
      line: this.#deps.openLine(
        { ...group, positions: () => this.#positions(group) },
        {
          alive: () => this.#beatSoon(),
          event: event => this.#hear(held, event),
          lost: failures => this.#lost(held, failures),
          refused: problem => this.#refused(held, problem),
        },
      ),
    }
    return held
  }

  #positions({ clients }: Group): Map<string, number> {
    const positions = new Map<string, number>()
    for (const client of clients) {
      const wanted = this.#wanted.get(client)
      if (!wanted) continue
      positions.set(wanted.page, Math.min(wanted.seq, positions.get(wanted.page) ?? wanted.seq))
    }
    return positions
  }

  /** Closes the old lines once all new ones are open. */
  #promote(): void {
    if (!this.#next.every(({ open }) => open)) return
    for (const { line } of this.#current) line.close()
    this.#current = this.#next
    this.#next = []
  }

  // What is heard on them

  #hear(held: Held, event: ServerEvent): void {
    if (event.type === 'hello') {
      held.open = true
      for (const client of held.clients) this.#serving.set(client, held.no)
      const { no: line, clients, list } = held
      this.#say({ say: 'hello', line, clients, list, event })
      if (this.#next.includes(held)) this.#promote()
      return
    }
    if (event.type === 'change' || event.type === 'reset') this.#advance(held, event)
    else if (event.type === 'bye') held.open = false
    this.#say({ say: 'event', line: held.no, event })
  }

  #advance(held: Held, event: ServerEvent & { type: 'change' | 'reset' }): void {
    for (const client of held.clients) {
      const wanted = this.#wanted.get(client)
      if (wanted?.page !== event.page || this.#serving.get(client) !== held.no) continue
      if (event.type === 'reset') wanted.seq = event.seq
      else if (event.change.seq === wanted.seq + 1) wanted.seq++
    }
  }

  #lost(held: Held, failures: number): void {
    held.open = false
    const { no: line, clients, list } = held
    this.#say({ say: 'lost', line, clients, list, failures })
    // Another is on its way in its place.
    if (this.#next.length > 0 && this.#current.includes(held)) this.#forget(held)
  }

  /** Gives up a line that is silent while another is on its way in its place. */
  #drop(held: Held): void {
    if (this.#next.length === 0 || !held.open) return
    held.line.close()
    this.#lost(held, 1)
  }

  #forget(held: Held): void {
    held.line.close()
    this.#current = this.#current.filter(each => each !== held)
    this.#next = this.#next.filter(each => each !== held)
  }

  #refused(held: Held, problem: Problem): void {
    // A page that is refused is no reason to refuse the list.
    const list = held.list && !ABOUT_PAGES.has(problem.status)
    const { clients } = held
    const { status, type, title, detail, extra } = problem
    for (const tab of this.#tabs.values()) {
      tab.wanted = tab.wanted.filter(({ client }) => !clients.includes(client))
      if (list) tab.list = false
    }
    this.#gather()
    this.#forget(held)
    this.#say({ say: 'refused', clients, list, problem: { status, type, title, detail, extra } })
    this.#planned = null
    this.#planIn(0)
  }

  // What is said

  #say(word: Word): void {
    this.#deps.say(word, ++this.#said)
  }

  #beatSoon(): void {
    if (this.#deps.clock.now() - this.#lastBeat >= BEAT_MS) this.#beat()
  }

  #beat(): void {
    this.#lastBeat = this.#deps.clock.now()
    for (const [id, tab] of this.#tabs) if (++tab.missed > MOST_MISSED) this.leave(id)
    const tabs: Record<string, Named> = {}
    for (const [id, { wanted, list }] of this.#tabs) {
      tabs[id] = { clients: wanted.map(({ client }) => client), list }
    }
    this.#say({ say: 'beat', tabs })
    this.#cancelBeat()
    this.#cancelBeat = this.#deps.clock.after(BEAT_MS, () => this.#beat())
  }
}

/** Forbidden, not found, in the trash: said of a line that names one page. */
const ABOUT_PAGES: ReadonlySet<number> = new Set([403, 404, 410])
