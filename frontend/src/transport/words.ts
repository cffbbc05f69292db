/**
 * What the tabs of one browser say to each other over their channel. Every
 * word goes to all; `from` is the tab that said it. One of them leads: it alone
 * holds lines to the server, and passes on what it hears there.
 */
import type { Problem, ServerEvent } from '../protocol/wire'

/** One open editor in one tab: what it follows, and how far it is. */
export interface Wanted {
  readonly client: string
  readonly page: string
  readonly epoch: string
  /** The changes up to here it has. */
  seq: number
}

/** Which of the tabs' followers a word is for: editors by their client, and whether those of the list. */
export interface Named {
  readonly clients: readonly string[]
  readonly list: boolean
}

export type Word =
  /** Is anybody leading? Who does, answers. */
  | { readonly say: 'ping' }
  /** All that a tab follows. `again`: it missed something, and needs what comes after its positions. */
  | {
      readonly say: 'follow'
      readonly wanted: readonly Wanted[]
      readonly list: boolean
      readonly again: boolean
    }
  /** A tab is there: the answer to a beat. */
  | { readonly say: 'here' }
  /** A tab goes. */
  | { readonly say: 'leave' }
  /** The line may be dead: one that nothing was heard on for so long is to be tried. */
  | { readonly say: 'check'; readonly quietMs: number }
  /** The session of all tabs was ended by one of them. */
  | { readonly say: 'over' }
  // The following are said by the one that leads.
  /** I lead from now on: say what you follow. */
  | { readonly say: 'lead' }
  /** I lead no more. */
  | { readonly say: 'resign' }
  /** I am alive: the answer to a ping. */
  | { readonly say: 'pong' }
  /** The same unasked, with the tabs that I know. By tab: the clients that it follows pages with, and whether the list. */
  | { readonly say: 'beat'; readonly tabs: Readonly<Record<string, Named>> }
  /** A line is open: these are served by it from now on, and by no older one. */
  | ({
      readonly say: 'hello'
      readonly line: number
      readonly event: ServerEvent & { type: 'hello' }
    } & Named)
  /** What came over a line. */
  | { readonly say: 'event'; readonly line: number; readonly event: ServerEvent }
  | ({ readonly say: 'lost'; readonly line: number; readonly failures: number } & Named)
  | ({ readonly say: 'refused'; readonly problem: PlainProblem } & Named)

/** A Problem as it goes over a channel, which keeps no classes. */
export type PlainProblem = Pick<Problem, 'status' | 'type' | 'title' | 'detail' | 'extra'>

/** `no` counts what a tab says while it leads, pongs aside: where one is left out, something was not heard. */
export type Letter = Word & { readonly from: string; readonly no?: number }

/** A channel between tabs; each hears what the others post, in the order in which one posts it. */
export interface Channel {
  post(letter: Letter): void
  close(): void
}
