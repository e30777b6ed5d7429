import { useEffect, useRef } from "react";

/** How long the second key of a pair may take. */
const PAIR = 1_200;

export type Keys = Record<string, (event: KeyboardEvent) => void>;

/** Whether somebody is typing there. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}

/**
 * Keys of a screen: "j", "Enter", or pairs as "g n". Not while somebody types, nor while a dialog is open, nor with
 * Ctrl, Alt or Cmd, which are the browser's.
 */
export function useKeys(keys: Keys) {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    let first = "";
    let at = 0;
    const down = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector("dialog[open]") !== null) return;
      const pair = event.timeStamp - at < PAIR ? `${first} ${event.key}` : "";
      first = event.key;
      at = event.timeStamp;
      const act = current.current[pair] ?? current.current[event.key];
      // Enter and space on a button or a link are that button's.
      const own =
        event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("a, button, summary");
      if (act === undefined || own) return;
      event.preventDefault();
      act(event);
    };
    window.addEventListener("keydown", down);
    return () => window.removeEventListener("keydown", down);
  }, []);
}
