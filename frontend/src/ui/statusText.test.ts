import { expect, test } from 'vitest'
import type { Status } from '../protocol/session'
import { statusText, unsentEdits } from './statusText'

const cases: [Status, string, string, number][] = [
  [{ tag: 'loading' }, 'Opening…', 'fine', 0],
  [{ tag: 'saved' }, 'Saved', 'fine', 0],
  [{ tag: 'saving', edits: 2 }, 'Saving…', 'fine', 2],
  [{ tag: 'waiting', edits: 1 }, '1 edit waiting', 'care', 1],
  [{ tag: 'waiting', edits: 3 }, '3 edits waiting', 'care', 3],
  [{ tag: 'offline', edits: 0 }, 'Offline', 'care', 0],
  [{ tag: 'offline', edits: 2 }, 'Offline — 2 edits kept in this tab until you are back', 'care', 2],
  [{ tag: 'reconnecting', edits: 0 }, 'Reconnecting…', 'care', 0],
  [{ tag: 'reconnecting', edits: 1 }, 'Reconnecting — 1 edit kept in this tab', 'care', 1],
  [{ tag: 'ended', why: 'trashed', unsent: null }, 'In the trash', 'lost', 0],
  [{ tag: 'ended', why: 'refused', unsent: [{ insert: 'a' }] }, 'Stopped', 'lost', 1],
]

test.each(cases)('%j', (status, text, tone, edits) => {
  expect(statusText(status)).toMatchObject({ text, tone })
  expect(unsentEdits(status)).toBe(edits)
})

test('what the server says is why edits wait', () => {
  for (const why of ['The disk is full', 'The disk is full.']) {
    expect(statusText({ tag: 'waiting', edits: 1, why }).detail).toBe(
      'The disk is full. What you wrote stays in this tab and is sent by itself.',
    )
  }
})
