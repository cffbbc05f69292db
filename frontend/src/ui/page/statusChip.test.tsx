// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Status } from '../../protocol/session'
import { StatusChip } from './statusChip'

let place: HTMLElement
beforeEach(() => {
  place = document.body.appendChild(document.createElement('div'))
})
afterEach(() => {
  render(null, place)
  place.remove()
})

const show = (status: Status) => act(() => render(<StatusChip status={status} />, place))
const announced = () => place.querySelector('[role=status]')!.textContent

test('saving is not spoken of, trouble and its end are', () => {
  show({ tag: 'saved' })
  show({ tag: 'saving', edits: 1 })
  show({ tag: 'saved' })
  expect(announced()).toBe('')

  show({ tag: 'offline', edits: 2 })
  expect(announced()).toContain('Offline — 2 edits kept in this tab')
  // More typing offline is not told again and again.
  show({ tag: 'offline', edits: 3 })
  expect(announced()).toContain('2 edits')

  show({ tag: 'saving', edits: 3 })
  expect(announced()).toContain('Offline')
  show({ tag: 'saved' })
  expect(announced()).toBe('Connected. Everything is saved.')
})
