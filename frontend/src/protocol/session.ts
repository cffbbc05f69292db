/**
 * One open page in one tab: joins the client's state machine to the line, the
 * outbox and presence, and tells the surface what to show.
 */
import { Announcer } from './announcer'
import {
  answered,
  type ClientState,
  type Effect,
  edit,
  ownEdits,
  rebase,
  receive,
  type Step,
  start,
  takeBack,
  takeClient,
  unsent,
} from './client'
import { compose, type Delta, positionBefore } from './delta'
import { isPassing, Outbox } from './outbox'
import {
  advance,
  cursors,
  hear,
  nobody,
  type Person,
  type Presence,
  people,
  RECENT_CHANGES,
  type RemoteCursor,
} from './presence'
import type { TitleSave } from './title'
import type { Line, SessionDeps } from './transport'
import {
  type Change,
  type Cursor,
  type LoadedPage,
  type PageInfo,
  PROTOCOL,
  Problem,
  type ServerEvent,
} from './wire'

export type { Person, RemoteCursor } from './presence'
export type { SessionDeps } from './transport'
export type { Cursor, PageInfo, Role } from './wire'

export type EndWhy =
  | 'trashed'
  | 'forbidden'
  | 'deleted'
  | 'signed-out'
  | 'epoch-changed'
  /** The server does not take what was written here; `detail` has its words. */
  | 'refused'

export type Status =
  | { readonly tag: 'loading' }
  /** All that was written is acknowledged, and the line is open. */
  | { readonly tag: 'saved' }
  | { readonly tag: 'saving'; readonly edits: number }
  /** Edits have been waiting for some seconds; `why` in the server's words where it said so. */
  | { readonly tag: 'waiting'; readonly edits: number; readonly why?: string }
  | { readonly tag: 'offline'; readonly edits: number }
  /** The line is lost and coming back. */
  | { readonly tag: 'reconnecting'; readonly edits: number }
  /** It is over. `unsent` is what was written and not acknowledged, as a change; null where there is nothing. */
  | { readonly tag: 'ended'; readonly why: EndWhy; readonly detail?: string; readonly unsent: Delta | null }

/** The editing surface, as the session sees it. Positions and Deltas are in the session's text, our own edits included. */
export interface Surface {
  /** Somebody else's change. */
  apply(delta: Delta): void
  /** All of the text anew. */
  replace(content: Delta): void
  /** Where the caret or selection is; null where the surface has no focus. */
  selection(): Cursor | null
}

export interface PageSession {
  readonly id: string
  readonly client: string
  /** Kept up to date. */
  readonly info: PageInfo
  readonly status: Status
  readonly people: readonly Person[]
  /** Everybody who is here, also those whom `people` does not list. */
  readonly count: number
  /** Whether edits are taken now. */
  readonly editable: boolean
  /** Where others are. */
  readonly cursors: readonly RemoteCursor[]
  /** Saves a change of the title; answers the title that the server made of it. */
  setTitle(save: TitleSave): Promise<string>
  /** Calls `listener` on any change of the above; returns how to stop. */
  subscribe(listener: () => void): () => void
  /** Calls `listener` when something that was written could not be taken and was taken out again; returns how to stop. */
  onTakenBack(listener: (problem: Problem) => void): () => void
  /** Says that we left, and ends the line. What is still unsent is not waited for. */
  close(): void

  /** The surface shows the page from now on; answers the text to begin with. One surface at a time. */
  attach(surface: Surface): Delta
  /** The surface goes, and leaves the text as it stands. */
  detach(content: Delta): void
  /** Something was written on the surface. */
  edit(delta: Delta): void
  /** The caret moved. */
  moved(): void
}

/** Loads a page and opens its line. Rejects with a Problem where that is refused. */
export async function openSession(id: string, deps: SessionDeps): Promise<PageSession> {
  return new Session(await deps.transport.load(id), deps)
}

/** After so many failures in a row we say offline, whatever the browser believes. */
const OFFLINE_AFTER = 3
/** How long the stream may take to bring a change that was answered already. */
const STREAM_PATIENCE_MS = 1000
const FETCH_RETRY_MS = 2000

/** What a refusal for good means for the page. */
const ENDINGS: Readonly<Record<string, EndWhy>> = {
  'signed-out': 'signed-out',
  'epoch-changed': 'epoch-changed',
  forbidden: 'forbidden',
  trashed: 'trashed',
  'not-found': 'deleted',
}

class Session implements PageSession {
  readonly id: string
  readonly #deps: SessionDeps
  readonly #line: Line
  readonly #outbox: Outbox
  readonly #announcer: Announcer
  readonly #listeners = new Set<() => void>()
  readonly #takenBack = new Set<(problem: Problem) => void>()
  readonly #unwatch: () => void

  #info: PageInfo
  #state: ClientState
  #epoch: string
  /** The text, while no surface holds it. */
  #content: Delta
  #surface: Surface | null = null
  #presence: Presence = nobody
  /** The newest changes up to our seq. */
  #recent: Change[] = []
  /** How many edits of the surface are in flight, and pending. */
  #edits = { inflight: 0, pending: 0 }

  #opened = false
  #lineOpen = false
  #failures = 0
  #ended: (Status & { tag: 'ended' }) | null = null
  #closed = false
  #reloading = false
  #fetching: Promise<void> | null = null
  #cancelCheck = () => {}
  #people: readonly Person[] | null = null

  constructor(page: LoadedPage, deps: SessionDeps) {
    this.id = page.info.id
    this.#deps = deps
    this.#info = page.info
    this.#epoch = page.epoch
    this.#content = page.delta
    this.#state = start(deps.newClient(), page.seq)
    this.#outbox = new Outbox(this.id, deps, {
      answered: (n, seq) => this.#answered(n, seq),
      refused: (n, problem) => void this.#refused(n, problem),
      unanswered: () => this.#line.check(),
      changed: () => this.#notify(),
    })
    this.#announcer = new Announcer(this.id, deps, () => this.#whereabouts())
    this.#line = deps.transport.follow(
      this.id,
      () => ({ seq: this.#state.seq, epoch: this.#epoch, client: this.client }),
      {
        event: event => this.#hear(event),
        lost: failures => this.#lost(failures),
        refused: problem => this.#endBy(problem),
      },
    )
    const { surroundings } = deps
    const unwatch = [
      surroundings.watch(() => this.#surroundingsChanged()),
      surroundings.watchInput(() => this.#opened && this.#announcer.stirred()),
    ]
    this.#unwatch = () => {
      for (const stop of unwatch) stop()
    }
  }

  get client(): string {
    return this.#state.client
  }

  get info(): PageInfo {
    return this.#info
  }

  get people(): readonly Person[] {
    this.#people ??= people(this.#presence, this.client)
    return this.#people
  }

  get count(): number {
    const { clients, count } = this.#presence
    return this.people.length + Math.max(0, count - clients.size)
  }

  get editable(): boolean {
    const mayEdit = this.#info.role === 'edit' || this.#info.role === 'own'
    return mayEdit && !this.#ended && !this.#closed && !this.#reloading
  }

  get cursors(): readonly RemoteCursor[] {
    return cursors(this.#presence, this.client, this.#state.seq, ownEdits(this.#state))
  }

  get status(): Status {
    if (this.#ended) return this.#ended
    if (!this.#opened) return { tag: 'loading' }
    const edits = this.#unacknowledged()
    if (!this.#deps.surroundings.online()) return { tag: 'offline', edits }
    if (!this.#lineOpen) return { tag: this.#failures >= OFFLINE_AFTER ? 'offline' : 'reconnecting', edits }
    if (edits === 0) return { tag: 'saved' }
    const why = this.#outbox.trouble
    if (why !== null) return { tag: 'waiting', edits, why }
    return { tag: this.#outbox.waiting ? 'waiting' : 'saving', edits }
  }

  async setTitle(save: TitleSave): Promise<string> {
    const info = await this.#deps.transport.retitle(this.id, save)
    this.#settings(info)
    return info.title
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  onTakenBack(listener: (problem: Problem) => void): () => void {
    this.#takenBack.add(listener)
    return () => this.#takenBack.delete(listener)
  }

  close(): void {
    if (this.#closed) return
    this.#shut()
    this.#closed = true
  }

  attach(surface: Surface): Delta {
    this.#surface = surface
    return this.#content
  }

  detach(content: Delta): void {
    this.#surface = null
    this.#content = content
  }

  edit(delta: Delta): void {
    if (!this.editable || delta.length === 0) return
    if (!this.#surface) this.#content = compose(this.#content, delta)
    if (this.#state.tag === 'synchronized') this.#edits = { inflight: 1, pending: 0 }
    else this.#edits.pending++
    this.#step(edit(this.#state, delta))
    this.#announcer.typed()
    this.#notify()
  }

  moved(): void {
    if (this.#opened) this.#announcer.moved()
  }

  #step([state, effects]: Step): void {
    const before = this.#state
    this.#state = state
    if (state.seq !== before.seq && !this.#inflight()) this.#outbox.clear()
    if (state.tag === 'awaitingAck') this.#edits.pending = 0
    for (const effect of effects) this.#carryOut(effect)
  }

  #carryOut(effect: Effect): void {
    switch (effect.tag) {
      case 'send':
        this.#outbox.send(effect.edit, this.#epoch)
        break
      case 'apply':
        if (this.#surface) this.#surface.apply(effect.delta)
        else this.#content = compose(this.#content, effect.delta)
        break
      case 'fetch':
        void this.#catchUp()
        break
      case 'diverged':
        // Never seen. Better to say it than to write on into a text that is not the page's.
        this.#startOver('refused', 'What is shown here had come apart from the page.')
        break
    }
  }

  #inflight(): number | null {
    return this.#state.tag === 'synchronized' ? null : this.#state.inflight.edit.n
  }

  #unacknowledged(): number {
    const state = this.#state
    if (state.tag === 'synchronized') return 0
    const inflight = state.inflight.answered === null ? this.#edits.inflight : 0
    return inflight + (state.tag === 'awaitingAckWithPending' ? this.#edits.pending : 0)
  }

  #hear(event: ServerEvent): void {
    if (this.#ended || this.#closed) return
    switch (event.type) {
      case 'hello':
        this.#greeted(event)
        break
      case 'change':
        if (event.page === this.id) this.#receive(event.change)
        break
      case 'presence':
        if (event.page !== this.id) return
        this.#presence = hear(this.#presence, event, this.#recent)
        this.#people = null
        break
      case 'page':
        if (event.info.id === this.id) this.#settings(event.info)
        break
      case 'role':
        if (event.page === this.id) this.#info = { ...this.#info, role: event.role }
        break
      case 'gone':
        if (event.page === this.id) this.#end(event.why)
        break
      case 'reset':
        if (event.page === this.id) this.#reset(event.seq)
        break
      case 'bye':
        this.#lineOpen = false
        if (event.why === 'signed-out') this.#end('signed-out')
        break
    }
    this.#notify()
  }

  #greeted(hello: ServerEvent & { type: 'hello' }): void {
    if (hello.protocol !== PROTOCOL) {
      this.#end('refused', 'This tab is of another version than the server. Please load it again.')
      return
    }
    if (hello.epoch !== this.#epoch) {
      this.#startOver('epoch-changed')
      return
    }
    this.#opened = true
    this.#lineOpen = true
    this.#failures = 0
    this.#outbox.hurry()
    this.#announcer.post()
  }

  #lost(failures: number): void {
    this.#lineOpen = false
    this.#failures = failures
    this.#notify()
  }

  #surroundingsChanged(): void {
    if (this.#deps.surroundings.online()) this.#outbox.hurry()
    if (this.#deps.surroundings.leaving()) this.#announcer.leave()
    else if (this.#opened) this.#announcer.post()
    this.#notify()
  }

  #receive(change: Change): void {
    if (this.#ended || this.#reloading) return
    const before = this.#state
    const wasInflight = this.#inflight()
    if (change.seq === before.seq + 1) {
      this.#recent.push(change)
      if (this.#recent.length > 2 * RECENT_CHANGES) this.#recent = this.#recent.slice(-RECENT_CHANGES)
      this.#presence = advance(this.#presence, change)
    }
    const own = before.tag !== 'synchronized' && change.client === this.client && change.n === wasInflight
    if (own && change.seq > before.seq) {
      this.#cancelCheck()
      this.#edits = { inflight: this.#edits.pending, pending: 0 }
    }
    this.#step(receive(before, change))
  }

  #settings(info: Omit<PageInfo, 'role'> & { role?: PageInfo['role'] }): void {
    if (info.version < this.#info.version) return
    this.#info = { ...this.#info, ...info }
    this.#notify()
  }

  #answered(n: number, seq: number): void {
    this.#state = answered(this.#state, n, seq)
    this.#cancelCheck()
    if (this.#inflight() === n) {
      this.#cancelCheck = this.#deps.clock.after(STREAM_PATIENCE_MS, () => {
        this.#line.check()
        void this.#catchUp()
      })
    }
    this.#notify()
  }

  async #refused(n: number, problem: Problem): Promise<void> {
    switch (problem.type) {
      case 'base-too-old':
        await this.#catchUp()
        if (this.#inflight() === n) this.#step(rebase(this.#state))
        break
      case 'n-reused':
        // Committed with another delta than we hold, or somebody's mistake: the log knows.
        await this.#catchUp()
        if (this.#inflight() === n) this.#renew()
        break
      case 'n-gap':
      case 'client-taken':
        this.#renew()
        break
      case 'page-full':
      case 'too-large':
        await this.#takeBack(n, problem)
        break
      case 'base-ahead':
        this.#end('epoch-changed', problem.message)
        break
      default:
        this.#endBy(problem)
    }
    this.#notify()
  }

  /** Takes an edit out again that is too much for the page, so that one can go on with the rest. */
  async #takeBack(n: number, problem: Problem): Promise<void> {
    const page = await this.#loadAt(this.#state.seq)
    if (!page || this.#ended || this.#closed || this.#inflight() !== n) return
    const since = this.#recent.filter(({ seq }) => seq > page.seq)
    this.#step(
      takeBack(
        this.#state,
        since.reduce((content, { delta }) => compose(content, delta), page.delta),
      ),
    )
    this.#edits = { inflight: this.#edits.pending, pending: 0 }
    for (const listener of [...this.#takenBack]) listener(problem)
  }

  #renew(): void {
    this.#step(takeClient(this.#state, this.#deps.newClient()))
    this.#people = null
    this.#line.restart()
  }

  /** Asks for the changes that the stream did not bring. Settles once they are here, or once it is over. */
  #catchUp(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null
    })
    return this.#fetching
  }

  async #fetch(): Promise<void> {
    while (!this.#ended && !this.#closed && !this.#reloading) {
      try {
        const { changes, head } = await this.#deps.transport.changes(this.id, this.#state.seq)
        if (this.#reloading) return
        for (const change of changes) this.#receive(change)
        this.#notify()
        if (this.#state.seq >= head || changes.length === 0) return
      } catch (error) {
        if (error instanceof Problem && !isPassing(error)) {
          this.#endBy(error)
          return
        }
        await new Promise<void>(resolve => this.#deps.clock.after(FETCH_RETRY_MS, resolve))
      }
    }
  }

  #reset(seq: number): void {
    if (this.#reloading) return
    if (seq < this.#state.seq) this.#startOver('epoch-changed')
    else void this.#catchUp()
  }

  /** Loads the page anew where nothing of ours would be lost by that, else ends. */
  #startOver(why: EndWhy, detail?: string): void {
    if (this.#reloading) return
    if (unsent(this.#state)) this.#end(why, detail)
    else void this.#reload()
  }

  async #reload(): Promise<void> {
    this.#reloading = true
    this.#outbox.clear()
    this.#cancelCheck()
    this.#notify()
    const page = await this.#loadAt()
    if (page && !this.#ended && !this.#closed) this.#begin(page)
  }

  /** Loads the page, as it was at `seq` where that is given, however long it takes; null where it is over meanwhile. */
  async #loadAt(seq?: number): Promise<LoadedPage | null> {
    while (!this.#ended && !this.#closed) {
      try {
        return await this.#deps.transport.load(this.id, seq)
      } catch (error) {
        if (error instanceof Problem && !isPassing(error)) {
          this.#endBy(error)
          return null
        }
        await new Promise<void>(resolve => this.#deps.clock.after(FETCH_RETRY_MS, resolve))
      }
    }
    return null
  }

  #begin(page: LoadedPage): void {
    this.#info = page.info
    this.#epoch = page.epoch
    this.#state = start(this.#deps.newClient(), page.seq)
    this.#recent = []
    this.#presence = nobody
    this.#people = null
    this.#reloading = false
    if (this.#surface) this.#surface.replace(page.delta)
    else this.#content = page.delta
    this.#line.restart()
    this.#notify()
  }

  #endBy(problem: Problem): void {
    const why = ENDINGS[problem.type] ?? 'refused'
    this.#end(why, problem.detail || problem.title)
  }

  #end(why: EndWhy, detail?: string): void {
    if (this.#ended) return
    this.#ended = { tag: 'ended', why, unsent: unsent(this.#state), ...(detail ? { detail } : {}) }
    this.#shut()
    this.#notify()
  }

  #shut(): void {
    this.#cancelCheck()
    this.#outbox.clear()
    this.#announcer.close()
    this.#unwatch()
    this.#line.close()
  }

  #whereabouts(): { client: string; base: number; cursor: Cursor | null } {
    const selection = this.#surface?.selection() ?? null
    return { client: this.client, base: this.#state.seq, cursor: selection && this.#committed(selection) }
  }

  /** A place in the text on this side, as a place in the committed content at our seq. */
  #committed({ index, length }: Cursor): Cursor {
    const own = ownEdits(this.#state)
    const back = (at: number) => own.reduceRight((place, edit) => positionBefore(edit, place), at)
    const from = back(index)
    return { index: from, length: back(index + length) - from }
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
