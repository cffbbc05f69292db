/** What a session needs of the world. The browser's are in transport/; tests bring their own. */
import type { TitleSave } from './title'
import type { Change, Cursor, LoadedPage, PageInfo, PresenceState, Problem, ServerEvent } from './wire'

export interface Clock {
  /** Milliseconds since any fixed moment. */
  now(): number
  /** Calls `run` once after `ms` milliseconds, unless the function it returns was called before. */
  after(ms: number, run: () => void): () => void
}

/** What the page around us is like, as the browser sees it. */
export interface Surroundings {
  online(): boolean
  /** Whether somebody can see this tab. */
  visible(): boolean
  /** Whether the tab is being closed, or goes to another site; it may yet come back. */
  leaving(): boolean
  /** Calls `listener` when any of these changes, or the page came back from a long sleep; returns how to stop. */
  watch(listener: () => void): () => void
  /** Calls `listener` when somebody touches a key, the mouse or the screen, now and then while they go on; returns how to stop. */
  watchInput(listener: () => void): () => void
}

/** Where a line starts: changes after `seq` are sent. */
export interface Position {
  readonly seq: number
  readonly epoch: string
  readonly client: string
}

export interface LineListener {
  /** Every event that is known, in order. `hello` means that the line is open. */
  event(event: ServerEvent): void
  /** The line is lost, for the `failures`th time without a hello between; it comes back by itself. */
  lost(failures: number): void
  /** The server refuses the line for good. */
  refused(problem: Problem): void
}

/** An open line that comes back by itself until it is closed. */
export interface Line {
  /** Begins anew, from the position that there is now. */
  restart(): void
  /** Something hints that the line is dead: makes sure now, and where it waits to try again tries at once. */
  check(): void
  close(): void
}

export interface PresencePost {
  readonly client: string
  readonly base: number
  readonly cursor: Cursor | null
  readonly state: PresenceState | 'left'
}

/** The server's calls that an open page needs. Each rejects with a Problem. */
export interface Transport {
  /** The page as it is, or as it was at `seq`. */
  load(page: string, seq?: number): Promise<LoadedPage>
  changes(page: string, after: number): Promise<{ changes: Change[]; head: number }>
  /** Submits an edit, as the JSON text that it is; answers its seq. */
  submit(page: string, edit: string): Promise<number>
  /** Says where we are; must also get out while the tab closes. */
  present(page: string, presence: PresencePost): Promise<void>
  /** Saves a change of the title; the answer has what the server made of it. */
  retitle(page: string, save: TitleSave): Promise<PageInfo>
  /** Opens a line. `where` is asked again at each reconnect. */
  follow(page: string, where: () => Position, listener: LineListener): Line
}

export interface SessionDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly surroundings: Surroundings
  /** A new random id for a client. */
  newClient(): string
  /** From 0 up to, not including, 1: spreads retries. */
  random(): number
}
