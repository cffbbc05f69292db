/**
 * Titles that several people edit at once, over a network that delays, loses and
 * repeats: everybody ends with the server's title, and no word is lost or doubled.
 */
import { describe, expect, it } from 'vitest'
import { compose, type Delta, transform } from '../src/protocol/delta'
import { changeOf, TitleDraft, type TitleSave } from '../src/protocol/title'
import { Rng } from './random'

const asContent = (text: string): Delta => (text ? [{ insert: text }] : [])
const textOf = (content: Delta) => content.map(op => ('insert' in op ? op.insert : '')).join('')

/** What the server does with a save. */
class Server {
  title = ''
  readonly #known = new Set<string>()

  save({ key, base, title }: TitleSave): string {
    if (!this.#known.has(key)) {
      this.#known.add(key)
      const own = transform(changeOf(base, this.title), changeOf(base, title), false)
      this.title = textOf(compose(asContent(this.title), own))
    }
    return this.title
  }
}

/** Somebody with the page open; each step is one thing that can happen. */
class Person {
  readonly draft = new TitleDraft('')
  /** What others made of the title, and has not arrived. */
  seen = ''
  #now = 0
  #asked: TitleSave | null = null
  #answer: string | null = null
  #keys = 0

  constructor(
    readonly name: string,
    readonly server: Server,
  ) {}

  types(word: string, at: number): void {
    this.#now += 1000
    const { text } = this.draft
    this.draft.type(text.slice(0, at) + word + text.slice(at), this.#now)
  }

  asks(): void {
    this.#asked ??= this.draft.save(() => `${this.name}-${this.#keys++}`)
  }

  /** The request arrives, perhaps not for the first time; its answer may be lost. */
  arrives(heard: boolean): void {
    if (!this.#asked) return
    const answer = this.server.save(this.#asked)
    if (heard) this.#answer = answer
  }

  hears(): void {
    if (this.#answer === null) return
    this.draft.answered(this.#answer)
    this.#asked = null
    this.#answer = null
  }

  reads(): void {
    this.seen = this.server.title
    this.draft.receive(this.seen)
  }
}

describe('titles', () => {
  it('merge, whatever the network does', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const rng = new Rng(seed)
      const server = new Server()
      const people = ['a', 'b', 'c'].map(name => new Person(name, server))
      const words: string[] = []
      for (let step = 0; step < 120; step++) {
        const person = rng.pick(people)
        const { text } = person.draft
        switch (rng.int(6)) {
          case 0: {
            if (words.length >= 20) break
            // Each a letter of its own, so that it is told from all others at the end.
            const word = String.fromCharCode(0x4e00 + words.length)
            const places = [0, text.length, ...Array.from(text.matchAll(/ /g), match => match.index)]
            const at = rng.pick(places)
            words.push(word)
            person.types(text === '' ? word : at === 0 ? `${word} ` : ` ${word}`, at)
            break
          }
          case 1:
            person.asks()
            break
          case 2:
          case 3:
            person.arrives(rng.chance(0.6))
            break
          case 4:
            person.hears()
            break
          default:
            person.reads()
        }
      }
      // The network is well again.
      for (let round = 0; round < 4; round++) {
        for (const person of people) {
          person.asks()
          person.arrives(true)
          person.hears()
        }
      }
      for (const person of people) person.reads()
      const titles = people.map(({ draft }) => draft.text)
      expect(titles, `seed ${seed}`).toEqual([server.title, server.title, server.title])
      for (const word of words)
        expect(server.title.split(word).length - 1, `seed ${seed}: ${word} in ${server.title}`).toBe(1)
    }
  })

  it('undo takes back what one wrote oneself, after others wrote too', () => {
    const draft = new TitleDraft('Plan')
    draft.type('Plan B', 0)
    draft.receive('The Plan')
    draft.type('The Plan B!', 5000)
    expect(draft.text).toBe('The Plan B!')
    draft.undo()
    draft.undo()
    expect([draft.text, draft.undo()]).toEqual(['The Plan', null])
    draft.redo()
    expect(draft.text).toBe('The Plan B')
  })

  it('cut no surrogate pair', () => {
    expect(changeOf('😀', '😁')).toEqual([{ insert: '😁' }, { delete: 2 }])
    expect(changeOf('a😀b', 'a😀c😀b')).toEqual([{ retain: 3 }, { insert: 'c😀' }])
    expect(changeOf('same', 'same')).toEqual([])
  })

  it('a save that is refused leaves its words shown, and the next one brings them again', () => {
    const draft = new TitleDraft('Plan')
    draft.type('Plan B', 0)
    const first = draft.save(() => 'one')!
    draft.refused()
    expect(draft.receive('The Plan').length).toBeGreaterThan(0)
    const second = draft.save(() => 'two')!
    expect([first, second]).toEqual([
      { key: 'one', base: 'Plan', title: 'Plan B' },
      { key: 'two', base: 'The Plan', title: 'The Plan B' },
    ])
  })
})
