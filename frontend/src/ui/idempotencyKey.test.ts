import { expect, test } from 'vitest'
import { newKey } from './idempotencyKey'

test('keys have the form of an Idempotency-Key and differ', () => {
  expect(newKey()).toMatch(/^[A-Za-z0-9_-]{8,64}$/)
  expect(newKey()).not.toBe(newKey())
})
