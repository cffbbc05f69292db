/**
 * A small world for sessions: one server in memory, a clock that the test
 * moves, and for each client a network that delays, loses and cuts as told.
 */
import { compose, type Delta, transform } from '../src/protocol/delta'
import type { TitleSave } from '../src/protocol/title'
import type {
  Clock,
  Line,
  LineListener,
  Position,
  PresencePost,
  SessionDeps,
  Transport,
} from '../src/protocol/transport'
import {
  type Change,
  type Edit,
  type LoadedPage,
  type PageInfo,
  type PresenceState,
  type PresentClient,
  Problem,
  type ServerEvent,
} from '../src/protocol/wire'
import type { Rng } from './random'

const PAGE: PageInfo = { id: 'page', title: 'Page', role: 'own', version: 1, created: '', updated: '' }

/** Time that stands still until the test moves it. */
export class TestClock implements Clock {
  #now = 0
  #order = 0
  #timers: { at: number; order: number; run: () => void }[] = []

  now(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  /** Moves time on, running what falls due, and lets promises settle in between. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at || a.order - b.order)
      const next = this.#timers[0]
      if (!next || next.at > end) break
      this.#timers.shift()
      this.#now = next.at
      next.run()
      await settle()
    }
    this.#now = end
  }
}

function settle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** One page on a server that does what the API promises, and nothing else. */
export class TestServer {
  epoch = 'epoch-1'
  content: Delta
  changes: Change[] = []
  /** Every edit's JSON as it came, by client and n. */
  readonly heard = new Map<string, Set<string>>()
  /** What the next submits are answered with, in place of the truth. */
  refusals: Problem[] = []
  /** Whether it takes no insert of more than ten letters. */
  full = false
  maxLag = Number.POSITIVE_INFINITY
  readonly present = new Map<string, PresentClient>()
  readonly lines = new Set<TestLine>()
  /** How often sessions wanted to know whether their line lives. */
  checks = 0

  /** The content at seq 0. */
  #first: Delta

  constructor(content: Delta = [{ insert: '\n' }]) {
    this.content = content
    this.#first = content
  }

  get head(): number {
    return this.changes.length
  }

  load(seq = this.head): LoadedPage {
    const changes = this.changes.slice(0, seq).map(({ delta }) => delta)
    return { info: PAGE, seq, epoch: this.epoch, delta: changes.reduce(compose, this.#first) }
  }

  submit(body: string): number {
    const edit = JSON.parse(body) as Edit & { epoch: string }
    const key = `${edit.client}/${edit.n}`
    this.heard.set(key, (this.heard.get(key) ?? new Set()).add(body))
    const refusal = this.refusals.shift()
    if (refusal) throw refusal
    const before = this.changes.find(change => change.client === edit.client && change.n === edit.n)
    if (before) return before.seq
    if (edit.epoch !== this.epoch) throw new Problem(409, 'epoch-changed', 'Epoch changed')
    if (this.full && edit.delta.some(op => 'insert' in op && String(op.insert).length > 10))
      throw new Problem(422, 'page-full', 'The page is full')
    if (edit.base > this.head) throw new Problem(409, 'base-ahead', 'Ahead')
    if (this.head - edit.base > this.maxLag)
      throw new Problem(409, 'base-too-old', 'Old', '', { head: this.head })
    const last = this.changes.findLast(change => change.client === edit.client)?.n ?? 0
    if (edit.n !== last + 1) throw new Problem(409, edit.n > last ? 'n-gap' : 'n-reused', 'n')
    return this.#commit(edit)
  }

  /** Commits an edit that nobody here sent. */
  write(delta: Delta, client = 'another', n = 1, base = this.head): number {
    return this.#commit({ client, n, base, delta })
  }

  #commit(edit: Edit): number {
    let delta = edit.delta
    for (const earlier of this.changes.slice(edit.base)) delta = transform(earlier.delta, delta, false)
    this.content = compose(this.content, delta)
    const change = { seq: this.head + 1, delta, author: edit.client, client: edit.client, n: edit.n }
    this.changes.push(change)
    for (const line of this.lines) line.change(change)
    return change.seq
  }

  /** Every open line is lost. */
  cut(): void {
    for (const line of [...this.lines]) line.lose()
  }

  restore(content: Delta): void {
    this.epoch += '+'
    this.changes = []
    this.content = content
    this.#first = content
    this.cut()
  }
}

/** How a client's network behaves. Milliseconds and probabilities. */
export interface Weather {
  maxDelay: number
  /** A call that never reaches the server. */
  loss: number
  /** A call that is carried out, and whose answer is lost. */
  deafness: number
}

export const fine: Weather = { maxDelay: 0, loss: 0, deafness: 0 }

export interface Client extends SessionDeps {
  readonly weather: Weather
  online: boolean
  visible: boolean
  watchers: Set<() => void>
  /** Somebody touches a key or the mouse. */
  stir(): void
  /** Everything that was said of where they are. */
  readonly said: (PresenceState | 'left')[]
}

export function newClient(
  name: string,
  server: TestServer,
  clock: TestClock,
  rng: Rng,
  weather = fine,
): Client {
  let clients = 0
  const client: Client = {
    weather: { ...weather },
    online: true,
    visible: true,
    watchers: new Set(),
    stir: () => {},
    said: [],
    clock,
    transport: null as unknown as Transport,
    surroundings: {
      online: () => client.online,
      visible: () => client.visible,
      leaving: () => false,
      watch: listener => {
        client.watchers.add(listener)
        return () => client.watchers.delete(listener)
      },
      watchInput: listener => {
        client.stir = listener
        return () => {}
      },
    },
    newClient: () => `${name}-${++clients}`,
    random: () => rng.next(),
  }
  return Object.assign(client, { transport: new TestTransport(client, server, clock, rng) })
}

/** The network comes or goes. */
export function setOnline(client: Client, online: boolean, server: TestServer): void {
  client.online = online
  if (!online) for (const line of [...server.lines]) if (line.client === client) line.lose()
  for (const watcher of client.watchers) watcher()
}

class TestTransport implements Transport {
  readonly #client: Client
  readonly #server: TestServer
  readonly #clock: TestClock
  readonly #rng: Rng
  constructor(client: Client, server: TestServer, clock: TestClock, rng: Rng) {
    this.#client = client
    this.#server = server
    this.#clock = clock
    this.#rng = rng
  }

  load(_: string, seq?: number): Promise<LoadedPage> {
    return this.#call(() => this.#server.load(seq))
  }

  changes(_: string, after: number) {
    return this.#call(() => ({
      changes: this.#server.changes.slice(after, after + 3),
      head: this.#server.head,
    }))
  }

  submit(_: string, edit: string): Promise<number> {
    return this.#call(() => this.#server.submit(edit))
  }

  async present(_: string, { state }: PresencePost): Promise<void> {
    this.#client.said.push(state)
  }

  retitle(_: string, { title }: TitleSave): Promise<PageInfo> {
    return this.#call(() => ({ ...PAGE, title, version: 2 }))
  }

  follow(_: string, where: () => Position, listener: LineListener): Line {
    return new TestLine(this.#client, this.#server, this.#clock, this.#rng, where, listener)
  }

  async #call<T>(work: () => T): Promise<T> {
    const { weather } = this.#client
    const lost = new Problem(0, 'unreachable', 'Lost')
    await this.#delay()
    if (!this.#client.online || this.#rng.chance(weather.loss)) throw lost
    const result = work()
    await this.#delay()
    if (!this.#client.online || this.#rng.chance(weather.deafness)) throw lost
    return result
  }

  #delay(): Promise<void> {
    const ms = this.#rng.int(this.#client.weather.maxDelay + 1)
    return ms === 0 ? Promise.resolve() : new Promise(resolve => this.#clock.after(ms, resolve))
  }
}

/** A line with delays; in order, but whatever is on the way when it is cut is lost. */
export class TestLine implements Line {
  readonly client: Client
  readonly #server: TestServer
  readonly #clock: TestClock
  readonly #rng: Rng
  readonly #where: () => Position
  readonly #listener: LineListener
  #connection = 0
  #closed = false
  #lastArrival = 0
  #failures = 0

  constructor(
    client: Client,
    server: TestServer,
    clock: TestClock,
    rng: Rng,
    where: () => Position,
    listener: LineListener,
  ) {
    this.client = client
    this.#server = server
    this.#clock = clock
    this.#rng = rng
    this.#where = where
    this.#listener = listener
    clock.after(1, () => this.#open())
  }

  #open(): void {
    if (this.#closed) return
    if (!this.client.online) {
      this.lose()
      return
    }
    const { seq, epoch } = this.#where()
    this.#connection++
    this.#server.lines.add(this)
    this.#later(() => {
      this.#failures = 0
      this.#listener.event({
        type: 'hello',
        epoch: this.#server.epoch,
        protocol: 1,
        heartbeat: 10,
        pages: { page: seq },
      })
    })
    if (epoch !== this.#server.epoch || seq > this.#server.head) {
      const head = this.#server.head
      this.#later(() => this.#listener.event({ type: 'reset', page: 'page', seq: head }))
    } else for (const change of this.#server.changes.slice(seq)) this.change(change)
  }

  change(change: Change): void {
    this.event({ type: 'change', page: 'page', change })
  }

  event(event: ServerEvent): void {
    this.#later(() => this.#listener.event(event))
  }

  #later(run: () => void): void {
    const connection = this.#connection
    const delay = this.#rng.int(this.client.weather.maxDelay + 1)
    this.#lastArrival = Math.max(this.#lastArrival, this.#clock.now() + delay)
    this.#clock.after(this.#lastArrival - this.#clock.now(), () => {
      if (connection === this.#connection && !this.#closed) run()
    })
  }

  lose(): void {
    this.#connection++
    this.#server.lines.delete(this)
    if (this.#closed) return
    this.#listener.lost(++this.#failures)
    this.#clock.after(200 + this.#rng.int(200), () => {
      if (!this.#server.lines.has(this)) this.#open()
    })
  }

  restart(): void {
    this.#connection++
    this.#server.lines.delete(this)
    this.#clock.after(1, () => {
      if (!this.#server.lines.has(this)) this.#open()
    })
  }

  check(): void {
    this.#server.checks++
  }

  close(): void {
    this.#closed = true
    this.#server.lines.delete(this)
  }
}
