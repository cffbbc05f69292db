import { describe, expect, it } from 'vitest'
import { isPicture, isSafeLink, lineKind, toLink, toSafeLink } from '../src/binding/format'

describe('addresses', () => {
  it.each([
    'https://example.org',
    'HTTP://example.org:8080/a?b=c#d',
    'https://bücher.example/ä%20b',
    'https://example.org/a?q=1&r=[x]',
    'mailto:a@example.org',
    'tel:+3612345',
    '/p/AAAAAAAAAAAAAAAAAAAAAA#x',
  ])('may be %s', href => expect(isSafeLink(href)).toBe(true))

  it.each([
    'javascript:alert(1)',
    'java\nscript:alert(1)',
    ' https://example.org',
    'https://',
    'https://user@example.org/',
    'https://example.org/%zz',
    'https://exa<mple.org/',
    '//example.org',
    '/etc/passwd',
    'data:text/html,x',
    'mailto:',
    `https://example.org/${'x'.repeat(2048)}`,
    'example.org',
  ])('may not be %s', href => expect(isSafeLink(href)).toBe(false))

  it('are put right where that can be', () => {
    expect(toSafeLink(' https://example.org/100% of it ')).toBe('https://example.org/100%25%20of%20it')
    expect(toLink('example.org/a')).toBe('https://example.org/a')
    expect(toLink('a@example.org')).toBe('mailto:a@example.org')
    expect(toLink('just words')).toBeNull()
    expect(toLink('javascript:x')).toBeNull()
  })

  it('of pictures are https or uploads', () => {
    expect(isPicture('https://example.org/a.png')).toBe(true)
    expect(isPicture('/files/0123456789abcdef')).toBe(true)
    expect(isPicture('http://example.org/a.png')).toBe(false)
    expect(isPicture('/files/../x')).toBe(false)
  })
})

describe('a line', () => {
  it('is shown as the first of its formats that has a meaning', () => {
    expect(lineKind({ list: 'bullet', header: 2, 'code-block': 'go' })).toEqual({
      kind: 'code-block',
      language: 'go',
    })
    expect(lineKind({ list: 'bullet', header: 2, 'code-block': 'no good' })).toEqual({
      kind: 'header',
      level: 2,
    })
    expect(lineKind({ blockquote: true, list: 'checked', header: 9 })).toEqual({
      kind: 'list',
      list: 'checked',
    })
    expect(lineKind({ blockquote: true, list: 'roman' })).toEqual({ kind: 'blockquote' })
    expect(lineKind({ indent: 1 })).toEqual({ kind: 'plain' })
  })
})
