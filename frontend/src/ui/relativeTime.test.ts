// @vitest-environment happy-dom
import { expect, test } from 'vitest'
import { relativeTime } from './relativeTime'

const now = new Date(2026, 2, 14, 15, 0, 0)
const ago = (days: number, hours = 0, minutes = 0, seconds = 0) =>
  new Date(2026, 2, 14 - days, 15 - hours, -minutes, -seconds)

test.each([
  [ago(0, 0, 0, -90), 'just now'],
  [ago(0), 'just now'],
  [ago(0, 0, 0, 44), 'just now'],
  [ago(0, 0, 0, 50), '1 minute ago'],
  [ago(0, 0, 59), '59 minutes ago'],
  [ago(0, 0, 59, 40), '1 hour ago'],
  [ago(0, 3), '3 hours ago'],
  [ago(0, 14), '14 hours ago'],
  [ago(0, 16), 'yesterday'],
  [ago(1), 'yesterday'],
  [ago(1, 14), 'yesterday'],
  [ago(6), '6 days ago'],
  [ago(7), 'Mar 7'],
  [new Date(2024, 11, 31), 'Dec 31, 2024'],
])('%s is "%s"', (then, said) => {
  expect(relativeTime(then, now)).toBe(said)
})
