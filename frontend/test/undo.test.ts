import { describe, expect, it } from 'vitest'
import { compose, type Delta, deltaLength, insertOp, invert, transform } from '../src/protocol/delta'
import {
  emptyHistory,
  type History,
  others,
  record,
  redone,
  seal,
  takeRedo,
  takeUndo,
  undone,
} from '../src/protocol/undo'
import { Rng, randomChange, randomContent, rounds, unitsOf } from './random'

/** A text with one's own history. */
class Page {
  text: Delta
  history: History = emptyHistory
  time = 0
  constructor(text: Delta) {
    this.text = text
  }
  writes(delta: Delta, pause = 1000): void {
    this.time += pause
    this.history = record(this.history, delta, invert(delta, this.text), this.time)
    this.text = compose(this.text, delta)
  }
  hears(delta: Delta): void {
    this.history = others(this.history, delta)
    this.text = compose(this.text, delta)
  }
  undo(): boolean {
    const taken = takeUndo(this.history)
    if (!taken) return false
    this.history = undone(taken[0], invert(taken[1], this.text))
    this.text = compose(this.text, taken[1])
    return true
  }
  redo(): boolean {
    const taken = takeRedo(this.history)
    if (!taken) return false
    this.history = redone(taken[0], invert(taken[1], this.text))
    this.text = compose(this.text, taken[1])
    return true
  }
}

const at = (index: number, text: string): Delta => [...(index > 0 ? [{ retain: index }] : []), insertOp(text)]

describe('undo', () => {
  it('takes back a format by itself, however soon it follows', () => {
    const page = new Page([{ insert: 'x\n' }])
    page.writes(at(0, 'word'), 100)
    page.writes([{ retain: 4, attributes: { bold: true } }], 100)
    page.writes(at(4, 's'), 100)
    page.undo()
    page.undo()
    expect(page.text).toEqual([{ insert: 'wordx\n' }])
    page.undo()
    expect(page.text).toEqual([{ insert: 'x\n' }])
  })

  it('takes back what was typed in one go', () => {
    const page = new Page([{ insert: 'x\n' }])
    for (const [i, letter] of [...'word'].entries()) page.writes(at(i, letter), 100)
    page.writes(at(4, ' more'), 2000)
    page.undo()
    expect(page.text).toEqual([{ insert: 'wordx\n' }])
    page.undo()
    expect(page.text).toEqual([{ insert: 'x\n' }])
    expect(page.undo()).toBe(false)
    page.redo()
    page.redo()
    expect(page.text).toEqual([{ insert: 'word morex\n' }])
    expect(page.redo()).toBe(false)
  })

  it('keeps apart what was typed elsewhere, later, or after a seal', () => {
    const page = new Page([{ insert: 'one two three\n' }])
    page.writes(at(0, 'a'), 100)
    page.writes(at(8, 'b'), 100)
    page.writes(at(9, 'c'), 800)
    page.history = seal(page.history)
    page.writes(at(10, 'd'), 100)
    expect(page.history.undo.length).toBe(4)
  })

  it('takes back in one go what was typed in one, though others wrote meanwhile', () => {
    const page = new Page([{ insert: 'x\n' }])
    page.writes(at(0, 'a'), 100)
    page.hears(at(0, '12'))
    page.writes(at(3, 'b'), 100)
    page.hears(at(1, '3'))
    page.writes(at(5, 'c'), 100)
    expect(page.text).toEqual([{ insert: '132abcx\n' }])
    page.undo()
    expect(page.text).toEqual([{ insert: '132x\n' }])
    page.redo()
    expect(page.text).toEqual([{ insert: '132abcx\n' }])
  })

  it('forgets what was undone once something new is written', () => {
    const page = new Page([{ insert: '\n' }])
    page.writes(at(0, 'a'))
    page.undo()
    page.writes(at(0, 'b'))
    expect(page.redo()).toBe(false)
  })

  it('passes over what others have deleted', () => {
    const page = new Page([{ insert: '\n' }])
    page.writes(at(0, 'first'))
    page.writes(at(5, ' second'))
    page.hears([{ retain: 5 }, { delete: 7 }])
    page.undo()
    expect(page.text).toEqual([{ insert: '\n' }])
  })

  it('takes back one’s own and nothing of others', () => {
    for (let seed = 1; seed <= rounds(12_000); seed++) {
      const rng = new Rng(seed)
      const page = new Page([{ insert: 'some words to begin with\n' }])
      // Each letter says whose it is: mine are M, theirs are digits.
      const write = (letters: string): Delta => at(rng.int(deltaLength(page.text)), letters)
      let theirs = 0
      for (let i = 0; i < 30; i++) {
        const act = rng.next()
        if (act < 0.4) page.writes(write(rng.pick(['M', 'MM'])), rng.pick([100, 1000]))
        else if (act < 0.8) {
          page.hears(write(String(rng.int(10))))
          theirs++
        } else if (act < 0.9) page.undo()
        else page.redo()
      }
      while (page.undo());
      const text = unitsOf(page.text)
      expect(text.replace(/\d/g, ''), `mine are gone (seed ${seed})`).toBe('some words to begin with\n')
      expect(text.match(/\d/g)?.length ?? 0, `theirs are all there (seed ${seed})`).toBe(theirs)
    }
  })

  it('is the same as transforming every entry at once', () => {
    for (let seed = 1; seed <= rounds(3000); seed++) {
      const rng = new Rng(seed)
      const page = new Page(randomContent(rng, 6))
      let plain: Delta[] = []
      for (let i = 0; i < 8; i++) {
        const change = randomChange(rng, page.text, 2)
        if (rng.chance(0.5)) {
          plain.push(invert(change, page.text))
          page.writes(change)
          continue
        }
        let over = change
        plain = plain
          .toReversed()
          .map(entry => {
            const moved = transform(over, entry, false)
            over = transform(entry, over, true)
            return moved
          })
          .toReversed()
        page.hears(change)
      }
      let want = page.text
      for (const entry of plain.toReversed()) want = compose(want, entry)
      // What touches in time is one entry here and several there; the end is the same.
      while (page.undo());
      expect(page.text, `seed ${seed}`).toEqual(want)
    }
  })
})
