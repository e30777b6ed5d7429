// What people and machines put into labels, filters and clocks: each shown sanely, nothing hangs, nothing is injected.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { newPage, open, row } from "./page.mjs";
import { folder, freePort, Program, Sink, until, writeConfig } from "./program.mjs";

let browser;
let program;
let sink;

before(async () => {
  sink = await new Sink().start();
  const cwd = folder();
  writeConfig(cwd, sink.url);
  program = await new Program(cwd, await freePort(), ["up"]).start();
  browser = await open();
});
after(async () => {
  await browser?.close();
  await program?.kill();
  sink?.stop();
});

const MEAN = {
  html: '<img src=x onerror="document.title=1"><script>document.title=1</script>',
  "right to left": "abc\u202Edef\u2066x",
  emoji: "🔥👩‍🚒 burning",
  long: `Long${"x".repeat(3_000)}`,
};

test("labels of any kind are text, and nothing runs off the side", async () => {
  const page = await newPage(browser, { viewport: { width: 360, height: 740 } });
  const endsAt = new Date(Date.now() + 3_600_000).toISOString();
  const annotations = { summary: MEAN.html, long: "y ".repeat(5_000), link: "javascript:document.title=1" };
  const labels = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`label_${i}`, `value ${i}`]));
  await program.post(
    "/api/v2/alerts",
    Object.values(MEAN).map((alertname) => ({ labels: { ...labels, alertname }, annotations, endsAt })),
  );
  await page.goto(program.url);
  for (const name of Object.values(MEAN)) await row(page, name).waitFor();
  const over = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.equal(await over(), 0, "the list");
  await row(page, MEAN.html).getByRole("link", { name: MEAN.html }).click();
  await page.getByRole("heading", { level: 1, name: MEAN.html }).waitFor();
  await page.getByText("label_99=value 99").first().waitFor();
  assert.equal(await over(), 0, "an incident");
  assert.equal(await page.locator('a[href^="javascript"]').count(), 0);
  assert.equal(await page.title(), "Alertstream", "nothing of it ran");
  assert.deepEqual(page.wrong, []);
});

test("a group of ten thousand alerts opens, and says that it shows a part", async () => {
  const page = await newPage(browser);
  for (let first = 0; first < 10_000; first += 500) {
    const one = (_, i) => ({ alertname: "Huge", instance: `host-${first + i}` });
    await program.alerts(...Array.from({ length: 500 }, one));
  }
  await page.goto(program.url);
  await row(page, "Huge").getByText("10000 alerts").waitFor();
  await row(page, "Huge").getByRole("link", { name: "Huge" }).click();
  await page.getByRole("heading", { name: "500+ alerts" }).waitFor();
  await page.getByText("There are more than are shown.").waitFor();
  assert.deepEqual(page.wrong, []);
});

test("a broken filter in a link is refused in words, and mended in place", async () => {
  const page = await newPage(browser);
  await program.alerts({ alertname: "Whole" });
  await page.goto(`${program.url}/?filter=${encodeURIComponent('alertname=~"("')}`);
  await page
    .getByRole("alert")
    .getByText(/The filter is refused: .*regexp/)
    .waitFor();
  await page.getByRole("button", { name: /^Remove alertname/ }).click();
  await row(page, "Whole").waitFor();
  assert.deepEqual(page.wrong, []);
});

test("a browser whose clock is an hour off counts by the server's", async () => {
  const page = await newPage(browser);
  await page.addInitScript(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + 3_600_000;
  });
  await program.alerts({ alertname: "OnTime", severity: "critical" });
  await page.goto(program.url);
  const text = await until("the countdown is there", async () => {
    const said = await row(page, "OnTime").textContent();
    return /in \d+:\d\d/.test(said) && said;
  });
  const [, minutes] = /in (\d+):\d\d/.exec(text);
  assert.ok(Number(minutes) >= 8 && Number(minutes) <= 10, text);
  assert.deepEqual(page.wrong, []);
});
