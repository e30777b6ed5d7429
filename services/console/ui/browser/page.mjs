// A real browser: Debian's Chromium.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PATHS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
];

export function open() {
  const executablePath = PATHS.find((path) => path !== undefined && existsSync(path));
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A page that keeps what went wrong in it. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(error.stack));
  page.on("console", (message) => {
    // A server that is killed is meant to be missed.
    const missed = /ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|Failed to load resource/.test(message.text());
    if (message.type() === "error" && !missed) page.wrong.push(message.text());
  });
  return page;
}

/** The row of an incident, by its name. */
export function row(page, name) {
  return page.locator("article").filter({ has: page.getByRole("link", { name, exact: true }) });
}
