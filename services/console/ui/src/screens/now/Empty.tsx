import { useMutation } from "@tanstack/react-query";
import { post, Refused } from "../../api/client";
import { useBoot } from "../../app/boot";
import { ErrorNote } from "../../parts/ErrorNote";

/** How long the test alert lives. */
const TEST_FOR = 10 * 60_000;

/** When nothing has come in yet: how alerts come in, and one to try. */
export function Empty() {
  const boot = useBoot();
  const test = useMutation({
    mutationFn: () =>
      post<unknown>("api/v2/alerts", [
        {
          labels: { alertname: "TestAlert", severity: "warning", source: "dashboard" },
          annotations: { summary: "A test alert, sent from the dashboard. It ends by itself in ten minutes." },
          endsAt: new Date(Date.now() + TEST_FOR).toISOString(),
        },
      ]),
  });
  const noIngest = test.error instanceof Refused && test.error.status === 404;
  return (
    <div className="panel">
      <h1>Nothing needs a human</h1>
      <p>No alert is active. Alerts come in from Prometheus with these lines in its configuration:</p>
      <pre>{boot?.prometheus ?? ""}</pre>
      <p>Or try it:</p>
      <button type="button" className="primary" onClick={() => test.mutate()} disabled={test.isPending}>
        Send a test alert
      </button>
      {test.isSuccess && <p role="status">Sent. It appears here in a moment.</p>}
      {noIngest ? (
        <p className="error" role="alert">
          This process takes no alerts in: send them to one that runs ingest.
        </p>
      ) : (
        <ErrorNote error={test.error} />
      )}
    </div>
  );
}
