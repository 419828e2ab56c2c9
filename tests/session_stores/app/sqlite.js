// better-sqlite3 with the functions of the `sqlite3` package, for those who take that one: one to compile is enough.
import BetterSqlite3 from 'better-sqlite3'

class Database {
  constructor (file, mode, opened = () => {}) {
    this.database = new BetterSqlite3(file)
    queueMicrotask(() => opened(null))
  }

  exec (sql, done) {
    answer(done, () => ({ rows: void this.database.exec(sql) }))
  }

  run (sql, ...rest) {
    this.#ask(sql, rest, () => undefined)
  }

  get (sql, ...rest) {
    this.#ask(sql, rest, (prepared, values) => prepared.get(...values))
  }

  all (sql, ...rest) {
    this.#ask(sql, rest, (prepared, values) => prepared.all(...values))
  }

  serialize (work) {
    work()
  }

  close (done) {
    answer(done, () => ({ rows: void this.database.close() }))
  }

  #ask (sql, rest, read) {
    const done = typeof rest.at(-1) === 'function' ? rest.pop() : undefined
    answer(done, () => {
      const prepared = this.database.prepare(sql)
      const values = bound(rest[0] ?? [])
      if (prepared.reader) return { rows: read(prepared, values) }
      const { lastInsertRowid, changes } = prepared.run(...values)
      return { lastID: Number(lastInsertRowid), changes }
    })
  }
}

// Values by place, or by a name with its `$`.
const bound = (values) => Array.isArray(values)
  ? values
  : [Object.fromEntries(Object.entries(values).map(([name, value]) => [name.replace(/^\$/, ''), value]))]

// What a statement did is told in `this`.
const answer = (done = () => {}, work) => {
  let told
  try {
    told = work()
  } catch (error) {
    return done(error)
  }
  done.call(told, null, told.rows)
}

export const sqlite3 = { Database, OPEN_READWRITE: 2, OPEN_CREATE: 4 }
