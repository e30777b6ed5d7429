// The page's measurable targets, printed: `ALERTSTREAM_BINARY=… node browser/targets.mjs`, on a quiet machine, in release.
// At 10,000 and 50,000 active alerts, a group each, with 200 changes a second.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newPage, open } from "./page.mjs";
import { folder, freePort, Program, Sink, until } from "./program.mjs";

const CHANGES_A_SECOND = 200;
const PROBES = 60;
const PRESSES = 40;
const SCROLL_MS = 5_000;
const IN_A_REQUEST = 250;

const percentile = (all, part) =>
  all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * part))];
const print = (what, found, aim) => console.log(`  ${what.padEnd(44)} ${String(found).padStart(12)}   ${aim}`);

/** The files that the page needs before anything is drawn, as they are sent: brotli. */
function initialBytes(dist) {
  const html = readFileSync(join(dist, "index.html"), "utf8");
  const named = new Set([...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, path]) => path));
  const bytes = (path) => statSync(join(dist, `${path}.br`)).size;
  const initial = [...named].reduce((sum, path) => sum + bytes(path), 0);
  const others = readdirSync(join(dist, "assets")).filter(
    (name) => name.endsWith(".br") && !named.has(`assets/${name.slice(0, -3)}`),
  );
  return { initial, largest: Math.max(...others.map((name) => statSync(join(dist, "assets", name)).size)) };
}

function alert(number, summary) {
  const labels = {
    alertname: `Alert${number % 200}`,
    instance: `10.0.${number >> 8}.${number & 255}:9100`,
    cluster: `c${number % 20}`,
    team: `t${number % 12}`,
    severity: ["critical", "warning", "info"][number % 3],
  };
  const annotations = { summary, runbook_url: "https://runbooks.example/x" };
  return { labels, annotations, endsAt: new Date(Date.now() + 7_200_000).toISOString() };
}

/** Goes on changing alerts until it is told to stop. */
function changes(program, active) {
  let next = 0;
  const timer = setInterval(() => {
    const batch = Array.from({ length: CHANGES_A_SECOND / 10 }, () => {
      next = (next + 7919) % active;
      return alert(next, `changed ${next} at ${Date.now()}`);
    });
    program.post("/api/v2/alerts", batch).catch(() => {});
  }, 100);
  return () => clearInterval(timer);
}

/** From the answer to a post, to the frame that shows it. */
async function appendToPixel(program, page) {
  const took = [];
  const first = page.locator("article").first();
  const [name, instance] = await first.evaluate((row) => [
    row.querySelector("a").textContent,
    [...row.querySelectorAll("li")].map((one) => one.textContent).find((text) => text.startsWith("instance=")),
  ]);
  const [, a, b] = /10\.0\.(\d+)\.(\d+)/.exec(instance);
  const number = Number(a) * 256 + Number(b);
  for (let probe = 0; probe < PROBES; probe += 1) {
    const text = `probe ${probe} of ${name}`;
    const seen = page.evaluate(
      (wanted) =>
        new Promise((resolve) => {
          const look = () => {
            if (document.body.textContent.includes(wanted)) resolve(Date.now());
            else requestAnimationFrame(look);
          };
          look();
        }),
      text,
    );
    await program.post("/api/v2/alerts", [alert(number, text)]);
    const appended = Date.now();
    took.push((await seen) - appended);
  }
  return took;
}

/** Gaps between frames while the list is scrolled. */
function scroll(page) {
  return page.evaluate(
    (ms) =>
      new Promise((resolve) => {
        const at = [];
        const end = performance.now() + ms;
        const step = (now) => {
          at.push(now);
          window.scrollBy(0, 60);
          if (now < end) requestAnimationFrame(step);
          else resolve(at.slice(1).map((one, i) => one - at[i]));
        };
        requestAnimationFrame(step);
      }),
    SCROLL_MS,
  );
}

/** From a key to the frame after it. */
async function keyToPaint(page) {
  await page.evaluate(() => {
    window.presses = [];
    window.addEventListener("keydown", (event) => {
      requestAnimationFrame(() => setTimeout(() => window.presses.push(performance.now() - event.timeStamp)));
    });
  });
  for (let press = 0; press < PRESSES; press += 1)
    await page.keyboard.press(press % 2 === 0 ? "j" : "k", { delay: 30 });
  await until("every key was painted", async () => (await page.evaluate(() => window.presses.length)) === PRESSES);
  return page.evaluate(() => window.presses);
}

async function measure(browser, active) {
  const sink = await new Sink().start();
  const cwd = folder();
  writeFileSync(
    join(cwd, "alertmanager.yml"),
    `route: {receiver: r, group_by: [alertname, instance], group_wait: 1s, group_interval: 5m}
receivers: [{name: r, webhook_configs: [{url: '${sink.url}'}]}]
`,
  );
  const program = await new Program(cwd, await freePort(), ["up"]).start();
  for (let first = 0; first < active; first += IN_A_REQUEST) {
    await program.post(
      "/api/v2/alerts",
      Array.from({ length: IN_A_REQUEST }, (_, i) => alert(first + i, `about ${first + i}`)),
    );
  }
  await until("all are told", async () => sink.messages.length >= active, 300_000);
  const packed = await fetch(`${program.url}/api/ui/v1/snapshot`, { headers: { "accept-encoding": "gzip" } });
  const snapshot = JSON.parse(await packed.text());
  const raw = JSON.stringify(snapshot).length;
  const stop = changes(program, active);
  const page = await newPage(browser);
  const began = Date.now();
  await page.goto(program.url);
  await page.locator("article").first().waitFor();
  const ready = Date.now() - began;
  const pixel = await appendToPixel(program, page);
  const keys = await keyToPaint(page);
  const gaps = await scroll(page);
  const heap = await page.evaluate(() => performance.memory.usedJSHeapSize);
  stop();
  await page.context().close();
  await program.kill();
  sink.stop();
  console.log(`${active} active alerts, ${CHANGES_A_SECOND} changes a second, ${snapshot.rows.group.length} rows sent`);
  print("snapshot, raw KB", Math.round(raw / 1_000), "");
  print("cold load to first row, ms", ready, active > 10_000 ? "≤ 1500" : "≤ 1000");
  print("append → pixel p50, p99, ms", `${percentile(pixel, 0.5)}, ${percentile(pixel, 0.99)}`, "≤ 300, ≤ 1000");
  print("key → paint p95, ms", percentile(keys, 0.95).toFixed(0), "≤ 50");
  print("scroll, frames a second", ((1_000 * gaps.length) / SCROLL_MS).toFixed(1), "≥ 57");
  print("frames over 20 ms, %", ((100 * gaps.filter((gap) => gap > 20).length) / gaps.length).toFixed(1), "≤ 5");
  print("longest frame, ms", Math.max(...gaps).toFixed(0), "≤ 50");
  print("heap, MB", Math.round(heap / 1e6), "≤ 150");
}

const dist = new URL("../dist", import.meta.url).pathname;
const { initial, largest } = initialBytes(dist);
console.log("the page");
print("first JS + CSS, KB brotli", (initial / 1_000).toFixed(0), "≤ 190");
print("largest lazy chunk, KB brotli", (largest / 1_000).toFixed(0), "≤ 60");
const browser = await open();
for (const active of [10_000, 50_000]) await measure(browser, active);
await browser.close();
