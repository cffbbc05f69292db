/**
 * The client's side of operational transformation, as pure functions: the next
 * state and what to do about it. One edit is in flight; what is typed meanwhile
 * is composed into the next. Committed changes must come in the order of seq.
 *
 * The text on this side is always: content at `seq`, then `inflight.now`, then
 * `pending`.
 */
import { compose, type Delta, invert, sameDelta, transformPair } from './delta'
import type { Change, Edit } from './wire'

/** An edit that was sent and has not yet come back on the stream. */
export interface Inflight {
  /** Exactly as sent: what is sent again must not differ. */
  readonly edit: Edit
  /** The same, transformed over every change since its base. */
  readonly now: Delta
  /** The seq that the server's answer gave it; its change may still be on the way. */
  readonly answered: number | null
}

interface Common {
  readonly seq: number
  readonly client: string
  /** The newest n that was given out. */
  readonly n: number
}

export type ClientState =
  | (Common & { readonly tag: 'synchronized' })
  | (Common & { readonly tag: 'awaitingAck'; readonly inflight: Inflight })
  | (Common & {
      readonly tag: 'awaitingAckWithPending'
      readonly inflight: Inflight
      readonly pending: Delta
    })

export type Effect =
  | { readonly tag: 'send'; readonly edit: Edit }
  /** Something that was not written here, to be applied to the text on this side. */
  | { readonly tag: 'apply'; readonly delta: Delta }
  /** Changes are missing between ours and this one. */
  | { readonly tag: 'fetch' }
  /** Our own change came back as another one than we hold. The text on this side cannot be trusted. */
  | { readonly tag: 'diverged' }

export type Step = [ClientState, Effect[]]

export function start(client: string, seq: number): ClientState {
  return { tag: 'synchronized', seq, client, n: 0 }
}

/** The edits that the server has not acknowledged, as one change of the content at `seq`; null where there are none. */
export function unsent(state: ClientState): Delta | null {
  if (state.tag === 'synchronized') return null
  const rest = state.tag === 'awaitingAckWithPending' ? state.pending : []
  if (state.inflight.answered !== null) return rest.length > 0 ? compose(state.inflight.now, rest) : null
  return compose(state.inflight.now, rest)
}

/** Our edits that no change has brought back yet, in the order in which they apply. */
export function ownEdits(state: ClientState): readonly Delta[] {
  if (state.tag === 'synchronized') return []
  return state.tag === 'awaitingAck' ? [state.inflight.now] : [state.inflight.now, state.pending]
}

/** Something was changed on this side. */
export function edit(state: ClientState, delta: Delta): Step {
  if (delta.length === 0) return [state, []]
  if (state.tag === 'synchronized') return send(state, delta)
  const pending = state.tag === 'awaitingAckWithPending' ? compose(state.pending, delta) : delta
  return [settle({ ...state, tag: 'awaitingAckWithPending', pending }), []]
}

/** A committed change arrived, by the stream or by asking. */
export function receive(state: ClientState, change: Change): Step {
  if (change.seq <= state.seq) return [state, []]
  if (change.seq > state.seq + 1) return [state, [{ tag: 'fetch' }]]
  const next = { ...state, seq: change.seq }
  if (next.tag === 'synchronized') return [next, [{ tag: 'apply', delta: change.delta }]]
  if (isOwn(next.inflight, change)) return acknowledged(next, change)

  const [inflight, delta] = over(next.inflight.now, change.delta)
  const moved: Inflight = { ...next.inflight, now: inflight }
  if (next.tag === 'awaitingAck') {
    return [{ ...next, inflight: moved }, [{ tag: 'apply', delta }]]
  }
  const [pending, rest] = over(next.pending, delta)
  return [settle({ ...next, inflight: moved, pending }), [{ tag: 'apply', delta: rest }]]
}

/** [own edit after the change, change after the own edit]: ours, the later one, goes to the left. */
function over(own: Delta, change: Delta): [Delta, Delta] {
  const [after, moved] = transformPair(change, own, false)
  return [moved, after]
}

function isOwn(inflight: Inflight, change: Change): boolean {
  return change.client === inflight.edit.client && change.n === inflight.edit.n
}

function acknowledged(state: Exclude<ClientState, { tag: 'synchronized' }>, change: Change): Step {
  if (!sameDelta(change.delta, state.inflight.now)) {
    return [answered(state, change.n, change.seq), [{ tag: 'diverged' }]]
  }
  const { seq, client, n } = state
  const free: ClientState = { tag: 'synchronized', seq, client, n }
  return state.tag === 'awaitingAck' ? [free, []] : send(free, state.pending)
}

function send(state: Common, delta: Delta): Step {
  const { seq, client } = state
  const n = state.n + 1
  const edit: Edit = { client, n, base: seq, delta }
  return [
    { tag: 'awaitingAck', seq, client, n, inflight: { edit, now: delta, answered: null } },
    [{ tag: 'send', edit }],
  ]
}

/** Drops a pending edit that came to nothing. */
function settle(state: Exclude<ClientState, { tag: 'synchronized' }>): ClientState {
  if (state.tag === 'awaitingAck' || state.pending.length > 0) return state
  const { pending: _, ...rest } = state
  return { ...rest, tag: 'awaitingAck' }
}

/** The server answered the edit in flight. Its change may have come before, or come later. */
export function answered(state: ClientState, n: number, seq: number): ClientState {
  if (state.tag === 'synchronized' || state.inflight.edit.n !== n) return state
  return { ...state, inflight: { ...state.inflight, answered: seq } }
}

/**
 * The edit in flight was refused because its base is too old, and nothing was
 * committed: the same n again, as it reads at our seq, which should be the head.
 */
export function rebase(state: ClientState): Step {
  if (state.tag === 'synchronized') return [state, []]
  return resend(state, state.client, state.inflight.edit.n)
}

/**
 * The edit in flight was refused for what it is, and nothing was committed: it
 * is taken out of the text on this side, and what was written after it stays.
 * `content` is the committed content at our seq.
 */
export function takeBack(state: ClientState, content: Delta): Step {
  if (state.tag === 'synchronized') return [state, []]
  const { seq, client, inflight } = state
  const inverse = invert(inflight.now, content)
  const free: ClientState = { tag: 'synchronized', seq, client, n: inflight.edit.n - 1 }
  if (state.tag === 'awaitingAck') return [free, [{ tag: 'apply', delta: inverse }]]
  const [pending, delta] = over(state.pending, inverse)
  const [next, effects] = pending.length > 0 ? send(free, pending) : ([free, []] as Step)
  return [next, [{ tag: 'apply', delta }, ...effects]]
}

/** The edit in flight cannot be sent under this client: begin anew under another. */
export function takeClient(state: ClientState, client: string): Step {
  if (state.tag === 'synchronized') return [{ ...state, client, n: 0 }, []]
  return resend(state, client, 1)
}

function resend(state: Exclude<ClientState, { tag: 'synchronized' }>, client: string, n: number): Step {
  const now = state.inflight.now
  const { seq } = state
  if (now.length === 0) {
    // It came to nothing meanwhile. An empty edit takes no n, so the pending one gets it.
    const free: ClientState = { tag: 'synchronized', seq, client, n: n - 1 }
    return state.tag === 'awaitingAck' ? [free, []] : send(free, state.pending)
  }
  const edit: Edit = { client, n, base: seq, delta: now }
  return [{ ...state, client, n, inflight: { edit, now, answered: null } }, [{ tag: 'send', edit }]]
}
