/** What is copied, as HTML and plain text; and what others' HTML says, as content. */
import { type Attributes, type Json, orNone } from '../protocol/attributes'
import { type Delta, type Embed, type Insert, insertOp, type Op, push } from '../protocol/delta'
import {
  indentOf,
  isFile,
  isKnownFormat,
  isPicture,
  isSafeLink,
  type LineKind,
  lineKind,
  MAX_INDENT,
  toSafeLink,
} from './format'
import { cleanText } from './writing'

/** The longest label or description that an embed may have, in UTF-16 code units. */
const MAX_LABEL = 512

/** Our own content, exactly; between our own pages in one browser. */
export const DELTA_TYPE = 'application/x-halley-delta+json'

interface CopiedLine {
  readonly inserts: Insert[]
  readonly format: Attributes | null
  readonly kind: LineKind
}

/** Lines, and what follows the last newline. */
function linesOf(content: Delta): { lines: CopiedLine[]; rest: Insert[] } {
  const lines: CopiedLine[] = []
  let line: Insert[] = []
  for (const { insert, attributes } of content as readonly Insert[]) {
    if (typeof insert !== 'string') {
      line.push(insertOp(insert, attributes))
      continue
    }
    insert.split('\n').forEach((text, i) => {
      if (i > 0) {
        const format = attributes ?? null
        lines.push({ inserts: line, format, kind: lineKind(format) })
        line = []
      }
      if (text !== '') line.push(insertOp(text, attributes))
    })
  }
  return { lines, rest: line }
}

/** Content as plain text. */
export function toText(content: Delta): string {
  return (content as readonly Insert[])
    .map(({ insert }) => (typeof insert === 'string' ? insert : embedText(insert)))
    .join('')
}

function embedText(embed: Embed): string {
  const [kind, value] = Object.entries(embed)[0] ?? []
  if (kind === 'divider') return '---'
  if (typeof value === 'string') return value
  const fields = (value ?? {}) as Record<string, unknown>
  if (typeof fields.label === 'string') return `@${fields.label}`
  return typeof fields.name === 'string' ? fields.name : ''
}

/** Content as HTML that other programs understand: real lists in each other, code as one block. */
export function toHtml(content: Delta): string {
  const { lines, rest } = linesOf(content)
  let html = ''
  for (let i = 0; i < lines.length; ) {
    const kind = lines[i]!.kind.kind
    let end = i + 1
    if (kind === 'list' || kind === 'code-block') while (lines[end]?.kind.kind === kind) end++
    const run = lines.slice(i, end)
    if (kind === 'list') html += listHtml(run)
    else if (kind === 'code-block') html += codeHtml(run)
    else html += lineHtml(run[0]!)
    i = end
  }
  return html + inlineHtml(rest)
}

function lineHtml({ inserts, kind }: CopiedLine): string {
  const html = inlineHtml(inserts) || '<br>'
  if (html === '<hr>') return html
  if (kind.kind === 'header') return `<h${kind.level}>${html}</h${kind.level}>`
  return kind.kind === 'blockquote' ? `<blockquote><p>${html}</p></blockquote>` : `<p>${html}</p>`
}

/** A newline ends code in HTML, as it ends any line. */
function codeHtml(lines: readonly CopiedLine[]): string {
  return `<pre><code>${lines.map(line => `${inlineHtml(line.inserts)}\n`).join('')}</code></pre>`
}

function listHtml(lines: readonly CopiedLine[]): string {
  const open: string[] = []
  let html = ''
  for (const line of lines) {
    const list = line.kind.kind === 'list' ? line.kind.list : 'bullet'
    const tag = list === 'ordered' ? 'ol' : 'ul'
    const depth = indentOf(line.format)
    while (open.length > depth + 1) html += `</li></${open.pop()}>`
    if (open.length === depth + 1) html += open.at(-1) === tag ? '</li>' : `</li></${open.pop()}>`
    while (open.length <= depth) {
      html += open.length < depth ? '<ul><li>' : `<${tag}>`
      open.push(open.length < depth ? 'ul' : tag)
    }
    const checked = list === 'checked' ? ' checked' : ''
    const box = list === 'checked' || list === 'unchecked' ? `<input type="checkbox"${checked}> ` : ''
    html += `<li>${box}${inlineHtml(line.inserts)}`
  }
  while (open.length > 0) html += `</li></${open.pop()}>`
  return html
}

const TAGS: readonly [string, string][] = [
  ['code', 'code'],
  ['strike', 's'],
  ['underline', 'u'],
  ['italic', 'em'],
  ['bold', 'strong'],
]

function inlineHtml(inserts: readonly Insert[]): string {
  return inserts.map(insertHtml).join('')
}

function insertHtml({ insert, attributes = {} }: Insert): string {
  let html = typeof insert === 'string' ? escapeHtml(insert) : embedHtml(insert, attributes)
  for (const [name, tag] of TAGS) if (attributes[name] === true) html = `<${tag}>${html}</${tag}>`
  if (attributes.script === 'sub' || attributes.script === 'super') {
    const tag = attributes.script === 'sub' ? 'sub' : 'sup'
    html = `<${tag}>${html}</${tag}>`
  }
  const { link } = attributes
  return typeof link === 'string' && isSafeLink(link) ? `<a href="${escapeHtml(link)}">${html}</a>` : html
}

function embedHtml(embed: Embed, attributes: Attributes): string {
  if (embed.divider === true) return '<hr>'
  const { image } = embed
  if (typeof image === 'string' && isSafeLink(image)) {
    const alt = typeof attributes.alt === 'string' ? attributes.alt : ''
    return `<img src="${escapeHtml(image)}" alt="${escapeHtml(alt)}">`
  }
  return escapeHtml(embedText(embed))
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, char => `&#${char.charCodeAt(0)};`)
}

/**
 * What may come in of a content that claims to be ours: anybody can put
 * anything on the clipboard. Comments stay where they were made.
 */
export function cleaned(content: Delta): Delta {
  const ops: Op[] = []
  for (const { insert, attributes = {} } of content as readonly Insert[]) {
    const kept = Object.entries(attributes).filter(([name, value]) => mayHave(insert, name, value))
    if (typeof insert === 'string') push(ops, insertOp(cleanText(insert), Object.fromEntries(kept)))
    else if (isKnownEmbed(insert)) push(ops, insertOp(insert, Object.fromEntries(kept)))
  }
  return ops
}

function mayHave(insert: string | Embed, name: string, value: Json): boolean {
  if (isKnownFormat(name, value)) return true
  if (typeof insert === 'string' || insert.image === undefined) return false
  return name === 'alt' ? isLabel(value) : name === 'width' && isCount(value, 10_000)
}

const EMBEDS: Readonly<Record<string, (value: Json) => boolean>> = {
  divider: value => value === true,
  image: value => typeof value === 'string' && isPicture(value),
  date: value => typeof value === 'string' && isDate(value),
  formula: value => typeof value === 'string' && value.length <= 16_384,
  mention: value => has(value, { id: isLabel, label: isLabel }),
  page: value => has(value, { id: id => typeof id === 'string' && /^[A-Za-z0-9_-]{16,64}$/.test(id) }),
  file: value =>
    has(value, {
      path: path => typeof path === 'string' && isFile(path),
      name: isLabel,
      size: size => isCount(size, Number.MAX_SAFE_INTEGER),
    }),
}

function isKnownEmbed(embed: Embed): boolean {
  const [kind, value] = Object.entries(embed)[0]!
  return Object.hasOwn(EMBEDS, kind) && EMBEDS[kind]!(value)
}

/** Whether there is such a day, as YYYY-MM-DD. */
function isDate(value: string): boolean {
  const time = /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(value) : Number.NaN
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value)
}

function isLabel(value: Json): boolean {
  return typeof value === 'string' && value.length <= MAX_LABEL
}

function isCount(value: Json, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most
}

/** Whether a value has exactly these members, each as it should be. */
function has(value: Json, members: Record<string, (value: Json) => boolean>): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const fields = value as Attributes
  const names = Object.keys(members)
  return (
    Object.keys(fields).length === names.length &&
    names.every(name => Object.hasOwn(fields, name) && members[name]!(fields[name]!))
  )
}

/** Reads HTML from anywhere. Scripts, styles and unsafe addresses are left out. */
export function fromHtml(html: string): Delta {
  const { body } = new DOMParser().parseFromString(html, 'text/html')
  const reader = new HtmlReader()
  reader.read(body)
  return reader.done()
}

interface Context {
  readonly inline: Attributes
  /** The format of the line that text here is in. */
  readonly line: Attributes
  readonly depth: number
  readonly pre: boolean
}

const SKIPPED = new Set([
  'SCRIPT',
  'STYLE',
  'HEAD',
  'META',
  'TITLE',
  'TEMPLATE',
  'NOSCRIPT',
  'IFRAME',
  'OBJECT',
  'SVG',
  'MATH',
])
const BLOCKS = new Set(
  'ADDRESS ARTICLE ASIDE BLOCKQUOTE DD DETAILS DIV DL DT FIELDSET FIGCAPTION FIGURE FOOTER FORM H1 H2 H3 H4 H5 H6 HEADER LI MAIN NAV OL P PRE SECTION SUMMARY TABLE TR UL'.split(
    ' ',
  ),
)
const INLINE_TAGS: Readonly<Record<string, Attributes>> = {
  B: { bold: true },
  STRONG: { bold: true },
  I: { italic: true },
  EM: { italic: true },
  CITE: { italic: true },
  U: { underline: true },
  INS: { underline: true },
  S: { strike: true },
  DEL: { strike: true },
  STRIKE: { strike: true },
  CODE: { code: true },
  KBD: { code: true },
  SAMP: { code: true },
  TT: { code: true },
  SUB: { script: 'sub' },
  SUP: { script: 'super' },
}

class HtmlReader {
  readonly #ops: Op[] = []
  #line: Op[] = []

  read(root: Element): void {
    this.#children(root, { inline: {}, line: {}, depth: 0, pre: false })
  }

  done(): Delta {
    trimEnd(this.#line)
    for (const op of this.#line) push(this.#ops, op)
    return this.#ops
  }

  #children(parent: Node, context: Context): void {
    for (const child of parent.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) this.#text(child.nodeValue ?? '', context)
      else if (child instanceof Element) this.#element(child, context)
    }
  }

  #text(raw: string, { inline, line, pre }: Context): void {
    let text = cleanText(raw)
    if (!pre) {
      text = text.replace(/[\t\n\f ]+/g, ' ').replaceAll('\u00a0', ' ')
      if (this.#endsInSpace()) text = text.replace(/^ /, '')
    }
    text.split('\n').forEach((part, i) => {
      if (i > 0) this.#endLine(line, pre)
      push(this.#line, insertOp(part, inline))
    })
  }

  /** Whether a space that follows here would not be seen. */
  #endsInSpace(): boolean {
    const last = this.#line.at(-1)
    if (!last) return true
    return 'insert' in last && typeof last.insert === 'string' && last.insert.endsWith(' ')
  }

  #element(element: Element, context: Context): void {
    const tag = element.tagName.toUpperCase()
    if (SKIPPED.has(tag)) return
    if (tag === 'BR') this.#endLine(context.line, context.pre)
    else if (tag === 'HR') this.#divider(context)
    else if (tag === 'IMG') this.#image(element, context)
    else if (tag === 'TD' || tag === 'TH') this.#cell(element, context)
    else if (BLOCKS.has(tag)) this.#block(element, tag, context)
    else this.#children(element, { ...context, inline: inlineOf(element, tag, context) })
  }

  #divider(context: Context): void {
    if (this.#line.length > 0) this.#endLine(context.line, false)
    push(this.#line, insertOp({ divider: true }))
    this.#endLine({}, false)
  }

  #image(element: Element, { inline }: Context): void {
    const source = toSafeLink(element.getAttribute('src') ?? '')
    if (!source || !isPicture(source)) return
    const alt = cleanText(element.getAttribute('alt') ?? '')
      .slice(0, MAX_LABEL)
      .trim()
    push(this.#line, insertOp({ image: source }, alt ? { ...inline, alt } : inline))
  }

  /** Cells of a row stand on one line, a tab between them. */
  #cell(element: Element, context: Context): void {
    if (element.previousElementSibling) push(this.#line, insertOp('\t'))
    const before = this.#ops.length
    this.#children(element, context)
    // A paragraph in a cell has ended its line already; that cannot be shown in a row.
    if (this.#ops.length > before && this.#line.length === 0) this.#reopen()
  }

  #reopen(): void {
    const last = this.#ops.at(-1)
    if (!last || !('insert' in last) || typeof last.insert !== 'string') return
    this.#ops.pop()
    push(this.#ops, insertOp(last.insert.replace(/\n$/, ''), last.attributes))
  }

  #block(element: Element, tag: string, context: Context): void {
    if (this.#line.length > 0) this.#endLine(context.line, context.pre)
    const inner = blockContext(element, tag, context)
    const before = this.#ops.length
    const lengthBefore = lastLength(this.#ops)
    this.#children(element, inner)
    const nothing =
      this.#ops.length === before && lastLength(this.#ops) === lengthBefore && this.#line.length === 0
    const isLine = tag === 'P' || tag === 'LI' || tag === 'PRE' || /^H\d$/.test(tag)
    if (this.#line.length > 0 || (nothing && isLine)) this.#endLine(inner.line, inner.pre)
  }

  #endLine(format: Attributes, pre: boolean): void {
    if (!pre) trimEnd(this.#line)
    for (const op of this.#line) push(this.#ops, op)
    push(this.#ops, insertOp('\n', format))
    this.#line = []
  }
}

function lastLength(ops: readonly Op[]): number {
  const last = ops.at(-1)
  return last && 'insert' in last && typeof last.insert === 'string' ? last.insert.length : 0
}

function trimEnd(line: Op[]): void {
  const last = line.at(-1)
  if (!last || !('insert' in last) || typeof last.insert !== 'string') return
  const text = last.insert.replace(/ +$/, '')
  line.pop()
  push(line, insertOp(text, last.attributes))
}

function blockContext(element: Element, tag: string, context: Context): Context {
  if (tag === 'UL' || tag === 'OL') return { ...context, depth: context.depth + 1 }
  if (tag === 'LI') return { ...context, line: itemFormat(element, context.depth) }
  if (/^H[1-6]$/.test(tag)) return { ...context, line: { header: Number(tag[1]) } }
  if (tag === 'BLOCKQUOTE') return { ...context, line: { blockquote: true } }
  if (tag === 'PRE') return { ...context, pre: true, inline: {}, line: { 'code-block': languageOf(element) } }
  return context
}

function itemFormat(item: Element, depth: number): Attributes {
  const indent = Math.min(Math.max(0, depth - 1), MAX_INDENT)
  return { list: itemKind(item), ...(indent > 0 ? { indent } : {}) }
}

function itemKind(item: Element): Json {
  const box = item.querySelector('input[type=checkbox], [role=checkbox]')
  if (box && box.closest('li') === item) {
    return box.hasAttribute('checked') || box.getAttribute('aria-checked') === 'true'
      ? 'checked'
      : 'unchecked'
  }
  return item.parentElement?.tagName === 'OL' ? 'ordered' : 'bullet'
}

function languageOf(pre: Element): Json {
  const names = `${pre.className} ${pre.querySelector('code')?.className ?? ''}`
  return /(?:^|\s)lang(?:uage)?-([A-Za-z0-9+#._-]{1,32})/.exec(names)?.[1] ?? true
}

function inlineOf(element: Element, tag: string, { inline, pre }: Context): Attributes {
  // Within code there are only letters.
  if (pre) return inline
  const now: Record<string, Json> = { ...inline, ...INLINE_TAGS[tag] }
  const style = (element as HTMLElement).style as CSSStyleDeclaration | undefined
  if (style) readStyle(style, now)
  const link = tag === 'A' ? toSafeLink(element.getAttribute('href') ?? '') : null
  if (link) now.link = link
  return orNone(now) ?? {}
}

function readStyle(style: CSSStyleDeclaration, now: Record<string, Json>): void {
  const weight = style.fontWeight
  if (weight === 'bold' || Number(weight) >= 600) now.bold = true
  // Some programs wrap everything in <b style="font-weight: normal">.
  else if (weight === 'normal' || weight === '400') delete now.bold
  if (style.fontStyle === 'italic') now.italic = true
  else if (style.fontStyle === 'normal') delete now.italic
  const decoration = `${style.textDecoration} ${style.textDecorationLine ?? ''}`
  if (decoration.includes('underline')) now.underline = true
  if (decoration.includes('line-through')) now.strike = true
  if (style.verticalAlign === 'sub') now.script = 'sub'
  if (style.verticalAlign === 'super') now.script = 'super'
}
