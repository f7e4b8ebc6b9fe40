// Builds the widget, the chat page and the demo shop into build/pages/widget/, with compressed copies beside the files.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "vite";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(here, "../../../build/pages/widget");
const COMPRESSED = /\.(js|css|html|svg|json)$/;

/** What makes the result shorter: plain calls for JSX, and the languages as one module that names each word once. */
function short() {
  return {
    name: "short",
    enforce: "pre",
    transform(code, id) {
      return id.endsWith(".tsx") ? `import { h as _h, Fragment as _F } from "preact";${code}` : null;
    },
    async load(id) {
      if (!id.endsWith("/src/text/words.ts")) return null;
      const locales = [];
      for (const file of (await readdir(join(here, "src/locales"))).sort()) {
        this.addWatchFile(join(here, "src/locales", file));
        locales.push([file.replace(".json", ""), JSON.parse(await readFile(join(here, "src/locales", file), "utf-8"))]);
      }
      const names = Object.keys(locales[0][1]);
      const texts = locales.map(([locale, text]) => [locale, names.map((name) => text[name]).join("\n")]);
      return {
        moduleType: "js",
        code: `const names = ${JSON.stringify(names.join(" "))}.split(" ");
          export const WORDS = Object.fromEntries(${JSON.stringify(texts)}.map(([locale, text]) => {
            const lines = text.split("\\n");
            return [locale, Object.fromEntries(names.map((name, at) => [name, lines[at]]))];
          }));`,
      };
    },
  };
}

/** One entry as one classic script that leaves nothing behind in the page. */
async function bundle(entry, define = {}) {
  const result = await build({
    root: here,
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    define,
    plugins: [short()],
    // Calls of `h` are shorter than those of the automatic runtime.
    oxc: { jsx: { runtime: "classic", pragma: "_h", pragmaFrag: "_F" } },
    build: {
      write: false,
      target: "es2022",
      cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
      minify: "terser",
      terserOptions: { ecma: 2020, compress: { passes: 3 } },
      modulePreload: false,
      lib: { entry: join(here, entry), formats: ["iife"], name: "yunsongBuild", fileName: () => "out.js" },
    },
  });
  const { output } = Array.isArray(result) ? result[0] : result;
  return output.find((one) => one.type === "chunk").code;
}

function hashed(name, code) {
  const [stem, ending] = name.split(".");
  return `assets/${stem}-${createHash("sha256").update(code).digest("hex").slice(0, 10)}.${ending}`;
}

const files = new Map();

function put(name, content) {
  files.set(name, Buffer.from(content));
}

const app = await bundle("src/app.tsx");
const appFile = hashed("app.js", app);
put(appFile, app);
const loader = await bundle("src/loader.ts", {
  APP_FILE: JSON.stringify(`widget/${appFile}`),
  APP_INTEGRITY: JSON.stringify(`sha384-${createHash("sha384").update(app).digest("base64")}`),
});
put("widget.js", loader);
put("widget.d.ts", await readFile(join(here, "index.d.ts")));

for (const page of ["chat", "demo"]) {
  const folder = join(here, page);
  let html = await readFile(join(folder, "index.html"), "utf-8");
  for (const name of (await readdir(folder)).filter((one) => /^main\.(ts|css)$/.test(one))) {
    const source = name.endsWith(".ts") ? await bundle(`${page}/${name}`) : await readFile(join(folder, name), "utf-8");
    const file = hashed(`${page}.${name.endsWith(".ts") ? "js" : "css"}`, source);
    put(file, source);
    html = html.replaceAll(`./${name}`, `/widget/${file}`);
  }
  put(page === "chat" ? "chat.html" : "demo/index.html", html);
}

for (const [name, content] of [...files]) {
  if (!COMPRESSED.test(name)) continue;
  put(`${name}.gz`, gzipSync(content, { level: 9 }));
  put(`${name}.br`, brotliCompressSync(content));
}

// A running copy serves this folder: what the new script names is there before the script, and the old goes last.
for (const [name, content] of [...files].sort(([a], [b]) => b.startsWith("assets/") - a.startsWith("assets/"))) {
  await mkdir(dirname(join(out, name)), { recursive: true });
  await writeFile(join(out, name), content);
}
for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !files.has(relative(out, path))) await rm(path);
}
