// A running subject: what it says, and what it is asked.
import { lines, signal, start, stop } from './processes.js'
import { Deviation, PATIENCE } from './until.js'

// A virtual machine or an interpreter on a busy machine takes its time.
export const START_WITHIN = 60_000

export class Subject {
  said = [] // All but answers and `listening`.
  #answers = new Map()
  #asked = 0
  #opened = 0 // Of the sockets that opened, those that somebody has asked for.

  // `hosts`: a file that takes the place of /etc/hosts for this subject alone. `manyFiles`: as many as the system lets it
  // have open.
  constructor (happenings, { folder, run }, settings, { hosts, manyFiles } = {}) {
    this.happenings = happenings
    this.settings = settings
    const [command, ...args] = hosts ? withHosts(hosts, run) : manyFiles ? withManyFiles(run) : run
    const env = { ...process.env, SUBJECT: JSON.stringify(settings) }
    this.child = start(command, args, { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
    this.child.stdin.on('error', () => {}) // Its end says it.
    lines(this.child.stdout, line => this.#line(line))
    this.child.ended.then(end => {
      this.ended = end
      happenings.happened()
    })
  }

  get log () {
    return this.child.log
  }

  get port () {
    return this.listening?.port
  }

  async ready () {
    await this.happenings.until(() => {
      if (this.listening) return
      if (this.ended) throw new Deviation(`the subject has ended instead of listening: ${JSON.stringify(this.said)}`)
      return 'the subject does not listen'
    }, START_WITHIN)
  }

  // Events of some kinds since `from`, a length of `said`.
  since (from, ...events) {
    return this.said.slice(from).filter(({ event }) => events.includes(event))
  }

  // The id of the socket that opened next.
  async opened () {
    const nth = this.#opened++
    let socket
    await this.happenings.until(() => {
      socket = this.since(0, 'opened')[nth]
      return socket ? undefined : 'the application sees no socket open'
    })
    return socket.socket_id
  }

  // Whoever has opened by now is nobody's.
  passOver () {
    this.#opened = this.since(0, 'opened').length
  }

  async ask (question, within = PATIENCE) {
    const id = ++this.#asked
    this.child.stdin.write(JSON.stringify({ id, ...question }) + '\n')
    await this.happenings.until(() => this.#answers.has(id) ? undefined : `${question.do} is not answered`, within)
    const { event, id: _, ...answer } = this.#answers.get(id)
    return answer
  }

  signal (name) {
    signal(this.child, name)
  }

  stop () {
    return stop(this.child)
  }

  #line (line) {
    let said
    try {
      said = JSON.parse(line)
    } catch {
      said = { event: 'not JSON', line }
    }
    if (said.event === 'listening') this.listening = said
    else if (said.event === 'answer') this.#answers.set(said.id, said)
    else this.said.push(said)
    this.happenings.happened()
  }
}

function withHosts (file, command) {
  const own = process.getuid() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount']
  return ['unshare', ...own, 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', file, ...command]
}

function withManyFiles (command) {
  return ['sh', '-c', 'ulimit -n "$(ulimit -H -n)" && exec "$@"', 'sh', ...command]
}
