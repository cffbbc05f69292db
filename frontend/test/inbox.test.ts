import { describe, expect, it } from 'vitest'
import { Inbox } from '../src/binding/inbox'
import { compose } from '../src/protocol/delta'
import { Rng, randomChange, randomContent, rounds } from './random'

describe('changes that are held back', () => {
  it('leave the surface and the session with the same text once they are let in', () => {
    for (let seed = 1; seed <= rounds(20_000); seed++) {
      const rng = new Rng(seed)
      const inbox = new Inbox()
      let surface = randomContent(rng, 6)
      let session = surface
      for (let i = 0; i < 12; i++) {
        const act = rng.next()
        if (act < 0.4) {
          const change = randomChange(rng, session, 2)
          session = compose(session, change)
          inbox.add(change)
        } else if (act < 0.85) {
          const edit = randomChange(rng, surface, 2)
          surface = compose(surface, edit)
          session = compose(session, inbox.passing(edit))
        } else surface = compose(surface, inbox.take())
      }
      surface = compose(surface, inbox.take())
      expect(surface, `seed ${seed}`).toEqual(session)
      expect(inbox.empty).toBe(true)
    }
  })
})
