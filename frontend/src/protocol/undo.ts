/**
 * Undo of one's own edits: a stack of inverse Deltas. An entry applies to the
 * text as it is once all entries above it are undone. Changes of others are
 * laid on the top of the stack and carried down when an entry is taken, so a
 * remote change costs the same whatever the depth.
 *
 * Pure: every function returns a new history.
 */
import { compose, type Delta, opLength, transformPair, transformPosition } from './delta'

interface Entry {
  readonly delta: Delta
  /** Others' changes since, oldest first, over which this entry and all below must still go. */
  readonly over: readonly Delta[]
}

export interface History {
  readonly undo: readonly Entry[]
  readonly redo: readonly Entry[]
  /** What the newest entry was made of, while it may still grow. */
  readonly open: { readonly at: number; readonly from: number; readonly to: number } | null
}

export const emptyHistory: History = { undo: [], redo: [], open: null }

const MAX_ENTRIES = 1000
const MAX_PAUSE_MS = 700
/** Longer lists of others' changes are composed into one. */
const MAX_OVER = 64

/**
 * Records an edit by its inverse. It joins the newest entry where it follows
 * within 700 ms at a place that touches it; one that formats is always an
 * entry of its own. `now` is in milliseconds.
 */
export function record(history: History, edit: Delta, inverse: Delta, now: number): History {
  const touched = extent(edit)
  if (!touched) return history
  const { open } = history
  const formats = edit.some(op => 'retain' in op && op.attributes)
  const near = open && !formats && touched.oldFrom <= open.to && touched.oldTo >= open.from
  if (near && now - open.at < MAX_PAUSE_MS && history.undo.length > 0) {
    const [rest, delta] = lift(history.undo)
    return {
      undo: [...rest, { delta: compose(inverse, delta), over: [] }],
      redo: [],
      open: {
        at: now,
        from: Math.min(open.from, touched.from),
        to: Math.max(open.to + touched.grown, touched.to),
      },
    }
  }
  return {
    undo: [...history.undo.slice(1 - MAX_ENTRIES), { delta: inverse, over: [] }],
    redo: [],
    open: formats ? null : { at: now, from: touched.from, to: touched.to },
  }
}

/** The next edit begins an entry of its own. */
export function seal(history: History): History {
  return history.open ? { ...history, open: null } : history
}

/** Somebody else's change was applied. What is written goes on as one entry, though others write meanwhile. */
export function others(history: History, change: Delta): History {
  const { open } = history
  return {
    undo: lay(history.undo, [change]),
    redo: lay(history.redo, [change]),
    open: open && {
      at: open.at,
      from: transformPosition(change, open.from, true),
      to: transformPosition(change, open.to, false),
    },
  }
}

function lay(stack: readonly Entry[], changes: readonly Delta[]): readonly Entry[] {
  const last = stack.at(-1)
  if (!last || changes.length === 0) return stack
  let over: readonly Delta[] = [...last.over, ...changes]
  if (over.length > MAX_OVER) over = [over.reduce(compose)]
  return [...stack.slice(0, -1), { delta: last.delta, over }]
}

/** Takes the newest entry off as it reads on the text of now; null where nothing is left to undo. */
export function takeUndo(history: History): [History, Delta] | null {
  const taken = take(history.undo)
  return taken && [{ ...history, undo: taken[0], open: null }, taken[1]]
}

export function takeRedo(history: History): [History, Delta] | null {
  const taken = take(history.redo)
  return taken && [{ ...history, redo: taken[0], open: null }, taken[1]]
}

/** An undo was applied; `inverse` takes it back. */
export function undone(history: History, inverse: Delta): History {
  return { ...history, redo: [...history.redo, { delta: inverse, over: [] }], open: null }
}

/** A redo was applied; `inverse` takes it back. */
export function redone(history: History, inverse: Delta): History {
  return { ...history, undo: [...history.undo, { delta: inverse, over: [] }], open: null }
}

/** The newest entry that others' changes have not left without effect, and the stack below it. */
function take(stack: readonly Entry[]): [readonly Entry[], Delta] | null {
  let rest = stack
  while (rest.length > 0) {
    const [below, delta] = lift(rest)
    if (delta.length > 0) return [below, delta]
    rest = below
  }
  return null
}

/** The top entry as it reads on the text of now, and the stack below it with what lay on top. */
function lift(stack: readonly Entry[]): [readonly Entry[], Delta] {
  const top = stack.at(-1)!
  let delta = top.delta
  const below: Delta[] = []
  for (const change of top.over) {
    const [after, own] = transformPair(change, delta, false)
    below.push(after)
    delta = own
  }
  return [lay(stack.slice(0, -1), below), delta]
}

/** The span that a change touches: before it [oldFrom, oldTo], after it [from, to]. */
function extent(
  edit: Delta,
): { oldFrom: number; oldTo: number; from: number; to: number; grown: number } | null {
  const first = edit[0]
  if (!first) return null
  const from = 'retain' in first && !first.attributes ? first.retain : 0
  let to = 0
  let oldTo = 0
  for (const op of edit) {
    if (!('delete' in op)) to += opLength(op)
    if (!('insert' in op)) oldTo += opLength(op)
  }
  return { oldFrom: from, oldTo, from, to, grown: to - oldTo }
}
