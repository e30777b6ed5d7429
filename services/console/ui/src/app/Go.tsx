import type { ReactNode } from "react";
import { base, router } from "./router";
import { stringifySearch } from "./search";

type Props = {
  to: string;
  search?: Record<string, string | string[]>;
  children: ReactNode;
  className?: string | undefined;
  current?: boolean;
};

/** A link within the page: a real address, so that it opens in a new tab, and no reload where it is followed. */
export function Go({ to, search = {}, children, className, current = false }: Props) {
  const path = `${to}${stringifySearch(search)}`;
  return (
    <a
      href={`${base}${path}`}
      className={className}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        void router.navigate({ to: to as never, search: search as never });
      }}
    >
      {children}
    </a>
  );
}
