/**
 * The lines of one tab. All tabs of a browser in which the same person is
 * signed in share one connection, since HTTP/1.1 has six for all of them: one
 * tab leads and holds it (see Leader), the others hear on a channel what comes
 * over it. Where there is no channel a tab leads itself.
 *
 * Each follower gets every change after its position once and in order,
 * whatever becomes of the tab that leads: it listens to one line at a time,
 * drops what it has, and where something is missing asks anew for what comes
 * after its own position.
 */
import type { Clock, Line, LineListener, Position } from '../protocol/transport'
import { Problem, type ServerEvent } from '../protocol/wire'
import type { ListListener, PageRow } from './api'
import type { Candidate, Election } from './election'
import { BEAT_MS, Leader, type OpenLine } from './leader'
import type { Channel, Letter, Named, PlainProblem, Word } from './words'

export interface LinesDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly openLine: OpenLine
  /** A channel of that name; null where the browser has none. */
  readonly openChannel: (name: string, hear: (letter: Letter) => void) => Channel | null
  readonly newElection: (
    name: string,
    self: string,
    say: (word: Word) => void,
    candidate: Candidate,
  ) => Election
  readonly newId: () => string
}

/** How long a tab that leads may be silent, and how long it may take to answer when asked. */
const QUIET_MS = BEAT_MS + 2000
const ANSWER_MS = 2000
const SPREAD_MS = 500
/** A tab that missed something asks again at most so often. */
const AGAIN_MS = 1000
/** Who was heard so lately is not asked whether it lives. */
const JUST_NOW_MS = 2500

/** What only the tab that leads says. */
const LEADING: ReadonlySet<Word['say']> = new Set([
  'lead',
  'resign',
  'pong',
  'beat',
  'hello',
  'event',
  'lost',
  'refused',
])

/** One thing that is followed: an open editor, or the list where `page` is null. */
interface Follower {
  readonly page: string | null
  readonly where: () => Position
  readonly listener: LineListener
  client: string
  epoch: string
  /** The changes up to here it has. */
  seq: number
  /** The line that serves it. */
  line: number | null
  /** Whether it believes its line to be open. */
  open: boolean
}

export class Lines {
  readonly #deps: LinesDeps
  readonly #followers = new Set<Follower>()
  readonly #self: string
  #name: string | null = null
  #channel: Channel | null = null
  #election: Election | null = null
  #leader: Leader | null = null
  /** Which tab leads, as far as is known. */
  #leading: string | null = null
  /** Whether that tab was asked for a sign of life, and has not given it. */
  #inDoubt = false
  /** The number of the last word that was heard of it. */
  #heard: number | null = null
  #cancelWatch = () => {}
  #cancelAgain: (() => void) | null = null
  #askedAgainAt = Number.NEGATIVE_INFINITY

  constructor(deps: LinesDeps) {
    this.#deps = deps
    this.#self = deps.newId()
  }

  /** Joins the tabs in which the same person is signed in. */
  enter(user: string): void {
    this.leave()
    this.#name = `halley/1/${user}`
    this.wake()
  }

  /** Nobody is signed in here any more. What is still followed hears that. */
  leave(): void {
    this.sleep()
    this.#name = null
    this.#over()
  }

  /** The person signed out here: so they did in all tabs. */
  signedOut(): void {
    this.#say({ say: 'over' })
    this.leave()
  }

  /** This tab is going, or will be frozen: another is to lead, and not to count on us. */
  sleep(): void {
    this.#leader?.close()
    this.#channel?.post({ from: this.#self, say: this.#leader ? 'resign' : 'leave' })
    this.#leader = null
    this.#leading = null
    this.#election?.withdraw()
    this.#election = null
    this.#channel?.close()
    this.#channel = null
    this.#cancelWatch()
    this.#cancelAgain?.()
    this.#cancelAgain = null
    this.#unserved()
  }

  /** It is back. */
  wake(): void {
    if (this.#name === null || this.#election !== null) return
    this.#channel = this.#deps.openChannel(this.#name, letter => this.#hear(letter))
    this.#election = this.#deps.newElection(this.#name, this.#self, word => this.#say(word), {
      elected: () => this.#elected(),
      deposed: () => this.#deposed(),
    })
    this.#election.stand()
    this.#say({ say: 'ping' })
    this.#watch(ANSWER_MS)
  }

  /** Follows a page. `where` is asked again at each start. */
  follow(page: string, where: () => Position, listener: LineListener): Line {
    const follower: Follower = { page, where, listener, ...where(), line: null, open: false }
    this.#followers.add(follower)
    this.#tell(false)
    return {
      restart: () => {
        if (!this.#followers.has(follower)) return
        Object.assign(follower, where(), { line: null, open: false })
        this.#tell(true)
      },
      check: () => this.check(JUST_NOW_MS),
      close: () => {
        if (this.#followers.delete(follower)) this.#tell(false)
      },
    }
  }

  /** Follows the list of pages until the function it returns is called. */
  followList(listener: ListListener): () => void {
    const where = () => ({ client: '', epoch: '', seq: 0 })
    const follower: Follower = {
      page: null,
      where,
      listener: listOnly(listener),
      ...where(),
      line: null,
      open: false,
    }
    this.#followers.add(follower)
    this.#tell(false)
    return () => {
      if (this.#followers.delete(follower)) this.#tell(false)
    }
  }

  /** Something hints that the line is dead: makes sure of it if nothing was heard on it for so long. */
  check(quietMs: number): void {
    if (this.#election === null) return
    if (this.#leader) {
      this.#leader.check(quietMs)
      return
    }
    this.#say({ say: 'check', quietMs })
    this.#ping()
  }

  // Who leads

  #elected(): void {
    this.#leader = new Leader({
      clock: this.#deps.clock,
      openLine: this.#deps.openLine,
      say: (word, no) => this.#say(word, no),
    })
    this.#say({ say: 'lead' })
  }

  #deposed(): void {
    this.#leader?.close()
    this.#leader = null
    if (this.#leading === this.#self) this.#leading = null
    this.#election?.stand()
    this.#ping()
  }

  /** Expects a sign of life within some time, else asks for one. */
  #watch(ms: number): void {
    this.#cancelWatch()
    if (this.#leader) return
    const spread = SPREAD_MS * this.#deps.random()
    this.#cancelWatch = this.#deps.clock.after(ms + spread, () => this.#ping())
  }

  /** Asks who leads for a sign of life, and takes its place where none comes. */
  #ping(): void {
    this.#cancelWatch()
    if (this.#leader || !this.#election) return
    this.#inDoubt = true
    this.#say({ say: 'ping' })
    const spread = SPREAD_MS * this.#deps.random()
    this.#cancelWatch = this.#deps.clock.after(ANSWER_MS + spread, () => {
      this.#leading = null
      for (const { listener } of this.#unserved()) listener.lost(1)
      this.#election?.seize()
    })
  }

  #adopt(leading: string): void {
    this.#leading = leading
    this.#heard = null
    this.#unserved()
    this.#tell(true)
  }

  /** No line serves us; answers the followers that believed theirs to be open. */
  #unserved(): Follower[] {
    const open = Array.from(this.#followers).filter(follower => follower.open)
    for (const follower of this.#followers) Object.assign(follower, { line: null, open: false })
    return open
  }

  // What is said

  /** Says it to all tabs, this one too. */
  #say(word: Word, no?: number): void {
    const letter: Letter = { ...word, from: this.#self, ...(no === undefined ? {} : { no }) }
    this.#channel?.post(letter)
    // Not within whatever is going on here, as it would not be in another tab.
    const election = this.#election
    void Promise.resolve().then(() => {
      if (election !== null && election === this.#election) this.#hear(letter)
    })
  }

  #tell(again: boolean): void {
    if (this.#election === null) return
    const wanted = []
    let list = false
    for (const { client, page, epoch, seq } of this.#followers) {
      if (page === null) list = true
      else wanted.push({ client, page, epoch, seq })
    }
    this.#say({ say: 'follow', wanted, list, again })
  }

  #tellAgain(): void {
    if (this.#cancelAgain) return
    const { clock } = this.#deps
    const wait = Math.max(0, this.#askedAgainAt + AGAIN_MS - clock.now())
    this.#cancelAgain = clock.after(wait, () => {
      this.#cancelAgain = null
      this.#askedAgainAt = clock.now()
      this.#tell(true)
    })
  }

  // What is heard

  #hear(letter: Letter): void {
    if (letter.from !== this.#self) this.#election?.hear(letter)
    if (this.#leader) this.#hearAsLeader(this.#leader, letter)
    if (letter.say === 'over') this.#over()
    this.#hearLeading(letter)
  }

  #hearAsLeader(leader: Leader, letter: Letter): void {
    switch (letter.say) {
      case 'ping':
        if (letter.from !== this.#self) this.#say({ say: 'pong' })
        break
      case 'follow':
        leader.follow(letter.from, letter.wanted, letter.list, letter.again)
        break
      case 'here':
        leader.here(letter.from)
        break
      case 'leave':
        leader.leave(letter.from)
        break
      case 'check':
        leader.check(letter.quietMs)
        break
    }
  }

  #hearLeading(letter: Letter): void {
    if (!LEADING.has(letter.say)) return
    // What was said before we came to lead, or before we were deposed, may come late.
    if (this.#leader ? letter.from !== this.#self : letter.from === this.#self) return
    const lives = letter.say === 'pong' || letter.say === 'beat'
    if (letter.say === 'lead') this.#adopt(letter.from)
    else if (lives && letter.from !== this.#leading && (this.#leading === null || this.#inDoubt)) {
      this.#adopt(letter.from)
    }
    if (letter.from !== this.#leading) return
    this.#inDoubt = false
    this.#watch(QUIET_MS)
    if (letter.no !== undefined) this.#count(letter.no)
    switch (letter.say) {
      case 'resign':
        this.#leading = null
        this.#unserved()
        this.#watch(0)
        break
      case 'beat':
        this.#beat(letter.tabs[this.#self])
        break
      case 'hello':
        for (const follower of this.#named(letter)) this.#greet(follower, letter.line, letter.event)
        break
      case 'event':
        for (const follower of this.#followers) {
          if (follower.line === letter.line) this.#deliver(follower, letter.event)
        }
        break
      case 'lost':
        for (const follower of this.#named(letter)) {
          if (follower.line !== null && follower.line !== letter.line) continue
          follower.open = false
          follower.listener.lost(letter.failures)
        }
        break
      case 'refused':
        for (const follower of this.#named(letter)) this.#refuse(follower, letter.problem)
        break
    }
  }

  #count(no: number): void {
    if (this.#heard !== null && no > this.#heard + 1) {
      this.#unserved()
      this.#tellAgain()
    }
    this.#heard = no
  }

  #named({ clients, list }: Named): Follower[] {
    return Array.from(this.#followers).filter(({ page, client }) =>
      page === null ? list : clients.includes(client),
    )
  }

  /** Compares what the leading tab knows of us with what is so: it, or we, may have been frozen. */
  #beat(known: Named | undefined): void {
    this.#say({ say: 'here' })
    if (!known) this.#unserved()
    for (const { page, client } of this.#followers) {
      if (page === null ? !known?.list : !known?.clients.includes(client)) this.#tellAgain()
    }
  }

  #greet(follower: Follower, line: number, hello: ServerEvent & { type: 'hello' }): void {
    // A new line goes on where the one before it was. What the list missed on
    // one that was dead already could be known only by reading the list.
    const goesOn = follower.open && follower.epoch === hello.epoch && follower.page !== null
    follower.line = line
    follower.open = true
    if (!goesOn) follower.listener.event(hello)
  }

  #deliver(follower: Follower, event: ServerEvent): void {
    if (!concerns(event, follower.page)) return
    if (event.type === 'change') {
      const { seq } = event.change
      if (seq <= follower.seq) return
      if (seq > follower.seq + 1) {
        this.#behind(follower)
        return
      }
      follower.seq = seq
    } else if (event.type === 'reset') follower.seq = event.seq
    else if (event.type === 'bye') follower.open = false
    follower.listener.event(event)
  }

  /** Something is missing: only a line that begins after what we have is listened to from now on. */
  #behind(follower: Follower): void {
    follower.line = null
    follower.open = false
    this.#tellAgain()
  }

  #refuse(follower: Follower, { status, type, title, detail, extra }: PlainProblem): void {
    this.#followers.delete(follower)
    follower.listener.refused(new Problem(status, type, title, detail, extra))
  }

  #over(): void {
    for (const { listener } of [...this.#followers]) {
      listener.event({ type: 'bye', afterMs: 0, why: 'signed-out' })
    }
  }
}

function concerns(event: ServerEvent, page: string | null): boolean {
  switch (event.type) {
    case 'bye':
      return true
    case 'hello':
      return false
    case 'list':
      return page === null
    case 'page':
      return event.info.id === page
    default:
      return event.page === page
  }
}

/** Hears of the list alone. */
function listOnly(listener: ListListener): LineListener {
  return {
    event(event) {
      if (event.type === 'hello') listener.open()
      else if (event.type === 'list') {
        if (event.gone) listener.change({ page: event.row, gone: true })
        else listener.change({ page: event.row as PageRow })
      } else if (event.type === 'bye' && event.why === 'signed-out') listener.signedOut()
    },
    lost: () => listener.lost(),
    refused(problem) {
      if (problem.status === 401) listener.signedOut()
      else listener.lost()
    },
  }
}
