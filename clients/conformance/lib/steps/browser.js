// What browsers do and hear once they are let in.
import { setTimeout as sleep } from 'node:timers/promises'
import { difference, text } from '../match.js'
import { Deviation } from '../until.js'
import { arrive, lined, usualAnswer } from './handshake.js'

const UNDER_WAY = 50

export async function hears (stage, { hears: name, event, args, closed, within }) {
  const browser = stage.browser(name)
  if (closed) {
    await stage.until(() => {
      if (browser.closed) return difference(stage.fill(closed), browser.closed, `${name}'s close`)
      return `${name} is not closed`
    }, within)
    return
  }
  const expected = { event, args: stage.fill(args) }
  await stage.until(() => {
    const index = browser.heard.findIndex(one => difference({ $exactly: expected }, one) === undefined)
    if (index < 0) return `${name}: expected ${text(expected)}, heard ${text(browser.heard)}`
    browser.heard.splice(index, 1)
  }, within)
}

// A browser that was closed has come back by itself, as another socket.
export async function returns (stage, { returns: name, within }) {
  const browser = stage.browser(name)
  await stage.until(() => browser.returned ? undefined : `${name} does not come back`, within)
  browser.closed = undefined
  stage.names[name] = await stage.subject.opened()
}

// It has not, after so many milliseconds.
export async function away (stage, { away: name, during }) {
  await sleep(during)
  if (stage.browser(name).returned) throw new Deviation(`${name} has come back`)
}

// It is open, and its user is as the step says.
export async function whoami (stage, { whoami: name, user, within }) {
  const browser = stage.browser(name)
  const told = browser.told
  if (browser.closed) throw new Deviation(`${name} is closed: ${text(browser.closed)}`)
  browser.whoami()
  await stage.until(() => {
    if (browser.closed) return `${name} is closed: ${text(browser.closed)}`
    if (browser.told === told) return `${name} hears nothing when it asks who it is`
    return user && difference({ $exactly: stage.fill(user) }, browser.user, `${name}'s user`)
  }, within)
}

// The browser goes, and the application sees it.
export async function close (stage, { close: name, abruptly }) {
  const browser = stage.browser(name)
  if (abruptly) browser.drop()
  else browser.close()
  stage.browsers.delete(name)
  const id = stage.names[name]
  await stage.until(() => {
    const closed = stage.subject.since(stage.begun.said, 'closed').some(({ socket_id: closed }) => closed === id)
    return closed ? undefined : `the application does not see ${name} close`
  })
}

// So many browsers at once, all let in.
export async function crowd (stage, { crowd: size, within = 20_000 }) {
  const session = await arrive(stage)
  let next = 0
  const some = async () => {
    while (next < size) {
      const name = `crowd${next++}`
      const browser = stage.browse(lined({ cookie: stage.names.cookie }), [stage.fill(usualAnswer(session))])
      stage.browsers.set(name, browser)
      await stage.until(() => {
        if (browser.rejected) throw new Deviation(`${name} was turned away with ${text(browser.rejected)}`)
        return browser.accepted ? undefined : `${name} hears nothing`
      }, within)
    }
  }
  await Promise.all(Array.from({ length: UNDER_WAY }, some))
  for (let socket = 0; socket < size; socket++) await stage.subject.opened()
}
