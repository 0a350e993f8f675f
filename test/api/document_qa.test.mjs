// The page of apps/document-qa in a browser: upload, ask, see where it stands. Skipped where there is no Chromium.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { Service } from "./harness.mjs";

const browserPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => fs.existsSync(p));
const skip = browserPath ? false : "no Chromium";
const shots = process.env.SCREENSHOTS; // a folder: the page is pictured there

let s, browser, page;
before(async () => {
  if (skip) return;
  s = await Service.start();
  browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(15000);
  page.complaints = [];
  page.on("console", (m) => m.type() === "error" && page.complaints.push(m.text()));
  page.on("pageerror", (e) => page.complaints.push(e.message));
  page.on("request", (r) => { if (!r.url().startsWith(s.origin) && !r.url().startsWith("data:")) page.complaints.push(`loads ${r.url()}`); });
});
after(async () => { await browser?.close(); await s?.stop(); });

const picture = (name) => shots && page.screenshot({ path: path.join(shots, `${name}.png`) });

test("the page is static, open and locked down", async () => {
  const t = await Service.start();
  try {
    for (const [where, type] of [["", "text/html"], ["/app.js", "text/javascript"], ["/style.css", "text/css"]]) {
      const r = await fetch(`${t.origin}/apps/document-qa${where}`);
      assert.equal(r.status, 200);
      assert.ok(r.headers.get("content-type").startsWith(type));
      assert.match(r.headers.get("content-security-policy"), /default-src 'self'/);
      assert.equal(await r.text(), fs.readFileSync(path.join(import.meta.dirname, "../../apps/document-qa", where.slice(1) || "index.html"), "utf8"));
    }
  } finally { await t.stop(); }
});

test("files are uploaded, read and listed", { skip }, async () => {
  await page.goto(`${s.origin}/apps/document-qa#key=${s.key}`);
  await page.waitForFunction(() => document.querySelector("#store").options.length === 1);
  assert.ok(!page.url().includes("key="), "the key does not stay in the address");
  await picture("empty");
  await page.setInputFiles("#files", [
    { name: "otters.md", mimeType: "text/markdown", buffer: Buffer.from("# Sea otters\n\n## Sleep\n\nSea otters hold hands while they sleep, so that they do not drift apart.\n\n## Food\n\nA sea otter eats a quarter of its weight in sea urchins each day.\n") },
    { name: "herons.html", mimeType: "text/html", buffer: Buffer.from("<html><body><h1>Herons</h1><p>The grey heron stands still for hours and eats frogs.</p></body></html>") },
    { name: "broken.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.4 nothing") },
  ]);
  await page.waitForFunction(() => document.querySelectorAll("#list .completed").length === 2 && document.querySelectorAll("#list .failed").length === 1);
  assert.match(await page.textContent("#list .completed .state"), /ready/);
  assert.match(await page.textContent("#list .failed .state"), /damaged/);
  await picture("documents");
});

test("a question is answered with a citation that opens the passage", { skip }, async () => {
  await page.fill("#question", "What do sea otters do while they sleep?");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".answer:not(.waiting) .cite");
  const answer = await page.textContent(".answer:last-of-type");
  assert.match(answer, /hold hands/);
  await picture("answer");
  await page.click(".answer .cite");
  await page.waitForSelector("#passage mark");
  assert.match(await page.textContent("#passage mark"), /hold hands/);
  assert.equal(await page.textContent("#passage-name"), "otters.md");
  assert.match(await page.textContent("#passage-text"), /quarter of its weight/);
  await picture("passage");
  await page.keyboard.press("Escape");
  assert.equal(await page.isHidden("#passage"), true);
});

test("a question may follow another, and is asked by keyboard alone", { skip }, async () => {
  await page.focus("#question");
  await page.keyboard.type("And what do they eat?");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll(".answer").length === 2 && !document.querySelector(".waiting"));
  assert.match(await page.locator(".answer").nth(1).textContent(), /sea urchins/);
  await page.emulateMedia({ colorScheme: "dark" });
  await picture("dark");
  await page.setViewportSize({ width: 390, height: 800 });
  await picture("small");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
});

test("a document can be removed; nothing went wrong on the way, nothing was loaded from elsewhere", { skip }, async () => {
  await page.click("#list .completed button");
  await page.waitForFunction(() => document.querySelectorAll("#list .completed").length === 1);
  assert.deepEqual(page.complaints, []);
});
