import { useSyncExternalStore } from "react";

/** Where the name is kept between visits. */
const KEY = "alertstream.name";

type Asking = { resolve(name: string | null): void };

/** Who acts: the name a trusted proxy gave, else what the person said once. */
let proxied: string | null = null;
let asking: Asking | null = null;
const listeners = new Set<() => void>();

function tell() {
  for (const listener of listeners) listener();
}

/** Storage can be switched off; then the name lives as long as the page. */
let said: string | null = stored();
function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function setProxiedName(name: string | null) {
  proxied = name;
  tell();
}

/** The name, or null where nobody said one yet. */
export function currentName(): string | null {
  return proxied ?? said;
}

/** Asks for the name unless it is known; null where the person would not say. */
export async function whoActs(): Promise<string | null> {
  const known = currentName();
  if (known !== null && known !== "") return known;
  return new Promise((resolve) => {
    asking?.resolve(null);
    asking = { resolve };
    tell();
  });
}

/** What the dialog that asks calls. */
export function answerName(name: string | null) {
  if (name !== null) {
    said = name;
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // It lives as long as the page.
    }
  }
  asking?.resolve(name);
  asking = null;
  tell();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export function useName(): string | null {
  return useSyncExternalStore(subscribe, currentName);
}

export function useIsAsking(): boolean {
  return useSyncExternalStore(subscribe, () => asking !== null);
}
