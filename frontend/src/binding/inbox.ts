/**
 * Others' changes on their way to the surface. They are gathered and applied
 * together, and held back while an input method composes. What is written
 * meanwhile is made on a text without them, and is brought to the text with
 * them before it goes on.
 */
import { compose, type Delta, positionBefore, transformPair, transformPosition } from '../protocol/delta'

export class Inbox {
  #held: Delta = []

  get empty(): boolean {
    return this.#held.length === 0
  }

  add(change: Delta): void {
    this.#held = compose(this.#held, change)
  }

  /** An edit of the surface, as it reads after what is held; and that is brought over the edit. */
  passing(edit: Delta): Delta {
    if (this.empty) return edit
    const [held, moved] = transformPair(this.#held, edit, false)
    this.#held = held
    return moved
  }

  /** Where a position of the surface is once everything is applied. */
  after(index: number): number {
    return transformPosition(this.#held, index, true)
  }

  /** Where a position of the whole text is on the surface as it is now. */
  before(index: number): number {
    return positionBefore(this.#held, index)
  }

  /** All that was held, to be applied now. */
  take(): Delta {
    const held = this.#held
    this.#held = []
    return held
  }
}

const ONE_FRAME_MS = 16
const LONGEST_MS = 150
const COMPOSING_MS = 2000
/** The editor reads the end of a composition from the page a moment after the event. */
const AFTER_COMPOSING_MS = 50

/** Says when what is held is to be applied. */
export class Gate {
  readonly #open: () => void
  #timer: ReturnType<typeof setTimeout> | undefined
  #release: ReturnType<typeof setTimeout> | undefined
  #composing = false
  #cost = 0

  constructor(open: () => void) {
    this.#open = open
  }

  /** Something is held. `near`: beside the caret, where every frame counts. */
  knock(near: boolean): void {
    if (this.#composing) return
    if (near && this.#timer) this.#cancel()
    const pause = near ? ONE_FRAME_MS : Math.min(Math.max(ONE_FRAME_MS, this.#cost * 4), LONGEST_MS)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const before = performance.now()
      this.#open()
      this.#cost = performance.now() - before
    }, pause)
  }

  /** A composition has begun or goes on. Without another sign of it the gate opens after two seconds. */
  composes(): void {
    this.#composing = true
    this.#cancel()
    this.#releaseIn(COMPOSING_MS)
  }

  composed(): void {
    if (this.#composing) this.#releaseIn(AFTER_COMPOSING_MS)
  }

  close(): void {
    this.#cancel()
    clearTimeout(this.#release)
  }

  #releaseIn(ms: number): void {
    clearTimeout(this.#release)
    this.#release = setTimeout(() => {
      this.#composing = false
      this.#open()
    }, ms)
  }

  #cancel(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
