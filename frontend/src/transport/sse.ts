/**
 * Reads server-sent events as the HTML standard has it ("event stream
 * interpretation"), from pieces that may be cut anywhere. `retry` is passed
 * over: the line decides for itself when to come back.
 */

export interface SseEvent {
  readonly type: string
  readonly data: string
  /** The last id so far, '' before the first. */
  readonly id: string
}

export class SseParser {
  readonly #decoder = new TextDecoder('utf-8')
  readonly #emit: (event: SseEvent) => void
  /** What was read of a line that has no end yet, in the pieces it came in. */
  #line: string[] = []
  #afterReturn = false
  #type = ''
  #data: string[] = []
  #id = ''

  constructor(emit: (event: SseEvent) => void) {
    this.#emit = emit
  }

  /** Takes the next bytes; emits every event that they complete. */
  push(bytes: Uint8Array): void {
    let text = this.#decoder.decode(bytes, { stream: true })
    if (text === '') return
    // A line may end in \r\n, and the two may come in different pieces.
    if (this.#afterReturn && text[0] === '\n') text = text.slice(1)
    this.#afterReturn = text.endsWith('\r')
    const lines = text.split(/\r\n|\r|\n/)
    for (let i = 0; i < lines.length - 1; i++) {
      this.#line.push(lines[i]!)
      this.#endLine(this.#line.join(''))
      this.#line = []
    }
    this.#line.push(lines.at(-1)!)
  }

  #endLine(line: string): void {
    if (line === '') {
      this.#dispatch()
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) return
    const name = colon < 0 ? line : line.slice(0, colon)
    let value = colon < 0 ? '' : line.slice(colon + 1)
    if (value.startsWith(' ')) value = value.slice(1)
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id' && !value.includes('\0')) this.#id = value
  }

  #dispatch(): void {
    if (this.#data.length > 0) {
      this.#emit({ type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id })
    }
    this.#type = ''
    this.#data = []
  }
}
