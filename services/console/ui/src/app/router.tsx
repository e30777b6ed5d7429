import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  useNavigate,
  useSearch,
} from "@tanstack/react-router";
import Now from "../screens/now/Now";
import { Frame } from "./Frame";
import { parseSearch, type Search, stringifySearch } from "./search";

const validateSearch = (search: Record<string, unknown>) => search as Search;

const root = createRootRoute({ component: Frame, validateSearch, notFoundComponent: NotFound });

function NotFound() {
  return <p className="panel">There is no such page. The rail on the left has all there are.</p>;
}

const at = (path: string, load: () => Promise<{ default: React.ComponentType }>) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) });

const routes = [
  createRoute({ getParentRoute: () => root, path: "/", component: Now }),
  at("/incidents/$id", () => import("../screens/incident/Incident")),
  at("/history", () => import("../screens/history/History")),
  at("/silences", () => import("../screens/silences/Silences")),
  at("/silences/new", () => import("../screens/silences/SilenceForm")),
  at("/silences/$id", () => import("../screens/silences/Silence")),
  at("/routing", () => import("../screens/routing/Routing")),
  at("/pipeline", () => import("../screens/pipeline/Pipeline")),
];

/** The path in front of every path of the page. */
export const base = new URL(document.baseURI).pathname.replace(/\/$/, "");

export const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: base === "" ? "/" : base,
  parseSearch,
  stringifySearch,
  scrollRestoration: true,
});

/** The page's state in the URL, and how it is changed: what is set to null goes. */
export function useUrl(): [Search, (change: Record<string, string | string[] | null>, replace?: boolean) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = (change: Record<string, string | string[] | null>, replace = true) => {
    const next: Record<string, unknown> = { ...search, ...change };
    for (const [name, value] of Object.entries(next)) if (value === null) delete next[name];
    void navigate({ to: ".", search: next as never, replace, resetScroll: false });
  };
  return [search, set];
}

/** Goes to a path of the page with its query. */
export function useGo(): (path: string, search?: Record<string, string | string[]>) => void {
  const navigate = useNavigate();
  return (path, search = {}) => void navigate({ to: path as never, search: search as never });
}
