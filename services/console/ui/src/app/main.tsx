import "./tokens.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { fromHash } from "./hashLinks";
import { base, router } from "./router";

/** Alertmanager's links, at the first visit and where one is pasted into an open page. */
function followHash() {
  const target = fromHash(window.location.hash);
  if (target !== null) router.history.replace(`${base}/${target}`);
}
followHash();
window.addEventListener("hashchange", followHash);

/** Answers change while nobody asks: what is shown again is asked again. */
const client = new QueryClient({ defaultOptions: { queries: { retry: 1, staleTime: 1_000 } } });

const page = document.getElementById("page");
if (page !== null) {
  createRoot(page).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
