// Comparing what was seen with what a case expects; cases/README.md says how expectations are written.
import { isDeepStrictEqual } from 'node:util'

const matchers = {
  $match: (pattern, seen) => typeof seen === 'string' && new RegExp(pattern).test(seen),
  $exactly: (value, seen) => isDeepStrictEqual(value, seen),
  $between: ([least, most], seen) => typeof seen === 'number' && seen >= least && seen <= most,
  $recent: (seconds, seen) => typeof seen === 'number' && Math.abs(Date.now() - seen) <= seconds * 1_000,
  $empty: (empty, seen) => (seen == null || Object.keys(seen).length === 0) === empty,
  $not: (value, seen) => difference(value, seen) !== undefined
}

// The first difference in words, nothing when it is as expected. Of an object only the members that are named count.
export function difference (expected, seen, path = '') {
  const told = () => `${path || 'it'}: expected ${text(expected)}, seen ${text(seen)}`
  if (Array.isArray(expected)) {
    if (!Array.isArray(seen) || seen.length !== expected.length) return told()
    return first(expected.map((value, index) => () => difference(value, seen[index], `${path}[${index}]`)))
  }
  if (expected === null || typeof expected !== 'object') return Object.is(expected, seen) ? undefined : told()
  const [[name, value] = []] = Object.entries(expected)
  if (name?.startsWith('$')) {
    if (!matchers[name]) throw new Error(`${path}: there is no matcher ${name}`)
    return matchers[name](value, seen) ? undefined : told()
  }
  if (seen === null || typeof seen !== 'object') return told()
  return first(Object.entries(expected).map(([name, value]) => () => {
    return difference(value, seen[name], path ? `${path}.${name}` : name)
  }))
}

// Each expected one is among those seen, in any order, and there are no others.
export function setDifference (expected, seen, of) {
  const left = [...seen]
  for (const one of expected) {
    const index = left.findIndex(other => difference(one, other) === undefined)
    if (index < 0) {
      const why = left.length === 1 ? `\n  ${difference(one, left[0])}` : ''
      return `${of}: expected ${text(one)}, among ${text(left)}${why}`
    }
    left.splice(index, 1)
  }
  return left.length ? `${of}: not expected: ${text(left)}` : undefined
}

export function text (value) {
  const json = JSON.stringify(value) ?? 'nothing'
  return json.length > 600 ? `${json.slice(0, 600)}… (${json.length} characters)` : json
}

// Texts `<name>` stand for what the run has put under that name; a text that is nothing else becomes the value itself.
export function filled (value, names) {
  if (typeof value === 'string') {
    const whole = /^<([\w.]+)>$/.exec(value)
    if (whole && Object.hasOwn(names, whole[1])) return names[whole[1]]
    return value.replace(/<([\w.]+)>/g, (all, name) => Object.hasOwn(names, name) ? names[name] : all)
  }
  if (Array.isArray(value)) return value.map(one => filled(one, names))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, names)]))
}

function first (differences) {
  for (const one of differences) {
    const told = one()
    if (told !== undefined) return told
  }
}
