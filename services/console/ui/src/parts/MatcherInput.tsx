import { useQuery } from "@tanstack/react-query";
import { useId, useRef, useState } from "react";
import { get } from "../api/client";
import type { Facets, ParsedMatchers } from "../api/types";
import { matcherText } from "../format/labels";
import styles from "./MatcherInput.module.css";

type Props = {
  label: string;
  /** Texts of matchers. */
  matchers: readonly string[];
  onChange(matchers: string[]): void;
  /** Whether `@state` and the like may be typed too. */
  facts?: boolean;
  inputRef?: React.RefObject<HTMLInputElement | null>;
};

/** Matchers as chips, and a field to type more: completed from what is there, read by the server's own parser. */
export function MatcherInput({ label, matchers, onChange, facts = false, inputRef }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<{ message: string; at: number } | null>(null);
  const own = useRef<HTMLInputElement>(null);
  const input = inputRef ?? own;
  const id = useId();
  const suggestions = useSuggestions(text, facts);
  const remove = (at: number) => {
    onChange(matchers.filter((_, i) => i !== at));
    input.current?.focus();
  };
  const add = async () => {
    const typed = text.trim();
    if (typed === "") return;
    const fact = facts && typed.startsWith("@");
    const parsed = await get<ParsedMatchers>("api/ui/v1/matchers", { text: fact ? typed.slice(1) : typed });
    if (parsed.error !== null) {
      const at = parsed.error.at + (fact ? 1 : 0);
      setError({ message: parsed.error.message, at });
      input.current?.setSelectionRange(at, typed.length);
      return;
    }
    const added = parsed.matchers.map((matcher) => (fact ? "@" : "") + matcherText(matcher));
    onChange([...matchers, ...added.filter((one) => !matchers.includes(one))]);
    setText("");
    setError(null);
  };
  return (
    <div className={styles.box}>
      <ul className={styles.chips} aria-label={label}>
        {matchers.map((matcher, at) => (
          <li key={matcher}>
            <button type="button" className={styles.chip} onClick={() => remove(at)} aria-label={`Remove ${matcher}`}>
              {matcher} <span aria-hidden="true">×</span>
            </button>
          </li>
        ))}
      </ul>
      <input
        ref={input}
        value={text}
        aria-label={label}
        aria-invalid={error !== null}
        aria-describedby={error === null ? undefined : `${id}-error`}
        list={`${id}-list`}
        placeholder={matchers.length === 0 ? 'team="payments", severity=~"critical|page"' : "and …"}
        spellCheck={false}
        autoCapitalize="none"
        autoComplete="off"
        onChange={(event) => {
          setText(event.target.value);
          setError(null);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && text.trim() !== "") {
            event.preventDefault();
            void add();
          } else if (event.key === "Backspace" && text === "" && matchers.length > 0) {
            remove(matchers.length - 1);
          } else if (event.key === "Escape") {
            event.currentTarget.blur();
          }
        }}
        onBlur={() => void add()}
      />
      <datalist id={`${id}-list`}>
        {suggestions.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
      {error !== null && (
        <p id={`${id}-error`} className="error" role="alert">
          At character {error.at + 1}: {error.message}
        </p>
      )}
    </div>
  );
}

/** Whole matchers that begin with what is typed. */
function useSuggestions(text: string, facts: boolean): string[] {
  const { data } = useQuery({
    queryKey: ["facets", "all"],
    queryFn: ({ signal }) => get<Facets>("api/ui/v1/facets", {}, signal),
    staleTime: 30_000,
  });
  const typed = text.trim().toLowerCase();
  if (typed === "" || data === undefined) return [];
  const all = data.facets
    .filter((facet) => facts || !facet.name.startsWith("@"))
    .flatMap((facet) => facet.values.map(({ value }) => `${facet.name}="${value.replaceAll('"', '\\"')}"`));
  return all.filter((one) => one.toLowerCase().includes(typed)).slice(0, 12);
}
