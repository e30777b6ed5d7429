// Puts `.br` and `.gz` beside each file of the built page that gains by it, as small as they get: once here instead of at
// each request.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const folder = process.env.ALERTSTREAM_UI_OUT ?? "dist";
const text = /\.(js|css|svg|json)$/;

let total = 0;
for (const name of readdirSync(folder, { recursive: true })) {
  const path = join(folder, name);
  if (!text.test(path) || !statSync(path).isFile()) continue;
  const bytes = readFileSync(path);
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const gzip = gzipSync(bytes, { level: 9 });
  if (brotli.length < bytes.length) writeFileSync(`${path}.br`, brotli);
  if (gzip.length < bytes.length) writeFileSync(`${path}.gz`, gzip);
  total += brotli.length;
  if (process.env.SIZES) console.log(`${String(brotli.length).padStart(8)} ${name}`);
}
if (process.env.SIZES) console.log(`${String(total).padStart(8)} in all, brotli`);
