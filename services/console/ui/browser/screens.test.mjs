// Every screen of the demo in light, dark and on a phone: accessible, and nothing runs off its side. With SCREENSHOTS=FOLDER
// it keeps the pictures; the README's are made so.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { newPage, open } from "./page.mjs";
import { folder, freePort, Program, until } from "./program.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const LAPTOP = { width: 1366, height: 768 };
const VIEWS = {
  light: { viewport: LAPTOP, colorScheme: "light" },
  dark: { viewport: LAPTOP, colorScheme: "dark" },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: "dark", deviceScaleFactor: 2, hasTouch: true },
};

let browser;
let program;
let screens;

before(async () => {
  program = await new Program(folder(), await freePort(), ["up", "--demo"]).start();
  browser = await open();
  // Something has happened on every screen: a ladder that climbs, an acknowledgement, a delivery that fell back.
  const find = async (name) => {
    const { incidents } = await program.json("/api/v1/incidents?limit=100");
    return incidents.find(({ groupLabels }) => groupLabels.alertname === name);
  };
  await until("somebody has the card incident", async () => (await find("CardLatencyHigh"))?.acknowledgedBy === "Ana");
  const disk = await until("the disk incident is open", () => find("NodeDiskFull"));
  await until("the pager failed and the text message went out", async () => {
    const { journal } = await program.json(`/api/v1/incidents/${disk.id}`);
    return journal.some(({ kind, fields }) => kind === "notification.delivered" && fields.heard === "platform-sms");
  });
  const [silence] = await program.json("/api/v2/silences");
  screens = {
    now: "/",
    incident: `/incidents/${disk.id}`,
    history: "/history",
    silences: "/silences",
    silence: `/silences/${silence.id}`,
    "new-silence": `/silences/new?filter=${encodeURIComponent('{team="payments"}')}`,
    routing: `/routing?labels=${encodeURIComponent('alertname="X", team="payments", severity="critical"')}`,
    pipeline: "/pipeline",
  };
});
after(async () => {
  await browser?.close();
  await program?.kill();
});

/** What axe calls serious or critical. */
async function findings(page) {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  assert.ok(passes.length > 10, "axe has looked");
  const bad = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return bad.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
}

for (const [name, view] of Object.entries(VIEWS)) {
  test(`every screen, ${name}`, async () => {
    // axe has to be let in past the page's own policy.
    const page = await newPage(browser, { ...view, bypassCSP: true });
    for (const [screen, path] of Object.entries(screens)) {
      await page.goto(program.url + path);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      await page.getByTestId("live").getByText("live").waitFor();
      await page
        .getByText(/^(Loading|Looking|Counting)/)
        .first()
        .waitFor({ state: "hidden" });
      assert.deepEqual(await findings(page), [], `${screen}, ${name}`);
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `${screen}, ${name}: ${over} px run off the side`);
      if (process.env.SCREENSHOTS)
        await page.screenshot({ path: join(process.env.SCREENSHOTS, `${screen}-${name}.png`) });
    }
    assert.deepEqual(page.wrong, []);
    await page.context().close();
  });
}
