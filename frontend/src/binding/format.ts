/**
 * What attributes mean: which have a place of their own in the editor's model,
 * and what a line is shown as. Anything else is kept as it is and not shown.
 */
import { type Attributes, type Json, sameAttributes } from '../protocol/attributes'

export type ListKind = 'bullet' | 'ordered' | 'checked' | 'unchecked'

/** What a line is shown as. Of several formats on one newline the first of this order counts. */
export type LineKind =
  | { readonly kind: 'code-block'; readonly language: string | null }
  | { readonly kind: 'header'; readonly level: number }
  | { readonly kind: 'list'; readonly list: ListKind }
  | { readonly kind: 'blockquote' }
  | { readonly kind: 'plain' }

/** The formats of which a line shows only one; who sets one clears the others. */
export const EXCLUSIVE = ['code-block', 'header', 'list', 'blockquote'] as const

export const MAX_INDENT = 8
const LISTS: readonly unknown[] = ['bullet', 'ordered', 'checked', 'unchecked']
const LANGUAGE = /^[A-Za-z0-9+#._-]{1,32}$/

export function lineKind(format: Attributes | null): LineKind {
  if (!format) return { kind: 'plain' }
  if (isCode(format)) {
    const language = format['code-block']
    return { kind: 'code-block', language: typeof language === 'string' ? language : null }
  }
  const { header, list, blockquote } = format
  if (isWhole(header, 1, 6)) return { kind: 'header', level: header }
  if (LISTS.includes(list)) return { kind: 'list', list: list as ListKind }
  return blockquote === true ? { kind: 'blockquote' } : { kind: 'plain' }
}

/** Whether a newline with these attributes ends a line of code. */
export function isCode(format: Attributes | null | undefined): boolean {
  const language = format?.['code-block']
  return language === true || (typeof language === 'string' && LANGUAGE.test(language))
}

export function indentOf(format: Attributes | null): number {
  const indent = format?.indent
  return isWhole(indent, 1, MAX_INDENT) ? indent : 0
}

export function sameFormat(a: Attributes | null, b: Attributes | null): boolean {
  return sameAttributes(a ?? undefined, b ?? undefined)
}

/** The marks that are on or off. */
export const TOGGLES = ['bold', 'italic', 'underline', 'strike', 'code'] as const
export type Toggle = (typeof TOGGLES)[number]

/** The marks that have a value, and which values they may show. */
const VALUED: Readonly<Record<string, (value: string) => boolean>> = {
  link: isSafeLink,
  script: value => value === 'sub' || value === 'super',
  color: isColor,
  background: isColor,
}

/** Whether an attribute of text has a mark of its own for this value. */
export function hasMark(name: string, value: Json): boolean {
  if ((TOGGLES as readonly string[]).includes(name)) return value === true
  return typeof value === 'string' && Object.hasOwn(VALUED, name) && VALUED[name]!(value)
}

/** The formats of lines, and which values a page may hold. */
const LINE_FORMATS: Readonly<Record<string, (value: Json) => boolean>> = {
  header: value => isWhole(value, 1, 6),
  list: value => LISTS.includes(value),
  indent: value => isWhole(value, 1, MAX_INDENT),
  blockquote: value => value === true,
  'code-block': value => isCode({ 'code-block': value }),
  align: value => value === 'center' || value === 'right' || value === 'justify',
  direction: value => value === 'rtl',
  callout: value => value === 'info' || value === 'tip' || value === 'warning',
}

/** Whether a page may hold an attribute, wherever it stands; comments and what belongs to embeds aside. */
export function isKnownFormat(name: string, value: Json): boolean {
  return hasMark(name, value) || (Object.hasOwn(LINE_FORMATS, name) && LINE_FORMATS[name]!(value))
}

const MAX_LINK = 2048
/** A host by name, perhaps with a port; without a user in front of it, who is there to deceive. */
const WEB = /^https?:\/\/(?:[\w.~-]|\P{ASCII})+(?::\d{1,5})?(?:[/?#]|$)/iu
const PAGE = /^\/p\/[A-Za-z0-9_-]{16,64}(#[A-Za-z0-9._~-]*)?$/
const STRAY_PERCENT = /%(?![0-9a-f]{2})/gi

/** Whether a page may hold an address: http, https, mailto, tel, or a page's path. No laxer than the server. */
export function isSafeLink(href: string): boolean {
  if (href.length > MAX_LINK || hasControls(href)) return false
  if (/^https?:/i.test(href)) return WEB.test(href) && href.search(STRAY_PERCENT) < 0
  return /^(mailto|tel):./i.test(href) || PAGE.test(href)
}

/** An address as others write them, made into one that a page may hold; null where that cannot be. */
export function toSafeLink(href: string): string | null {
  const tidy = href.trim().replaceAll(' ', '%20').replace(STRAY_PERCENT, '%25')
  return isSafeLink(tidy) ? tidy : null
}

/** What a person typed as a link, made into one; null where that cannot be. */
export function toLink(text: string): string | null {
  const href = text.trim()
  const safe = toSafeLink(href)
  if (safe) return safe
  if (/^[^\s@/]+@[^\s@/]+\.[^\s@/]+$/.test(href)) return toSafeLink(`mailto:${href}`)
  const looksLikeHost = /^[^\s:/?#]+\.[^\s:/?#]{2,}([/?#]\S*)?$/.test(href)
  return looksLikeHost ? toSafeLink(`https://${href}`) : null
}

/** Whether a page may hold a picture of this address. */
export function isPicture(path: string): boolean {
  return isFile(path) || (/^https:/i.test(path) && isSafeLink(path))
}

/** Whether this is the path of an uploaded file. */
export function isFile(path: string): boolean {
  return /^\/files\/[A-Za-z0-9_-]{16,128}$/.test(path)
}

function hasControls(text: string): boolean {
  for (const char of text) if (char <= ' ' || char === '\x7f') return true
  return false
}

const PALETTE: readonly string[] = 'gray red orange yellow green teal blue purple pink brown'.split(' ')

function isColor(value: string): boolean {
  return /^#[0-9a-f]{6}$/i.test(value) || PALETTE.includes(value)
}

function isWhole(value: Json | undefined, from: number, to: number): value is number {
  return Number.isInteger(value) && (value as number) >= from && (value as number) <= to
}
