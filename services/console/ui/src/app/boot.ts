import { useQuery } from "@tanstack/react-query";
import { get } from "../api/client";
import type { Boot } from "../api/types";
import { setProxiedName } from "../identity/identity";

/** What the page is told once, when it opens. */
export function useBoot(): Boot | undefined {
  const { data } = useQuery({
    queryKey: ["boot"],
    queryFn: async ({ signal }) => {
      const boot = await get<Boot>("api/ui/v1/boot", {}, signal);
      setProxiedName(boot.user);
      return boot;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data;
}
