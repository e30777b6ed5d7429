// The page against the real program on the embedded log: what a person on call does in a night.
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

/** Says who acts, where it is asked. */
async function sayName(page, name) {
  const dialog = page.getByRole("dialog", { name: "Who are you?" });
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByRole("button", { name: "Continue" }).click();
}

test("a night on call", async (t) => {
  const page = await newPage(browser);

  await t.test("nothing is there yet: how alerts come in, and one to try", async () => {
    await page.goto(program.url);
    await page.getByText("No alert is active").waitFor();
    assert.match(await page.locator("pre").textContent(), /static_configs:\s+- targets: \['127\.0\.0\.1:\d+'\]/);
    await page.getByRole("button", { name: "Send a test alert" }).click();
    await row(page, "TestAlert").waitFor();
  });

  await t.test("an alert is on screen, with its ladder", async () => {
    await program.alerts({ alertname: "CheckoutDown", severity: "critical", zone: "eu" });
    const urgent = row(page, "CheckoutDown");
    await urgent.getByText(/last resort in \d+:\d\d/).waitFor();
    assert.match(await page.title(), /Alertstream/);
  });

  await t.test("two keys acknowledge it: the ladder stops", async () => {
    await page.keyboard.press("j");
    await page.locator('article[aria-current="true"]', { hasText: "CheckoutDown" }).waitFor();
    await page.keyboard.press("a");
    await sayName(page, "Ana");
    await row(page, "CheckoutDown").getByText("Ana has it").waitFor();
    const { incidents } = await program.json("/api/v1/incidents?state=acknowledged");
    assert.deepEqual(
      incidents.map(({ acknowledgedBy, ladder }) => [acknowledgedBy, ladder.due]),
      [["Ana", null]],
    );
  });

  await t.test("who comes second is told who was first", async () => {
    const { incidents } = await program.json("/api/v1/incidents?state=acknowledged");
    const [{ id, generation }] = incidents;
    const path = `/api/v1/incidents/${id}/acknowledge`;
    const answer = await fetch(program.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ by: "Bo", generation: generation - 1 }),
    });
    const said = await answer.json();
    assert.equal(said.accepted, false, JSON.stringify(said));
    assert.notEqual(said.reason, "");
  });

  await t.test("the incident says all: condition, ladder, deliveries, every gate", async () => {
    await row(page, "CheckoutDown").getByRole("link", { name: "CheckoutDown" }).click();
    await page.getByRole("heading", { name: "CheckoutDown", level: 1 }).waitFor();
    await page.getByRole("region", { name: "Escalation" }).getByText("pager").first().waitFor();
    const explain = page.getByRole("region", { name: "Explain" });
    for (const gate of ["Taken in", "Grouped", "Notification log", "Escalation", "People", "Delivery"]) {
      await explain.getByRole("heading", { name: gate }).waitFor();
    }
    await explain.getByText("Ana acknowledged CheckoutDown").waitFor();
    await page.getByRole("region", { name: "Deliveries" }).getByText("accepted").first().waitFor();
  });

  await t.test("a silence shows what goes quiet, and the row moves", async () => {
    await program.alerts({ alertname: "DiskFull", severity: "warning", zone: "eu" });
    await page.goto(program.url);
    await row(page, "DiskFull").waitFor();
    await page.goto(`${program.url}/#/silences/new?filter=${encodeURIComponent('{alertname="DiskFull"}')}`);
    await page.getByTestId("preview").getByText("Mutes 1 of 3 firing alerts in 1 incident.").waitFor();
    await page.getByLabel("Why").fill("the disk is being replaced");
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    await page.getByRole("heading", { name: "Silence, active" }).waitFor();
    await page.keyboard.press("g");
    await page.keyboard.press("n");
    // Route looks at it again at its next flush.
    await program.alerts({ alertname: "DiskFull", severity: "warning", zone: "us" });
    await row(page, "DiskFull").getByText("silenced", { exact: true }).waitFor();
  });

  await t.test("last night's silenced alert is found in History, with its reason", async () => {
    const filter = encodeURIComponent('zone="us"');
    await page.goto(`${program.url}/history?filter=${filter}&notsent=true`);
    await page
      .getByText(/DiskFull was silenced: silenced by [0-9a-f-]{36}/)
      .first()
      .waitFor();
  });

  await t.test("killed and started again: the page comes back with nothing missing and nothing twice", async () => {
    await page.goto(program.url);
    await row(page, "DiskFull").waitFor();
    const before = (await page.locator("article").evaluateAll((all) => all.map((one) => one.dataset.group))).sort();
    await program.kill();
    await page
      .getByRole("alert")
      .getByText(/No word from the server/)
      .waitFor();
    const button = row(page, "TestAlert").getByRole("button", { name: "Acknowledge" });
    assert.equal(await button.isDisabled(), true, "what could mislead is disabled");
    await program.start();
    await program.alerts({ alertname: "AfterTheCrash", severity: "warning" });
    await row(page, "AfterTheCrash").waitFor();
    await page.getByTestId("live").getByText("live").waitFor();
    const now = await page.locator("article").evaluateAll((all) => all.map((one) => one.dataset.group));
    assert.equal(new Set(now).size, now.length, "nothing twice");
    assert.deepEqual(
      before.filter((group) => !now.includes(group)),
      [],
      "nothing missing",
    );
    assert.equal(now.length, before.length + 1);
  });

  await t.test("a filter is typed, and refused at the character", async () => {
    const field = page.getByRole("textbox", { name: "Filter" }).or(page.getByRole("combobox", { name: "Filter" }));
    await page.keyboard.press("/");
    await field.fill('severity="critical",oops');
    await page.keyboard.press("Enter");
    await page.getByText("At character 21: bad matcher format: oops").waitFor();
    await field.fill('severity="critical"');
    await page.keyboard.press("Enter");
    await until("only the critical one is listed", async () => (await page.locator("article").count()) === 1);
    assert.match(page.url(), /filter=severity/);
  });

  await t.test("routing tells where an alert would go", async () => {
    await page.goto(`${program.url}/routing?labels=${encodeURIComponent('alertname="X", severity="critical"')}`);
    await page.getByTestId("where").getByText("Policy page, while nobody acknowledges").waitFor();
    await page.getByTestId("where").getByText("last resort").waitFor();
  });

  assert.deepEqual(page.wrong, []);
});
