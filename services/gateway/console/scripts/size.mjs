// Fails when what the console's page needs to start, scripts and styles, is above its bound compressed.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const MAX_KB = 300
const build = fileURLToPath(new URL('../../../../build/pages/console/', import.meta.url))
const manifest = JSON.parse(readFileSync(`${build}.vite/manifest.json`, 'utf8'))

/** The files of a module and of all it imports at once; what it imports on demand is not among them. */
function filesOf(name, seen = new Set()) {
  if (seen.has(name)) return []
  seen.add(name)
  const { file, css = [], imports = [] } = manifest[name]
  return [file, ...css, ...imports.flatMap((one) => filesOf(one, seen))]
}

const sizes = [...new Set(['index.html', 'theme.js', ...filesOf('index.html')])]
  .map((file) => ({ file, kb: gzipSync(readFileSync(build + file), { level: 9 }).length / 1000 }))
  .sort((one, other) => other.kb - one.kb)
const total = sizes.reduce((sum, { kb }) => sum + kb, 0)

if (process.argv.includes('--list')) for (const { file, kb } of sizes) console.log(`${kb.toFixed(1).padStart(8)} kB  ${file}`)
console.log(`console: first load ${total.toFixed(1)} kB of ${MAX_KB} kB compressed`)
if (total > MAX_KB) process.exit(1)
