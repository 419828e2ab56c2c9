// What prisma-session-store asks of a Prisma client, which cannot be had here because its engines are downloaded from a
// place of their own. The tables are those that `prisma migrate` makes of the README's model, and values are kept as the
// engines keep them: a DateTime is `timestamp(3)` of UTC in PostgreSQL, `DATETIME(3)` of UTC in MySQL, and milliseconds in
// SQLite.

const utc = (date) => date.toISOString().replace('T', ' ').replace('Z', '')
const fromUtc = (text) => new Date(text.replace(' ', 'T') + 'Z')

const open = {
  postgres: async (url) => {
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: url })
    await pool.query(`CREATE TABLE IF NOT EXISTS "Session" ("id" TEXT NOT NULL PRIMARY KEY, "sid" TEXT NOT NULL UNIQUE,
      "data" TEXT NOT NULL, "expiresAt" TIMESTAMP(3) NOT NULL)`)
    return {
      quote: (name) => `"${name}"`,
      columns: '"sid", "data", "expiresAt"::text AS "expiresAt"',
      query: async (sql, values) => {
        let count = 0
        return (await pool.query(sql.replaceAll('?', () => `$${++count}`), values)).rows
      },
      date: utc,
      close: () => pool.end()
    }
  },
  mysql: async (url) => {
    const { default: mysql } = await import('mysql2/promise')
    const pool = mysql.createPool({ uri: url, dateStrings: true })
    await pool.query(`CREATE TABLE IF NOT EXISTS \`Session\` (\`id\` VARCHAR(191) NOT NULL PRIMARY KEY,
      \`sid\` VARCHAR(191) NOT NULL UNIQUE, \`data\` MEDIUMTEXT NOT NULL, \`expiresAt\` DATETIME(3) NOT NULL)
      DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
    return {
      quote: (name) => `\`${name}\``,
      columns: '`sid`, `data`, `expiresAt`',
      query: async (sql, values) => (await pool.query(sql, values))[0],
      date: utc,
      close: () => pool.end()
    }
  },
  sqlite: async (url) => {
    const { default: Database } = await import('better-sqlite3')
    const database = new Database(url.slice('sqlite:'.length))
    database.exec(`CREATE TABLE IF NOT EXISTS "Session" ("id" TEXT NOT NULL PRIMARY KEY, "sid" TEXT NOT NULL UNIQUE,
      "data" TEXT NOT NULL, "expiresAt" DATETIME NOT NULL)`)
    return {
      quote: (name) => `"${name}"`,
      columns: '"sid", "data", "expiresAt"',
      query: async (sql, values) => {
        const prepared = database.prepare(sql)
        return prepared.reader ? prepared.all(...values) : prepared.run(...values)
      },
      date: (date) => date.getTime(),
      close: async () => database.close()
    }
  }
}

export const prismaLike = async (scheme, url) => {
  const { quote, columns, query, date, close } = await open[scheme](url)
  const table = quote('Session')
  const kept = (value) => value instanceof Date ? date(value) : value
  const row = ({ expiresAt, ...rest }) => ({
    ...rest,
    expiresAt: typeof expiresAt === 'number' ? new Date(expiresAt) : fromUtc(expiresAt)
  })
  const assignments = (data) => Object.keys(data).map((name) => `${quote(name)} = ?`).join(', ')
  const where = (criteria) => Object.keys(criteria).map((name) => `${quote(name)} = ?`).join(' AND ')
  const session = {
    findUnique: async ({ where: criteria }) => {
      const rows = await query(`SELECT ${columns} FROM ${table} WHERE ${where(criteria)}`, Object.values(criteria))
      return rows.length ? row(rows[0]) : null
    },
    findMany: async () => (await query(`SELECT ${columns} FROM ${table}`, [])).map(row),
    create: async ({ data }) => {
      const names = Object.keys(data)
      const places = names.map(() => '?').join(', ')
      await query(`INSERT INTO ${table} (${names.map(quote).join(', ')}) VALUES (${places})`, Object.values(data).map(kept))
    },
    update: async ({ data, where: criteria }) => {
      const values = [...Object.values(data).map(kept), ...Object.values(criteria)]
      await query(`UPDATE ${table} SET ${assignments(data)} WHERE ${where(criteria)}`, values)
    },
    deleteMany: async ({ where: criteria } = { where: {} }) => {
      const condition = Object.keys(criteria).length ? ` WHERE ${where(criteria)}` : ''
      await query(`DELETE FROM ${table}${condition}`, Object.values(criteria))
    }
  }
  session.delete = session.deleteMany
  return { client: { session, $connect: async () => {}, $disconnect: close }, close }
}
