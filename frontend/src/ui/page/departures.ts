import { signal } from '@preact/signals'
import type { PageSession } from '../../protocol/session'
import { unsentEdits } from '../statusText'

/**
 * Pages that were left while edits were on their way. Their sessions stay open
 * until everything is acknowledged, so that going to another screen never
 * costs a word; closing the tab is warned about.
 */
export class Departures {
  readonly waiting = signal<{ id: string; title: string; edits: number }[]>([])
  #sessions = new Set<PageSession>()
  #open = new Set<PageSession>()

  /** A page is on the screen. */
  arrive(session: PageSession): void {
    this.#open.add(session)
  }

  /** Closes a session now, or as soon as nothing in it waits. */
  leave(session: PageSession): void {
    this.#open.delete(session)
    if (isDone(session)) {
      session.close()
      return
    }
    this.#sessions.add(session)
    const stop = session.subscribe(() => {
      if (isDone(session)) {
        stop()
        this.#sessions.delete(session)
        session.close()
      }
      this.#tell()
    })
    this.#tell()
  }

  /** Edits in this tab that the server has not acknowledged. */
  get unsent(): number {
    let edits = 0
    for (const session of [...this.#open, ...this.#sessions]) edits += unsentEdits(session.status)
    return edits
  }

  #tell(): void {
    this.waiting.value = Array.from(this.#sessions, session => ({
      id: session.id,
      title: session.info.title,
      edits: unsentEdits(session.status),
    }))
  }
}

/** Whether a session has nothing to send, or nobody to send it to. */
function isDone(session: PageSession): boolean {
  return session.status.tag === 'ended' || unsentEdits(session.status) === 0
}
