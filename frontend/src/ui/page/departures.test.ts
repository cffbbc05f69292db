import { expect, test } from 'vitest'
import type { PageSession, Status } from '../../protocol/session'
import { Departures } from './departures'

function fakeSession(status: Status) {
  let listener = () => {}
  let closed = false
  const session = {
    id: 'p',
    info: { title: 'Comets' },
    status,
    subscribe(next: () => void) {
      listener = next
      return () => {}
    },
    close() {
      closed = true
    },
  }
  return {
    session: session as unknown as PageSession,
    becomes(next: Status) {
      session.status = next
      listener()
    },
    isClosed: () => closed,
  }
}

test('a page with nothing to send is closed at once', () => {
  const page = fakeSession({ tag: 'saved' })
  new Departures().leave(page.session)
  expect(page.isClosed()).toBe(true)
})

test('a page that was left stays open until its edits are acknowledged', () => {
  const departures = new Departures()
  const page = fakeSession({ tag: 'offline', edits: 2 })
  departures.arrive(page.session)
  departures.leave(page.session)
  expect(page.isClosed()).toBe(false)
  expect(departures.unsent).toBe(2)
  expect(departures.waiting.value).toEqual([{ id: 'p', title: 'Comets', edits: 2 }])

  page.becomes({ tag: 'saving', edits: 1 })
  expect(page.isClosed()).toBe(false)
  page.becomes({ tag: 'saved' })
  expect(page.isClosed()).toBe(true)
  expect(departures.unsent).toBe(0)
  expect(departures.waiting.value).toEqual([])
})
