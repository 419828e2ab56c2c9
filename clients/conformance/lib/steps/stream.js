// What passes between the client and its socketpass on the stream.
import { difference, setDifference, text } from '../match.js'
import { Deviation } from '../until.js'

// How the peer is to be from now on, until the case ends.
export async function peer (stage, { peer }) {
  stage.peer.set(stage.fill(peer))
}

export async function end (stage, { end, details }) {
  stage.peer.end(stage.fill(end), details)
}

export async function send (stage, { send }) {
  stage.peer.send(stage.fill(send))
}

// The next stream that the client opens, how long the one before lasted, and the pause between.
export async function hello (stage, { hello, metadata = {}, lasted, pause, within }) {
  const before = stage.record.streams[stage.streams - 1]
  await stage.until(() => stage.record.streams[stage.streams]?.said[0] ? undefined : 'no stream is opened', within)
  const stream = stage.record.streams[stage.streams++]
  const { hello: said } = stream.said[0]
  stage.messages = 1
  // One life of the process has one incarnation.
  stage.names.incarnation ??= said.incarnation
  tell(difference(stage.fill({ incarnation: '<incarnation>', ...hello }), said, 'hello'))
  if (!said.incarnation || said.incarnation.length > 64) throw new Deviation(`incarnation: ${text(said.incarnation)}`)
  tell(difference(stage.fill(metadata), stream.metadata, 'metadata'))
  if (lasted) tell(difference({ $between: lasted }, before.ended.at - before.openedAt, 'how long the last stream was open, ms'))
  if (pause) tell(difference({ $between: pause }, stream.openedAt - before.ended.at, 'the pause before the stream, ms'))
}

// Exactly these sockets are listed, sooner or later.
export async function registry (stage, { registry, within }) {
  await stage.until(async () => {
    const expected = stage.fill(registry)
    const { current } = stage.record
    if (!stage.peer.unseen && !(current?.completed && !current.ended)) return 'the listing is not complete'
    const listed = await stage.peer.listed()
    if (typeof expected !== 'number') return setDifference(expected, listed, 'the registry')
    return listed.length === expected ? undefined : `the registry: ${listed.length} sockets instead of ${expected}`
  }, within)
}

// Nothing of the gateway is listed, whether or not it has a stream.
export async function gone (stage, { within }) {
  await stage.until(async () => setDifference([], await stage.peer.listed(), 'the registry'), within)
}

// The gateway says this, after what the case has looked at already.
export async function expect (stage, { expect, within }) {
  await stage.until(() => {
    const { said } = stage.record.current
    const expected = stage.fill(expect)
    const index = said.findIndex((one, index) => index >= stage.messages && difference(expected, one) === undefined)
    if (index < 0) return `expected ${text(expected)} of the stream, among ${text(said.slice(stage.messages))}`
    stage.messages = index + 1
  }, within)
}

// The stream is as it was: nothing of the kind was said on it since the case looked.
export async function unsaid (stage, { unsaid }) {
  const said = stage.record.streams.flatMap(({ said }) => said).slice(-1_000)
  const found = said.find(one => difference(stage.fill(unsaid), one) === undefined)
  if (found) throw new Deviation(`not expected of the stream: ${text(found)}`)
}

// So many batches wait for their ack, and no more come.
export async function underWay (stage, { underWay, within }) {
  const count = () => stage.record.current.underWay
  await stage.until(() => count() >= underWay ? undefined : `${count()} batches are under way`, within)
}

// The longest silence on the stream, in milliseconds, during `during`.
export async function silence (stage, { silence, during }) {
  const stream = stage.record.current
  const begin = performance.now()
  await new Promise(resolve => setTimeout(resolve, during))
  const ats = [begin, ...stream.said.map(({ at }) => at).filter(at => at > begin), performance.now()]
  const longest = Math.max(...ats.slice(1).map((at, index) => at - ats[index]))
  tell(difference({ $between: silence }, longest, 'the longest silence, ms'))
  if (stream !== stage.record.current) throw new Deviation('the stream has ended')
}

export async function command (stage, { command, done, within }) {
  const was = await stage.peer.command(stage.fill(command), within)
  tell(setDifference(stage.fill(done), was, 'done'))
}

export async function commands (stage, { commands, done }) {
  const all = await Promise.all(stage.fill(commands).map(one => stage.peer.command(one)))
  for (const one of all) tell(setDifference(stage.fill(done), one, 'done'))
}

function tell (difference) {
  if (difference !== undefined) throw new Deviation(difference)
}
