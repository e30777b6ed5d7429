import { Outlet, useLocation } from "@tanstack/react-router";
import { Suspense, useState } from "react";
import { NameDialog } from "../identity/NameDialog";
import { useHeartbeat } from "../live/store";
import { Banners } from "./Banners";
import styles from "./Frame.module.css";
import { useFeed } from "./feed";
import { Go } from "./Go";
import { KeysDialog } from "./KeysDialog";
import { useKeys } from "./keys";
import { base, useGo } from "./router";
import { Strip } from "./Strip";

const PAGES = [
  { to: "/", name: "Now", key: "n", sign: "◉" },
  { to: "/history", name: "History", key: "h", sign: "↺" },
  { to: "/silences", name: "Silences", key: "s", sign: "⊘" },
  { to: "/routing", name: "Routing", key: "r", sign: "⇶" },
  { to: "/pipeline", name: "Pipeline", key: "p", sign: "⇥" },
] as const;

/** What every page has around it: the rail, the strip, the banners. */
export function Frame() {
  const go = useGo();
  const [help, setHelp] = useState(false);
  useFeed();
  const goTo = Object.fromEntries(PAGES.map(({ to, key }) => [`g ${key}`, () => go(to)]));
  useKeys({ ...goTo, "?": () => setHelp(true) });
  return (
    <div className={styles.frame}>
      <a className={styles.skip} href="#main">
        Skip to the content
      </a>
      <Rail />
      <div className={styles.body}>
        <Strip onHelp={() => setHelp(true)} />
        <Banners />
        <main id="main" tabIndex={-1} className={styles.main}>
          <Suspense fallback={<p className="quiet">Loading …</p>}>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <NameDialog />
      <KeysDialog open={help} onClose={() => setHelp(false)} />
    </div>
  );
}

function Rail() {
  const { pathname } = useLocation();
  const below = pathname.startsWith(base) ? pathname.slice(base.length) : pathname;
  const urgent = useHeartbeat()?.totals.needsHuman ?? 0;
  const isCurrent = (to: string) =>
    to === "/" ? below === "/" || below === "" || below.startsWith("/incidents") : below.startsWith(to);
  return (
    <nav className={styles.rail} aria-label="Pages">
      {PAGES.map(({ to, name, key, sign }) => (
        <Go key={to} to={to} className={styles.page} current={isCurrent(to)}>
          <span aria-hidden="true" className={styles.sign}>
            {sign}
          </span>
          <span title={`g ${key}`}>{name}</span>
          {to === "/" && urgent > 0 && (
            <span className={styles.urgent}>
              {urgent}
              <span className="heard-only"> need a human</span>
            </span>
          )}
        </Go>
      ))}
    </nav>
  );
}
