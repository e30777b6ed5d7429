import { safeHref } from "../format/href";

/** An annotation: text, with a link where all of it is an address that may be one. */
export function Prose({ text }: { text: string }) {
  const href = safeHref(text);
  if (href === null) return <span className="prose">{text}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {text}
    </a>
  );
}
