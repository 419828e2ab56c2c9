// `make demo-chat`: all side by side, until Ctrl-C.
import { Fleet } from './fleet.js'

const {
  PORT = '3000', SOCKETPASS_ADDR = '127.0.0.1:50051', REDIS_URL = 'redis://127.0.0.1:6379', SESSION_SECONDS
} = process.env

// What the programs print while they start is of interest if one of them does not.
const early = []
let show = line => early.push(line)

const fleet = new Fleet(
  { port: Number(PORT), address: SOCKETPASS_ADDR, redis: REDIS_URL, sessionSeconds: SESSION_SECONDS },
  { say: line => console.log(line), log: (name, line) => show(`${name.padEnd(10)} | ${line}`) }
)

let stopping
function stop (status) {
  stopping ??= fleet.stop().then(() => process.exit(status))
  return stopping
}
// Whoever read what is printed may have gone; nothing is to stay behind then, either.
for (const out of [process.stdout, process.stderr]) out.on('error', () => stop(1))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (!stopping) console.log('\nstopping')
    stop(0)
  })
}

try {
  const { rooms, left } = await fleet.start()
  console.log(`
Open  ${fleet.url}
and log in as ana (an admin), jose or zoe, each in a browser or a private window of their own. The password is
'correct horse ' and the name: correct horse ana.

Rooms: ${rooms.join(', ')}.${left.map(({ name, why }) => `\n${name} is LEFT OUT: ${why}.`).join('')}
Ctrl-C ends it all.
`)
  show = console.log
} catch (error) {
  if (!stopping) console.error([...early, error.message].join('\n'))
  await stop(1)
}
