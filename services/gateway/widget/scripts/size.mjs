// Fails when what a visitor's browser loads for the widget is larger than 30 kB compressed.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT = 30_000;
const out = join(dirname(fileURLToPath(import.meta.url)), "../../../../build/pages/widget");
const app = (await readdir(join(out, "assets"))).find((name) => /^app-\w+\.js$/.test(name));
let total = 0;
for (const name of ["widget.js", `assets/${app}`]) {
  const size = gzipSync(await readFile(join(out, name)), { level: 9 }).length;
  total += size;
  console.log(`${name.padEnd(28)} ${size} bytes gzip`);
}
console.log(`${"loader, app, words, styles".padEnd(28)} ${total} of ${LIMIT} bytes`);
if (total > LIMIT) {
  console.error("The widget is too large: look for what a visitor does not need.");
  process.exit(1);
}
