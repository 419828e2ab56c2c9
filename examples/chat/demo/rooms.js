// The five servers: what builds each, and what starts it. The n-th listens n ports after the page.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const chat = fileURLToPath(new URL('..', import.meta.url))
export const repository = join(chat, '../..')
export const target = process.env.CARGO_TARGET_DIR ?? join(repository, 'target')

// A step: the folder, what is called there, and, for tools that do not see by themselves that nothing is to do, the file that
// they make and what it is made from.
export const npmCi = folder => ({
  folder,
  // None of the packages needs a script of its own to be installed.
  command: ['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts'],
  makes: 'node_modules/.package-lock.json',
  from: ['package-lock.json']
})

const clients = join(repository, 'clients')

export const rooms = [
  {
    name: 'node',
    needs: ['node', 'npm'],
    steps: [
      npmCi(join(clients, 'node')),
      { folder: join(clients, 'node'), command: ['npm', 'run', 'build'], makes: 'dist/index.js', from: ['src', 'tsconfig.json'] },
      npmCi(join(chat, 'node'))
    ],
    folder: join(chat, 'node'),
    run: ['node', 'server.js']
  },
  {
    name: 'python',
    needs: ['python3'],
    steps: [
      { folder: join(chat, 'python'), command: ['python3', '-m', 'venv', '.venv'], makes: '.venv/bin/pip', from: [] },
      {
        folder: join(chat, 'python'),
        command: ['.venv/bin/pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', 'requirements.txt'],
        makes: '.venv/bin/uvicorn',
        from: ['requirements.txt']
      }
    ],
    folder: join(chat, 'python'),
    run: ['.venv/bin/python', 'server.py']
  },
  {
    name: 'go',
    needs: ['go'],
    steps: [{ folder: join(chat, 'go'), command: ['go', 'build', '-o', 'chat', '.'] }],
    folder: join(chat, 'go'),
    run: ['./chat']
  },
  {
    name: 'java',
    needs: ['javac', 'mvn'],
    steps: [
      {
        // Into the local repository, since it is in no other one yet.
        folder: join(clients, 'java'),
        command: ['mvn', '--batch-mode', '--quiet', 'install', '-DskipTests', '-Dmaven.javadoc.skip', '-Dmaven.source.skip']
      },
      { folder: join(chat, 'java'), command: ['mvn', '--batch-mode', '--quiet', 'compile'] }
    ],
    folder: join(chat, 'java'),
    run: ['java', '-classpath', 'target/classes:target/libraries/*', 'Chat']
  },
  {
    name: 'rust',
    needs: ['cargo'],
    steps: [
      { folder: repository, command: ['cargo', 'build', '--locked', '--package', 'socketpass-client', '--example', 'demo-chat'] }
    ],
    folder: chat,
    run: [join(target, 'debug/examples/demo-chat')]
  }
]
