// Two consoles on one Kafka, and a page that is moved from the one to the other.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after, before, test } from "node:test";
import { newPage, open, row } from "./page.mjs";
import { folder, freePort, Program, Sink, writeConfig } from "./program.mjs";

const BROKERS = process.env.ALERTSTREAM_BROKERS;

/** What stands before replicas: connections go to the one that is named. */
class Switch {
  sockets = new Set();

  async start(port) {
    this.port = port;
    this.server = createServer((socket) => {
      const onward = connect(this.port, "127.0.0.1");
      for (const [one, other] of [
        [socket, onward],
        [onward, socket],
      ]) {
        this.sockets.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => this.sockets.delete(one));
      }
    }).listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  to(port) {
    this.port = port;
    for (const socket of this.sockets) socket.destroy();
  }

  stop() {
    this.to(0);
    this.server.close();
  }
}

let browser;
let one;
let other;
let between;
let sink;

before(async () => {
  sink = await new Sink().start();
  const cwd = folder();
  writeConfig(cwd, sink.url);
  const kafka = [`--kafka.brokers=${BROKERS}`, `--topic-prefix=browser-${process.pid}-`, "--partitions=2"];
  one = await new Program(cwd, await freePort(), ["up", ...kafka]).start();
  other = await new Program(cwd, await freePort(), ["console", ...kafka]).start();
  between = await new Switch().start(one.port);
  browser = await open();
});
after(async () => {
  await browser?.close();
  between?.stop();
  await other?.kill();
  await one?.kill();
  sink?.stop();
});

test("a page goes on at another replica, with nothing missing and nothing twice", async () => {
  const page = await newPage(browser);
  await one.alerts({ alertname: "First", severity: "critical" }, { alertname: "Second", severity: "warning" });
  await page.goto(between.url);
  await row(page, "First").waitFor();
  await row(page, "Second").waitFor();
  between.to(other.port);
  await one.alerts({ alertname: "Third", severity: "warning" });
  await row(page, "Third").waitFor();
  // What is done at one replica is seen at the other.
  const { incidents } = await one.json("/api/v1/incidents?state=firing");
  const { id } = incidents.find(({ groupLabels }) => groupLabels.alertname === "First");
  await one.post(`/api/v1/incidents/${id}/acknowledge`, { by: "Bo" });
  await row(page, "First").getByText("Bo has it").waitFor();
  between.to(one.port);
  await one.alerts({ alertname: "Fourth", severity: "warning" });
  await row(page, "Fourth").waitFor();
  const names = await page.locator("article a[class*=name]").allInnerTexts();
  assert.deepEqual(names.sort(), ["First", "Fourth", "Second", "Third"]);
  assert.deepEqual(page.wrong, []);
});
