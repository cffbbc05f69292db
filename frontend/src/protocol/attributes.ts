/** A value of JSON. Objects and arrays in attributes are opaque: replaced whole. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** Formatting on an op. `null` removes an attribute; never empty where it stands on an op. */
export type Attributes = { readonly [name: string]: Json }

/** Whether two values of JSON are the same; the order of keys does not matter. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((value, i) => sameJson(value, b[i]))
  }
  return sameAttributes(a as Attributes, b as Attributes)
}

/** As sameJson; none equals empty. */
export function sameAttributes(a: Attributes | undefined, b: Attributes | undefined): boolean {
  if (a === b) return true
  const keys = Object.keys(a ?? {})
  if (keys.length !== Object.keys(b ?? {}).length) return false
  return keys.every(key => Object.hasOwn(b!, key) && sameJson(a![key], b![key]))
}

/** The attributes after `a` and then `b`. `keepNull` where the result is itself a change. */
export function composeAttributes(
  a: Attributes | undefined,
  b: Attributes | undefined,
  keepNull: boolean,
): Attributes | undefined {
  const result: Record<string, Json> = {}
  for (const key in b) if (keepNull || b[key] !== null) result[key] = b[key]!
  for (const key in a) if (b?.[key] === undefined) result[key] = a[key]!
  return orNone(result)
}

/** `b` rewritten to follow `a`; with `priority` the values of `a` stay. */
export function transformAttributes(
  a: Attributes | undefined,
  b: Attributes | undefined,
  priority: boolean,
): Attributes | undefined {
  if (a === undefined || b === undefined || !priority) return b
  const result: Record<string, Json> = {}
  for (const key in b) if (a[key] === undefined) result[key] = b[key]!
  return orNone(result)
}

/** What takes `change` back where `base` was before it. */
export function invertAttributes(
  change: Attributes | undefined,
  base: Attributes | undefined,
): Attributes | undefined {
  const result: Record<string, Json> = {}
  for (const key in base) {
    if (change?.[key] !== undefined && change[key] !== base[key]) result[key] = base[key]!
  }
  for (const key in change) if (base?.[key] === undefined) result[key] = null
  return orNone(result)
}

/** The change of attributes that leads from `a` to `b`. */
export function diffAttributes(a: Attributes | undefined, b: Attributes | undefined): Attributes | undefined {
  const result: Record<string, Json> = {}
  for (const key in b) if (!sameJson(a?.[key], b[key])) result[key] = b[key]!
  for (const key in a) if (b?.[key] === undefined) result[key] = null
  return orNone(result)
}

/** `attributes`, or undefined where it holds nothing. */
export function orNone(attributes: Attributes): Attributes | undefined {
  for (const _ in attributes) return attributes
  return undefined
}
