/** Tabs of one browser, their channels and locks, and a server that they follow: all under the test's clock. */
import type { Clock, Line, LineListener } from '../src/protocol/transport'
import type { ServerEvent } from '../src/protocol/wire'
import { LockElection, TalkElection } from '../src/transport/election'
import type { Asked, HubListener } from '../src/transport/line'
import { Lines } from '../src/transport/lines'
import type { Letter } from '../src/transport/words'
import type { Rng } from './random'
import type { TestClock } from './world'

/** A browser with several tabs open. */
export class Browser {
  readonly clock: TestClock
  readonly rng: Rng
  readonly server: Events
  /** Whether it has locks, as on a secure origin. */
  readonly hasLocks: boolean
  /** What is said to a frozen tab: kept for later, or lost. */
  readonly keepsForFrozen: boolean
  readonly locks = new Locks()
  readonly tabs: Tab[] = []
  #count = 0

  constructor(clock: TestClock, rng: Rng, options: { hasLocks: boolean; keepsForFrozen: boolean }) {
    this.clock = clock
    this.rng = rng
    this.server = new Events(clock, rng)
    this.hasLocks = options.hasLocks
    this.keepsForFrozen = options.keepsForFrozen
  }

  open(): Tab {
    const tab = new Tab(this, `tab${String(++this.#count).padStart(3, '0')}`)
    this.tabs.push(tab)
    return tab
  }

  forget(tab: Tab): void {
    this.tabs.splice(this.tabs.indexOf(tab), 1)
  }
}

/** One tab. What happens to it while it is frozen happens when it thaws, or never. */
export class Tab {
  readonly id: string
  readonly lines: Lines
  readonly readers = new Set<Reader>()
  readonly #browser: Browser
  readonly #channels = new Set<(letter: Letter) => void>()
  #life: 'awake' | 'frozen' | 'gone' = 'awake'
  #warned = false
  #waiting: (() => void)[] = []

  constructor(browser: Browser, id: string) {
    this.#browser = browser
    this.id = id
    const { clock, rng, server, locks } = browser
    const ownClock: Clock = {
      now: () => clock.now(),
      after: (ms, run) => {
        let cancelled = false
        const cancel = clock.after(ms, () => this.does(() => cancelled || run()))
        return () => {
          cancelled = true
          cancel()
        }
      },
    }
    this.lines = new Lines({
      clock: ownClock,
      random: () => rng.next(),
      newId: () => id,
      openLine: (asked, listener) => server.connect(this, asked, listener),
      openChannel: (_, hear) => {
        this.#channels.add(hear)
        return { post: letter => this.#post(letter), close: () => this.#channels.delete(hear) }
      },
      newElection: (name, self, say, candidate) =>
        browser.hasLocks
          ? new LockElection(name, locks.of(this), candidate)
          : new TalkElection(self, say, candidate, { clock: ownClock, random: () => rng.next() }),
    })
    this.lines.enter('user')
  }

  get isGone(): boolean {
    return this.#life === 'gone'
  }

  get isFrozen(): boolean {
    return this.#life === 'frozen'
  }

  /** Runs something of the world's in this tab, as soon as it can. */
  does(run: () => void, orNever = false): void {
    if (this.#life === 'awake') run()
    else if (this.#life === 'frozen' && !orNever) this.#waiting.push(run)
  }

  #post(letter: Letter): void {
    const { clock, rng, tabs } = this.#browser
    for (const tab of tabs) if (tab !== this) tab.#hearsIn(clock, rng.int(3), structuredClone(letter))
  }

  readonly #lastArrivals = new Map<string, number>()

  #hearsIn(clock: TestClock, ms: number, letter: Letter): void {
    // In the order in which one tab posts.
    const at = Math.max(clock.now() + ms, this.#lastArrivals.get(letter.from) ?? 0)
    this.#lastArrivals.set(letter.from, at)
    const channels = [...this.#channels]
    clock.after(at - clock.now(), () => {
      for (const hear of channels) {
        this.does(() => this.#channels.has(hear) && hear(letter), !this.#browser.keepsForFrozen)
      }
    })
  }

  /** Opens a page as it is now. */
  reads(page: string): void {
    this.readers.add(
      new Reader(this, this.#browser.server, page, `${this.id}-${page}-${this.#browser.rng.int(1e9)}`),
    )
  }

  /** `warned`: the browser says so before, as most do. */
  freezes(warned: boolean): void {
    if (this.#life !== 'awake') return
    if (warned) this.lines.sleep()
    this.#warned = warned
    this.#life = 'frozen'
  }

  thaws(): void {
    if (this.#life !== 'frozen') return
    this.#life = 'awake'
    if (this.#warned) this.lines.wake()
    const waiting = this.#waiting
    this.#waiting = []
    for (const run of waiting) run()
  }

  closes(): void {
    if (this.#life === 'awake') this.lines.sleep()
    this.crashes()
  }

  crashes(): void {
    this.#life = 'gone'
    this.#browser.forget(this)
    this.#browser.locks.free(this)
    this.#browser.server.lose(this)
  }
}

/** Follows one page, and notes what it is told. */
export class Reader implements LineListener {
  readonly page: string
  readonly start: number
  readonly seqs: number[] = []
  /** As it was told last. */
  open = false
  readonly #tab: Tab
  readonly #line: Line

  constructor(tab: Tab, server: Events, page: string, client: string) {
    this.#tab = tab
    this.page = page
    this.start = server.head(page)
    this.#line = tab.lines.follow(
      page,
      () => ({ client, epoch: 'epoch', seq: this.seqs.at(-1) ?? this.start }),
      this,
    )
  }

  event(event: ServerEvent): void {
    if (event.type === 'hello') this.open = true
    if (event.type === 'change') this.seqs.push(event.change.seq)
  }

  lost(): void {
    this.open = false
  }

  refused(): void {
    throw new Error('refused')
  }

  restart(): void {
    this.#line.restart()
  }

  leaves(): void {
    this.#tab.readers.delete(this)
    this.#line.close()
  }
}

/** The browser's locks. */
export class Locks {
  #holder: Request | null = null
  #queue: Request[] = []

  of(tab: Tab): Pick<LockManager, 'request'> {
    const request = (_: string, options: LockOptions, granted: () => unknown) =>
      new Promise((resolve, reject) => {
        const request: Request = {
          tab,
          grant: () =>
            tab.does(() => {
              const held = granted() as Promise<unknown> | undefined
              Promise.resolve(held).then(value => {
                resolve(value)
                this.#release(request)
              })
            }),
          fail: () => tab.does(() => reject(new DOMException('', 'AbortError'))),
        }
        options.signal?.addEventListener('abort', () => {
          if (!this.#queue.includes(request)) return
          this.#queue = this.#queue.filter(each => each !== request)
          request.fail()
        })
        if (options.steal) {
          this.#holder?.fail()
          this.#holder = request
          request.grant()
        } else {
          this.#queue.push(request)
          this.#next()
        }
      })
    return { request: request as LockManager['request'] }
  }

  free(tab: Tab): void {
    this.#queue = this.#queue.filter(request => request.tab !== tab)
    if (this.#holder?.tab === tab) this.#release(this.#holder)
  }

  #release(request: Request): void {
    if (this.#holder !== request) return
    this.#holder = null
    this.#next()
  }

  #next(): void {
    if (this.#holder) return
    this.#holder = this.#queue.shift() ?? null
    this.#holder?.grant()
  }
}

interface Request {
  readonly tab: Tab
  grant(): void
  fail(): void
}

/** The server: pages that only count, and the list of them. */
export class Events {
  readonly lines = new Set<Connection>()
  /** Counts what was told of the list. */
  listVersion = 0
  readonly #clock: TestClock
  readonly #rng: Rng
  readonly #heads = new Map<string, number>()
  away = false

  constructor(clock: TestClock, rng: Rng) {
    this.#clock = clock
    this.#rng = rng
  }

  head(page: string): number {
    return this.#heads.get(page) ?? 0
  }

  write(page: string): void {
    this.#heads.set(page, this.head(page) + 1)
    for (const line of this.lines) line.change(page, this.head(page))
  }

  tellList(): void {
    this.listVersion++
    for (const line of this.lines) line.list(this.listVersion)
  }

  /** Takes no new lines, or does so again. */
  comesOrGoes(): void {
    this.away = !this.away
  }

  /** All connections break. */
  cut(): void {
    for (const line of [...this.lines]) line.breaks()
  }

  lose(tab: Tab): void {
    for (const line of [...this.lines]) if (line.tab === tab) line.close()
  }

  connect(tab: Tab, asked: Asked, listener: HubListener): Connection {
    return new Connection(this, this.#clock, this.#rng, tab, asked, listener)
  }
}

/** What EventLine is to the tabs: it comes back by itself. */
export class Connection {
  heardAt: number
  readonly tab: Tab
  readonly asked: Asked
  readonly #server: Events
  readonly #clock: TestClock
  readonly #rng: Rng
  readonly #listener: HubListener
  /** Counts its lives; what belongs to an older one is dropped. */
  #life = 0
  #closed = false
  #failures = 0
  #lastArrival = 0
  #pages = new Set<string>()
  #silent = false

  constructor(server: Events, clock: TestClock, rng: Rng, tab: Tab, asked: Asked, listener: HubListener) {
    this.#server = server
    this.#clock = clock
    this.#rng = rng
    this.tab = tab
    this.asked = asked
    this.#listener = listener
    this.heardAt = clock.now()
    clock.after(0, () => tab.does(() => this.#open()))
  }

  hurry(): void {}

  /** Nothing comes over it any more, and nobody is told. */
  dies(): void {
    this.#silent = true
  }

  close(): void {
    this.#closed = true
    this.#life++
    this.#server.lines.delete(this)
  }

  breaks(): void {
    this.#life++
    this.#server.lines.delete(this)
    const life = this.#life
    this.tab.does(() => {
      if (this.#closed || life !== this.#life) return
      this.#listener.lost(++this.#failures)
      this.#clock.after(100 + this.#rng.int(300), () =>
        this.tab.does(() => life === this.#life && this.#open()),
      )
    })
  }

  change(page: string, seq: number): void {
    if (!this.#pages.has(page)) return
    const change = { seq, delta: [], author: 'a', client: 'c', n: seq }
    this.#tell({ type: 'change', page, change })
  }

  list(version: number): void {
    if (this.asked.list) this.#tell({ type: 'list', row: { id: String(version) }, gone: false })
  }

  #open(): void {
    if (this.#closed) return
    const positions = this.asked.positions()
    const life = this.#life
    // The request takes its time, and the server answers it at one moment.
    this.#clock.after(this.#rng.int(30), () => {
      if (this.#closed || life !== this.#life || this.tab.isGone) return
      if (this.#server.away) {
        this.breaks()
        return
      }
      this.#silent = false
      this.#server.lines.add(this)
      this.#pages = new Set(positions.keys())
      this.#tell({
        type: 'hello',
        epoch: 'epoch',
        protocol: 1,
        heartbeat: 10,
        pages: Object.fromEntries(positions),
      })
      for (const [page, seq] of positions) {
        for (let next = seq + 1; next <= this.#server.head(page); next++) this.change(page, next)
      }
    })
  }

  #tell(event: ServerEvent): void {
    if (this.#silent) return
    const life = this.#life
    this.#lastArrival = Math.max(this.#lastArrival, this.#clock.now() + this.#rng.int(10))
    this.#clock.after(this.#lastArrival - this.#clock.now(), () =>
      this.tab.does(() => {
        if (this.#closed || life !== this.#life) return
        if (event.type === 'hello') this.#failures = 0
        this.heardAt = this.#clock.now()
        this.#listener.alive()
        this.#listener.event(event)
      }),
    )
  }
}
